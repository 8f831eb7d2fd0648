/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files from a hostile other side: whatever it says, nothing lies outside the place that was chosen. And
 * files that change while they are read.
 */
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/err.h"
#include "util/parcel.h"
#include "util/sys-proc.h"

/* What the other side says, and what came of it. */
struct talk {
	int fd;
	unsigned flags;                 /* besides PARCEL_SAFE */
	char dir[32];                   /* with "in", where it goes to, and "out", where nothing may */
	struct parcel_count count;
};

static void say(struct talk *t, struct parcel_head h, const char *name, size_t len, const char *data)
{
	h.magic = PARCEL_MAGIC;
	h.mode = h.mode ? h.mode : 0644;
	h.name = (uint16_t)len;
	if (data && !h.len)
		h.len = (uint32_t)strlen(data);
	CHECK(write(t->fd, &h, sizeof(h)) == sizeof(h));
	CHECK(!len || write(t->fd, name, len) == (ssize_t)len);
	CHECK(!data || write(t->fd, data, strlen(data)) == (ssize_t)strlen(data));
}

static void tell(struct talk *t, enum parcel_type type, const char *name, uint64_t value, const char *data)
{
	say(t, (struct parcel_head){ .type = type, .value = value }, name, name ? strlen(name) : 0, data);
}

static struct talk begin(void)
{
	struct talk t = { .dir = "/tmp/test-parcel-XXXXXX" };
	char path[64];

	t.fd = memfd_create("said", MFD_CLOEXEC);
	CHECK(t.fd >= 0 && mkdtemp(t.dir));
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", t.dir, i ? "out" : "in");
		CHECK(mkdir(path, 0700) == 0);
	}
	tell(&t, PARCEL_HELLO, NULL, PARCEL_VERSION, NULL);
	return t;
}

/* -Exxx of what was said. */
static int taken(struct talk *t, uint64_t max)
{
	char path[64];
	struct parcel p = { .in = t->fd, .out = -1, .stop = -1 };
	struct parcel_target to = { .path = path, .name = "top", .fd = -1, .max = max,
				    .flags = PARCEL_SAFE | t->flags, .uid = getuid(), .gid = getgid() };
	struct err e = ERR_INIT;
	int r;

	(void)snprintf(path, sizeof(path), "%s/in", t->dir);
	CHECK(lseek(t->fd, 0, SEEK_SET) == 0);
	r = parcel_take(&p, &to, &e);
	CHECK(r == 0 || e.msg[0]);
	t->count = p.count;
	(void)close(t->fd);
	return r;
}

/* Entries below the directory, by find(1). */
static int entries(const struct talk *t, const char *below)
{
	char cmd[128];
	FILE *f;
	int n = -1;

	(void)snprintf(cmd, sizeof(cmd), "find %s/%s -mindepth 1 | wc -l", t->dir, below);
	f = popen(cmd, "r");
	CHECK(f && fscanf(f, "%d", &n) == 1);
	if (f)
		(void)pclose(f);
	return n;
}

static void end(const struct talk *t)
{
	char cmd[64];

	CHECK(entries(t, "out") == 0);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", t->dir);
	CHECK(system(cmd) == 0);
}

TEST(a_tree_arrives)
{
	struct talk t = begin();

	tell(&t, PARCEL_DIR, NULL, 0, NULL);
	tell(&t, PARCEL_FILE, "f", 0, NULL);
	tell(&t, PARCEL_DATA, NULL, 0, "hello");
	tell(&t, PARCEL_EOF, NULL, 5, NULL);
	tell(&t, PARCEL_LINK, "l", 0, "f");
	tell(&t, PARCEL_UP, NULL, 0, NULL);
	tell(&t, PARCEL_END, NULL, 0, NULL);
	CHECK(taken(&t, 0) == 0);
	CHECK(t.count.files == 1 && t.count.dirs == 1 && t.count.links == 1 && t.count.left == 0);
	CHECK(entries(&t, "in") == 3);
	end(&t);
}

