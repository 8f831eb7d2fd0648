/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the source is, is told by what it is, not by its name: a regular file is an archive or an
 * image that another Berth has exported, a directory with a file oci-layout an OCI image, any other
 * a root filesystem. Only a disk is told by its name: no content says that a file is none.
 *
 * Signatures stand beside: FILE.minisig, DIR/index.json.minisig (which by its digests vouches for
 * all of an OCI image). They are checked before a byte of the source is parsed. An image is taken
 * from nobody but the holder of a trusted key, whatever the policy: the kernel will read it.
 */
#include "templates/import.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/disk.h"
#include "templates/manifest.h"
#include "templates/oci.h"
#include "templates/pack.h"
#include "templates/scratch.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

static void say(const struct import *im, const char *fmt, ...) PRINTF(2, 3);
static void say(const struct import *im, const char *fmt, ...)
{
	char line[400];
	va_list ap;

	if (!im->progress)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	im->progress(im->arg, line);
}

/* ---- sources ---- */

struct sources {
	int fd[UNPACK_SOURCES_MAX];
	size_t n;
	enum unpack_kind kind;
	bool image;                     /* not to be unpacked */
	const struct import_root *root;
	struct stat before[UNPACK_SOURCES_MAX];
};

static void close_sources(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		cleanup_fd(&s->fd[i]);
	s->n = 0;
}

/* ---- signatures ---- */

static bool is_image(int fd)
{
	uint32_t magic;

	return fs_pread_all(fd, &magic, sizeof(magic), 1024) == 0 && le32toh(magic) == 0xe0f5e1e2u;
}

/* A signature that is there must be right; one that is not may be missing if the policy says so. */
static int check_signature(const struct import *im, int data, const char *path, bool must,
			   struct template *t, struct err *e)
{
	_fd_ int sig = -1;
	char name[PATH_MAX];
	int r;

	if (str_fmt(name, sizeof(name), "%s.minisig", path) < 0)
		return err_set(e, ENAMETOOLONG, VZ_BAD_VALUE, "import: path too long");
	sig = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (sig < 0 && errno == ENOENT && !must)
		return 0;
	if (sig < 0) {
		(void)err_sys(e, "check signature %s", name);
		return err_exit(e, VZ_BAD_TEMPLATE);
	}
	r = sign_check(im->sign, data, sig, t->signer, e);
	if (r == -ENOKEY && !must) {
		say(im, "the signature is by a key that is not in trusted.d: not checked");
		err_clear(e);
		return 0;
	}
	if (!r)
		say(im, "signed by %s", t->signer);
	return r;
}

static int check_index(const struct import *im, int dir, struct template *t, struct err *e)
{
	_fd_ int index = -1;
	char path[PATH_MAX];
	int r = fs_open_in_root(dir, "index.json", O_RDONLY, 0, S_IFREG, &index, e);

	if (r < 0)
		return err_exit(e, VZ_BAD_TEMPLATE);
	if (str_fmt(path, sizeof(path), "%s/index.json", im->path) < 0)
		return err_set(e, ENAMETOOLONG, VZ_BAD_VALUE, "import: path too long");
	return check_signature(im, index, path, im->sign->require, t, e);
}

/* ---- opening ---- */

static int open_layers(const struct import *im, int dir, struct sources *s, struct template *t,
		       struct err *e)
{
	int r = check_index(im, dir, t, e);

	if (!r)
		r = oci_open(dir, im->ref, s->fd, &s->n, t, e);
	s->kind = UNPACK_LAYERS;
	(void)str_fmt(t->origin, sizeof(t->origin), "oci");
	if (!r)
		say(im, "unpacking %zu layers of an OCI image", s->n);
	return r;
}

