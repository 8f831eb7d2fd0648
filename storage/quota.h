/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backend `quota`: a directory `disk` of the host's own ext4 or xfs, with a project quota. */
#pragma once

#include "storage/storage.h"

extern const struct storage_backend storage_quota;
