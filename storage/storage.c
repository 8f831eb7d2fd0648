/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of backends. A new one is a file with its vtable and a row here. */
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "storage/image.h"
#include "storage/quota.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

/* Names as VE_LAYOUT has them; "ploop" is what old configuration files say for an image. */
static const struct {
	const char *name;
	const struct storage_backend *backend;
	bool whole;
} storage_backends[] = {
	{ "image", &storage_image, false },
	{ "ploop", &storage_image, false },
	{ "full", &storage_image, true },
	{ "quota", &storage_quota, false },
};

const struct storage_backend *storage_find(const char *name)
{
	if (!*name)
		return &storage_image;
	for (size_t i = 0; i < ARRAY_SIZE(storage_backends); i++)
		if (str_eq(storage_backends[i].name, name))
			return storage_backends[i].backend;
	return NULL;
}

bool storage_is_whole(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(storage_backends); i++)
		if (str_eq(storage_backends[i].name, name))
			return storage_backends[i].whole;
	return false;
}

void disk_done(struct disk *d)
{
	cleanup_fd(&d->mnt);
	loop_close(&d->loop);
}

int disk_trim(int mnt, struct err *e)
{
	struct fstrim_range all = { .len = UINT64_MAX };
	_fd_ int root = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root < 0)
		return err_sys(e, "open the root of the disk");
	do {
		r = ioctl(root, FITRIM, &all);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(e, "give free blocks of the disk back") : 0;
}
