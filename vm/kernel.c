/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-copy.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"
#include "vm/initramfs.h"
#include "vm/kmod.h"

#define STAGE ".import"
#define DEFAULT "default"
#define OF ".of"

/* A version as `uname -r` prints it; never a path. */
static bool name_ok(const char *s)
{
	return str_is_word(s, "._+~-") && s[0] != '.' && strlen(s) < KERNEL_NAME &&
	       !str_eq(s, DEFAULT);
}

static int open_store(int lib, int *ret, struct err *e)
{
	int r = fs_mkdir_p(lib, "kernel", 0755, e);

	return r < 0 ? r : fs_open_dir(lib, "kernel", ret, e);
}

/* ---- import ---- */

struct import {
	int store, stage;               /* lib/kernel, and .import in it */
	int modules;                    /* lib/modules/VERSION of what is imported */
	int image;
	char name[KERNEL_NAME];
};

/* Offset 0x202 of a bzImage has this (Documentation/arch/x86/boot.rst). */
static int check_image(int fd, const char *what, struct err *e)
{
	char magic[4];

	if (pread(fd, magic, sizeof(magic), 0x202) == sizeof(magic) &&
	    memcmp(magic, "HdrS", sizeof(magic)) == 0)
		return 0;
	return err_set(e, ENOEXEC, VZ_BAD_VALUE, "import %s: not a kernel for x86 (bzImage)", what);
}

static int unpack_deb(struct import *i, const char *file, struct err *e)
{
	static const char *const argv[] = { "/usr/bin/dpkg-deb", "--extract", "/proc/self/fd/0",
					    "unpacked", NULL };
	_fd_ int in = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct run run = { .argv = argv, .in = in, .out = -1, .cwd = i->stage };
	int r;

	if (in < 0) {
		(void)err_sys(e, "import %s", file);
		return err_exit(e, VZ_BAD_VALUE);
	}
	r = proc_run(&run, e);
	if (r > 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "import %s: not a Debian package", file);
	return r;
}

/* The one directory below lib/modules. */
static int find_version(int root, const char *file, char ret[KERNEL_NAME], struct err *e)
{
	_fd_ int fd = -1;
	_dir_ DIR *d = NULL;
	const struct dirent *de;
	int n = 0, r = fs_open_in_root(root, "lib/modules", O_RDONLY | O_DIRECTORY, 0, S_IFDIR, &fd, e);

	if (r < 0) {
		err_clear(e);
		return err_set(e, EINVAL, VZ_BAD_VALUE, "import %s: no package of a kernel", file);
	}
	d = fdopendir(fd);
	if (!d)
		return err_sys(e, "import %s", file);
	fd = -1;
	while ((de = readdir(d)))
		if (name_ok(de->d_name)) {
			(void)str_fmt(ret, KERNEL_NAME, "%s", de->d_name);
			n++;
		}
	return n == 1 ? 0 : err_set(e, EINVAL, VZ_BAD_VALUE,
				    "import %s: holds %d kernels; want one", file, n);
}

static int open_deb(struct import *i, const char *file, struct err *e)
{
	_fd_ int root = -1;
	char path[PATH_MAX];
	int r = unpack_deb(i, file, e);

	if (!r)
		r = fs_open_dir(i->stage, "unpacked", &root, e);
	if (!r)
		r = find_version(root, file, i->name, e);
	if (r < 0)
		return r;
	(void)str_fmt(path, sizeof(path), "boot/vmlinuz-%s", i->name);
	r = fs_open_in_root(root, path, O_RDONLY, 0, S_IFREG, &i->image, e);
	(void)str_fmt(path, sizeof(path), "lib/modules/%s", i->name);
	if (!r)
		r = fs_open_in_root(root, path, O_RDONLY | O_DIRECTORY, 0, S_IFDIR, &i->modules, e);
	return r < 0 ? err_exit(e, VZ_BAD_VALUE) : 0;
}

static int open_plain(struct import *i, const char *file, const char *modules, struct err *e)
{
	char path[PATH_MAX];
	const char *base;
	size_t len = strlen(modules);

	while (len > 1 && modules[len - 1] == '/')
		len--;
	if (str_fmt(path, sizeof(path), "%.*s", (int)len, modules) < 0)
		return err_set(e, ENAMETOOLONG, VZ_BAD_VALUE, "import: path too long");
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	if (!name_ok(base))
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "import %s: want the directory lib/modules/VERSION of this kernel", modules);
	(void)str_fmt(i->name, sizeof(i->name), "%s", base);
	i->image = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	i->modules = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (i->image < 0 || i->modules < 0) {
		(void)err_sys(e, "import %s", i->image < 0 ? file : path);
		return err_exit(e, VZ_BAD_VALUE);
	}
	return 0;
}

