/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a source is, and where its config and its root are. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "templates/look.h"
#include "templates/pack.h"
#include "templates/unpack.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/adopt.h"
#include "ve/foreign.h"

#define VZDUMP_DIR "etc/vzdump"

/* Where a config is looked for, in this order; of which --format. */
static const struct kind {
	enum look_what what;
	enum foreign_tool tool;
	const char *format, *also, *shown, *origin;
	bool yaml, dump;
} kinds[] = {
	{ LOOK_VPS, FOREIGN_OPENVZ, "vzdump", "openvz", "vzdump of OpenVZ", "vzdump", false, true },
	{ LOOK_PCT, FOREIGN_PCT, "vzdump", "pct", "vzdump of a Proxmox container", "vzdump", false, true },
	{ LOOK_INDEX, FOREIGN_INCUS, "incus", NULL, "export of Incus or LXD", "incus", true, false },
	{ LOOK_BACKUP, FOREIGN_INCUS, "incus", NULL, "container of Incus or LXD", "incus", true, false },
	{ LOOK_LXC, FOREIGN_LXC, "lxc", NULL, "container of LXC", "lxc", false, false },
	{ LOOK_IMAGE, FOREIGN_INCUS, "incus", NULL, "image of Incus or LXD", "incus", true, false },
	{ LOOK_VZ7, FOREIGN_OPENVZ, "openvz", NULL, "private area of OpenVZ 7", "openvz", false, false },
};

static int open_source(struct adopt *a, struct err *e)
{
	const char *path = a->o->source;

	if (str_has_control(path))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "import: the path has control characters");
	a->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (a->fd < 0 || fstat(a->fd, &a->before) < 0) {
		(void)err_sys(e, "open %s", path);
		return err_exit(e, e->eno == ENOENT ? VZ_NO_PRIVATE : 0);
	}
	if (!S_ISREG(a->before.st_mode) && !S_ISDIR(a->before.st_mode))
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE,
			       "open %s: neither a regular file nor a directory", path);
	return 0;
}

/* The one mistake that everybody makes once: the config in the place of the root. */
static int refuse_config(const struct adopt *a, struct err *e)
{
	char head[512];
	ssize_t n = pread(a->fd, head, sizeof(head) - 1, 0);
	enum foreign_tool t;

	head[n > 0 ? n : 0] = '\0';
	t = n > 0 && !memchr(head, '\0', (size_t)n) ? foreign_guess(head) : FOREIGN_NONE;
	if (!t)
		return 0;
	return err_set(e, EINVAL, VZ_BAD_TEMPLATE,
		       "read %s: this is a config (%s); give it by --config, and the VE's root as SOURCE",
		       a->o->source, foreign_word(t));
}

static int look(struct adopt *a, struct err *e)
{
	int r = S_ISREG(a->before.st_mode) ? refuse_config(a, e) : 0;

	if (r < 0)
		return r;

	if (S_ISDIR(a->before.st_mode))
		r = look_directory(a->fd, &a->look, e);
	else
		r = look_archive(a->unpack, a->fd, a->store.dir, &a->look, e);
	return r < 0 ? err_wrap(e, "read %s", a->o->source) : 0;
}

/* What cannot be taken, and what can be done about it. */
static int refuse_kinds(const struct adopt *a, struct err *e)
{
	const char *s = a->o->source;

	if (a->look.a[LOOK_PLOOP].there)
		return err_set(e, ENOTSUP, VZ_BAD_TEMPLATE,
			       "read %s: its disk is an image of ploop; on the old host \"ploop mount -r -m DIR "
			       "root.hdd/DiskDescriptor.xml\", then import DIR with --config ve.conf", s);
	if (a->look.a[LOOK_MACHINE].there)
		return err_set(e, ENOTSUP, VZ_BAD_TEMPLATE,
			       "read %s: a virtual machine; only containers can be imported", s);
	if (a->look.a[LOOK_PACKED].there)
		return err_set(e, ENOTSUP, VZ_BAD_TEMPLATE,
			       "read %s: an export that only the same storage can read; "
			       "make it without --optimized-storage", s);
	return 0;
}

/* ---- the config ---- */

static bool is_asked(const struct adopt *a, const struct kind *k)
{
	const char *f = a->o->format;

	return !f || str_eq(f, k->format) || (k->also && str_eq(f, k->also));
}

/* LXC's lies beside the root; any other called so is the tenant's. */
static bool is_there(const struct adopt *a, const struct kind *k)
{
	const struct look_one *one = &a->look.a[k->what], *root = &a->look.a[LOOK_ROOT];
	char base[LOOK_BASE_MAX];

	if (!one->there || k->what != LOOK_LXC)
		return one->there;
	return str_fmt(base, sizeof(base), "%s%srootfs", one->base, *one->base ? "/" : "") > 0 &&
	       str_eq(base, root->base);
}

