/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A package of a kernel is as trusted as the administrator who imports it; sizes are checked all
 * the same, since a file may be cut off. */
#include "vm/kmod.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define LIST_MAX (4u << 20)
#define MODULE_MAX (32u << 20)

/*
 * One bus is enough, but which one a VM gets is decided when it starts. The checksums are what
 * ext4 and erofs ask the crypto layer for by name, not by dependency.
 */
static const struct {
	const char *name;
	bool optional;
} needed[] = {
	{ "virtio_mmio", false },  { "virtio_pci", false },     { "virtio_console", false },
	{ "virtio_blk", false },   { "crc32c_generic", true },  { "crc32c_intel", true },
	{ "erofs", false },        { "ext4", false },           { "overlay", false },
	{ "virtio_net", false },   { "virtio_balloon", true },  { "virtio_mem", true },
	{ "virtio_rng", true },    { "button", true },
};

struct modules {
	int dir;
	char *order, *builtin;
	struct kmod_list *list;
};

/* ---- one module ---- */

static bool in_file(size_t len, uint64_t off, uint64_t size)
{
	return off <= len && size <= len - off;
}

static const char *find_key(const char *p, const char *end, const char *key)
{
	size_t n = strlen(key);

	while (p < end) {
		size_t len = strnlen(p, (size_t)(end - p));

		if (len == (size_t)(end - p))
			return NULL;
		if (len > n && strncmp(p, key, n) == 0 && p[n] == '=')
			return p + n + 1;
		p += len + 1;
	}
	return NULL;
}

const char *kmod_info(const char *elf, size_t len, const char *key)
{
	Elf64_Ehdr h;
	Elf64_Shdr names, s;

	if (len < sizeof(h))
		return NULL;
	memcpy(&h, elf, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_shentsize != sizeof(s) || h.e_shstrndx >= h.e_shnum ||
	    !in_file(len, h.e_shoff, (uint64_t)h.e_shnum * sizeof(s)))
		return NULL;
	memcpy(&names, elf + h.e_shoff + h.e_shstrndx * sizeof(s), sizeof(names));
	if (!in_file(len, names.sh_offset, names.sh_size))
		return NULL;
	for (unsigned i = 0; i < h.e_shnum; i++) {
		memcpy(&s, elf + h.e_shoff + i * sizeof(s), sizeof(s));
		if (s.sh_name >= names.sh_size || names.sh_size - s.sh_name < sizeof(".modinfo") ||
		    memcmp(elf + names.sh_offset + s.sh_name, ".modinfo", 9) != 0 ||
		    !in_file(len, s.sh_offset, s.sh_size))
			continue;
		return find_key(elf + s.sh_offset, elf + s.sh_offset + s.sh_size, key);
	}
	return NULL;
}

static int unpack_xz(int from, int *ret, struct err *e)
{
	static const char *const argv[] = { "/usr/bin/xz", "-dc", NULL };
	_fd_ int to = memfd_create("module", MFD_CLOEXEC);
	struct run run = { .argv = argv, .in = from, .out = to, .cwd = -1 };
	int r;

	if (to < 0)
		return err_sys(e, "unpack a module");
	r = proc_run(&run, e);
	if (r)
		return r < 0 ? r : err_set(e, EINVAL, 0, "unpack a module: xz ended with %d", r);
	if (lseek(to, 0, SEEK_SET) < 0)
		return err_sys(e, "unpack a module");
	*ret = TAKE_FD(to);
	return 0;
}

int kmod_read(int modules, const char *path, char **ret, size_t *ret_len, struct err *e)
{
	_fd_ int fd = -1, plain = -1;
	int r = fs_open_in_root(modules, path, O_RDONLY, 0, S_IFREG, &fd, e);

	if (r < 0)
		return r;
	if (str_ends(path, ".xz")) {
		r = unpack_xz(fd, &plain, e);
		if (r < 0)
			return r;
	}
	return fs_read_fd(plain >= 0 ? plain : fd, path, MODULE_MAX, ret, ret_len, e);
}

/* ---- which there are ---- */

static bool same_name(const char *line, size_t len, const char *name)
{
	const char *base = memrchr(line, '/', len);
	size_t i = 0;

	base = base ? base + 1 : line;
	for (; base + i < line + len && base[i] != '.' && name[i]; i++)
		if ((base[i] == '-' ? '_' : base[i]) != (name[i] == '-' ? '_' : name[i]))
			return false;
	return !name[i] && base + i < line + len && strncmp(base + i, ".ko", 3) == 0;
}

