/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Action scripts of the administrator, vzctl's names, order and environment (VEID,
 * VE_CONFFILE, VE_ROOT): etc/berth/conf/{vps,ID}.{premount,mount,umount,postumount} run on the
 * host, ID.start and ID.stop inside the VE. A missing script is nothing; one that fails gives
 * VZ_HOOK. Scripts are files of root; one that others may write is refused.
 */
#pragma once

#include "ve/ve.h"

enum hook { HOOK_PREMOUNT, HOOK_MOUNT, HOOK_START, HOOK_STOP, HOOK_UMOUNT, HOOK_POSTUMOUNT };

MUST_CHECK int hook_run(struct ve *ve, enum hook which, struct err *e);
/* The same; a script inside, where the tenant has a say in it, gets this long. */
MUST_CHECK int hook_run_within(struct ve *ve, enum hook which, int timeout_ms, struct err *e);
