/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers as their specifications have them: docs/interop/qcow2.txt of QEMU; "Virtual Disk Format
 * 5.0" of VMware; "Virtual Hard Disk Image Format Specification" of Microsoft. Only what decides
 * whether the file is taken is looked at, and every field is taken for a lie until it is in bounds.
 */
#include "templates/disk.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define SECTOR 512u
#define DESCRIPTOR_MAX 65536u

struct look {
	int fd;
	uint64_t file, size;            /* bytes of the file; of the disk in it */
	const char *why;                /* what is wrong with it */
};

static uint32_t be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static bool get(const struct look *l, void *dst, size_t len, uint64_t at)
{
	return at <= INT64_MAX - len && fs_pread_all(l->fd, dst, len, (off_t)at) == 0;
}

static bool begins(const struct look *l, uint64_t at, const char *magic)
{
	char have[16];

	return get(l, have, strlen(magic), at) && memcmp(have, magic, strlen(magic)) == 0;
}

/* ---- formats ---- */

static bool is_qcow2(const struct look *l)
{
	return begins(l, 0, "QFI\xfb");
}

static bool look_qcow2(struct look *l)
{
	enum { DATA_FILE = 1 << 2 };    /* incompatible_features, of version 3 */
	uint8_t h[80];

	if (!get(l, h, sizeof(h), 0))
		l->why = "it ends within its header";
	else if (be32(h + 4) != 2 && be32(h + 4) != 3)
		l->why = "not version 2 or 3 of qcow2";
	else if (be64(h + 8) || be32(h + 16))
		l->why = "it has a backing file; a disk must be whole";
	else if (be32(h + 4) == 3 && be64(h + 72) & DATA_FILE)
		l->why = "its data are in another file; a disk must be whole";
	else if (be32(h + 32))
		l->why = "it is encrypted";
	l->size = be64(h + 24);
	return !l->why;
}

static bool is_vmdk(const struct look *l)
{
	return begins(l, 0, "KDMV") || begins(l, 0, "COWD") || begins(l, 0, "# Disk Descript");
}

/* The text of a sparse extent; it may name a parent. */
static bool vmdk_has_parent(const struct look *l, uint64_t at, uint64_t len)
{
	_free_ char *text = NULL;

	if (!at || !len)
		return false;
	if (len > DESCRIPTOR_MAX)
		len = DESCRIPTOR_MAX;
	text = calloc(1, (size_t)len + 1);
	if (!text || !get(l, text, (size_t)len, at))
		return true;            /* what cannot be read is not trusted */
	return strcasestr(text, "parentFileNameHint") != NULL;
}

static bool look_vmdk(struct look *l)
{
	uint8_t h[SECTOR];
	uint64_t sectors;

	if (!begins(l, 0, "KDMV")) {
		l->why = "its data are in other files; want one of type monolithicSparse or streamOptimized";
		return false;
	}
	if (!get(l, h, sizeof(h), 0)) {
		l->why = "it ends within its header";
		return false;
	}
	sectors = le64(h + 12);
	if (!sectors)                   /* then its text names the extents */
		l->why = "its data are in other files; a disk must be whole";
	else if (sectors > INT64_MAX / SECTOR || le64(h + 28) > INT64_MAX / SECTOR ||
		 le64(h + 36) > INT64_MAX / SECTOR)
		l->why = "its header makes no sense";
	else if (vmdk_has_parent(l, le64(h + 28) * SECTOR, le64(h + 36) * SECTOR))
		l->why = "it has a parent; a disk must be whole";
	else
		l->size = sectors * SECTOR;
	return !l->why;
}

/* Of a dynamic one there is a copy of the footer at the start. */
static uint64_t vhd_footer(const struct look *l)
{
	return begins(l, 0, "conectix") ? 0 : l->file >= SECTOR ? l->file - SECTOR : 0;
}

static bool is_vhd(const struct look *l)
{
	return begins(l, vhd_footer(l), "conectix");
}

static bool look_vhd(struct look *l)
{
	enum { FIXED = 2, DYNAMIC = 3 };
	uint8_t h[SECTOR];

	if (!get(l, h, sizeof(h), vhd_footer(l)))
		l->why = "it ends within its footer";
	else if (be32(h + 60) != FIXED && be32(h + 60) != DYNAMIC)
		l->why = "it has a parent; a disk must be whole";
	else
		l->size = be64(h + 48);
	return !l->why;
}

static bool look_raw(struct look *l)
{
	l->size = l->file;
	if (l->file % SECTOR)
		l->why = "its size is not whole sectors of 512 bytes";
	return !l->why;
}

static const struct {
	const char *name;
	bool (*is)(const struct look *l);       /* NULL: nothing tells it */
	bool (*look)(struct look *l);
} formats[] = {
	{ "raw", NULL, look_raw },
	{ "qcow2", is_qcow2, look_qcow2 },
	{ "vmdk", is_vmdk, look_vmdk },
	{ "vhd", is_vhd, look_vhd },
};

bool disk_format_known(const char *format)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (str_eq(formats[i].name, format))
			return true;
	return false;
}

/* What the file says it is. */
static size_t told(const struct look *l)
{
	for (size_t i = 1; i < ARRAY_SIZE(formats); i++)
		if (formats[i].is(l))
			return i;
	return 0;
}

static int bad(const char *format, const char *why, struct err *e)
{
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "read the %s disk: %s", format, why);
}

int disk_inspect(int fd, const char *format, uint64_t max, uint64_t *ret_size, struct err *e)
{
	struct look l = { .fd = fd };
	struct stat st;
	size_t i;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat the disk");
	l.file = (uint64_t)st.st_size;
	i = told(&l);
	if (!str_eq(formats[i].name, format))
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "read the %s disk: it is not what its format says: "
			       "%s by its content", format, i ? formats[i].name : "no header; raw");
	if (!formats[i].look(&l))
		return bad(format, l.why, e);
	if (!l.size || l.size % SECTOR)
		return bad(format, "its size is not whole sectors of 512 bytes", e);
	if (l.size > max)
		return err_set(e, EFBIG, VZ_BAD_TEMPLATE, "read the %s disk: it has %llu MiB; at most %llu "
			       "MiB are taken (--max-size)", format, (unsigned long long)(l.size >> 20),
			       (unsigned long long)(max >> 20));
	*ret_size = l.size;
	return 0;
}