TEST(modes_are_the_sources_whatever_the_umask)
{
	static const struct {
		mode_t umask, said, has;
	} rows[] = {
		{ 077, 0644, 0644 }, { 077, 01777, 01777 }, { 0, 0640, 0640 }, { 022, 0666, 0666 },
		{ 0, 06755, 0755 },     /* PARCEL_SAFE */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		mode_t was = umask(rows[i].umask);
		struct talk t = begin();
		struct stat st;
		char path[64];

		say(&t, (struct parcel_head){ .type = PARCEL_DIR, .mode = rows[i].said }, NULL, 0, NULL);
		say(&t, (struct parcel_head){ .type = PARCEL_FILE, .mode = rows[i].said }, "f", 1, NULL);
		tell(&t, PARCEL_EOF, NULL, 0, NULL);
		tell(&t, PARCEL_UP, NULL, 0, NULL);
		tell(&t, PARCEL_END, NULL, 0, NULL);
		CHECK(taken(&t, 0) == 0);
		for (int k = 0; k < 2; k++) {
			(void)snprintf(path, sizeof(path), "%s/in/top%s", t.dir, k ? "/f" : "");
			CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == rows[i].has);
		}
		end(&t);
		(void)umask(was);
	}
}

TEST(times_are_kept_of_links_too)
{
	struct talk t = begin();
	struct stat st;
	char path[64];

	t.flags = PARCEL_KEEP | PARCEL_OWNER;
	tell(&t, PARCEL_DIR, NULL, 0, NULL);
	say(&t, (struct parcel_head){ .type = PARCEL_LINK, .mtime = 1000000000, .nsec = 5 }, "l", 1, "f");
	say(&t, (struct parcel_head){ .type = PARCEL_FILE, .mtime = 1000000001, .nsec = 6 }, "f", 1, NULL);
	tell(&t, PARCEL_EOF, NULL, 0, NULL);
	tell(&t, PARCEL_UP, NULL, 0, NULL);
	tell(&t, PARCEL_END, NULL, 0, NULL);
	CHECK(taken(&t, 0) == 0);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/in/top/%s", t.dir, i ? "f" : "l");
		CHECK(lstat(path, &st) == 0 && st.st_mtim.tv_sec == 1000000000 + i && st.st_mtim.tv_nsec == 5 + i);
	}
	end(&t);
}

TEST(names_are_one_part_of_a_path)
{
	static const struct {
		const char *name;
		size_t len;
	} bad[] = { { "..", 2 }, { ".", 1 }, { "../out/f", 8 }, { "/etc", 4 }, { "a\0b", 3 }, { "", 0 } };
	static const enum parcel_type types[] = { PARCEL_FILE, PARCEL_DIR, PARCEL_LINK };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		for (size_t k = 0; k < 3; k++) {
			struct talk t = begin();

			tell(&t, PARCEL_DIR, NULL, 0, NULL);
			say(&t, (struct parcel_head){ .type = types[k] }, bad[i].name, bad[i].len,
			    types[k] == PARCEL_LINK ? "f" : NULL);
			CHECK(taken(&t, 0) == -EPROTO);
			CHECK(entries(&t, "in") == 1);
			end(&t);
		}
}

TEST(the_top_has_no_name_and_is_a_file_or_a_directory)
{
	static const enum parcel_type types[] = { PARCEL_LINK, PARCEL_UP, PARCEL_DATA, PARCEL_END, PARCEL_HELLO };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct talk t = begin();

		tell(&t, types[i], NULL, 0, types[i] == PARCEL_LINK ? "../out" : NULL);
		CHECK(taken(&t, 0) == -EPROTO);
		CHECK(entries(&t, "in") == 0);
		end(&t);
	}
}

