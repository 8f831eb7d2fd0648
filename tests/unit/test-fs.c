/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of util/sys-fs.h, sys-tree.h and sys-copy.h: files, trees and their copies. */
#include "tests/unit/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-copy.h"
#include "util/sys-fs.h"
#include "util/sys-tree.h"

static bool holds(int dir, const char *name, const char *want)
{
	_free_ char *text = NULL;
	struct err e = ERR_INIT;

	return fs_read_at(dir, name, 4096, &text, NULL, &e) == 0 && str_eq(text, want);
}

TEST(fs_read_refuses_what_is_no_plain_file)
{
	SCRATCH(s);
	_free_ char *text = NULL;
	struct err e = ERR_INIT;
	size_t len = 0;

	put(s.fd, "f", "hello");
	CHECK(symlinkat("f", s.fd, "link") == 0);
	CHECK(mkfifoat(s.fd, "fifo", 0600) == 0);
	CHECK(fs_read_at(s.fd, "f", 5, &text, &len, &e) == 0 && len == 5);
	cleanup_free(&text);
	CHECK(fs_read_at(s.fd, "f", 4, &text, NULL, &e) == -EFBIG && !text);
	CHECK(fs_read_at(s.fd, "link", 99, &text, NULL, &e) == -ELOOP && !text);
	CHECK(strstr(e.msg, "link") != NULL);
	CHECK(fs_read_at(s.fd, "fifo", 99, &text, NULL, &e) == -EINVAL);
	CHECK(fs_read_at(s.fd, ".", 99, &text, NULL, &e) == -EINVAL);
	CHECK(fs_read_at(s.fd, "none", 99, &text, NULL, &e) == -ENOENT);
}

TEST(fs_save_replaces_whole_or_not)
{
	SCRATCH(s);
	struct err e = ERR_INIT;
	struct stat st;

	put(s.fd, "victim", "old");
	CHECK(symlinkat("victim", s.fd, "link") == 0);
	CHECK(fs_save_at(s.fd, "new", "one", 0600, &e) == 0);
	CHECK(holds(s.fd, "new", "one"));
	CHECK(fs_save_at(s.fd, "new", "two", 0640, &e) == 0);
	CHECK(holds(s.fd, "new", "two"));
	CHECK(fstatat(s.fd, "new", &st, 0) == 0 && (st.st_mode & 07777) == 0640);
	CHECK(fs_save_at(s.fd, "link", "bad", 0600, &e) < 0);
	CHECK(holds(s.fd, "victim", "old"));
	CHECK(fs_save_at(s.fd, "gone/new", "x", 0600, &e) == -ENOENT);
	CHECK(fs_save_at(s.fd, "..", "x", 0600, &e) == -EINVAL);
}

