/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `mini`: the host's static busybox, a link per applet, and the few files an init needs. Made
 * in well under two seconds without a network, so it serves tests and first trials. The same
 * busybox gives the same digest: all times are one fixed moment.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/recipe.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-copy.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define EPOCH 1700000000        /* any moment that is past when a template is built */
#define MAX_APPLETS 65536

static const struct {
	const char *path;
	mode_t mode;
} dirs[] = {
	{ "bin", 0755 },          { "sbin", 0755 },        { "usr/bin", 0755 },
	{ "usr/sbin", 0755 },     { "dev", 0755 },         { "proc", 0555 },
	{ "sys", 0555 },          { "run", 0755 },         { "tmp", 01777 },
	{ "root", 0700 },         { "home", 0755 },        { "mnt", 0755 },
	{ "var/log", 0755 },      { "var/tmp", 01777 },    { "var/spool/cron/crontabs", 0755 },
	{ "etc/init.d", 0755 },   { "etc/rc.d", 0755 },
	{ "etc/network/if-pre-up.d", 0755 },               { "etc/network/if-up.d", 0755 },
	{ "etc/network/if-down.d", 0755 },                 { "etc/network/if-post-down.d", 0755 },
};

static const struct recipe_file files[] = {
	/* getty waits where there is no console; init pauses between two starts of it. */
	{ "etc/inittab", 0644,
	  "::sysinit:/etc/init.d/rcS\n"
	  "::respawn:/sbin/getty -L console 0 vt100\n"
	  "::ctrlaltdel:/sbin/reboot\n"
	  "::shutdown:/etc/init.d/rcK\n"
	  "::restart:/sbin/init\n" },
	{ "etc/init.d/rcS", 0755,
	  "#!/bin/sh\n"
	  "# Start: /proc, /sys, /dev and /run are mounted, lo and eth0 have their addresses already.\n"
	  "[ -s /etc/hostname ] && hostname -F /etc/hostname\n"
	  "for s in /etc/rc.d/S*; do [ -x \"$s\" ] && \"$s\" start; done\n"
	  "exit 0\n" },
	{ "etc/init.d/rcK", 0755,
	  "#!/bin/sh\n"
	  "for s in /etc/rc.d/K*; do [ -x \"$s\" ] && \"$s\" stop; done\n"
	  "sync\n" },
	{ "etc/passwd", 0644,
	  "root:x:0:0:root:/root:/bin/sh\n"
	  "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
	  "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
	{ "etc/shadow", 0600,
	  "root:*:19675:0:99999:7:::\n"
	  "daemon:*:19675:0:99999:7:::\n"
	  "nobody:*:19675:0:99999:7:::\n" },
	{ "etc/group", 0644, "root:x:0:\ndaemon:x:1:\ntty:x:5:\nutmp:x:43:\nnogroup:x:65534:\n" },
	{ "etc/hosts", 0644,
	  "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n" },
	{ "etc/nsswitch.conf", 0644, "passwd: files\ngroup: files\nshadow: files\n"
				     "hosts: files dns\n" },
	{ "etc/profile", 0644,
	  "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	  "PS1='\\u@\\h:\\w\\$ '\n"
	  "umask 022\n" },
	{ "etc/shells", 0644, "/bin/sh\n/bin/ash\n" },
	{ "etc/resolv.conf", 0644, "" },
	{ "etc/network/interfaces", 0644, "auto lo\niface lo inet loopback\n" },
	{ "etc/os-release", 0644,
	  "NAME=\"Berth mini\"\nID=mini\nPRETTY_NAME=\"Berth mini (busybox)\"\n" },
};

static const struct recipe_link links[] = {
	{ "var/run", "../run" },
	{ "var/lock", "../run" },
	{ "etc/mtab", "../proc/self/mounts" },
	{ "bin/sh", "busybox" },
	{ "sbin/init", "../bin/busybox" },
};

/* A dynamic program names its interpreter in a PT_INTERP header (elf(5)). */
static int is_static(int fd)
{
	Elf64_Ehdr h;

	if (fs_pread_all(fd, &h, sizeof(h), 0) < 0 || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_phentsize != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr p;

		if (fs_pread_all(fd, &p, sizeof(p), (off_t)(h.e_phoff + i * sizeof(p))) < 0)
			return -ENOEXEC;
		if (p.p_type == PT_INTERP)
			return 0;
	}
	return 1;
}

static int open_busybox(const char **ret_path, int *ret, struct err *e)
{
	static const char *const where[] = { "/usr/bin/busybox", "/bin/busybox" };
	const char *other = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		_fd_ int fd = open(where[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (is_static(fd) == 1) {
			*ret_path = where[i];
			*ret = TAKE_FD(fd);
			return 0;
		}
		other = where[i];
	}
	if (other)
		return err_set(e, ENOEXEC, VZ_SYSTEM,
			       "use %s: not a static program; install the package busybox-static",
			       other);
	return err_set(e, ENOENT, VZ_SYSTEM,
		       "find busybox: not installed; install the package busybox-static");
}

static int put_busybox(int root, int from, struct err *e)
{
	_fd_ int to = -1;
	int r = fs_open_in_root(root, "bin/busybox", O_RDWR | O_CREAT | O_EXCL, 0755, S_IFREG, &to,
				e);

	if (!r)
		r = copy_sparse(from, to, NULL, e);
	if (!r && fchmod(to, 0755) < 0)
		r = err_sys(e, "make bin/busybox");
	return r;
}

/* The list of a program of the host: relative paths of plain letters, or it is refused. */
static int put_applet(int root, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const struct recipe_link link = { path, "/bin/busybox" };
	struct stat st;

	if (!str_is_word(path, "/._-[") || path[0] == '/' || strstr(path, ".."))
		return err_set(e, EINVAL, 0, "list applets of busybox: unexpected \"%.64s\"",
			       str_has_control(path) ? "?" : path);
	if (!slash || fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;               /* linuxrc in /, and what has been made already */
	return build_links(root, &link, 1, e);
}

static int put_applets(int root, char *list, struct err *e)
{
	for (char *line = list; *line;) {
		size_t n = strcspn(line, "\n");
		char *next = line + n + (line[n] == '\n');
		int r;

		line[n] = '\0';
		r = n ? put_applet(root, line, e) : 0;
		if (r < 0)
			return r;
		line = next;
	}
	return 0;
}

static int list_applets(const char *busybox, char **ret, struct err *e)
{
	_fd_ int out = memfd_create("applets", MFD_CLOEXEC);
	const char *const argv[] = { busybox, "--list-full", NULL };
	struct run run = { .argv = argv, .in = -1, .out = out, .cwd = -1, .timeout_ms = 10000 };
	int r;

	if (out < 0)
		return err_sys(e, "make a memory file");
	r = proc_run(&run, e);
	if (r)
		return r < 0 ? r : -e->eno;
	if (lseek(out, 0, SEEK_SET) < 0)
		return err_sys(e, "list applets of busybox");
	return fs_read_fd(out, "applets", MAX_APPLETS, ret, NULL, e);
}

static int make_dirs(int root, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_fd_ int fd = -1;
		int r = fs_mkdir_in_root(root, dirs[i].path, 0755, 0, 0, e);

		if (!r)
			r = fs_open_in_root(root, dirs[i].path, O_RDONLY | O_DIRECTORY, 0, S_IFDIR,
					    &fd, e);
		if (r < 0)
			return r;
		if (fchmod(fd, dirs[i].mode) < 0)
			return err_sys(e, "make directory %s", dirs[i].path);
	}
	return 0;
}

int build_mini(const struct build *b, const struct recipe *rec, int scratch, struct err *e)
{
	static const struct timespec at[] = { { .tv_sec = EPOCH }, { .tv_sec = EPOCH } };
	_fd_ int busybox = -1, root = -1;
	_free_ char *applets = NULL;
	const char *path = NULL;
	int r = open_busybox(&path, &busybox, e);

	(void)rec;
	if (r < 0)
		return r;
	build_say(b, "taking %s", path);
	r = fs_open_dir(scratch, "root", &root, e);
	if (!r)
		r = make_dirs(root, e);
	if (!r)
		r = put_busybox(root, busybox, e);
	if (!r)
		r = build_files(root, files, ARRAY_SIZE(files), e);
	if (!r)
		r = build_links(root, links, ARRAY_SIZE(links), e);
	if (!r)
		r = list_applets(path, &applets, e);
	if (!r)
		r = put_applets(root, applets, e);
	if (!r && utimensat(scratch, "root", at, 0) < 0)
		r = err_sys(e, "set the time of the root directory");
	return r;
}
