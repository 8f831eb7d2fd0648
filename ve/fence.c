/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading fences, and their namespaces; what makes and removes fences is in ve/fence-set.c. */
#include "ve/fence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "netns/uplink.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/fence-impl.h"
#include "ve/network-impl.h"
#include "ve/registry.h"

#define FILE_MAX 16384
#define SUFFIX ".conf"

/* ---- the file ---- */

/* "101:1101 102:1102" */
static int take_ves(struct fence *f, const char *v)
{
	const char *s = v;
	char word[32], from[16];
	int r;

	while ((r = str_word(&s, word, sizeof(word))) != 0) {
		const char *colon = r < 0 ? NULL : strchr(word, ':');

		if (!colon || f->n_ves == FENCE_VES ||
		    str_fmt(from, sizeof(from), "%.*s", (int)(colon - word), word) < 0 ||
		    parse_u32(from, VEID_MIN, VEID_MAX, &f->ve[f->n_ves].from) < 0 ||
		    parse_u32(colon + 1, VEID_MIN, VEID_MAX, &f->ve[f->n_ves].copy) < 0)
			return -EINVAL;
		f->n_ves++;
	}
	return 0;
}

static int take_line(struct fence *f, const struct conf_line *l)
{
	uint32_t n;

	if (str_eq(l->key, "FORWARD"))
		return str_fmt(f->forwards, sizeof(f->forwards), "%s", l->value) < 0 ? -ERANGE : 0;
	if (str_eq(l->key, "VES"))
		return take_ves(f, l->value);
	if (!str_eq(l->key, "NUMBER"))
		return 0;                       /* of a later version */
	if (parse_u32(l->value, 1, DOOR_NUMBERS, &n) < 0)
		return -EINVAL;
	f->number = n;
	return 0;
}

static int parse_file(struct fence *f, const char *text, const char *path, struct err *e)
{
	struct conf_line line = { 0 };
	const char *pos = text;
	int r;

	while ((r = conf_next(&pos, &line)) != 0)
		if (r < 0 || take_line(f, &line) < 0)
			return err_set(e, EINVAL, VZ_BAD_CONF, "read %s: line %u is not one of a fence",
				       path, line.number);
	if (!f->number)
		return err_set(e, EINVAL, VZ_BAD_CONF, "read %s: no NUMBER", path);
	r = network_parse_forwards(f->forwards, NULL, f->forward, &f->n_forward, e);
	return r < 0 ? err_wrap(e, "read %s", path) : 0;
}

static int no_such(const char *name, struct err *e)
{
	err_clear(e);
	return err_set(e, ENOENT, VZ_BAD_VALUE, "fence %s does not exist", name);
}

int fence_load(const struct inst *in, const char *name, struct fence *ret, struct err *e)
{
	struct fence f = { .number = 0 };
	_free_ char *text = NULL;
	char path[80];
	size_t len;
	int r;

	if (!network_name_ok(name))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "fence \"%.60s\": not a fence's name", name);
	(void)str_fmt(f.name, sizeof(f.name), "%s", name);
	(void)str_fmt(path, sizeof(path), "fences/%s" SUFFIX, name);
	r = fs_read_at(in->etc, path, FILE_MAX, &text, &len, e);
	if (r == -ENOENT)
		return no_such(name, e);
	if (r == 0)
		r = parse_file(&f, text, path, e);
	if (r == 0)
		*ret = f;
	return r;
}

int fence_each(const struct inst *in, int (*fn)(void *arg, const struct fence *f), void *arg,
	       struct err *e)
{
	_fd_ int fd = openat(in->etc, "fences", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char name[NETWORK_NAME_LEN + sizeof(SUFFIX)];
	struct dirent *de;
	struct fence f;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "read the fences");
	(void)TAKE_FD(fd);
	while (r == 0 && (de = readdir(d))) {
		if (!str_ends(de->d_name, SUFFIX) || str_fmt(name, sizeof(name), "%s", de->d_name) < 0)
			continue;
		name[strlen(name) - strlen(SUFFIX)] = '\0';
		if (!network_name_ok(name))
			continue;
		r = fence_load(in, name, &f, e);
		if (r == 0)
			r = fn(arg, &f);
	}
	return r;
}

const char *fence_of(const struct ve *ve)
{
	return *ve->conf.fence ? ve->conf.fence : ve->state.fence;
}

