/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process of the host that enters a VE is visible there as /proc/PID/exe, and a guest that
 * gets us to execute /proc/self/exe holds a link to our own binary (CVE-2019-5736). So the
 * program first executes itself again through a detached read-only mount of its file: the link
 * then leads to a mount that nobody can write through or remount, at no cost in memory.
 */
#pragma once

#include <stddef.h>

#include "util/err.h"

/*
 * Return at once when this process runs from a read-only mount; else execute argv again through
 * one and do not return. The path of the binary travels in the environment as BERTH_EXE.
 */
MUST_CHECK int seal_self(char *const *argv, struct err *e);

/* Absolute path of this program as installed; valid before and after sealing. */
MUST_CHECK int seal_path(char *dst, size_t size, struct err *e);
