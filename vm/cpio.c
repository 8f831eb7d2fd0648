/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/cpio.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "util/str.h"
#include "util/sys-fs.h"

#define NEWC_HEAD 110

struct entry {
	const char *name;
	mode_t mode;
	const void *data;
	size_t len;
	unsigned major, minor;
};

static int put(struct cpio *c, const void *data, size_t len, struct err *e)
{
	static const char zeros[4];
	size_t pad = (4 - (c->pos + len) % 4) % 4;
	int r = fs_write_all(c->fd, data, len);

	if (!r)
		r = fs_write_all(c->fd, zeros, pad);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "write the initramfs");
	}
	c->pos += len + pad;
	return 0;
}

/* Owner 0:0, time 0: the same content is the same archive. */
static int put_entry(struct cpio *c, const struct entry *t, struct err *e)
{
	char head[NEWC_HEAD + 256];
	int n = str_fmt(head, sizeof(head),
			"070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", ++c->ino,
			(unsigned)t->mode, 0, 0, S_ISDIR(t->mode) ? 2 : 1, 0, (unsigned)t->len, 0, 0,
			t->major, t->minor, (unsigned)strlen(t->name) + 1, 0, t->name);
	int r;

	if (n < 0 || t->len > UINT32_MAX)
		return err_set(e, EFBIG, 0, "write the initramfs: %.100s does not fit", t->name);
	r = put(c, head, (size_t)n + 1, e);
	return r < 0 || !t->len ? r : put(c, t->data, t->len, e);
}

int cpio_add(struct cpio *c, const char *name, mode_t mode, const void *data, size_t len,
	     struct err *e)
{
	return put_entry(c, &(struct entry){ name, mode, data, len, 0, 0 }, e);
}

int cpio_add_device(struct cpio *c, const char *name, mode_t mode, unsigned major,
		    unsigned minor, struct err *e)
{
	return put_entry(c, &(struct entry){ name, mode, NULL, 0, major, minor }, e);
}

int cpio_end(struct cpio *c, struct err *e)
{
	return cpio_add(c, "TRAILER!!!", 0, NULL, 0, e);
}
