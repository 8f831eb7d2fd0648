/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/keeper.h"
#include "runtime/keeper-impl.h"
#include "runtime/keeper-msg.h"
#include "runtime/keeper-ring.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/str.h"

static int scratch(void)
{
	return memfd_create("ring", MFD_CLOEXEC);
}

/* Bytes first..first+len-1 of the endless text 0123...9 0123... */
static void fill(char *buf, size_t len, uint64_t first)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)('0' + (first + i) % 10);
}

static void write_text(struct ring *r, size_t len)
{
	char buf[RING_CHUNK];

	for (size_t n; len; len -= n) {
		n = len < 1000 ? len : 1000;
		fill(buf, n, r->head);
		ring_write(r, buf, n);
	}
}

static bool is_text(const char *buf, size_t len, uint64_t first)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != (char)('0' + (first + i) % 10))
			return false;
	return true;
}

TEST(ring_gives_back_what_was_written)
{
	static const size_t sizes[] = { 0, 1, 999, RING_SIZE - 1, RING_SIZE, RING_SIZE + 1,
					3 * RING_SIZE + 12345 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_fd_ int fd = scratch();
		char buf[RING_CHUNK];
		struct ring r;
		uint64_t pos = 0, total = 0;
		size_t n;

		ring_open(&r, fd);
		write_text(&r, sizes[i]);
		CHECK(r.head == sizes[i]);
		while ((n = ring_read(&r, &pos, buf, sizeof(buf))) > 0) {
			CHECK(is_text(buf, n, pos));
			pos += n;
			total += n;
		}
		CHECK(total == (sizes[i] < RING_SIZE ? sizes[i] : RING_SIZE));
		CHECK(pos == r.head);
	}
}

TEST(ring_of_a_dead_keeper_is_continued)
{
	_fd_ int fd = scratch();
	struct ring a, b;
	uint64_t pos;
	char buf[16];

	ring_open(&a, fd);
	write_text(&a, RING_SIZE + 5);
	ring_open(&b, fd);
	CHECK(b.head == a.head);
	write_text(&b, 5);
	pos = ring_tail(&b, 10);
	CHECK(ring_read(&b, &pos, buf, sizeof(buf)) == 10);
	CHECK(is_text(buf, 10, RING_SIZE));
}

TEST(ring_begins_anew_over_a_damaged_head)
{
	_fd_ int fd = scratch();
	struct ring_head h = { "BERTHRG1", RING_SIZE, UINT64_MAX - 3 };
	struct ring r;

	CHECK(pwrite(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h));
	ring_open(&r, fd);
	CHECK(r.head == 0);
}

TEST(ring_without_a_usable_file_is_in_memory)
{
	_fd_ int zero = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int fds[] = { -1, zero };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		uint64_t pos = 0;
		struct ring r;
		char buf[8];

		ring_open(&r, fds[i]);
		write_text(&r, 5);
		CHECK(r.in_memory && ring_read(&r, &pos, buf, sizeof(buf)) == 5);
		CHECK(is_text(buf, 5, 0));
		(void)close(r.fd);
	}
}

