/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of util/err.h and util/step.h: the error object, step tables and their undo. */
#include "tests/unit/harness.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/err.h"
#include "util/exits.h"
#include "util/step.h"
#include "util/str.h"

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
