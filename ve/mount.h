/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root of a stopped VE on the host, for its administrator: mount, umount. */
#pragma once

#include "ve/ve.h"

/* Unmount if mounted and drop that state; the lock is held. */
MUST_CHECK int mount_undo(struct ve *ve, struct err *e);