TEST(log_is_read_by_another_process)
{
	/* Once the ring is full the chunk that may be being written is left out. */
	static const struct {
		size_t written, len;
	} t[] = {
		{ 0, 0 },
		{ 10, 10 },
		{ RING_SIZE - RING_CHUNK, RING_SIZE - RING_CHUNK },
		{ RING_SIZE, RING_SIZE - RING_CHUNK },
		{ 5 * RING_SIZE + 77, RING_SIZE - RING_CHUNK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err e = ERR_INIT;
		_free_ char *text = NULL;
		_fd_ int fd = scratch();
		struct ring r;
		size_t len = 1;

		ring_open(&r, fd);
		write_text(&r, t[i].written);
		CHECK(keeper_ring_read(fd, &text, &len, &e) == 0);
		CHECK(len == t[i].len);
		CHECK(text && text[len] == '\0' && is_text(text, len, r.head - len));
	}
}

TEST(log_that_is_not_ours_is_refused)
{
	static const struct ring_head t[] = {
		{ "BERTHRG2", RING_SIZE, 5 },
		{ "BERTHRG1", RING_SIZE * 2, 5 },
		{ "BERTHRG1", 0, 5 },
		{ "BERTHRG1", RING_SIZE, UINT64_MAX },
		{ "BERTHRG1", RING_SIZE, (UINT64_C(1) << 62) + 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err e = ERR_INIT;
		_fd_ int fd = scratch();
		char *text = NULL;
		size_t len;

		CHECK(pwrite(fd, &t[i], sizeof(t[i]), 0) == (ssize_t)sizeof(t[i]));
		CHECK(keeper_ring_read(fd, &text, &len, &e) == -EBADMSG && !text);
		CHECK(e.eno == EBADMSG && e.msg[0]);
	}
}

TEST(log_that_is_short_or_no_file)
{
	struct ring_head h = { "BERTHRG1", RING_SIZE, 1000000 };
	struct err e = ERR_INIT;
	_free_ char *text = NULL;
	_fd_ int fd = scratch();
	char *none = NULL;
	size_t len = 1;
	int p[2];

	CHECK(pwrite(fd, &h, 10, 0) == 10);
	CHECK(keeper_ring_read(fd, &none, &len, &e) == -EBADMSG);
	CHECK(pwrite(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h));
	CHECK(keeper_ring_read(fd, &text, &len, &e) == 0 && len == 0);
	CHECK(pipe2(p, O_CLOEXEC) == 0);
	CHECK(keeper_ring_read(p[0], &none, &len, &e) == -ESPIPE && !none);
	(void)close(p[0]);
	(void)close(p[1]);
}

TEST(message_is_checked)
{
	static const struct {
		size_t len;
		uint32_t version, op;
		int r;
	} t[] = {
		{ sizeof(struct keeper_msg), KEEPER_VERSION, KEEPER_HELLO, 0 },
		{ sizeof(struct keeper_msg), KEEPER_VERSION, KEEPER_QUIT, 0 },
		{ sizeof(struct keeper_msg) - 1, KEEPER_VERSION, KEEPER_HELLO, -EBADMSG },
		{ sizeof(struct keeper_msg) + 1, KEEPER_VERSION, KEEPER_HELLO, -EBADMSG },
		{ 0, KEEPER_VERSION, KEEPER_HELLO, -EBADMSG },
		{ sizeof(struct keeper_msg), 0, KEEPER_HELLO, -EPROTO },
		{ sizeof(struct keeper_msg), KEEPER_VERSION + 1, KEEPER_HELLO, -EPROTO },
		{ sizeof(struct keeper_msg), KEEPER_VERSION, 0, -EOPNOTSUPP },
		{ sizeof(struct keeper_msg), KEEPER_VERSION, KEEPER_QUIT + 1, -EOPNOTSUPP },
		{ sizeof(struct keeper_msg), KEEPER_VERSION, KEEPER_OK, -EOPNOTSUPP },
		{ sizeof(struct keeper_msg), KEEPER_VERSION, UINT32_MAX, -EOPNOTSUPP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct keeper_msg m[2] = { { .version = t[i].version, .op = t[i].op } }, out;

		CHECK(keeper_check_msg(m, t[i].len, &out) == t[i].r);
	}
}

TEST(arguments_are_checked)
{
	static const struct {
		const char *veid, *init, *oom, *berth, *root;
		int r;
	} t[] = {
		{ "101", "4711", "1", "/usr/sbin/berth", "", 0 },
		{ "4294967295", "2147483647", "2", "/berth", "/root", 0 },
		{ "4294967296", "1", "1", "/berth", "", -EINVAL },
		{ "99999999999999999999999", "1", "1", "/berth", "", -EINVAL },
		{ "0", "1", "1", "/berth", "", -EINVAL },
		{ "", "1", "1", "/berth", "", -EINVAL },
		{ "-1", "1", "1", "/berth", "", -EINVAL },
		{ "1x", "1", "1", "/berth", "", -EINVAL },
		{ "1", "2147483648", "1", "/berth", "", -EINVAL },
		{ "1", "0", "1", "/berth", "", -EINVAL },
		{ "1", "1", "4", "/berth", "", -EINVAL },
		{ "1", "1", "65537", "/berth", "", -EINVAL },
		{ "1", "1", "1", "berth", "", -EINVAL },
		{ "1", "1", "1", "", "", -EINVAL },
		{ "1", "1", "1", "/berth", "root", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char *argv[] = { (char *)(uintptr_t)"keeper", (char *)(uintptr_t)t[i].veid,
				 (char *)(uintptr_t)t[i].init, (char *)(uintptr_t)t[i].oom,
				 (char *)(uintptr_t)t[i].berth, (char *)(uintptr_t)t[i].root, NULL };
		struct keeper_args a = { .veid = 0 };

		CHECK(keeper_parse_args(KEEPER_ARG_END, argv, &a) == t[i].r);
		CHECK((a.veid != 0) == (t[i].r == 0));
		CHECK(keeper_parse_args(KEEPER_ARG_END - 1, argv, &a) == -EINVAL);
	}
}

TEST(numbers_are_formatted)
{
	static const struct {
		int64_t v;
		const char *text;
	} t[] = {
		{ 0, "0" }, { -1, "-1" }, { 768, "768" },
		{ INT64_MAX, "9223372036854775807" }, { INT64_MIN, "-9223372036854775808" },
	};
	char buf[NUM_STRLEN];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		CHECK_STR(keeper_format_num(t[i].v, buf), t[i].text);
}

TEST(answer_is_checked)
{
	static const struct {
		struct keeper_msg m;
		size_t len;
		int r;
	} t[] = {
		{ { .version = KEEPER_VERSION, .op = KEEPER_OK }, sizeof(struct keeper_msg), 0 },
		{ { .version = KEEPER_VERSION, .op = KEEPER_OK }, 4, -EPROTO },
		{ { .version = 2, .op = KEEPER_OK }, sizeof(struct keeper_msg), -EPROTO },
		{ { .version = KEEPER_VERSION, .op = KEEPER_ERROR, .eno = EBUSY },
		  sizeof(struct keeper_msg), -EBUSY },
		{ { .version = KEEPER_VERSION, .op = KEEPER_ERROR, .eno = -7 },
		  sizeof(struct keeper_msg), -EPROTO },
		{ { .version = KEEPER_VERSION }, 0, -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct keeper_msg m = { .op = 0 };
		struct err e = ERR_INIT;
		int sv[2];

		CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
		if (t[i].len)
			CHECK(send(sv[1], &t[i].m, t[i].len, 0) == (ssize_t)t[i].len);
		CHECK(keeper_call(sv[0], KEEPER_HELLO, 10, &m, NULL, &e) == t[i].r);
		CHECK((m.op == KEEPER_OK) == (t[i].r == 0) && (e.msg[0] == '\0') == (t[i].r == 0));
		(void)close(sv[0]);
		(void)close(sv[1]);
	}
}

TEST(socket_is_made_private_and_found_again)
{
	char path[] = "/tmp/test-keeper.XXXXXX";
	struct err e = ERR_INIT;
	_fd_ int dir = -1, sock = -1, again = -1, c = -1;
	struct stat st;

	CHECK(mkdtemp(path) != NULL);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(keeper_connect(dir, &c, &e) == -ENOENT && c == -1);
	CHECK(keeper_listen(dir, &sock, &e) == 0);
	CHECK(fstatat(dir, "keeper.sock", &st, 0) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(keeper_listen(dir, &again, &e) == 0);
	CHECK(keeper_connect(dir, &c, &e) == 0 && c >= 0);
	(void)unlinkat(dir, "keeper.sock", 0);
	(void)rmdir(path);
}

TEST(start_is_refused_before_descriptors_move)
{
	struct keeper_start k = { .program = "/nonexistent/berth-keeper", .berth = "berth",
				  .root = "", .veid = 101, .init = 1, .listen = 3, .pidfd = 4,
				  .console = -1, .log = -1, .oom = -1, .events = -1, .oom_control = -1 };
	struct err e = ERR_INIT;

	CHECK(keeper_exec(&k, &e) == -EINVAL);
	k.berth = "/usr/sbin/berth";
	CHECK(keeper_exec(&k, &e) == -ENOENT);
	CHECK_STR(e.msg, "execute /nonexistent/berth-keeper: No such file or directory");
}

/* Number of events of a name in the file, adding up their member key; -1: not JSON lines. */
static int count_events(int fd, const char *event, const char *key, uint64_t *sum)
{
	char text[4096];
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
	int n = 0;

	*sum = 0;
	text[size > 0 ? size : 0] = '\0';
	for (char *p = text, *end; (end = strchr(p, '\n')); p = end + 1) {
		struct err e = ERR_INIT;
		struct json_val *v;

		if (json_parse(p, (size_t)(end - p), "event", &v, &e) < 0)
			return -1;
		if (strcmp(json_get_str(v, "event", ""), event) == 0) {
			*sum += json_get_u64(v, key, 0);
			n++;
		}
		json_val_free(v);
	}
	return n;
}

TEST(events_are_json_lines_and_bounded)
{
	_fd_ int fd = scratch();
	struct events ev = { fd, 101 }, none = { -1, 101 };
	struct stat st;
	uint64_t sum;

	event_write(&none, "start", "pid", 1);
	event_write(&ev, "start", "pid", 4711);
	CHECK(count_events(fd, "start", "pid", &sum) == 1 && sum == 4711);
	CHECK(count_events(fd, "start", "veid", &sum) == 1 && sum == 101);
	CHECK(ftruncate(fd, 256 * 1024) == 0);
	event_write(&ev, "exit", "status", 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 256 * 1024);
}

TEST(trouble_of_a_vm_is_told_once_and_leaves_room_for_its_end)
{
	static const char line[] = "{\"event\": \"BLOCK_IO_ERROR\", \"data\": {}}\n"
				   "{\"event\": \"GUEST_PANICKED\"}\n";
	int file = memfd_create("events", 0), fd[2] = { -1, -1 };
	struct events ev = { .fd = file, .veid = 101 };
	const struct pollfd ready = { .revents = POLLIN };
	struct monitor m;
	char text[512];
	ssize_t n;

	CHECK(pipe2(fd, O_CLOEXEC) == 0);
	monitor_init(&m, fd[0]);
	for (int i = 0; i < 5000; i++) {
		CHECK(write(fd[1], line, sizeof(line) - 1) == (ssize_t)sizeof(line) - 1);
		monitor_serve(&m, &ready, &ev, 0);
	}
	n = pread(file, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	CHECK(n > 0 && n < 300 && strstr(text, "\"io-error\"") && strstr(text, "\"panic\""));
	(void)close(fd[0]);
	(void)close(fd[1]);
	(void)close(file);
}

/* How many bytes are read, one at a time, before the time has to go on; at most 1000. */
static int console_reads(struct console *c, int fd, uint64_t now)
{
	struct pollfd p[CONSOLE_POLLS];
	int n = 0;

	for (; n < 1000; n++) {
		console_poll(c, p, now);
		if (p[0].fd < 0)
			break;
		CHECK(write(fd, "x", 1) == 1);
		p[0].revents = POLLIN;
		console_serve(c, p, now);
	}
	return n;
}

TEST(console_output_costs_a_read_however_short_it_is)
{
	_fd_ int log = scratch();
	int fd[2] = { -1, -1 };
	struct console c;

	CHECK(pipe2(fd, O_CLOEXEC) == 0);
	console_init(&c, fd[0], log);
	CHECK(console_reads(&c, fd[1], 1000) < 100);
	CHECK(console_wake(&c) > 1000);
	CHECK(console_reads(&c, fd[1], console_wake(&c) - 1) == 0);
	CHECK(console_reads(&c, fd[1], console_wake(&c)) > 10);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

TEST(a_monitor_that_talks_without_end_is_read_at_a_pace)
{
	struct events none = { -1, 101 };
	int fd[2] = { -1, -1 }, n = 0;
	struct monitor m;
	struct pollfd p;

	CHECK(pipe2(fd, O_CLOEXEC) == 0);
	monitor_init(&m, fd[0]);
	for (; n < 1000; n++) {
		monitor_poll(&m, &p, 1000);
		if (p.fd < 0)
			break;
		CHECK(write(fd[1], "x", 1) == 1);
		p.revents = POLLIN;
		monitor_serve(&m, &p, &none, 1000);
	}
	CHECK(n < 100 && monitor_wake(&m) > 1000);
	monitor_poll(&m, &p, monitor_wake(&m));
	CHECK(p.fd == fd[0]);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

TEST(oom_events_are_counted_and_debounced)
{
	_fd_ int fd = scratch(), efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pollfd ready = { .revents = POLLIN };
	struct events ev = { fd, 101 };
	struct oom o = { .fd = -1 };
	uint64_t one = 1, sum;

	oom_init(&o, efd, POLLIN, -1, -1);
	for (uint64_t now = 1000; now < 1100; now++) {
		CHECK(write(efd, &one, sizeof(one)) == (ssize_t)sizeof(one));
		oom_serve(&o, &ready, &ev, now);
	}
	CHECK(count_events(fd, "oom", "count", &sum) == 1 && sum == 1);
	CHECK(oom_wake(&o) > 1100);
	ready.revents = 0;
	oom_serve(&o, &ready, &ev, oom_wake(&o));
	CHECK(count_events(fd, "oom", "count", &sum) == 2 && sum == 100);
	CHECK(oom_wake(&o) == 0);
	ready.revents = POLLERR;
	oom_serve(&o, &ready, &ev, 1000000);
	CHECK(o.fd == -1);
}

TEST(oom_kills_of_memory_events_are_counted)
{
	static const char *const text[] = {
		"low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n",
		"low 0\nhigh 0\nmax 9\noom 9\noom_kill 7\noom_group_kill 1\n",
	};
	_fd_ int fd = scratch(), kernel = scratch();
	struct pollfd ready = { .revents = POLLPRI | POLLERR };
	struct events ev = { fd, 101 };
	struct oom o = { .fd = -1 };
	uint64_t sum;

	CHECK(pwrite(kernel, text[0], strlen(text[0]), 0) > 0);
	oom_init(&o, kernel, POLLPRI, -1, -1);
	oom_serve(&o, &ready, &ev, 1);
	CHECK(count_events(fd, "oom", "count", &sum) == 0);
	CHECK(pwrite(kernel, text[1], strlen(text[1]), 0) > 0);
	oom_serve(&o, &ready, &ev, 1);
	CHECK(count_events(fd, "oom", "count", &sum) == 1 && sum == 5);
	CHECK(ftruncate(kernel, 0) == 0);
	oom_serve(&o, &ready, &ev, 2);
	CHECK(o.fd == -1);
}
