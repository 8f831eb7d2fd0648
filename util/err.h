/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one error object. It is fixed-size and holds no pointer, so that the child of a start
 * sends it to its parent in a single packet. Text is `verb object: cause`, no full stop.
 *
 * A function that can fail takes `struct err *e` last, returns 0 (or a value >= 0) or -Exxx,
 * fills e exactly once on failure and leaves its outputs untouched. Only cli/ prints e.
 */
#pragma once

#include <stdbool.h>

struct err {
	int eno;        /* positive errno value; 0 while nothing has failed */
	int exit;       /* documented exit number (util/exits.h); 0 means VZ_SYSTEM */
	char msg[504];
};

#define ERR_INIT { 0, 0, "" }

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Fill e from errno: "open /x" becomes "open /x: No such file or directory". Returns -errno. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Fill e with a cause of our own, errno value eno (> 0) and exit number exit. Returns -eno. */
int err_set(struct err *e, int eno, int exit, const char *fmt, ...) PRINTF(4, 5);

/* Put "prefix: " before the text of a filled e; for module edges only. Returns -e->eno. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Set the exit number of a filled e unless a deeper layer chose one. Returns -e->eno. */
int err_exit(struct err *e, int exit);

/* Empty e again after a failure that is tolerated; the call site says why in a comment. */
void err_clear(struct err *e);

/*
 * What a static analyzer cannot see in another file, and without which it finds a path where a
 * call failed with 0 in every function (contrib/lint analyzer, tidy): these return less than 0.
 */
#if defined(ANALYZE) || defined(__clang_analyzer__)
static inline int err_negative(int r)
{
	if (r >= 0)
		__builtin_unreachable();
	return r;
}

#define err_sys(...) err_negative(err_sys(__VA_ARGS__))
#define err_set(...) err_negative(err_set(__VA_ARGS__))
#define err_wrap(...) err_negative(err_wrap(__VA_ARGS__))
#endif
