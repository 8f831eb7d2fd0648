/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-unpack, see templates/unpack.h. Started by berth, of no use to anybody else. */
#include "templates/unpack.h"

#include <errno.h>
#include <locale.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/image.h"
#include "templates/look.h"
#include "templates/sandbox.h"
#include "templates/source.h"
#include "templates/tree.h"
#include "templates/yaml.h"
#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define ARG_SOURCES 12

struct call {
	char kind;
	uint64_t before, max_size, max_files;
	const char *prefix, *drop;
	uint32_t shift, report, image, spool, list;
	uint32_t sources[UNPACK_SOURCES_MAX];
	size_t n;
};

static int parse_call(int argc, char **argv, struct call *c)
{
	uint32_t *const fds[] = { &c->report, &c->image, &c->spool, &c->list };

	if (argc <= ARG_SOURCES || argc > ARG_SOURCES + UNPACK_SOURCES_MAX || strlen(argv[1]) != 1 ||
	    parse_u64(argv[2], 0, INT64_MAX, &c->before) < 0 ||
	    parse_u64(argv[3], 1, INT64_MAX, &c->max_size) < 0 ||
	    parse_u64(argv[4], 1, UINT32_MAX, &c->max_files) < 0 ||
	    parse_u32(argv[5], 0, UINT32_MAX, &c->shift) < 0)
		return -EINVAL;
	c->kind = argv[1][0];
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (parse_u32(argv[8 + i], 3, INT32_MAX, fds[i]) < 0)
			return -EINVAL;
	for (c->n = 0; c->n + ARG_SOURCES < (size_t)argc; c->n++)
		if (parse_u32(argv[ARG_SOURCES + c->n], 3, INT32_MAX, &c->sources[c->n]) < 0)
			return -EINVAL;
	c->prefix = *argv[6] ? argv[6] : NULL;
	c->drop = *argv[7] ? argv[7] : NULL;
	return 0;
}

static const struct node *child(const struct node *n, const char *name)
{
	for (n = n ? n->children : NULL; n; n = n->sibling)
		if (!n->dead && str_eq(n->name, name))
			return n;
	return NULL;
}

/* Keys of every type there ever will be. */
static int forget_host_keys(struct tree *t, struct err *e)
{
	const struct node *n = child(child(t->root, "etc"), "ssh");
	char path[TREE_PATH_MAX + 1];
	int r = 0;

	for (n = n ? n->children : NULL; n && !r; n = n->sibling)
		if (str_starts(n->name, "ssh_host_") &&
		    str_fmt(path, sizeof(path), "etc/ssh/%s", n->name) > 0)
			r = tree_whiteout(t, path, e);
	return r;
}

/* What the first boot makes afresh. An empty machine-id says so to systemd (machine-id(5)). */
static int forget_identity(struct source *s, struct err *e)
{
	static const char *const paths[] = {
		"var/lib/dbus/machine-id", "var/lib/systemd/random-seed",
		"var/lib/urandom/random-seed", "var/lib/systemd/credential.secret",
		"root/.bash_history", "etc/machine-id",
	};
	const struct tree_meta m = { .mode = S_IFREG | 0444 };
	struct inode *in;
	int r = 0;

	s->tree.layer++;
	r = forget_host_keys(&s->tree, e);
	for (size_t i = 0; i < ARRAY_SIZE(paths) && !r; i++)
		r = tree_whiteout(&s->tree, paths[i], e);
	if (!r)
		r = tree_put(&s->tree, "etc/machine-id", &m, NULL, &in, e);
	if (!r)
		r = image_begin(&s->image, in, 0, e);
	return r < 0 ? r : image_end(&s->image, e);
}

static int read_sources(struct source *s, const struct call *c, struct err *e)
{
	int r = 0;

	if (c->kind == UNPACK_DIR || c->kind == UNPACK_VE)
		r = source_dir(s, (int)c->sources[0], e);
	if (c->kind == UNPACK_VE && !r)
		r = forget_identity(s, e);
	if (c->kind == UNPACK_DIR || c->kind == UNPACK_VE)
		return r;
	for (size_t i = 0; i < c->n && !r; i++) {
		s->tree.layer = (unsigned)i + 1;
		r = source_tar(s, (int)c->sources[i], c->kind == UNPACK_LAYERS, e);
		if (r < 0 && c->n > 1)
			r = err_wrap(e, "layer %zu", i + 1);
	}
	return r;
}

/* ---- no image ---- */

static int put_pair(void *arg, const char *path, const char *value, struct err *e)
{
	int fd = *(const int *)arg;
	int r = fs_write_all(fd, path, strlen(path) + 1);

	if (!r)
		r = fs_write_all(fd, value, strlen(value) + 1);
	return r < 0 ? err_set(e, -r, 0, "write a list: %s", strerror(-r)) : 0;
}

static int flatten(int fd, int out, struct err *e)
{
	_free_ char *text = NULL;
	size_t len = 0;
	int r = fs_read_fd(fd, "YAML", LOOK_TEXT_MAX, &text, &len, e);

	return r < 0 ? r : yaml_each(text, len, put_pair, &out, e);
}

static int look(const struct call *c, struct err *e)
{
	return c->kind == UNPACK_LOOK ? source_look((int)c->sources[0], (int)c->list, e) :
					flatten((int)c->sources[0], (int)c->list, e);
}

static int work(const struct call *c, struct source *s, struct err *e)
{
	int r;

	/* C.UTF-8 opens files, so it comes before the root is gone. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return err_set(e, ENOENT, 0, "unpack: no locale C.UTF-8 on this host");
	/* Metadata comes on top of the contents. */
	r = sandbox_enter(c->kind == UNPACK_DIR || c->kind == UNPACK_VE, c->max_size + (UINT64_C(4) << 30), e);
	if (!r)
		r = tree_init(&s->tree, c->max_files, e);
	if (!r && (c->kind == UNPACK_LOOK || c->kind == UNPACK_YAML))
		return look(c, e);
	s->tree.shift = c->shift;
	s->prefix = c->prefix;
	s->drop = c->drop;
	if (!r)
		r = image_init(&s->image, (int)c->image, (int)c->spool, (int)c->list, c->max_size, e);
	if (!r)
		r = read_sources(s, c, e);
	if (!r)
		r = image_finish(&s->image, &s->tree, (int64_t)c->before, e);
	return r;
}

int main(int argc, char **argv)
{
	static struct source s;
	struct err e = ERR_INIT;
	struct call c;
	int r;

	if (parse_call(argc, argv, &c) < 0)
		return 126;
	r = work(&c, &s, &e);
	s.rep.magic = UNPACK_MAGIC;
	s.rep.eno = r < 0 ? e.eno : 0;
	s.rep.exit = e.exit;
	s.rep.files = s.tree.n_nodes;
	s.rep.bytes = s.image.total;
	(void)str_fmt(s.rep.msg, sizeof(s.rep.msg), "%.399s", e.msg);
	if (pwrite((int)c.report, &s.rep, sizeof(s.rep), 0) != (ssize_t)sizeof(s.rep))
		return 125;
	_exit(0);
}
