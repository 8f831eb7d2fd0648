/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command that tries to undo what the mounts of a VE cover or forbid: what is locked must stay so. */
#include "tests/probe.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* fn for every mount, with its place and its own flags (proc(5): fields 5 and 6 of mountinfo).
 * Returns the sum of what fn returns. */
static int each_mount(int (*fn)(const char *path, const char *flags))
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	int bad = 0;

	while (f && getline(&line, &size, f) > 0) {
		char *p = line, *field[6];

		for (size_t i = 0; i < LEN(field); i++)
			field[i] = strsep(&p, " ");
		if (field[4] && field[5] && p)
			bad += fn(field[4], field[5]);
	}
	free(line);
	if (f)
		(void)fclose(f);
	return f ? bad : 1;
}

static int worked(int r, const char *what, const char *path)
{
	if (r == 0)
		printf("%s %s ok\n", what, path);
	return r == 0;
}

static int try_uncover(const char *path, const char *flags)
{
	int bad;

	(void)flags;
	if (strcmp(path, "/") == 0)
		return 0;
	bad = worked(mount(path, "/tmp/probe-move", NULL, MS_MOVE, NULL), "move", path);
	bad += worked(umount2(path, 0), "umount", path);
	return bad + worked(umount2(path, MNT_DETACH), "umount-detach", path);
}

/* What works is set again. */
static int try_flag(const char *path, const char *name, unsigned long attr)
{
	struct mount_attr clear = { .attr_clr = attr }, set = { .attr_set = attr };
	int r = mount_setattr(AT_FDCWD, path, 0, &clear, sizeof(clear));

	if (r == 0)
		(void)mount_setattr(AT_FDCWD, path, 0, &set, sizeof(set));
	return worked(r, name, path);
}

static int try_remount(const char *path, const char *flags)
{
	static const struct {
		const char *name, *what;
		unsigned long attr;
	} all[] = {
		{ "ro", "clear-ro", MOUNT_ATTR_RDONLY },
		{ "nosuid", "clear-nosuid", MOUNT_ATTR_NOSUID },
		{ "nodev", "clear-nodev", MOUNT_ATTR_NODEV },
		{ "noexec", "clear-noexec", MOUNT_ATTR_NOEXEC },
	};
	int bad = 0, held = 0;

	for (size_t i = 0; i < LEN(all); i++) {
		if (!strstr(flags, all[i].name))
			continue;
		held++;
		bad += try_flag(path, all[i].what, all[i].attr);
	}
	if (held) {
		bad += worked(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL), "remount-bind",
			      path);
		bad += worked(mount(NULL, path, NULL, MS_REMOUNT, NULL), "remount-super", path);
	}
	return bad;
}

static int try_new(const char *what, const char *source, const char *type, unsigned long flags)
{
	int r = mount(source, "/tmp/probe-move", type, flags, NULL);

	printf("%s %s %s\n", what, source, outcome(r));
	if (r == 0)
		(void)umount2("/tmp/probe-move", MNT_DETACH);
	return r == 0;
}

/* A copy with everything that is on top is allowed; it must come with its masks. */
static int try_copy(void)
{
	static const char *const on_top[] = { "/tmp/probe-move/kcore", "/tmp/probe-move/sys" };
	int bad = 0;

	if (mount("/proc", "/tmp/probe-move", NULL, MS_BIND | MS_REC, NULL) < 0)
		return 0;
	for (size_t i = 0; i < LEN(on_top); i++)
		bad += worked(umount2(on_top[i], MNT_DETACH), "umount-copy", on_top[i]);
	(void)umount2("/tmp/probe-move", MNT_DETACH);
	return bad;
}

/*
 * To be run before the VE has mounted anything itself. Whatever works and should not is a line
 * that ends in "ok"; the last line is their number.
 */
int do_uncover(char **argv)
{
	static const char *const covered[] = { "/", "/proc", "/proc/sys", "/sys", "/sys/fs", "/dev" };
	int bad;

	(void)argv;
	(void)mkdir("/tmp", 01777);
	(void)mkdir("/tmp/probe-move", 0700);
	bad = try_new("fresh", "proc", "proc", 0) + try_new("fresh", "sysfs", "sysfs", 0);
	for (size_t i = 0; i < LEN(covered); i++)
		bad += try_new("bind", covered[i], NULL, MS_BIND);
	bad += try_copy();
	bad += each_mount(try_uncover) + each_mount(try_remount);
	(void)rmdir("/tmp/probe-move");
	printf("uncovered %d\n", bad);
	return 0;
}