TEST(fs_in_root_links_stay_inside)
{
	SCRATCH(s);
	_fd_ int root = -1, fd = -1;
	struct err e = ERR_INIT;
	struct stat in, out;

	put(s.fd, "outside", "secret");
	CHECK(mkdirat(s.fd, "root", 0755) == 0 && mkdirat(s.fd, "root/etc", 0755) == 0);
	root = openat(s.fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(symlinkat("../../outside", root, "etc/up") == 0);
	CHECK(symlinkat("/", root, "etc/abs") == 0);
	CHECK(fs_open_in_root_follow(root, "etc/up", O_RDONLY, S_IFREG, &fd, &e) == -ENOENT);
	CHECK(fs_open_in_root_follow(root, "../../outside", O_RDONLY, 0, &fd, &e) == -ENOENT);
	CHECK(fs_open_in_root(root, "etc/abs", O_RDONLY, 0, 0, &fd, &e) == -ELOOP);
	CHECK(fd == -1);
	CHECK(fs_open_in_root_follow(root, "etc/abs", O_RDONLY, S_IFDIR, &fd, &e) == 0);
	CHECK(fstat(fd, &in) == 0 && fstat(root, &out) == 0 && in.st_ino == out.st_ino);
}

TEST(fs_in_root_checks_the_type_and_never_blocks)
{
	SCRATCH(s);
	_fd_ int fd = -1;
	struct err e = ERR_INIT;

	CHECK(mkfifoat(s.fd, "fifo", 0600) == 0);
	CHECK(fs_open_in_root(s.fd, "fifo", O_RDONLY, 0, S_IFREG, &fd, &e) == -EINVAL);
	CHECK(fs_open_in_root(s.fd, ".", O_RDONLY, 0, S_IFREG, &fd, &e) == -EINVAL);
	CHECK(fd == -1);
}

TEST(fs_replace_in_root_replaces_planted_things)
{
	SCRATCH(s);
	_fd_ int root = -1;
	struct err e = ERR_INIT;
	struct stat st;

	put(s.fd, "outside", "secret");
	CHECK(mkdirat(s.fd, "root", 0755) == 0);
	root = openat(s.fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(symlinkat("../outside", root, "hostname") == 0);
	CHECK(mkfifoat(root, "resolv.conf", 0600) == 0);
	CHECK(fs_replace_in_root(root, "hostname", "web", 0644, (uid_t)-1, (gid_t)-1, &e) == 0);
	CHECK(holds(root, "hostname", "web"));
	CHECK(holds(s.fd, "outside", "secret"));
	CHECK(fs_replace_in_root(root, "resolv.conf", "ns", 0600, (uid_t)-1, (gid_t)-1, &e) == 0);
	CHECK(fstatat(root, "resolv.conf", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
	CHECK(fs_replace_in_root(root, "no/such", "x", 0600, (uid_t)-1, (gid_t)-1, &e) < 0);
	CHECK(fs_replace_in_root(root, "a/..", "x", 0600, (uid_t)-1, (gid_t)-1, &e) == -EINVAL);
}

TEST(fs_mkdir_in_root_stays_inside)
{
	SCRATCH(s);
	_fd_ int root = -1;
	struct err e = ERR_INIT;

	CHECK(mkdirat(s.fd, "root", 0755) == 0);
	root = openat(s.fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(symlinkat("../", root, "up") == 0);
	CHECK(fs_mkdir_in_root(root, "up/a/b", 0755, (uid_t)-1, (gid_t)-1, &e) == 0);
	CHECK(faccessat(root, "a/b", F_OK, 0) == 0);
	CHECK(faccessat(s.fd, "a", F_OK, 0) < 0);
	put(root, "file", "");
	CHECK(fs_mkdir_in_root(root, "file/x", 0755, (uid_t)-1, (gid_t)-1, &e) < 0);
}

TEST(fs_mkdir_p_and_remove_tree)
{
	SCRATCH(s);
	struct err e = ERR_INIT;

	put(s.fd, "keep", "me");
	CHECK(fs_mkdir_p(s.fd, "a/b/c", 0700, &e) == 0);
	CHECK(fs_mkdir_p(s.fd, "a/b/c", 0700, &e) == 0);
	CHECK(symlinkat("../keep", s.fd, "a/link") == 0);
	CHECK(symlinkat("..", s.fd, "a/dirlink") == 0);
	CHECK(fs_remove_tree(s.fd, "a", &e) == 0);
	CHECK(faccessat(s.fd, "a", F_OK, 0) < 0);
	CHECK(holds(s.fd, "keep", "me"));
	CHECK(fs_remove_tree(s.fd, "a", &e) == 0);
	CHECK(fs_remove_tree(s.fd, "..", &e) == -EINVAL);
}

/* Deeper than there are descriptors, with something beside each step down. */
static void nest(int dir, unsigned levels)
{
	int at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < levels; i++) {
		int next;

		CHECK(mkdirat(at, "d", 0700) == 0 && mkdirat(at, "e", 0700) == 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(next >= 0);
		(void)close(at);
		at = next;
	}
	(void)close(at);
}

TEST(fs_remove_tree_however_deep)
{
	SCRATCH(s);
	struct err e = ERR_INIT;

	CHECK(fs_mkdir_p(s.fd, "a/.lifted-0", 0700, &e) == 0);
	CHECK(fs_mkdir_p(s.fd, "a/b", 0700, &e) == 0);
	nest(s.fd, 1);
	CHECK(renameat(s.fd, "d", s.fd, "a/b/d") == 0);
	{
		_fd_ int deep = openat(s.fd, "a/b/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		nest(deep, 3000);
	}
	CHECK(fs_remove_tree(s.fd, "a", &e) == 0);
	CHECK(faccessat(s.fd, "a", F_OK, 0) < 0);
}

/* ---- sys-tree ---- */

static int copy_tree(int dir, struct err *e)
{
	_fd_ int from = openat(dir, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_fd_ int to = openat(dir, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_fd_ int files = openat(dir, "files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return tree_copy(&(struct tree_copy){ .from = from, .to = to, .files = files }, e);
}

static struct stat stat_of(int dir, const char *path)
{
	struct stat st = { .st_ino = 0 };

	CHECK(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st;
}

static void make_from(int dir)
{
	static const struct timespec times[2] = { { 1000, 5 }, { 2000, 7 } };
	struct err e = ERR_INIT;
	char sparse[] = "end";
	_fd_ int fd = -1;

	CHECK(fs_mkdir_p(dir, "from/sub/empty", 0755, &e) == 0);
	CHECK(fs_mkdir_p(dir, "to", 0755, &e) == 0 && fs_mkdir_p(dir, "files", 0755, &e) == 0);
	put(dir, "outside", "host");
	put(dir, "from/one", "one");
	CHECK(linkat(dir, "from/one", dir, "from/sub/two", 0) == 0);
	CHECK(symlinkat("../../outside", dir, "from/sub/link") == 0);
	CHECK(mkfifoat(dir, "from/fifo", 0640) == 0);
	fd = openat(dir, "from/holes", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(pwrite(fd, sparse, sizeof(sparse), 8 << 20) == (ssize_t)sizeof(sparse));
	CHECK(fchmodat(dir, "from/one", 04755, 0) == 0 && fchmodat(dir, "from/sub", 01777, 0) == 0);
	CHECK(utimensat(dir, "from/sub", times, 0) == 0);
}

TEST(tree_copy_keeps_what_files_are)
{
	SCRATCH(s);
	struct err e = ERR_INIT;
	char target[64] = "";

	make_from(s.fd);
	CHECK(copy_tree(s.fd, &e) == 0);
	CHECK(holds(s.fd, "to/sub/two", "one"));
	CHECK(stat_of(s.fd, "to/one").st_ino == stat_of(s.fd, "to/sub/two").st_ino);
	CHECK(stat_of(s.fd, "to/one").st_mode == (S_IFREG | 04755));
	CHECK(stat_of(s.fd, "to/fifo").st_mode == (S_IFIFO | 0640));
	CHECK(stat_of(s.fd, "to/sub").st_mode == (S_IFDIR | 01777));
	CHECK(stat_of(s.fd, "to/sub").st_mtim.tv_sec == 2000);
	CHECK(stat_of(s.fd, "to/holes").st_size > 8 << 20);
	CHECK(stat_of(s.fd, "to/holes").st_blocks < 1024);
	CHECK(readlinkat(s.fd, "to/sub/link", target, sizeof(target) - 1) > 0);
	CHECK_STR(target, "../../outside");
	CHECK(faccessat(s.fd, "to/sub/empty", F_OK, 0) == 0);
}

TEST(tree_copy_refuses_what_is_too_deep)
{
	SCRATCH(s);
	struct err e = ERR_INIT;

	make_from(s.fd);
	{
		_fd_ int from = openat(s.fd, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		nest(from, TREE_DEPTH + 1);
	}
	CHECK(copy_tree(s.fd, &e) == -ELOOP);
	CHECK(strstr(e.msg, "directories deep") != NULL);
}

TEST(fs_read_u64)
{
	SCRATCH(s);
	uint64_t v = 0;

	put(s.fd, "n", "1234\n");
	put(s.fd, "m", "max\n");
	put(s.fd, "x", "12 34\n");
	CHECK(fs_read_u64(s.fd, "n", &v) == 0 && v == 1234);
	CHECK(fs_read_u64(s.fd, "m", &v) == 0 && v == UINT64_MAX);
	CHECK(fs_read_u64(s.fd, "x", &v) == -EINVAL && v == UINT64_MAX);
	CHECK(fs_read_u64(s.fd, "gone", &v) == -ENOENT);
}

TEST(fs_copy_keeps_holes)
{
	SCRATCH(s);
	_fd_ int from = openat(s.fd, "from", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_fd_ int to = openat(s.fd, "to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct err e = ERR_INIT;
	struct stat st;
	char buf[4] = "";

	CHECK(ftruncate(from, 64 << 20) == 0);
	CHECK(pwrite(from, "head", 4, 0) == 4 && pwrite(from, "tail", 4, 48 << 20) == 4);
	CHECK(copy_sparse(from, to, NULL, &e) == 0);
	CHECK(fstat(to, &st) == 0 && st.st_size == 64 << 20);
	CHECK(st.st_blocks * 512 < 8 << 20);
	CHECK(fs_pread_all(to, buf, 4, 48 << 20) == 0 && memcmp(buf, "tail", 4) == 0);
	CHECK(fs_pread_all(to, buf, 4, (64 << 20) - 2) == -EIO);
}