int fence_claims(const struct inst *in, const char *fence, int *ret, struct err *e)
{
	char path[64] = "ip";
	int r;

	if (*fence)
		(void)str_fmt(path, sizeof(path), "fence/%s/ip", fence);
	r = fs_open_dir(in->lib, path, ret, e);
	return r == -ENOENT && *fence ? no_such(fence, e) : r;
}

/* ---- the namespace ---- */

const struct lock_common fence_space = { "space", "the inner network of fences", "fence", 30000 };

void fence_door(const struct inst *in, const struct fence *f, struct door *ret)
{
	*ret = (struct door){ .table = in->name, .tag = in->tag, .link_tag = in->link_tag,
			      .number = f->number, .forwards = { f->forward, f->n_forward } };
}

/* In run/fence, which is gone after a boot. */
static int open_dir(const struct inst *in, bool make, int *ret, struct err *e)
{
	int r = make ? fs_mkdir_p(in->run, "fence", 0700, e) : 0;

	return r < 0 ? r : fs_open_dir(in->run, "fence", ret, e);
}

static int open_space(const struct inst *in, const char *name, int *ret, struct err *e)
{
	_fd_ int dir = -1;
	int r = open_dir(in, false, &dir, e);

	if (r == 0)
		r = space_open(dir, name, ret, e);
	if (r == -ENOENT)
		err_clear(e);
	return r;
}

static int open_door(void *arg, int space, struct err *e)
{
	const struct door *d = arg;

	return d->forwards.n ? door_up(d, space, e) : 0;
}

static int make(const struct inst *in, const char *name, struct err *e)
{
	_fd_ int dir = -1;
	struct fence f;
	struct door d;
	int r = fence_load(in, name, &f, e);

	if (r == 0)
		r = open_dir(in, true, &dir, e);
	if (r < 0)
		return r;
	fence_door(in, &f, &d);
	r = space_make(dir, name, open_door, &d, e);
	if (r < 0)
		door_down(&d);
	return r;
}

int fence_up(const struct inst *in, const char *name, int *ret_lock, struct err *e)
{
	_fd_ int lock = -1, space = -1;
	int r;

	if (!*name)
		return 0;
	r = lock_take_common(in, &fence_space, false, &lock, e);
	if (r == 0)
		r = open_space(in, name, &space, e);
	if (r == -ENOENT) {             /* whoever comes first makes it, and others wait */
		cleanup_fd(&lock);
		r = lock_take_common(in, &fence_space, true, &lock, e);
		if (r == 0)
			r = make(in, name, e);
	}
	if (r < 0)
		return err_wrap(e, "fence %s", name);
	*ret_lock = TAKE_FD(lock);
	return 0;
}

static bool any_link(const struct inst *in, const char *name)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	struct err ignored = ERR_INIT;
	int r = fence_enter(in, name, &home, &ignored);

	return r != -ENOENT && (r < 0 || uplink_any_link(in->name));
}

/* The door's end here first: it would live as long as the kernel takes to clear up in there. */
void fence_down(const struct inst *in, const char *name)
{
	struct err ignored = ERR_INIT;
	_fd_ int lock = -1, dir = -1;
	struct fence f;
	struct door d;

	if (!*name || open_dir(in, false, &dir, &ignored) < 0 ||
	    lock_take_common(in, &fence_space, true, &lock, &ignored) < 0 || any_link(in, name))
		return;
	if (fence_load(in, name, &f, &ignored) == 0) {
		fence_door(in, &f, &d);
		door_down(&d);
	}
	space_drop(dir, name);
}

/* The first port brings the door, the last one takes it along. */
int fence_move_door(const struct inst *in, const struct fence *from, const struct fence *to,
		    struct err *e)
{
	struct door old, new;
	_fd_ int space = -1;
	int r = open_space(in, from->name, &space, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	fence_door(in, from, &old);
	fence_door(in, to, &new);
	if (!from->n_forward)
		return to->n_forward ? door_up(&new, space, e) : 0;
	r = door_change(&old, &new, space, e);
	if (r == 0 && !to->n_forward)
		door_down(&old);
	return r;
}

int fence_enter(const struct inst *in, const char *name, struct space_home *home, struct err *e)
{
	_fd_ int space = -1;
	int r;

	if (!*name)
		return 0;
	r = open_space(in, name, &space, e);
	if (r == -ENOENT)
		return err_set(e, ENOENT, VZ_VETH, "fence %s: none of its VEs runs", name);
	return r < 0 ? r : space_enter(space, home, e);
}
