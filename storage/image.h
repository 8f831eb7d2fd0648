/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backend `image`: a sparse ext4 file `disk.img` on a loop device of its own. */
#pragma once

#include "storage/storage.h"

extern const struct storage_backend storage_image;