static const struct kind *find_kind(const struct adopt *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!is_there(a, &kinds[i]) || !is_asked(a, &kinds[i]))
			continue;
		/* Before LXD 5 an index said little, and the container's own file all. */
		if (kinds[i].what == LOOK_INDEX && a->look.a[LOOK_BACKUP].there &&
		    !strstr(a->look.a[LOOK_INDEX].text, "\nconfig:"))
			continue;
		return &kinds[i];
	}
	return NULL;
}

static int read_text(struct adopt *a, enum foreign_tool tool, bool yaml, const char *text,
		     struct err *e)
{
	_free_ char *list = NULL;
	size_t len = strlen(text);
	int r = 0;

	if (yaml)
		r = look_yaml(a->unpack, text, len, a->store.dir, &list, &len, e);
	return r < 0 ? r : foreign_read(tool, yaml ? list : text, len, &a->from, e);
}

/* The administrator names it, so it may be a link. */
static int open_file(const char *path, char **ret, size_t *ret_len, struct err *e)
{
	_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, VZ_BAD_CONF, "open %s: no regular file", path);
	return fs_read_fd(fd, path, LOOK_TEXT_MAX, ret, ret_len, e);
}

static int read_file(struct adopt *a, struct err *e)
{
	const char *path = a->o->config, *format = a->o->format;
	_free_ char *text = NULL;
	enum foreign_tool tool;
	size_t len = 0;
	int r = open_file(path, &text, &len, e);

	if (r < 0)
		return err_exit(e, r == -ENOENT ? VZ_NO_CONF : VZ_BAD_CONF);
	if (strlen(text) != len)
		return err_set(e, EINVAL, VZ_BAD_CONF, "read %s: a config with a NUL in it", path);
	tool = format && !str_eq(format, "vzdump") ? foreign_by_word(format) : foreign_guess(text);
	if (!tool)
		return err_set(e, EINVAL, VZ_BAD_CONF,
			       "read %s: a config of none of openvz, lxc, incus and pct; --format says which",
			       path);
	a->format = foreign_word(tool);
	a->root.origin = a->format;
	r = read_text(a, tool, tool == FOREIGN_INCUS, text, e);
	return r < 0 ? err_wrap(e, "%s", path) : 0;
}

static int read_config(struct adopt *a, struct err *e)
{
	const struct kind *k = find_kind(a);
	int r;

	a->from.has_root = k && k->dump;
	a->root.drop = k && k->dump ? VZDUMP_DIR : NULL;
	if (a->o->config)
		return read_file(a, e);
	if (!k)
		return err_set(e, ENOENT, VZ_NO_CONF, "read %s: no config%s%s in it; --config FILE says which it is",
			       a->o->source, a->o->format ? " of " : "", a->o->format ? a->o->format : "");
	a->format = k->shown;
	a->root.origin = k->origin;
	r = read_text(a, k->tool, k->yaml, a->look.a[k->what].text, e);
	return r < 0 ? err_wrap(e, "read %s", a->o->source) : 0;
}

/* ---- the root ---- */

/* Packed or copied by somebody who was not root: what it was is gone. */
static int note_owner(struct adopt *a, const struct look_one *one, struct err *e)
{
	char who[24];

	if (!one->uid || a->root.shift)
		return 0;
	(void)str_fmt(who, sizeof(who), "%u:%u", one->uid, one->gid);
	return foreign_note(&a->from, FATE_LOST, "owners", who, NULL,
			    "etc/passwd is not root's; it was not root who made this copy", e);
}

static int find_root(struct adopt *a, struct err *e)
{
	const struct look_one *one = &a->look.a[LOOK_ROOT];
	int r;

	if (!one->there)
		return err_set(e, ENOENT, VZ_BAD_TEMPLATE,
			       "read %s: no root filesystem in it (no etc/passwd)", a->o->source);
	/* The file is root's on every system: whose it is says how ids were shifted. */
	if (one->uid > 65535 && one->uid != one->gid)
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE,
			       "read %s: etc/passwd in it belongs to %u:%u; want ids that are shifted by the same",
			       a->o->source, one->uid, one->gid);
	a->root.shift = one->uid > 65535 ? one->uid : 0;
	r = note_owner(a, one, e);
	if (r < 0)
		return r;
	if (S_ISDIR(a->before.st_mode)) {
		a->root.kind = UNPACK_DIR;
		return pack_open_dir(a->fd, *one->base ? one->base : ".", &a->root.fd, e);
	}
	a->root.kind = UNPACK_TAR;
	a->root.prefix = *one->base ? one->base : NULL;
	a->root.fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 3);
	return a->root.fd < 0 ? err_sys(e, "open %s", a->o->source) : 0;
}

int adopt_source(struct adopt *a, struct err *e)
{
	int r = open_source(a, e);

	if (!r)
		r = look(a, e);
	if (!r)
		r = refuse_kinds(a, e);
	if (!r)
		r = read_config(a, e);
	return r < 0 ? r : find_root(a, e);
}