TEST(a_link_in_a_directorys_place_is_not_gone_into)
{
	struct talk t = begin();
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/in/top", t.dir);
	CHECK(mkdir(path, 0700) == 0);
	(void)snprintf(path, sizeof(path), "%s/in/top/d", t.dir);
	CHECK(symlink("../../out", path) == 0);
	tell(&t, PARCEL_DIR, NULL, 0, NULL);
	tell(&t, PARCEL_DIR, "d", 0, NULL);
	tell(&t, PARCEL_FILE, "f", 0, NULL);
	tell(&t, PARCEL_EOF, NULL, 0, NULL);
	CHECK(taken(&t, 0) == -ENOTDIR);
	end(&t);
}

TEST(links_that_lead_out_are_left)
{
	static const char *const out[] = { "/etc/passwd", "..", "../out", "a/../../out", "./../../x" };
	struct talk t = begin();

	tell(&t, PARCEL_DIR, NULL, 0, NULL);
	for (size_t i = 0; i < sizeof(out) / sizeof(*out); i++)
		tell(&t, PARCEL_LINK, "l", 0, out[i]);
	tell(&t, PARCEL_UP, NULL, 0, NULL);
	tell(&t, PARCEL_END, NULL, 0, NULL);
	CHECK(taken(&t, 0) == 0);
	CHECK(t.count.links == 0 && t.count.left == sizeof(out) / sizeof(*out));
	CHECK(entries(&t, "in") == 1);
	end(&t);
}

TEST(a_stream_that_ends_early_leaves_no_file)
{
	for (int part = 0; part < 3; part++) {
		struct talk t = begin();

		tell(&t, PARCEL_FILE, NULL, 0, NULL);
		if (part == 1)
			CHECK(write(t.fd, "BPC1", 4) == 4);
		if (part == 2)
			say(&t, (struct parcel_head){ .type = PARCEL_DATA, .len = 100 }, NULL, 0, "less");
		CHECK(taken(&t, 0) < 0);
		CHECK(entries(&t, "in") == 0);
		end(&t);
	}
}

