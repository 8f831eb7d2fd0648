/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of backends. A new one is a file with its vtable and a row here. */
#include "storage/storage.h"

#include "storage/image.h"
#include "util/cleanup.h"
#include "util/str.h"

/* Names as VE_LAYOUT has them; "ploop" is what old configuration files say for an image. */
static const struct {
	const char *name;
	const struct storage_backend *backend;
} storage_backends[] = {
	{ "image", &storage_image },
	{ "ploop", &storage_image },
};

const struct storage_backend *storage_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(storage_backends); i++)
		if (str_eq(storage_backends[i].name, name))
			return storage_backends[i].backend;
	return NULL;
}

void disk_done(struct disk *d)
{
	cleanup_fd(&d->mnt);
	loop_close(&d->loop);
}
