/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of util/: text, parsers, the error object, step tables, files. */
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#include "util/cleanup.h"
#include "util/err.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-copy.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "util/sys-tree.h"

#define UNTOUCHED UINT64_C(0xfeedface)

/* ---- str ---- */

TEST(str_fmt_never_cuts)
{
	char buf[6];

	CHECK(str_fmt(buf, sizeof(buf), "%s", "12345") == 5);
	CHECK_STR(buf, "12345");
	CHECK(str_fmt(buf, sizeof(buf), "%s", "123456") == -ENAMETOOLONG);
	CHECK_STR(buf, "");
}

TEST(str_is_word)
{
	static const struct { const char *s, *extra; bool ok; } rows[] = {
		{ "web-1", "-", true }, { "web-1", "", false }, { "", "-", false },
		{ "a b", "-", false }, { "a/b", "-._", false }, { "\xc3\xa9", "-", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK(str_is_word(rows[i].s, rows[i].extra) == rows[i].ok);
}

TEST(str_control_characters)
{
	CHECK(!str_has_control("plain text"));
	CHECK(str_has_control("two\nlines"));
	CHECK(str_has_control("\x7f"));
	CHECK(!str_has_control("\xc3\xa9"));
}

TEST(str_show_escapes_and_cuts)
{
	static const struct {
		const char *s, *shown;
	} rows[] = {
		{ "plain", "plain" }, { "gr\xc3\xbcn", "gr\xc3\xbcn" }, { "", "" }, { "a\nb", "a\\x0ab" },
		{ "\x1b[2J", "\\x1b[2J" }, { "\x7f", "\\x7f" }, { "\x9b" "2J", "\\x9b2J" },
		{ "\xc2\x9b" "2J", "\xc2\\x9b2J" }, { "1234567890123", "12345678901" },
		{ "1234567\n8", "1234567\\x0a" }, { "12345678\n", "12345678" },
	};
	char dst[12];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_STR(str_show(dst, sizeof(dst), rows[i].s), rows[i].shown);
}

TEST(str_word_splits_lists)
{
	const char *s = " 10.0.0.1,10.0.0.2\t x ";
	char w[16], tiny[3];

	CHECK(str_word(&s, w, sizeof(w)) == 1);
	CHECK_STR(w, "10.0.0.1");
	CHECK(str_word(&s, w, sizeof(w)) == 1);
	CHECK_STR(w, "10.0.0.2");
	CHECK(str_word(&s, w, sizeof(w)) == 1);
	CHECK_STR(w, "x");
	CHECK(str_word(&s, w, sizeof(w)) == 0);
	s = "abc";
	CHECK(str_word(&s, tiny, sizeof(tiny)) == -ENAMETOOLONG);
}

TEST(str_distance)
{
	static const struct { const char *a, *b; unsigned d; } rows[] = {
		{ "start", "start", 0 }, { "strat", "start", 1 }, { "stat", "start", 1 },
		{ "", "abc", 3 }, { "set", "", 3 }, { "kitten", "sitting", 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK(str_distance(rows[i].a, rows[i].b) == rows[i].d);
}

TEST(str_ends_and_starts)
{
	CHECK(str_starts("berth-keeper", "berth"));
	CHECK(!str_starts("be", "berth"));
	CHECK(str_ends("101.conf", ".conf"));
	CHECK(!str_ends("conf", ".conf"));
}

/* ---- parse ---- */

TEST(parse_u64_is_strict)
{
	static const struct { const char *s; int r; uint64_t v; } rows[] = {
		{ "0", 0, 0 }, { "7", 0, 7 }, { "100", 0, 100 }, { "101", -ERANGE, UNTOUCHED },
		{ "18446744073709551615", -ERANGE, UNTOUCHED },
		{ "18446744073709551616", -ERANGE, UNTOUCHED },
		{ "99999999999999999999999", -ERANGE, UNTOUCHED },
		{ "", -EINVAL, UNTOUCHED }, { "-1", -EINVAL, UNTOUCHED },
		{ "+1", -EINVAL, UNTOUCHED }, { " 1", -EINVAL, UNTOUCHED },
		{ "1 ", -EINVAL, UNTOUCHED }, { "0x10", -EINVAL, UNTOUCHED },
		{ "010", -EINVAL, UNTOUCHED }, { "1e3", -EINVAL, UNTOUCHED },
		{ "1.0", -EINVAL, UNTOUCHED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = UNTOUCHED;

		CHECK(parse_u64(rows[i].s, 0, 100, &v) == rows[i].r);
		CHECK(v == rows[i].v);
	}
}

TEST(parse_u64_whole_range)
{
	uint64_t v = 0;

	CHECK(parse_u64("18446744073709551615", 0, UINT64_MAX, &v) == 0);
	CHECK(v == UINT64_MAX);
	CHECK(parse_u64("5", 6, 10, &v) == -ERANGE);
}

TEST(parse_size_units)
{
	static const struct { const char *s; int r; uint64_t v; } rows[] = {
		{ "512M", 0, UINT64_C(512) << 20 }, { "512m", 0, UINT64_C(512) << 20 },
		{ "4G", 0, UINT64_C(4) << 30 }, { "4GiB", 0, UINT64_C(4) << 30 },
		{ "4gb", 0, UINT64_C(4) << 30 }, { "1.5G", 0, UINT64_C(3) << 29 },
		{ "10", 0, 10240 }, { "10b", 0, 10 }, { "2T", 0, UINT64_C(2) << 40 },
		{ "unlimited", 0, U64_UNLIMITED }, { "UNLIMITED", 0, U64_UNLIMITED },
		{ "9223372036854775807b", 0, U64_UNLIMITED },
		{ "9223372036854775807", -ERANGE, UNTOUCHED },
		{ "9223372036854775808b", -ERANGE, UNTOUCHED },
		{ "99999999T", -ERANGE, UNTOUCHED },
		{ "", -EINVAL, UNTOUCHED }, { "M", -EINVAL, UNTOUCHED },
		{ "1.5", -EINVAL, UNTOUCHED }, { "1.M", -EINVAL, UNTOUCHED },
		{ "1X", -EINVAL, UNTOUCHED }, { "1Mx", -EINVAL, UNTOUCHED },
		{ "-1M", -EINVAL, UNTOUCHED }, { "1 M", -EINVAL, UNTOUCHED },
		{ "0x1M", -EINVAL, UNTOUCHED }, { "1e3M", -EINVAL, UNTOUCHED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = UNTOUCHED;

		CHECK(parse_size(rows[i].s, 1024, false, &v) == rows[i].r);
		CHECK(v == rows[i].v);
	}
}

TEST(parse_duration_units)
{
	static const struct {
		const char *s;
		int r;
		uint64_t v;
	} rows[] = {
		{ "10", 0, 10000 },	{ "10s", 0, 10000 },   { "1500ms", 0, 1500 },
		{ "2m", 0, 120000 },	{ "1h", 0, 3600000 },  { "0", -ERANGE, 0 },
		{ "2h", -ERANGE, 0 },	{ "-1", -EINVAL, 0 },  { "", -EINVAL, 0 },
		{ "10 s", -EINVAL, 0 }, { "10S", -EINVAL, 0 }, { "1.5s", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },	{ "99999999999999999999h", -ERANGE, 0 },
		{ "9999999999999999999h", -ERANGE, 0 },
	};
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		v = 0;
		CHECK(parse_duration(rows[i].s, 1, 3600000, &v) == rows[i].r);
		CHECK(v == rows[i].v);
	}
}

TEST(parse_size_pages)
{
	uint64_t v = UNTOUCHED;

	CHECK(parse_size("3p", 1, true, &v) == 0);
	CHECK(v == 3 * (uint64_t)sysconf(_SC_PAGESIZE));
	CHECK(parse_size("3p", 1, false, &v) == 0);
	CHECK(v == UINT64_C(3) << 50);
	CHECK(parse_size("3pb", 1, true, &v) == -EINVAL);
}

TEST(parse_bool)
{
	bool v = true;

	CHECK(parse_bool("no", &v) == 0 && !v);
	CHECK(parse_bool("ON", &v) == 0 && v);
	CHECK(parse_bool("0", &v) == 0 && !v);
	CHECK(parse_bool("maybe", &v) == -EINVAL && !v);
	CHECK(parse_bool("", &v) == -EINVAL);
}

TEST(parse_cpulist)
{
	uint64_t b[16];

	CHECK(parse_cpulist("0-3,7", 8, b) == 0 && b[0] == 0x8f);
	CHECK(parse_cpulist("all", 2, b) == 0 && b[0] == 3);
	CHECK(parse_cpulist("1023", 8, b) == 0 && b[15] == UINT64_C(1) << 63);
	CHECK(parse_cpulist("1024", 8, b) == -ERANGE);
	CHECK(b[15] == UINT64_C(1) << 63);
	CHECK(parse_cpulist("0-1023", 8, b) == 0 && b[7] == UINT64_MAX);
	CHECK(parse_cpulist("3-1", 8, b) == -EINVAL);
	CHECK(parse_cpulist("1,", 8, b) == -EINVAL);
	CHECK(parse_cpulist("", 8, b) == -EINVAL);
	CHECK(parse_cpulist("1-", 8, b) == -EINVAL);
}

TEST(parse_ip_round_trip)
{
	static const struct { const char *s, *text, *host; } rows[] = {
		{ "10.0.0.5", "10.0.0.5", "10.0.0.5" },
		{ "10.0.0.5/32", "10.0.0.5", "10.0.0.5" },
		{ "10.0.0.5/24", "10.0.0.5/24", "10.0.0.5" },
		{ "2001:DB8::1", "2001:db8::1", "2001:db8::1" },
		{ "2001:db8:0:0::1/64", "2001:db8::1/64", "2001:db8::1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[IPADDR_STRLEN] = "";
		struct ipaddr a;

		CHECK(parse_ip(rows[i].s, &a) == 0);
		format_ip(&a, text);
		CHECK_STR(text, rows[i].text);
		format_ip_host(&a, text);
		CHECK_STR(text, rows[i].host);
	}
}

TEST(parse_ip_refuses)
{
	static const char *const rows[] = {
		"", "10.0.0", "10.0.0.256", "10.0.0.5/33", "10.0.0.5/0", "10.0.0.5/", "10.0.0.5/x",
		"010.0.0.5", "10.0.0.5 ", "2001:db8::1/129", "fe80::1%eth0", "::g", "host.example",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ipaddr a = { .family = 99 };

		CHECK(parse_ip(rows[i], &a) < 0);
		CHECK(a.family == 99);
	}
}

TEST(ip_same_host_ignores_prefix)
{
	struct ipaddr a, b, c;

	CHECK(parse_ip("10.0.0.5/24", &a) == 0 && parse_ip("10.0.0.5", &b) == 0);
	CHECK(parse_ip("10.0.0.6", &c) == 0);
	CHECK(ip_same_host(&a, &b));
	CHECK(!ip_same_host(&a, &c));
	CHECK(parse_ip("::", &c) == 0);
	CHECK(!ip_same_host(&a, &c));
}

TEST(parse_mac)
{
	uint8_t m[6] = { 9 };

	CHECK(parse_mac("00:18:51:aB:cd:EF", m) == 0);
	CHECK(m[0] == 0 && m[1] == 0x18 && m[5] == 0xef);
	CHECK(parse_mac("00:18:51:ab:cd", m) == -EINVAL);
	CHECK(parse_mac("00:18:51:ab:cd:ef:01", m) == -EINVAL);
	CHECK(parse_mac("00-18-51-ab-cd-ef", m) == -EINVAL);
	CHECK(parse_mac("", m) == -EINVAL);
	CHECK(m[5] == 0xef);
}

/* ---- err ---- */

TEST(err_text_is_verb_object_cause)
{
	struct err e = ERR_INIT;

	errno = ENOENT;
	CHECK(err_sys(&e, "open %s", "/x") == -ENOENT);
	CHECK_STR(e.msg, "open /x: No such file or directory");
	CHECK(e.eno == ENOENT && e.exit == 0);
	CHECK(err_wrap(&e, "start %d", 101) == -ENOENT);
	CHECK_STR(e.msg, "start 101: open /x: No such file or directory");
}

TEST(err_exit_keeps_the_deeper_choice)
{
	struct err e = ERR_INIT;

	CHECK(err_set(&e, EBUSY, VZ_IP_IN_USE, "claim") == -EBUSY);
	CHECK(err_exit(&e, VZ_SYSTEM) == -EBUSY);
	CHECK(e.exit == VZ_IP_IN_USE);
	CHECK(err_set(&e, EBUSY, 0, "claim") == -EBUSY);
	(void)err_exit(&e, VZ_SYSTEM);
	CHECK(e.exit == VZ_SYSTEM);
	err_clear(&e);
	CHECK(e.eno == 0 && e.exit == 0 && !*e.msg);
}

TEST(err_fits_one_packet_and_never_overflows)
{
	char big[2000];
	struct err e = ERR_INIT;

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	CHECK(sizeof(e) == 512);
	errno = EIO;
	(void)err_sys(&e, "open %s", big);
	CHECK(strlen(e.msg) == sizeof(e.msg) - 1);
	(void)err_wrap(&e, "%s", big);
	CHECK(strlen(e.msg) == sizeof(e.msg) - 1);
	errno = 0;
	CHECK(err_sys(&e, "x") == -EIO);
}

/* ---- step ---- */

struct trail {
	char text[64];
	int fail_at;
};

static void mark(struct trail *t, char c)
{
	size_t n = strlen(t->text);

	t->text[n] = c;
	t->text[n + 1] = '\0';
}

static int up_one(struct trail *t, char c, int nr, struct err *e)
{
	mark(t, c);
	return t->fail_at == nr ? err_set(e, EIO, 0, "step %c: broken", c) : 0;
}

static int up_a(void *p, struct err *e) { return up_one(p, 'a', 1, e); }
static int up_b(void *p, struct err *e) { return up_one(p, 'b', 2, e); }
static int up_c(void *p, struct err *e) { return up_one(p, 'c', 3, e); }
static void down_a(void *p) { mark(p, 'A'); }
static void down_c(void *p) { mark(p, 'C'); }

static const struct step steps[] = {
	{ "one", up_a, down_a }, { "two", up_b, NULL }, { "three", up_c, down_c },
};

static int climb(struct trail *t, const char *fault, struct err *e)
{
	static const struct log quiet = { -1, 0 };
	int r;

	if (fault)
		(void)setenv("BERTH_FAULT", fault, 1);
	r = steps_up(steps, ARRAY_SIZE(steps), t, &quiet, "climb 101", e);
	(void)unsetenv("BERTH_FAULT");
	return r;
}

TEST(steps_undo_what_was_begun)
{
	static const struct { int fail_at; const char *fault, *trail; } rows[] = {
		{ 0, NULL, "abc" },
		{ 1, NULL, "aA" },
		{ 2, NULL, "abA" },
		{ 3, NULL, "abcCA" },
		{ 0, "climb/one", "A" },
		{ 0, "climb/two", "aA" },
		{ 0, "climb/three", "abCA" },
		{ 0, "climb/three+", "abcCA" },
		{ 0, "climb/thre", "abc" },
		{ 0, "climb/threex", "abc" },
		{ 0, "other/three", "abc" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trail t = { .fail_at = rows[i].fail_at };
		struct err e = ERR_INIT;
		int r = climb(&t, rows[i].fault, &e);

		CHECK_STR(t.text, rows[i].trail);
		CHECK((r < 0) == (strcmp(rows[i].trail, "abc") != 0));
		CHECK((e.eno != 0) == (r < 0));
	}
}

TEST(steps_fault_can_kill)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct trail t = { .fail_at = 0 };
		struct err e = ERR_INIT;

		_exit(climb(&t, "climb/two!", &e) < 0 ? 1 : 2);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- sys-fs ---- */

/* A scratch directory that is removed at the end of the scope. */
struct scratch {
	char path[PATH_MAX];
	int fd;
};

static void scratch_remove(struct scratch *s)
{
	struct err e = ERR_INIT;

	CHECK(fs_remove_tree(AT_FDCWD, s->path, &e) == 0);
	CHECK(access(s->path, F_OK) < 0);
	(void)close(s->fd);
}

static struct scratch scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");
	struct scratch s = { .fd = -1 };

	(void)str_fmt(s.path, sizeof(s.path), "%s/berth-unit-XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(s.path) != NULL);
	s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(s.fd >= 0);
	return s;
}

#define SCRATCH(name) _cleanup_(scratch_remove) struct scratch name = scratch_make()

static void put(int dir, const char *name, const char *text)
{
	_fd_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && fs_write_all(fd, text, strlen(text)) == 0);
}

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
	uint64_t v = UNTOUCHED;

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
