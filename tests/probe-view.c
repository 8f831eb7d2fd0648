/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that print what there is to see: of themselves, of files and devices. */
#include "tests/probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Lines of a file that start with one of the words; all lines when there are none. */
static int print_lines(const char *path, const char *const *words, size_t n)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!f) {
		printf("%s %s\n", path, outcome(-1));
		return 1;
	}
	while (getline(&line, &size, f) > 0) {
		bool show = n == 0;

		for (size_t i = 0; i < n; i++)
			show |= strncmp(line, words[i], strlen(words[i])) == 0;
		if (show)
			(void)fputs(line, stdout);
	}
	free(line);
	(void)fclose(f);
	return 0;
}

/* ---- who am I ---- */

int do_id(char **argv)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg, groups[64];
	int n = getgroups(LEN(groups), groups);
	struct utsname u;

	(void)argv;
	if (getresuid(&ru, &eu, &su) < 0 || getresgid(&rg, &eg, &sg) < 0 || uname(&u) < 0)
		return 1;
	printf("uid %u %u %u\ngid %u %u %u\ngroups", ru, eu, su, rg, eg, sg);
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	printf("\npid %d ppid %d sid %d pgrp %d\n", getpid(), getppid(), getsid(0), getpgrp());
	printf("hostname %s\nuid_map ", u.nodename);
	(void)print_lines("/proc/self/uid_map", NULL, 0);
	printf("gid_map ");
	return print_lines("/proc/self/gid_map", NULL, 0);
}

int do_caps(char **argv)
{
	static const char *const words[] = { "Cap", "NoNewPrivs", "Seccomp" };

	(void)argv;
	return print_lines("/proc/self/status", words, LEN(words));
}

int do_fds(char **argv)
{
	DIR *d = opendir("/proc/self/fd");
	char target[4096];
	struct dirent *ent;
	ssize_t n;

	(void)argv;
	if (!d)
		return 1;
	while ((ent = readdir(d))) {
		if (ent->d_name[0] == '.' || (int)number(ent->d_name) == dirfd(d))
			continue;
		n = readlinkat(dirfd(d), ent->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		printf("%s %s\n", ent->d_name, target);
	}
	(void)closedir(d);
	n = readlink("/proc/self/cwd", target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	printf("cwd %s\n", target);
	return 0;
}

int do_mounts(char **argv)
{
	(void)argv;
	return print_lines("/proc/self/mountinfo", NULL, 0);
}

int do_env(char **argv)
{
	(void)argv;
	for (char **p = environ; *p; p++)
		puts(*p);
	return 0;
}

int do_tty(char **argv)
{
	struct winsize w = { 0 };
	char name[256];
	struct stat st;

	(void)argv;
	if (ttyname_r(0, name, sizeof(name)) != 0 || fstat(0, &st) < 0) {
		printf("none\n");
		return 0;
	}
	(void)ioctl(0, TIOCGWINSZ, &w);
	printf("%s uid %u gid %u mode %o rows %u cols %u\n", name, st.st_uid, st.st_gid,
	       st.st_mode & 07777, w.ws_row, w.ws_col);
	return 0;
}

/* ---- files and devices ---- */

static int open_mode(const char *mode)
{
	static const struct {
		const char *name;
		int flags;
	} modes[] = {
		{ "r", O_RDONLY },	  { "w", O_WRONLY },  { "rw", O_RDWR },
		{ "a", O_WRONLY | O_APPEND }, { "path", O_PATH }, { "c", O_WRONLY | O_CREAT },
	};

	for (size_t i = 0; i < LEN(modes); i++)
		if (strcmp(mode, modes[i].name) == 0)
			return modes[i].flags;
	return -1;
}

int do_try_open(char **argv)
{
	int flags = open_mode(argv[1]), fd;

	if (flags < 0)
		return 2;
	fd = open(argv[0], flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	printf("%s %s %s\n", argv[0], argv[1], outcome(fd));
	return 0;
}

/* Every file that opens for writing, without writing: directories and links are not followed,
 * masks (the null device) and our own /proc/PID are left out. */
static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	int fd;

	if (type == FTW_D && ftw->level == 1 && strncmp(path, "/proc/", 6) == 0 &&
	    (path[6] >= '0' && path[6] <= '9'))
		return FTW_SKIP_SUBTREE;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return FTW_CONTINUE;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0) {
		printf("writable %s\n", path);
		(void)close(fd);
	}
	return FTW_CONTINUE;
}

int do_sweep_proc_sys(char **argv)
{
	(void)argv;
	if (nftw("/proc", visit, 32, FTW_PHYS | FTW_ACTIONRETVAL) < 0)
		return 1;
	return nftw("/sys", visit, 32, FTW_PHYS | FTW_ACTIONRETVAL) < 0;
}

static void show_node(const char *dir, const char *name)
{
	char path[512];
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (lstat(path, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
		return;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	printf("%s %c %u:%u mode %o uid %u gid %u open %s\n", path, S_ISCHR(st.st_mode) ? 'c' : 'b',
	       major(st.st_rdev), minor(st.st_rdev), st.st_mode & 07777, st.st_uid, st.st_gid,
	       outcome(fd));
	if (fd >= 0)
		(void)close(fd);
}

int do_devices(char **argv)
{
	static const char *const dirs[] = { "/dev", "/dev/pts" };

	(void)argv;
	for (size_t i = 0; i < LEN(dirs); i++) {
		DIR *d = opendir(dirs[i]);
		struct dirent *ent;

		while (d && (ent = readdir(d)))
			show_node(dirs[i], ent->d_name);
		if (d)
			(void)closedir(d);
	}
	return 0;
}

/* Every major of both kinds, minors 0 to 15, in the given directories. */
static int try_mknod(const char *dir, mode_t type)
{
	char path[512];
	int made = 0;

	(void)snprintf(path, sizeof(path), "%s/probe-node", dir);
	for (unsigned dev = 0; dev < 512 * 16; dev++) {
		int fd;

		(void)unlink(path);
		if (mknod(path, type | 0600, makedev(dev / 16, dev % 16)) < 0)
			continue;
		made++;
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		printf("made %s %c %u:%u open %s\n", dir, type == S_IFCHR ? 'c' : 'b', dev / 16,
		       dev % 16, outcome(fd));
		if (fd >= 0)
			(void)close(fd);
	}
	(void)unlink(path);
	return made;
}

int do_mknod_sweep(char **argv)
{
	static const char *const dirs[] = { "/", "/dev", "/dev/shm", "/run", "/tmp" };
	int made = 0;

	(void)argv;
	for (size_t i = 0; i < LEN(dirs); i++)
		made += try_mknod(dirs[i], S_IFCHR) + try_mknod(dirs[i], S_IFBLK);
	printf("made-total %d\n", made);
	return 0;
}