/* The line of this module in modules.order or modules.builtin. */
static const char *find_line(const char *text, const char *name, size_t *ret_len)
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		if (same_name(text, len, name)) {
			*ret_len = len;
			return text;
		}
		text += len + (text[len] == '\n');
	}
	return NULL;
}

/* The file may have been compressed after the list was made. */
static int path_of(const struct modules *m, const char *name, char dst[200])
{
	size_t len;
	const char *line = find_line(m->order, name, &len);

	if (!line || str_fmt(dst, 200, "%.*s", (int)len, line) < 0)
		return -ENOENT;
	if (faccessat(m->dir, dst, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return str_fmt(dst, 200, "%.*s.xz", (int)len, line) < 0 ||
	       faccessat(m->dir, dst, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -ENOENT : 0;
}

static bool listed(const struct kmod_list *l, const char *path)
{
	for (unsigned i = 0; i < l->n; i++)
		if (str_eq(l->path[i], path))
			return true;
	return false;
}

static int add(struct modules *m, const char *name, unsigned depth, struct err *e);

static int add_dependencies(struct modules *m, const char *path, unsigned depth, struct err *e)
{
	_free_ char *elf = NULL;
	const char *deps;
	char word[64];
	size_t len;
	int r = kmod_read(m->dir, path, &elf, &len, e), n;

	if (r < 0)
		return r;
	deps = kmod_info(elf, len, "depends");
	if (!deps)
		return err_set(e, ENOEXEC, VZ_BAD_VALUE, "module %s: not a module", path);
	while ((n = str_word(&deps, word, sizeof(word))) > 0) {
		r = add(m, word, depth + 1, e);
		if (r < 0)
			return r;
	}
	return n < 0 ? err_set(e, EINVAL, VZ_BAD_VALUE, "module %s: bad dependencies", path) : 0;
}

/* -ENOENT, e untouched, when the kernel has it neither as a module nor built in. */
static int add(struct modules *m, const char *name, unsigned depth, struct err *e)
{
	char path[200];
	size_t len;
	int r;

	if (path_of(m, name, path) < 0)
		return find_line(m->builtin, name, &len) ? 0 : -ENOENT;
	if (listed(m->list, path))
		return 0;
	if (depth > 8)
		return err_set(e, ELOOP, VZ_BAD_VALUE, "module %s: depends in a circle", path);
	r = add_dependencies(m, path, depth, e);
	if (r == -ENOENT && !e->eno)
		return err_set(e, ENOENT, VZ_BAD_VALUE, "module %s: what it depends on is missing",
			       path);
	if (r < 0)
		return r;
	if (m->list->n == KMOD_MAX)
		return err_set(e, E2BIG, VZ_BAD_VALUE, "module %s: more than %d are needed", path,
			       KMOD_MAX);
	(void)str_fmt(m->list->path[m->list->n++], 200, "%s", path);
	return 0;
}

static int add_needed(struct modules *m, struct err *e)
{
	char missing[256] = "";
	int used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		int r = add(m, needed[i].name, 0, e), n;

		if (r < 0 && (r != -ENOENT || e->eno))
			return r;
		if (!r || needed[i].optional)
			continue;
		n = str_fmt(missing + used, sizeof(missing) - (size_t)used, "%s%s", used ? ", " : "",
			    needed[i].name);
		used += n > 0 ? n : 0;
	}
	return used ? err_set(e, ENOENT, VZ_BAD_VALUE, "this kernel lacks what a VM needs: %s", missing)
		    : 0;
}

int kmod_needed(int modules, struct kmod_list *ret, struct err *e)
{
	_free_ char *order = NULL, *builtin = NULL;
	struct modules m = { .dir = modules, .list = ret };
	int r = fs_read_at(modules, "modules.order", LIST_MAX, &order, NULL, e);

	if (!r)
		r = fs_read_at(modules, "modules.builtin", LIST_MAX, &builtin, NULL, e);
	if (r < 0)
		return r;
	m.order = order;
	m.builtin = builtin;
	ret->n = 0;
	return add_needed(&m, e);
}
