/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a root filesystem is: distribution, init, architecture, packages. Everything read is the
 * template author's: bounded, resolved inside the root, and only words of a plain alphabet come
 * out.
 */
#pragma once

#include "templates/store.h"
#include "util/err.h"

/*
 * Fill what t does not say yet. Writes the file PACK_PACKAGES below out, a line "NAME VERSION
 * ARCH" per installed package in order of their names, if the root has a list that is known
 * (dpkg, apk), and counts them.
 */
MUST_CHECK int detect_root(int root, int out, struct template *t, struct err *e);

/* One value of os-release(5) as a word; false when there is none. */
bool detect_os_release(const char *text, const char *key, char *dst, size_t size);

/* The lines of PACK_PACKAGES from /var/lib/dpkg/status or /lib/apk/db/installed; *ret is to be freed. */
MUST_CHECK int detect_packages(const char *text, bool apk, char **ret, size_t *ret_n,
			       struct err *e);