TEST(lengths_and_offsets_are_not_believed)
{
	static const struct parcel_head bad[] = {
		{ .type = PARCEL_DATA, .len = PARCEL_DATA_MAX + 1 },
		{ .type = PARCEL_DATA, .len = UINT32_MAX },
		{ .type = PARCEL_DATA, .value = UINT64_MAX },
		{ .type = PARCEL_DATA, .value = INT64_MAX, .len = 1 },
		{ .type = PARCEL_EOF, .value = 2 },             /* less than there is */
		{ .type = PARCEL_DATA, .value = 2 },            /* back */
		{ .type = PARCEL_TYPES },
		{ .type = 0 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct talk t = begin();

		tell(&t, PARCEL_FILE, NULL, 0, NULL);
		tell(&t, PARCEL_DATA, NULL, 0, "four");
		say(&t, bad[i], NULL, 0, "x");
		CHECK(taken(&t, 0) == -EPROTO);
		CHECK(entries(&t, "in") == 0);
		end(&t);
	}
}

/* Of a socket that is closed while something in it is unread the kernel says ECONNRESET, not EPIPE. */
TEST(the_other_side_is_gone_however_it_went)
{
	static const struct parcel_head up = { .type = PARCEL_UP };
	struct parcel_record *rec = malloc(sizeof(*rec));

	CHECK(rec && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	for (int i = 0; i < 4; i++) {
		bool unread = i & 1, put = i & 2;
		struct err e = ERR_INIT;
		int sv[2], r;

		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
		CHECK(!unread || write(sv[0], "x", 1) == 1);
		(void)close(sv[1]);
		r = put ? parcel_put(&(struct parcel){ .in = sv[0], .out = sv[0], .stop = -1 }, &up, NULL, NULL, &e) :
			  parcel_get(&(struct parcel){ .in = sv[0], .out = sv[0], .stop = -1 }, rec, &e);
		CHECK(r == -EPIPE && e.eno == EPIPE && strstr(e.msg, "other side is gone"));
		(void)close(sv[0]);
	}
	free(rec);
}

/* Not the exit number that it likes, and no words that could be ours, or a terminal's. */
TEST(what_the_other_side_says_is_told_as_its_own)
{
	static const struct {
		const char *said, *told;
		uint64_t eno;
	} rows[] = {
		{ "no such thing", "inside: no such thing", ENOENT },
		{ "x\nberth: done\x1b[2J", "inside: x\\x0aberth: done\\x1b[2J", EIO },
		{ "", "inside: copy: failed", EIO },
	};
	struct parcel_record *rec = malloc(sizeof(*rec));

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct talk t = { .fd = memfd_create("said", MFD_CLOEXEC) };
		struct parcel p = { .in = t.fd, .out = -1, .stop = -1 };
		struct err e = ERR_INIT;

		say(&t, (struct parcel_head){ .type = PARCEL_FAIL, .mode = 31, .value = rows[i].eno }, NULL, 0, rows[i].said);
		CHECK(rec && lseek(t.fd, 0, SEEK_SET) == 0 && parcel_get(&p, rec, &e) == -(int)rows[i].eno);
		CHECK(e.exit == 0);
		CHECK_STR(e.msg, rows[i].told);
		(void)close(t.fd);
	}
	free(rec);
}

TEST(data_is_never_empty)
{
	struct talk t = begin();

	tell(&t, PARCEL_FILE, NULL, 0, NULL);
	for (int i = 0; i < 10; i++)
		tell(&t, PARCEL_DATA, NULL, 0, NULL);
	CHECK(taken(&t, 0) == -EPROTO);
	CHECK(entries(&t, "in") == 0);
	end(&t);
}

TEST(there_is_an_end_to_depth_and_sums)
{
	struct talk t = begin();

	tell(&t, PARCEL_DIR, NULL, 0, NULL);
	for (int i = 0; i < PARCEL_DEPTH; i++)
		tell(&t, PARCEL_DIR, "d", 0, NULL);
	CHECK(taken(&t, 0) == -ELOOP);
	end(&t);

	t = begin();
	tell(&t, PARCEL_FILE, NULL, 0, NULL);
	tell(&t, PARCEL_EOF, NULL, 1 << 30, NULL);      /* one hole */
	CHECK(taken(&t, 1 << 20) == -EFBIG);
	CHECK(entries(&t, "in") == 0);
	end(&t);

	t = begin();
	tell(&t, PARCEL_DIR, NULL, 0, NULL);
	for (int i = 0; i < 100; i++)
		tell(&t, PARCEL_DIR, "d", 0, NULL);
	CHECK(taken(&t, 50 * 4096) == -EFBIG);
	end(&t);
}

/* ---- how long ---- */

static struct parcel silent(int sv[2])
{
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	(void)alarm(60);
	return (struct parcel){ .in = sv[0], .out = sv[0], .stop = -1 };
}

static void over(const int sv[2])
{
	(void)close(sv[0]);
	(void)close(sv[1]);
	(void)alarm(0);
}

TEST(one_that_says_and_takes_nothing_is_given_up)
{
	static const struct parcel_head up = { .type = PARCEL_UP };
	struct parcel_record *rec = malloc(sizeof(*rec));

	for (int i = 0; i < 2; i++) {
		uint64_t from = proc_now_us();
		struct err e = ERR_INIT;
		int sv[2], r = 0;
		struct parcel p = silent(sv);

		p.stall_ms = 300;
		while (i && !r)         /* until no more goes into the socket */
			r = parcel_put(&p, &up, NULL, NULL, &e);
		if (!i)
			r = parcel_get(&p, rec, &e);
		CHECK(r == -ETIMEDOUT && strstr(e.msg, "gives and takes too little"));
		CHECK(proc_now_us() - from >= 300000);
		over(sv);
	}
	free(rec);
}

TEST(a_trickle_is_given_up_too)
{
	const struct timespec pause = { 0, 10000000 };
	struct parcel_record *rec = malloc(sizeof(*rec));
	struct parcel_head left = { .magic = PARCEL_MAGIC, .type = PARCEL_LEFT };
	struct err e = ERR_INIT;
	int sv[2], r = 0;
	struct parcel p = silent(sv);
	pid_t pid = fork();

	if (pid == 0)
		for (size_t at = 0;; at = (at + 1) % sizeof(left)) {
			if (write(sv[1], (const char *)&left + at, 1) != 1)
				_exit(0);
			(void)nanosleep(&pause, NULL);
		}
	p.stall_ms = 300;
	while (!r)
		r = parcel_get(&p, rec, &e);
	CHECK(r == -ETIMEDOUT && p.moved > 0 && strstr(e.msg, "gives and takes too little"));
	CHECK(pid > 0 && kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	over(sv);
	free(rec);
}

TEST(what_moves_on_has_all_its_time_again)
{
	struct talk t = begin();
	struct parcel_record *rec = malloc(sizeof(*rec));
	struct parcel p = { .in = t.fd, .stop = -1, .stall_ms = 60000, .waited_us = 59000000 };
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < PARCEL_PACE / sizeof(struct parcel_head); i++)
		tell(&t, PARCEL_UP, NULL, 0, NULL);
	CHECK(lseek(t.fd, 0, SEEK_SET) == 0);
	while (parcel_get(&p, rec, &e) == 0)
		;
	CHECK(e.eno == EPIPE && p.waited_us < 59000000);
	(void)close(t.fd);
	free(rec);
	end(&t);
}

/* The one who types, or a disk of the host: only the end of all of it ends that. */
TEST(waits_for_files_of_this_side_are_nobodys_fault)
{
	struct err e = ERR_INIT;
	int sv[2];
	struct parcel p = silent(sv);

	p.stall_ms = 1;
	p.end_us = proc_now_us() + 1500000;     /* both clocks are looked at once a second */
	CHECK(parcel_wait_own(&p, sv[0], POLLIN, &e) == -ETIMEDOUT && strstr(e.msg, "not done in time"));
	over(sv);
}

/* ---- what is read while it changes ---- */

static int sent(const char *path, struct parcel *p, struct err *e)
{
	const struct parcel_source s = { .path = path, .fd = -1, .recursive = true };
	int fd = memfd_create("sent", MFD_CLOEXEC), r;

	p->in = p->out = fd;
	p->stop = -1;
	r = parcel_send(p, &s, e);
	(void)close(fd);
	return r;
}

/* A file, a link, a directory and nothing take each other's names without end. */
static _Noreturn void swap(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (;;) {
		for (int i = 0; i < 5; i++)
			(void)renameat2(fd, "a", fd, "b", RENAME_EXCHANGE);
		(void)renameat2(fd, "b", fd, "c", RENAME_EXCHANGE);
		(void)renameat2(fd, "c", fd, "d", RENAME_NOREPLACE);
		(void)renameat2(fd, "d", fd, "c", RENAME_NOREPLACE);
	}
}

TEST(names_that_are_swapped_while_they_are_read_are_left_out)
{
	struct talk t = begin();
	struct err e = ERR_INIT;
	char dir[64], path[80];
	int r = 0;
	pid_t pid;

	(void)snprintf(dir, sizeof(dir), "%s/in", t.dir);
	(void)snprintf(path, sizeof(path), "%s/a", dir);
	CHECK(close(creat(path, 0600)) == 0);
	(void)snprintf(path, sizeof(path), "%s/b", dir);
	CHECK(symlink("nowhere", path) == 0);
	(void)snprintf(path, sizeof(path), "%s/c", dir);
	CHECK(mkdir(path, 0700) == 0);
	pid = fork();
	if (pid == 0)
		swap(dir);
	for (uint64_t until = proc_now_us() + 2000000; !r && proc_now_us() < until;) {
		struct parcel p = { 0 };

		r = sent(dir, &p, &e);
	}
	CHECK(r == 0);
	if (r)
		(void)printf("# %s\n", e.msg);
	CHECK(pid > 0 && kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	(void)close(t.fd);
	end(&t);
}