static int open_directory(const struct import *im, struct sources *s, struct template *t,
			  struct err *e)
{
	_fd_ int dir = open(im->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir < 0)
		return err_sys(e, "open %s", im->path);
	if (faccessat(dir, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return open_layers(im, dir, s, t, e);
	if (im->sign->require)
		return err_set(e, ENOKEY, VZ_BAD_TEMPLATE,
			       "read %s: a directory has no signature, and TEMPLATE_SIGNATURE asks for one",
			       im->path);
	r = pack_open_dir(dir, ".", &s->fd[0], e);
	if (r < 0)
		return r;
	s->n = 1;
	s->kind = UNPACK_DIR;
	(void)str_fmt(t->origin, sizeof(t->origin), "directory");
	say(im, "reading the directory %s", im->path);
	return 0;
}

static int open_archive(const struct import *im, struct sources *s, struct template *t,
			struct err *e)
{
	_fd_ int fd = open(im->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", im->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE,
			       "open %s: neither a regular file nor a directory", im->path);
	s->image = !im->format && is_image(fd);
	r = check_signature(im, fd, im->path, (s->image && !im->trusted) || im->sign->require, t, e);
	if (r < 0)
		return r;
	s->fd[0] = TAKE_FD(fd);
	s->n = 1;
	s->kind = UNPACK_TAR;
	(void)str_fmt(t->origin, sizeof(t->origin), "%s", im->format ? im->format :
		      s->image ? "image" : "tar");
	say(im, "%s %s", im->format ? "converting" : s->image ? "taking" : "unpacking", im->path);
	return 0;
}

static int open_root(const struct import *im, struct sources *s, struct template *t, struct err *e)
{
	s->fd[0] = fcntl(im->root->fd, F_DUPFD_CLOEXEC, 3);
	if (s->fd[0] < 0)
		return err_sys(e, "open the source");
	s->n = 1;
	s->kind = im->root->kind;
	s->root = im->root;
	(void)str_fmt(t->origin, sizeof(t->origin), "%s", im->root->origin);
	say(im, "unpacking the root of the VE");
	return 0;
}

static int open_sources(const struct import *im, struct sources *s, struct template *t,
			struct err *e)
{
	struct stat st;

	if (im->root)
		return open_root(im, s, t, e);
	if (!im->path) {
		s->fd[0] = fcntl(im->dir, F_DUPFD_CLOEXEC, 3);
		if (s->fd[0] < 0)
			return err_sys(e, "open the root of the VE");
		s->n = 1;
		s->kind = UNPACK_VE;
		(void)str_fmt(t->origin, sizeof(t->origin), "ve");
		say(im, "reading the root of the VE");
		return 0;
	}
	if (stat(im->path, &st) < 0) {
		(void)err_sys(e, "open %s", im->path);
		return err_exit(e, e->eno == ENOENT ? VZ_NO_TEMPLATE : 0);
	}
	if (S_ISDIR(st.st_mode) && im->format)
		return err_set(e, EISDIR, VZ_BAD_TEMPLATE, "open %s: a disk is a regular file", im->path);
	return S_ISDIR(st.st_mode) ? open_directory(im, s, t, e) : open_archive(im, s, t, e);
}

/* What was verified must be what was read. */
static int check_unchanged(const struct sources *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct stat *a = &s->before[i];
		struct stat b;

		if (fstat(s->fd[i], &b) < 0)
			return err_sys(e, "stat the source");
		if (S_ISREG(b.st_mode) &&
		    (a->st_size != b.st_size || a->st_mtim.tv_sec != b.st_mtim.tv_sec ||
		     a->st_mtim.tv_nsec != b.st_mtim.tv_nsec))
			return err_set(e, EBUSY, VZ_BAD_TEMPLATE,
				       "import: the source changed while it was read");
	}
	return 0;
}

/* ---- import ---- */

/* The signature of an image goes with it, to be exported again. */
static int carry_signature(const struct import *im, const struct scratch *sc, struct err *e)
{
	_free_ char *text = NULL;
	char path[PATH_MAX];
	int r;

	if (str_fmt(path, sizeof(path), "%s.minisig", im->path) < 0)
		return err_set(e, ENAMETOOLONG, VZ_BAD_VALUE, "import: path too long");
	r = fs_read_at(AT_FDCWD, path, 4096, &text, NULL, e);
	if (r == -ENOENT && im->trusted) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? r : fs_save_at(sc->fd, PACK_SIGNATURE, text, 0644, e);
}

static int import_in(const struct store *s, const struct import *im, struct sources *src,
		     struct scratch *sc, struct template *t, struct err *e)
{
	struct unpack u = { .program = im->unpack, .kind = src->kind, .sources = src->fd,
			    .n_sources = src->n, .scratch = sc->fd,
			    .max_size = im->max_size ? im->max_size : UNPACK_MAX_SIZE,
			    .max_files = im->max_files ? im->max_files : UNPACK_MAX_FILES };
	struct unpack_report rep = { 0 };
	int r;

