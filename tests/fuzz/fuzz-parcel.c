/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hostile side of cp says. The first byte chooses: a parcel as it stands, or the frames of a VM
 * whose output is one. Whatever comes, nothing lies outside the directory that was chosen or leads out of
 * it, nothing half done is left, and a failure has one line of text.
 */
#include "util/parcel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/replay.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-fs.h"
#include "vm/agent.h"

enum {
	BY_VM = 1,
	KEEP = 2,
	STREAM = 4,             /* to a descriptor */
	PLANTED = 8,            /* an earlier copy has left a link out of it */
};
#define SESSION 7
#define MAX_BYTES (1 << 20)

/* What the frames give, as the process that talks to the agent passes it on. */
static int unframe(const uint8_t *data, size_t size)
{
	const struct parcel_job job = { .version = PARCEL_VERSION };
	struct agent_link *l = calloc(1, sizeof(*l));
	_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	const struct agent_run run = { .in = null, .out = out, .err = null, .timeout_ms = 10000, .job = &job,
				       .path = "/x", .name = "x" };
	struct err e = ERR_INIT;
	int sv[2];

	if (!l || null < 0 || out < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		abort();
	(void)!send(sv[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(sv[1], SHUT_WR);
	*l = (struct agent_link){ .fd = sv[0], .lock = -1, .session = SESSION, .version = AGENT_VERSION };
	if (agent_run(l, &run, &e) < 0 &&
	    (!e.msg[0] || str_has_c0(e.msg) || (e.exit && e.exit != VZ_NOT_RUNNING)))
		abort();
	agent_close(l);
	free(l);
	(void)close(sv[1]);
	return TAKE_FD(out);
}

static int as_it_stands(const uint8_t *data, size_t size)
{
	int fd = memfd_create("said", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	return fd;
}

/* Followed from the top it stays below it. */
static void check_link(int top, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	_fd_ int fd = sys_openat2(top, path, &how);

	if (fd < 0 && errno == EXDEV)
		abort();
}

/* above: how the directory is called from the top, "" the top; cut where that is too long for a path. */
static void check_tree(int top, int dir, const char *above, bool links)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char path[PATH_MAX];
	struct dirent *de;
	struct stat st;

	while (d && (de = readdir(d))) {
		_fd_ int next = -1;

		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		if (str_starts(de->d_name, ".berth-cp.") || fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			abort();
		if (!S_ISLNK(st.st_mode) && st.st_mode & (S_ISUID | S_ISGID))
			abort();
		if (str_fmt(path, sizeof(path), "%s%s%s", above, *above ? "/" : "", de->d_name) < 0)
			links = false;
		if (S_ISLNK(st.st_mode) && links)
			check_link(top, path);
		else if (S_ISDIR(st.st_mode) &&
			 (next = openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
			check_tree(top, next, path, links);
	}
}

static void check_place(const char *dir, unsigned how)
{
	_fd_ int out = -1, top = -1, base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_INIT;

	out = openat(base, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	top = openat(base, "in/top", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* "out" is empty, "in" has at most the top */
	if (unlinkat(base, "out", AT_REMOVEDIR) < 0)
		abort();
	if (top >= 0)
		check_tree(top, top, "", !(how & PLANTED));
	if (fs_remove_tree(base, "in/top", &e) < 0 || unlinkat(base, "in", AT_REMOVEDIR) < 0 || rmdir(dir) < 0)
		abort();
}

static void make_place(char *dir, unsigned how)
{
	_fd_ int base = -1;

	if (!mkdtemp(dir))
		abort();
	base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0 || mkdirat(base, "in", 0700) < 0 || mkdirat(base, "out", 0700) < 0)
		abort();
	if (how & PLANTED && (mkdirat(base, "in/top", 0700) < 0 || symlinkat("../../out", base, "in/top/l") < 0))
		abort();
}

static void take(int said, int stream, const char *dir, unsigned how)
{
	struct parcel p = { .in = said, .out = -1, .stop = -1 };
	struct parcel_target t = {
		.name = "top", .fd = stream, .max = MAX_BYTES, .uid = getuid(), .gid = getgid(),
		.flags = PARCEL_SAFE | (how & KEEP ? PARCEL_KEEP | PARCEL_OWNER : 0),
	};
	struct err e = ERR_INIT;
	char path[40];

	(void)str_fmt(path, sizeof(path), "%s/in", dir);
	t.path = path;
	if (lseek(said, 0, SEEK_SET) < 0)
		abort();
	if (parcel_take(&p, &t, &e) < 0 && (!e.msg[0] || str_has_c0(e.msg) || e.exit))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/fuzz-parcel-XXXXXX";
	unsigned how = size ? data[0] : 0;
	_fd_ int said = -1, stream = how & STREAM ? memfd_create("stream", MFD_CLOEXEC) : -1;
	struct stat st;

	if (!size || size > 60000)
		return 0;
	said = how & BY_VM ? unframe(data + 1, size - 1) : as_it_stands(data + 1, size - 1);
	make_place(dir, how);
	take(said, stream, dir, how);
	if (stream >= 0 && (fstat(stream, &st) < 0 || st.st_size > MAX_BYTES))
		abort();
	check_place(dir, how);
	return 0;
}
