/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/detect.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "templates/manifest.h"
#include "templates/pack.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MAX_RELEASE 65536
#define MAX_STATUS (64u << 20)
#define WORD 128

/* ---- distribution ---- */

bool detect_os_release(const char *text, const char *key, char *dst, size_t size)
{
	size_t n = strlen(key);

	for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		char value[64];
		size_t len;

		if (strncmp(p, key, n) != 0 || p[n] != '=')
			continue;
		p += n + 1;
		len = strcspn(p, "\n");
		if (len >= 2 && (*p == '"' || *p == '\'') && p[len - 1] == *p) {
			p++;
			len -= 2;
		}
		if (str_fmt(value, sizeof(value), "%.*s", (int)(len < 64 ? len : 64), p) < 0 ||
		    !manifest_name_ok(value))
			return false;
		return str_fmt(dst, size, "%s", value) > 0;
	}
	return false;
}

static int read_in(int root, const char *path, size_t max, char **ret, size_t *ret_len)
{
	struct err ignored = ERR_INIT;  /* what cannot be read is not known */
	_fd_ int fd = -1;
	int r = fs_open_in_root_follow(root, path, O_RDONLY, S_IFREG, &fd, &ignored);

	return r < 0 ? r : fs_read_fd(fd, path, max, ret, ret_len, &ignored);
}

static void find_distribution(int root, struct template *t)
{
	char id[40], version[20] = "";
	_free_ char *text = NULL;

	if (read_in(root, "etc/os-release", MAX_RELEASE, &text, NULL) < 0 &&
	    read_in(root, "usr/lib/os-release", MAX_RELEASE, &text, NULL) < 0)
		text = NULL;
	if (!text || !detect_os_release(text, "ID", id, sizeof(id)))
		(void)str_fmt(id, sizeof(id), "unknown");
	else
		(void)detect_os_release(text, "VERSION_ID", version, sizeof(version));
	(void)str_fmt(t->distribution, sizeof(t->distribution), "%s%s%s", id, *version ? "-" : "",
		      version);
}

/* ---- init and architecture ---- */

static bool exists(int root, const char *path)
{
	struct err ignored = ERR_INIT;
	_fd_ int fd = -1;

	return fs_open_in_root_follow(root, path, O_PATH, S_IFREG, &fd, &ignored) == 0;
}

