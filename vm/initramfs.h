/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The initramfs of a VM: the agent as /init, /modules/NN-NAME.ko, and nothing else. Not
 * compressed: the kernel unpacks it faster than it could inflate it, and the host caches the file once.
 */
#pragma once

#include "util/err.h"

/*
 * Read-only descriptor of the initramfs in the kernel's directory, made there unless one with
 * the same agent is there already.
 */
MUST_CHECK int initramfs_open(int kernel, const char *agent, int *ret, struct err *e);
