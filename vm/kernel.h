/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernels for VMs, below lib/kernel: NAME/vmlinuz, NAME/modules/NN-MODULE.ko (those that the
 * initramfs needs, in the order to load them) and NAME/initramfs-KEY, made when it is first wanted and
 * again when the agent has changed. A directory is whole or absent: it is renamed into place.
 * `default` is a link to the one that a VM takes that names none; `.of/TEMPLATE` one that comes before it,
 * for those that were made of that template. It is a setting of this host: versions of the template come and go
 * below their name, and travel to hosts with other kernels.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define KERNEL_NAME 80

struct kernel {
	char name[KERNEL_NAME];         /* the version that uname -r says */
	uint64_t size, modules;         /* bytes of the image, number of modules */
	uint64_t imported;              /* seconds since 1970 */
	int is_default;
	char templates[400];            /* whose default it is, by blanks; cut when there are too many */
};

struct kernel_files {
	char name[KERNEL_NAME];
	int image, initramfs;           /* read-only descriptors */
};
#define KERNEL_FILES_INIT { "", -1, -1 }

/*
 * From a Debian package (file ending in .deb), or an image and the directory of its modules
 * (lib/modules/VERSION). The first one becomes the default.
 */
MUST_CHECK int kernel_import(int lib, const char *file, const char *modules,
			     char ret_name[KERNEL_NAME], struct err *e);
/* All, by name; *ret is the caller's to free. */
MUST_CHECK int kernel_list(int lib, struct kernel **ret, size_t *ret_n, struct err *e);
MUST_CHECK int kernel_set_default(int lib, const char *name, struct err *e);
MUST_CHECK int kernel_remove(int lib, const char *name, struct err *e);

/* The default of a template's VMs; NULL: none of its own any more. */
MUST_CHECK int kernel_set_of(int lib, const char *template, const char *name, struct err *e);
/* The default of a template; "" when it has none. */
void kernel_of(int lib, const char *template, char ret[KERNEL_NAME]);

/* That there is such a kernel. */
MUST_CHECK int kernel_check(int lib, const char *name, struct err *e);
/* Open kernel and initramfs; name "" is the default. agent is the path of berth-agent. */
MUST_CHECK int kernel_open(int lib, const char *name, const char *agent,
			   struct kernel_files *ret, struct err *e);
/* The image alone. */
MUST_CHECK int kernel_image(int lib, const char *name, int *ret, struct err *e);
void kernel_close(struct kernel_files *k);