/* The same file by two names: what the first leads to. */
static bool leads_to(int root, const char *path, const char *to)
{
	struct err ignored = ERR_INIT;
	_fd_ int a = -1, b = -1;
	struct stat x, y;

	return fs_open_in_root_follow(root, path, O_PATH, S_IFREG, &a, &ignored) == 0 &&
	       fs_open_in_root_follow(root, to, O_PATH, S_IFREG, &b, &ignored) == 0 &&
	       fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static const char *init_of(int root)
{
	const char *init = "sbin/init";

	if (!exists(root, init))
		return "none";
	if (leads_to(root, init, "lib/systemd/systemd") ||
	    leads_to(root, init, "usr/lib/systemd/systemd"))
		return "systemd";
	if (exists(root, "sbin/openrc") || leads_to(root, init, "sbin/openrc-init"))
		return "openrc";
	if (leads_to(root, init, "bin/busybox") || leads_to(root, init, "usr/bin/busybox"))
		return "busybox";
	if (leads_to(root, init, "sbin/runit-init") || leads_to(root, init, "usr/bin/runit-init"))
		return "runit";
	return "sysvinit";
}

static const char *machine_name(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} rows[] = {
		{ EM_X86_64, "x86_64" },   { EM_386, "i686" },       { EM_AARCH64, "aarch64" },
		{ EM_ARM, "armv7l" },      { EM_RISCV, "riscv64" },  { EM_PPC64, "ppc64le" },
		{ EM_S390, "s390x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].machine == machine)
			return rows[i].name;
	return NULL;
}

static const char *arch_of(int root)
{
	static const char *const programs[] = { "sbin/init", "bin/sh", "bin/busybox", "usr/bin/env" };

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct err ignored = ERR_INIT;
		_fd_ int fd = -1;
		const char *name;
		Elf64_Ehdr h;

		if (fs_open_in_root_follow(root, programs[i], O_RDONLY, S_IFREG, &fd, &ignored) < 0 ||
		    fs_pread_all(fd, &h, sizeof(h), 0) < 0 || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
			continue;
		name = machine_name(h.e_ident[EI_DATA] == ELFDATA2MSB ? be16toh(h.e_machine) :
								       le16toh(h.e_machine));
		if (name)
			return name;
	}
	return "unknown";
}

/* ---- packages ---- */

struct package {
	char name[WORD], version[WORD], arch[WORD];
	bool installed;
};

struct package_list {
	char **lines;
	size_t n;
};

static int add_package(struct package_list *l, struct package *p)
{
	char line[3 * WORD + 4];
	char **more;

	if (*p->name && *p->version && p->installed &&
	    str_fmt(line, sizeof(line), "%s %s %s", p->name, p->version,
		    *p->arch ? p->arch : "-") > 0) {
		more = l->n & (l->n - 1) ? l->lines :
					   reallocarray(l->lines, l->n ? 2 * l->n : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->lines = more;
		l->lines[l->n] = strdup(line);
		if (!l->lines[l->n])
			return -ENOMEM;
		l->n++;
	}
	*p = (struct package){ .installed = false };
	return 0;
}

static void word_field(const char *value, size_t len, char dst[WORD])
{
	char one[WORD];

	if (str_fmt(one, sizeof(one), "%.*s", (int)(len < WORD ? len : WORD), value) > 0 &&
	    str_is_word(one, "._-+:~"))
		(void)str_fmt(dst, WORD, "%s", one);
}

/* deb822 fields have a name and ": ", those of apk one letter and ":". */
static void package_line(struct package *p, const char *line, size_t len, bool apk)
{
	static const struct {
		const char *deb, *apk;
		size_t off;
	} rows[] = {
		{ "Package: ", "P:", offsetof(struct package, name) },
		{ "Version: ", "V:", offsetof(struct package, version) },
		{ "Architecture: ", "A:", offsetof(struct package, arch) },
	};

	if (apk || (len >= 28 && str_starts(line, "Status: ") &&
		    !memcmp(line + len - 13, " ok installed", 13)))
		p->installed = true;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *key = apk ? rows[i].apk : rows[i].deb;
		size_t n = strlen(key);

		if (len > n && !strncmp(line, key, n))
			word_field(line + n, len - n, (char *)p + rows[i].off);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int join(const struct package_list *l, char **ret)
{
	size_t size = 1, at = 0;
	char *text;

	for (size_t i = 0; i < l->n; i++)
		size += strlen(l->lines[i]) + 1;
	text = calloc(1, size);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++)
		at += (size_t)str_fmt(text + at, size - at, "%s\n", l->lines[i]);
	*ret = text;
	return 0;
}

int detect_packages(const char *text, bool apk, char **ret, size_t *ret_n, struct err *e)
{
	struct package_list l = { NULL, 0 };
	struct package p = { .installed = false };
	int r = 0;

	while (*text && !r) {
		size_t n = strcspn(text, "\n");

		if (!n)
			r = add_package(&l, &p);
		else
			package_line(&p, text, n, apk);
		text += n + (text[n] == '\n');
	}
	if (!r)
		r = add_package(&l, &p);
	if (!r && l.n)
		qsort(l.lines, l.n, sizeof(*l.lines), compare);
	if (!r)
		r = join(&l, ret);
	if (!r)
		*ret_n = l.n;
	for (size_t i = 0; i < l.n; i++)
		free(l.lines[i]);
	free(l.lines);
	return r < 0 ? err_set(e, -r, 0, "list packages: out of memory") : 0;
}

static int find_packages(int root, int out, struct template *t, struct err *e)
{
	_free_ char *text = NULL, *lines = NULL;
	size_t n = 0, len = 0;
	bool apk = false;
	int r;

	if (read_in(root, "var/lib/dpkg/status", MAX_STATUS, &text, &len) < 0)
		apk = read_in(root, "lib/apk/db/installed", MAX_STATUS, &text, &len) == 0;
	if (!text || !len)
		return 0;
	r = detect_packages(text, apk, &lines, &n, e);
	if (!r)
		r = fs_save_at(out, PACK_PACKAGES, lines, 0644, e);
	if (!r)
		t->packages = n;
	return r;
}

int detect_root(int root, int out, struct template *t, struct err *e)
{
	_fd_ int dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, "open the new image");
	if (!*t->distribution)
		find_distribution(dir, t);
	if (!*t->init)
		(void)str_fmt(t->init, sizeof(t->init), "%s", init_of(dir));
	if (!*t->arch)
		(void)str_fmt(t->arch, sizeof(t->arch), "%s", arch_of(dir));
	return find_packages(dir, out, t, e);
}