static int save_bytes(int dir, const char *name, const char *data, size_t len, struct err *e)
{
	_fd_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r;

	if (fd < 0)
		return err_sys(e, "write %s", name);
	r = fs_write_all(fd, data, len);
	if (!r && fsync(fd) < 0)
		r = -errno;
	if (!r)
		return 0;
	errno = -r;
	return err_sys(e, "write %s", name);
}

static int copy_modules(const struct import *i, int to, struct err *e)
{
	struct kmod_list *list = calloc(1, sizeof(*list));
	int r = list ? kmod_needed(i->modules, list, e) : err_set(e, ENOMEM, 0, "import: out of memory");

	for (unsigned n = 0; !r && n < list->n; n++) {
		const char *base = strrchr(list->path[n], '/');
		_free_ char *data = NULL;
		char name[240];
		size_t len;

		base = base ? base + 1 : list->path[n];
		(void)str_fmt(name, sizeof(name), "modules/%02u-%.*s.ko", n,
			      (int)strcspn(base, "."), base);
		r = kmod_read(i->modules, list->path[n], &data, &len, e);
		if (!r)
			r = save_bytes(to, name, data, len, e);
	}
	free(list);
	return r;
}

static int copy_image(const struct import *i, int to, struct err *e)
{
	_fd_ int image = openat(to, "vmlinuz", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r;

	if (image < 0)
		return err_sys(e, "write vmlinuz");
	r = copy_sparse(i->image, image, NULL, e);
	if (r < 0)
		return r;
	return fsync(image) < 0 || fsync(to) < 0 ? err_sys(e, "write vmlinuz") : 0;
}

/* One of the same name changes places with it, so that at no moment there is none. */
static int take_name(const struct import *i, struct err *e)
{
	int r = fault_at("kernel", "place", false, e);

	if (r < 0)
		return r;
	if (renameat2(i->stage, "new", i->store, i->name, RENAME_EXCHANGE) < 0 &&
	    (errno != ENOENT || renameat(i->stage, "new", i->store, i->name) < 0))
		return err_sys(e, "import kernel %s", i->name);
	return fault_at("kernel", "place", true, e);
}

static int point_default(const struct import *i, struct err *e)
{
	if (faccessat(i->store, DEFAULT, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    symlinkat(i->name, i->store, DEFAULT) == 0)
		return 0;
	return err_sys(e, "make kernel %s the default", i->name);
}

/* Into .import/new, then by rename to its name. VMs that run hold what they need open. */
static int place(const struct import *i, struct err *e)
{
	_fd_ int to = -1;
	int r = fs_mkdir_p(i->stage, "new/modules", 0755, e);

	if (!r)
		r = fs_open_dir(i->stage, "new", &to, e);
	if (!r)
		r = copy_modules(i, to, e);
	if (!r)
		r = copy_image(i, to, e);
	if (!r)
		r = take_name(i, e);
	if (!r)
		r = point_default(i, e);
	if (!r && fsync(i->store) < 0)
		r = err_sys(e, "import kernel %s", i->name);
	return r;
}

static int import(struct import *i, const char *file, const char *modules, struct err *e)
{
	int r = str_ends(file, ".deb") ? open_deb(i, file, e) : open_plain(i, file, modules, e);

	if (!r)
		r = check_image(i->image, file, e);
	return r < 0 ? r : place(i, e);
}

static int open_stage(struct import *i, int *ret_lock, struct err *e)
{
	_fd_ int lock = -1;
	int r = flock_path(i->store, ".lock", "the kernels", FLOCK_WORK_MS, &lock, e);

	if (!r)
		r = fs_remove_tree(i->store, STAGE, e);
	if (!r)
		r = fs_mkdir_p(i->store, STAGE, 0700, e);
	if (!r)
		r = fs_open_dir(i->store, STAGE, &i->stage, e);
	if (!r)
		*ret_lock = TAKE_FD(lock);
	return r;
}

static void import_done(struct import *i)
{
	struct err ignored = ERR_INIT;

	if (i->store >= 0 && fs_remove_tree(i->store, STAGE, &ignored) < 0)
		err_clear(&ignored);            /* the next import removes it */
	cleanup_fd(&i->store);
	cleanup_fd(&i->stage);
	cleanup_fd(&i->modules);
	cleanup_fd(&i->image);
}

int kernel_import(int lib, const char *file, const char *modules, char ret_name[KERNEL_NAME],
		  struct err *e)
{
	struct import i = { .store = -1, .stage = -1, .modules = -1, .image = -1 };
	_fd_ int lock = -1;
	int r;

	if (!str_ends(file, ".deb") && !modules)
		return err_set(e, EINVAL, VZ_FEW_PARAMS,
			       "import %s: want a .deb, or an image and its modules directory", file);
	r = open_store(lib, &i.store, e);
	if (!r)
		r = open_stage(&i, &lock, e);
	if (!r)
		r = import(&i, file, modules, e);
	if (!r)
		(void)str_fmt(ret_name, KERNEL_NAME, "%s", i.name);
	import_done(&i);
	return r;
}

/* ---- what there is ---- */

static void link_name(int store, const char *link, char ret[KERNEL_NAME])
{
	ssize_t n = readlinkat(store, link, ret, KERNEL_NAME - 1);

	ret[n < 0 ? 0 : n] = '\0';
}

static void default_name(int store, char ret[KERNEL_NAME])
{
	link_name(store, DEFAULT, ret);
}

/* Where the link of a template is; false for what is no name of one. */
static bool of_path(const char *template, char dst[96])
{
	return str_is_word(template, "._-") && template[0] != '.' &&
	       str_fmt(dst, 96, OF "/%s", template) > 0;
}

void kernel_of(int lib, const char *template, char ret[KERNEL_NAME])
{
	struct err ignored = ERR_INIT;
	_fd_ int store = -1;
	char path[96];

	*ret = '\0';
	if (of_path(template, path) && fs_open_dir(lib, "kernel", &store, &ignored) == 0)
		link_name(store, path, ret);
}

typedef int of_fn(void *arg, int store, const char *template, const char *kernel, struct err *e);

/* Every template that has a default, by name. */
static int each_of(int store, of_fn *fn, void *arg, struct err *e)
{
	struct dirent **names;
	int n = scandirat(store, OF, &names, NULL, alphasort), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(e, "read the kernels of templates");
	for (int i = 0; i < n; i++) {
		char path[96], kernel[KERNEL_NAME];

		if (!r && of_path(names[i]->d_name, path)) {
			link_name(store, path, kernel);
			r = fn(arg, store, names[i]->d_name, kernel, e);
		}
		free(names[i]);
	}
	free(names);
	return r;
}

static int note_of(void *arg, int store, const char *template, const char *kernel, struct err *e)
{
	struct kernel *k = arg;
	size_t len = strlen(k->templates);

	(void)store;
	(void)e;
	if (str_eq(kernel, k->name) && len + strlen(template) + 2 < sizeof(k->templates))
		(void)str_fmt(k->templates + len, sizeof(k->templates) - len, "%s%s", len ? " " : "", template);
	return 0;
}

static int visible(const struct dirent *d)
{
	return name_ok(d->d_name);
}

static void describe(int store, struct kernel *k)
{
	char path[KERNEL_NAME + 16];
	struct dirent **list;
	struct stat st;
	int n;

	(void)str_fmt(path, sizeof(path), "%s/vmlinuz", k->name);
	if (fstatat(store, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		k->size = (uint64_t)st.st_size;
		k->imported = (uint64_t)st.st_mtim.tv_sec;
	}
	(void)str_fmt(path, sizeof(path), "%s/modules", k->name);
	n = scandirat(store, path, &list, NULL, NULL);
	for (int i = 0; i < n; i++) {
		k->modules += list[i]->d_name[0] != '.';
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

int kernel_list(int lib, struct kernel **ret, size_t *ret_n, struct err *e)
{
	char standard[KERNEL_NAME];
	struct dirent **names;
	struct kernel *list;
	_fd_ int store = -1;
	int n, r = open_store(lib, &store, e);

	if (r < 0)
		return r;
	n = scandirat(store, ".", &names, visible, alphasort);
	if (n < 0)
		return err_sys(e, "read the kernels");
	default_name(store, standard);
	list = calloc((size_t)n + 1, sizeof(*list));
	for (int i = 0; i < n; i++) {
		if (list) {
			(void)str_fmt(list[i].name, KERNEL_NAME, "%s", names[i]->d_name);
			list[i].is_default = str_eq(list[i].name, standard);
			describe(store, &list[i]);
			if (!r)
				r = each_of(store, note_of, &list[i], e);
		}
		free(names[i]);
	}
	free(names);
	if (!list)
		return err_set(e, ENOMEM, 0, "read the kernels: out of memory");
	if (r < 0) {
		free(list);
		return r;
	}
	*ret = list;
	*ret_n = (size_t)n;
	return 0;
}

static int open_one(int store, const char *name, int *ret, struct err *e)
{
	int r;

	if (!name_ok(name))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "kernel \"%.80s\": not a name of one", name);
	r = fs_open_dir(store, name, ret, e);
	if (r == -ENOENT) {
		err_clear(e);
		return err_set(e, ENOENT, VZ_BAD_VALUE,
			       "kernel %s: there is none; berth kernel list shows them", name);
	}
	return r;
}

/* The link at path becomes one to the kernel. */
static int point(int store, const char *path, const char *name, struct err *e)
{
	_fd_ int dir = -1;
	int r = open_one(store, name, &dir, e);

	if (r < 0)
		return r;
	(void)unlinkat(store, ".default", 0);
	if (symlinkat(name, store, ".default") < 0 ||
	    renameat(store, ".default", store, path) < 0 || fsync(store) < 0)
		return err_sys(e, "make kernel %s the default", name);
	return 0;
}

int kernel_set_default(int lib, const char *name, struct err *e)
{
	_fd_ int store = -1;
	int r = open_store(lib, &store, e);

	return r < 0 ? r : point(store, DEFAULT, name, e);
}

int kernel_set_of(int lib, const char *template, const char *name, struct err *e)
{
	_fd_ int store = -1;
	char path[96];
	int r = open_store(lib, &store, e);

	if (!r && !of_path(template, path))
		r = err_set(e, EINVAL, VZ_BAD_VALUE, "template \"%.80s\": not a name of one", template);
	if (!r)
		r = fs_mkdir_p(store, OF, 0755, e);
	if (r < 0 || name)
		return r < 0 ? r : point(store, path, name, e);
	return unlinkat(store, path, 0) < 0 && errno != ENOENT ?
		       err_sys(e, "forget the kernel of template %s", template) : 0;
}

/* Whoever had it has that of the host again. */
static int forget_of(void *arg, int store, const char *template, const char *kernel, struct err *e)
{
	char path[96];

	if (str_eq(kernel, arg) && of_path(template, path) && unlinkat(store, path, 0) < 0)
		return err_sys(e, "forget the kernel of template %s", template);
	return 0;
}

/* Its name goes first, at once: half of a kernel is none that boots. */
static int drop(const struct import *i, const char *name, struct err *e)
{
	if (renameat(i->store, name, i->stage, "old") < 0 || fsync(i->store) < 0)
		return err_sys(e, "remove kernel %s", name);
	return fault_at("kernel", "remove", true, e);
}

static int forget_links(int store, const char *name, struct err *e)
{
	char standard[KERNEL_NAME];

	default_name(store, standard);
	if (str_eq(standard, name) && unlinkat(store, DEFAULT, 0) < 0)
		return err_sys(e, "remove kernel %s", name);
	return each_of(store, forget_of, (void *)(uintptr_t)name, e);
}

int kernel_remove(int lib, const char *name, struct err *e)
{
	struct import i = { .store = -1, .stage = -1, .modules = -1, .image = -1 };
	_fd_ int dir = -1, lock = -1;
	int r = open_store(lib, &i.store, e);

	if (!r)
		r = open_stage(&i, &lock, e);
	if (!r)
		r = open_one(i.store, name, &dir, e);
	if (!r)
		r = forget_links(i.store, name, e);
	if (!r)
		r = drop(&i, name, e);
	import_done(&i);
	return r;
}

/* Its directory, and its name where the default was asked for. */
static int open_named(int lib, const char *name, char ret_name[KERNEL_NAME], int *ret,
		      struct err *e)
{
	_fd_ int store = -1;
	int r = open_store(lib, &store, e);

	if (r < 0)
		return r;
	if (*name)
		(void)str_fmt(ret_name, KERNEL_NAME, "%s", name);
	else
		default_name(store, ret_name);
	if (!*ret_name)
		return err_set(e, ENOENT, VZ_NO_KERNEL_SUPPORT, "no kernel for virtual machines; "
			       "berth kernel import takes a package linux-image-cloud-amd64");
	return open_one(store, ret_name, ret, e);
}

int kernel_check(int lib, const char *name, struct err *e)
{
	char found[KERNEL_NAME];
	_fd_ int dir = -1;

	return open_named(lib, name, found, &dir, e);
}

int kernel_open(int lib, const char *name, const char *agent, struct kernel_files *ret,
		struct err *e)
{
	struct kernel_files k = KERNEL_FILES_INIT;
	_fd_ int dir = -1;
	int r = open_named(lib, name, k.name, &dir, e);

	if (r < 0)
		return r;
	k.image = openat(dir, "vmlinuz", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	r = k.image < 0 ? err_sys(e, "open kernel %s", k.name)
			: initramfs_open(dir, agent, &k.initramfs, e);
	if (r < 0) {
		kernel_close(&k);
		return r;
	}
	*ret = k;
	return 0;
}

int kernel_image(int lib, const char *name, int *ret, struct err *e)
{
	char found[KERNEL_NAME];
	_fd_ int dir = -1;
	int fd, r = open_named(lib, name, found, &dir, e);

	if (r < 0)
		return r;
	fd = openat(dir, "vmlinuz", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open kernel %s", found);
	*ret = fd;
	return 0;
}

void kernel_close(struct kernel_files *k)
{
	cleanup_fd(&k->image);
	cleanup_fd(&k->initramfs);
}