	if (src->root) {
		u.shift = src->root->shift;
		u.prefix = src->root->prefix;
		u.drop = src->root->drop;
	}

	for (size_t i = 0; i < src->n; i++)
		if (fstat(src->fd[i], &src->before[i]) < 0)
			return err_sys(e, "stat the source");
	r = src->image ? pack_copy(src->fd[0], sc->fd, t, e) : pack_image(&u, t, &rep, e);
	if (!r)
		r = check_unchanged(src, e);
	if (!r && src->image)
		r = carry_signature(im, sc, e);
	if (r < 0)
		return r;
	if (rep.devices)
		say(im, "%llu devices and sockets left out", (unsigned long long)rep.devices);
	if (rep.xattrs)
		say(im, "%llu extended attributes left out", (unsigned long long)rep.xattrs);
	if (src->root)
		return store_add_private(s, sc->fd, PACK_IMAGE, t, e);
	return im->leave_channel ? store_add_beside(s, sc->fd, PACK_IMAGE, t, e) :
				   store_add(s, sc->fd, PACK_IMAGE, t, e);
}

/* What is on it nobody here knows. */
static int import_disk(const struct store *s, const struct import *im, int fd,
		       const struct scratch *sc, struct template *t, struct err *e)
{
	const struct disk_import d = { .format = im->format, .program = im->convert,
				       .max = im->max_size ? im->max_size : DISK_MAX_SIZE,
				       .scratch = sc->fd };
	int r = disk_import(&d, fd, PACK_DISK, e);

	if (r < 0)
		return r;
	t->disk = true;
	(void)str_fmt(t->arch, sizeof(t->arch), "x86_64");
	(void)str_fmt(t->distribution, sizeof(t->distribution), "own");
	(void)str_fmt(t->init, sizeof(t->init), "acpi");
	return store_add(s, sc->fd, PACK_DISK, t, e);
}

static int import_sources(const struct store *s, const struct import *im, struct sources *src,
			  struct template *t, struct err *e)
{
	struct scratch sc = SCRATCH_INIT;
	struct err late = ERR_INIT;
	int r = open_sources(im, src, t, e);

	if (!r)
		r = scratch_open(im->tmp, &sc, e);
	if (!r)
		r = im->format ? import_disk(s, im, src->fd[0], &sc, t, e)
			       : import_in(s, im, src, &sc, t, e);
	if (scratch_close(&sc, &late) < 0 && !r) {
		*e = late;
		r = -e->eno;
	}
	if (r < 0 && (e->eno == ENOSPC || e->eno == EDQUOT))
		e->exit = VZ_NO_DISK_SPACE;
	return r;
}

int import_template(const struct store *s, const struct import *im, struct template *ret,
		    struct err *e)
{
	struct sources src = { .n = 0 };
	struct template t = { 0 };
	int r;

	if (!manifest_channel_ok(im->name))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "import: \"%.64s\" is no channel name",
			       str_has_control(im->name) ? "?" : im->name);
	if (im->format && !disk_format_known(im->format))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--format: \"%.40s\" is not " DISK_FORMATS,
			       str_has_control(im->format) ? "?" : im->format);
	if (im->path && str_has_control(im->path))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "import: the path has control characters");
	(void)str_fmt(t.name, sizeof(t.name), "%s", im->name);
	r = import_sources(s, im, &src, &t, e);
	close_sources(&src);
	if (r < 0)
		return err_wrap(e, "import %s", im->name);
	*ret = t;
	return 0;
}
