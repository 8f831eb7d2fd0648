/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of vm/dump.c: only what this host has written, and all of it, is taken. */
#include "tests/unit/harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "vm/dump.h"

#define MEMORY "what a guest remembers"
#define MEMORY_AT 8192

/* A directory with a dump "d" in it, sealed; *ret_fd is open on it. */
static int make(char dir[64], int *ret_fd, struct err *e)
{
	struct dump d = { .veid = 101, .bytes = sizeof(MEMORY), .ram = 1 << 20, .disk_inode = 7 };
	uint64_t bytes;
	int at, r;

	(void)str_fmt(dir, 64, "/tmp/test-dump.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dump_begin(at, "d", ret_fd, e);
	if (!r && write(*ret_fd, MEMORY, sizeof(MEMORY)) != (ssize_t)sizeof(MEMORY))
		r = -1;
	if (!r)
		r = dump_hash(*ret_fd, MEMORY_AT, &bytes, d.sha256, e);
	if (!r)
		r = dump_seal(at, *ret_fd, &d, e);
	return r < 0 ? r : at;
}

static void unmake(const char *dir)
{
	struct err ignored = ERR_INIT;

	CHECK(fs_remove_tree(AT_FDCWD, dir, &ignored) == 0);
}

TEST(a_dump_comes_back_as_it_went)
{
	_fd_ int fd = -1, lib = -1;
	struct err e = ERR_INIT;
	char dir[64], buf[sizeof(MEMORY)];
	struct dump d;
	struct stat st;

	lib = make(dir, &fd, &e);
	CHECK(lib >= 0);
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK(fstatat(lib, "dump.key", &st, 0) == 0 && (st.st_mode & 07777) == 0600);
	CHECK(dump_read(lib, fd, &d, &e) == 0 && d.veid == 101 && d.ram == 1 << 20 && d.disk_inode == 7);
	CHECK(dump_check(fd, &d, &e) == 0);
	CHECK(read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf) && memcmp(buf, MEMORY, sizeof(buf)) == 0);
	unmake(dir);
}

TEST(a_dump_with_one_bit_flipped_is_refused)
{
	_fd_ int fd = -1, lib = -1;
	struct err e = ERR_INIT;
	unsigned char byte, flipped;
	struct dump d;
	struct stat st;
	char dir[64];

	lib = make(dir, &fd, &e);
	CHECK(lib >= 0 && fstat(fd, &st) == 0);
	for (off_t at = 0; at < st.st_size; at++) {
		CHECK(pread(fd, &byte, 1, at) == 1);
		flipped = byte ^ 1;
		CHECK(pwrite(fd, &flipped, 1, at) == 1);
		err_clear(&e);
		/* Between the record and the memory there is nothing, and nothing is read. */
		if (dump_read(lib, fd, &d, &e) == 0 && dump_check(fd, &d, &e) == 0)
			CHECK(at < MEMORY_AT && byte == 0);
		CHECK(pwrite(fd, &byte, 1, at) == 1);
	}
	err_clear(&e);
	CHECK(dump_read(lib, fd, &d, &e) == 0 && dump_check(fd, &d, &e) == 0);
	CHECK(ftruncate(fd, st.st_size - 1) == 0);
	CHECK(dump_read(lib, fd, &d, &e) == 0 && dump_check(fd, &d, &e) == -EBADMSG);
	err_clear(&e);
	CHECK(ftruncate(fd, 60) == 0 && dump_read(lib, fd, &d, &e) == -EBADMSG);
	unmake(dir);
}

TEST(a_dump_of_another_host_is_refused)
{
	_fd_ int fd = -1, lib = -1, other = -1, lib2 = -1;
	struct err e = ERR_INIT;
	char dir[64], dir2[64];
	struct dump d;

	lib = make(dir, &fd, &e);
	lib2 = make(dir2, &other, &e);
	CHECK(lib >= 0 && lib2 >= 0);
	CHECK(dump_read(lib, other, &d, &e) == -EBADMSG);
	err_clear(&e);
	CHECK(unlinkat(lib, "dump.key", 0) == 0 && dump_read(lib, fd, &d, &e) == -EBADMSG);
	unmake(dir);
	unmake(dir2);
}
