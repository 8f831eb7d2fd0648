/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the VE's root keeps of its user namespace's capabilities (capabilities(7)). */
#pragma once

#include <stdint.h>

/* The bounding set of a VE as bits; those the host process lacks are simply not there. */
uint64_t caps_bounding(void);

/* Reduce the caller: bounding set, then effective = permitted = bounding, inheritable and
 * ambient empty. Called in the VE's user namespace as its root, just before the filter.
 * 0 or -Exxx; async-signal-safe. */
int caps_limit(void);

/* Leave the keys of whoever runs berth behind: a new, empty session keyring
 * (session-keyring(7)). Called while still root of the host, whose quota is ample. 0 or -Exxx. */
int caps_new_keyring(void);
