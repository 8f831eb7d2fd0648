/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"
#include "ve/events.h"

#define LINE_MAX_LEN 4096
#define WORDS_MAX 2048                  /* bytes of arguments that are kept */
#define TAIL ",\"hash\":\""             /* what stands between a line's text and its hash */
#define TAIL_LEN (sizeof(TAIL) - 1 + AUDIT_HASH + 2)
#define NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

static int open_log(const struct inst *in, int flags, int *ret, struct err *e)
{
	_fd_ int dir = -1, fd = -1;
	int r = events_dir(in, &dir, e);

	if (r < 0)
		return r;
	fd = openat(dir, "audit.jsonl", flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "open the audit log");
	*ret = TAKE_FD(fd);
	return 0;
}

static void hash_of(const char *prev, const char *text, size_t len, char dst[AUDIT_HASH + 1])
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, AUDIT_HASH, (const uint8_t *)prev);
	sha256_update(&ctx, len, (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(dst + 2 * i, 3, "%02x", sum[i]);
}

/* Where the text ends and the hash begins in a whole line; NULL in any other. */
static const char *tail_of(const char *line, size_t len)
{
	const char *tail = line + len - TAIL_LEN;

	if (len <= TAIL_LEN || strncmp(tail, TAIL, sizeof(TAIL) - 1) != 0 ||
	    strspn(tail + sizeof(TAIL) - 1, "0123456789abcdef") != AUDIT_HASH ||
	    strncmp(line + len - 2, "\"}", 2) != 0)
		return NULL;
	return tail;
}

static void take_hash(const char *tail, char dst[AUDIT_HASH + 1])
{
	(void)snprintf(dst, AUDIT_HASH + 1, "%.*s", AUDIT_HASH, tail + sizeof(TAIL) - 1);
}

/* Hash of the last whole line in buf, which may hold anything: a power cut leaves zeros. */
static bool last_in(const char *buf, size_t len, char dst[AUDIT_HASH + 1])
{
	const char *line = buf, *end;
	bool found = false;

	for (; (end = memchr(line, '\n', len - (size_t)(line - buf))); line = end + 1) {
		const char *tail = tail_of(line, (size_t)(end - line));

		if (tail) {
			take_hash(tail, dst);
			found = true;
		}
	}
	return found;
}

/*
 * Hash of the last whole line, looked for from the end of the file, in pieces that overlap by a
 * line; whether the file ends in a newline.
 */
static int last_hash(int fd, char dst[AUDIT_HASH + 1], bool *ret_torn, struct err *e)
{
	off_t size = lseek(fd, 0, SEEK_END), from = size;
	char buf[4 * LINE_MAX_LEN + 1];
	bool found = false;

	*ret_torn = false;
	(void)str_fmt(dst, AUDIT_HASH + 1, NO_HASH);
	while (!found && from > 0) {
		off_t end = from == size ? size : from + LINE_MAX_LEN;
		ssize_t n;

		from = end > 4 * LINE_MAX_LEN ? end - 4 * LINE_MAX_LEN : 0;
		n = pread(fd, buf, (size_t)(end - from), from);
		if (n < 0)
			return err_sys(e, "read the audit log");
		buf[n] = '\0';
		if (end == size)
			*ret_torn = n && buf[n - 1] != '\n';
		found = last_in(buf, (size_t)n, dst);
	}
	return size < 0 ? err_sys(e, "read the audit log") : 0;
}

static void put_words(struct json_out *j, const char *const *words)
{
	size_t left = WORDS_MAX;

	json_key(j, "args");
	json_array(j);
	for (; *words; words++) {
		size_t len = strlen(*words) + 8;

		if (len > left)
			break;
		left -= len;
		json_str(j, *words);
	}
	json_end(j);
	if (*words)
		json_kbool(j, "cut", true);
}

/* The user who logged in, whatever he has become since (pam_loginuid(8)). */
static void put_who(struct json_out *j)
{
	uint64_t login;

	json_ku64(j, "uid", getuid());
	if (fs_read_u64(AT_FDCWD, "/proc/self/loginuid", &login) == 0 && login != UINT32_MAX)
		json_ku64(j, "login_uid", login);
	json_ku64(j, "pid", (uint64_t)getpid());
}

/* The object without its closing bracket. */
static int make_text(struct json_out *j, const char *verb, const char *const *words, int exit,
		     char *dst, size_t size, struct err *e)
{
	const char *text;
	int r;

	json_object(j);
	json_ku64(j, "time", proc_real_us());
	json_kstr(j, "verb", verb);
	put_words(j, words);
	json_ku64(j, "exit", (uint64_t)exit);
	put_who(j);
	json_end(j);
	r = json_finish(j, &text, e);
	if (!r && str_fmt(dst, size, "%.*s", (int)strlen(text) - 2, text) < 0)
		r = err_set(e, ENAMETOOLONG, 0, "write the audit log: line too long");
	return r;
}

static int append(int fd, const char *text, struct err *e)
{
	char prev[AUDIT_HASH + 1], hash[AUDIT_HASH + 1], line[LINE_MAX_LEN];
	bool torn = false;
	int n, r = flock_fd(fd, "the audit log", FLOCK_BRIEF_MS, e);

	if (!r)
		r = last_hash(fd, prev, &torn, e);
	if (r < 0)
		return r;
	hash_of(prev, text, strlen(text), hash);
	n = str_fmt(line, sizeof(line), "%s%s" TAIL "%s\"}\n", torn ? "\n" : "", text, hash);
	if (n < 0)
		return err_set(e, ENAMETOOLONG, 0, "write the audit log: line too long");
	r = fs_write_all(fd, line, (size_t)n);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "write the audit log");
	}
	return 0;
}

int audit_add(const struct inst *in, const char *verb, const char *const *words, int exit,
	      struct err *e)
{
	struct json_out *j = json_new(false);
	char text[LINE_MAX_LEN - 128];
	_fd_ int fd = -1;
	int r;

	if (!j)
		return err_set(e, ENOMEM, 0, "write the audit log: out of memory");
	r = make_text(j, verb, words, exit, text, sizeof(text), e);
	json_free(j);
	if (!r)
		r = open_log(in, O_RDWR | O_APPEND | O_CREAT, &fd, e);
	return r < 0 ? r : append(fd, text, e);
}

/* ---- reading ---- */

static int each(const struct inst *in, int (*fn)(void *arg, char *line, size_t len), void *arg,
		struct err *e)
{
	_free_ char *line = NULL;
	_file_ FILE *f = NULL;
	size_t size = 0;
	_fd_ int fd = -1;
	ssize_t n;
	int r = open_log(in, O_RDONLY, &fd, e);

	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return r;
	f = fdopen(fd, "r");
	if (!f)
		return err_sys(e, "read the audit log");
	(void)TAKE_FD(fd);
	while (!r && (n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[--n] = '\0';
		r = fn(arg, line, (size_t)n);
	}
	return 0;
}

struct verify {
	struct audit_check c;
	const char *expect;
};

static int verify_line(void *arg, char *line, size_t len)
{
	struct verify *v = arg;
	const char *tail = tail_of(line, len);
	char hash[AUDIT_HASH + 1], want[AUDIT_HASH + 1];

	v->c.lines++;
	if (!tail) {
		v->c.torn++;
		return 0;
	}
	take_hash(tail, hash);
	hash_of(v->c.last, line, (size_t)(tail - line), want);
	if (!str_eq(hash, want)) {
		v->c.bad_line = v->c.lines;
		return 1;
	}
	memcpy(v->c.last, hash, sizeof(hash));
	v->c.found = v->c.found || str_eq(hash, v->expect);
	return 0;
}

int audit_verify(const struct inst *in, const char *expect, struct audit_check *ret,
		 struct err *e)
{
	struct verify v = { .expect = expect ? expect : NO_HASH };
	int r;

	v.c.found = str_eq(v.expect, NO_HASH);
	(void)str_fmt(v.c.last, sizeof(v.c.last), NO_HASH);
	r = each(in, verify_line, &v, e);
	if (r == 0)
		*ret = v.c;
	return r;
}

struct teller {
	void (*fn)(void *arg, const char *line);
	void *arg;
};

static int tell(void *arg, char *line, size_t len)
{
	struct teller *t = arg;

	if (tail_of(line, len))
		t->fn(t->arg, line);
	return 0;
}

int audit_each(const struct inst *in, void (*fn)(void *arg, const char *line), void *arg,
	       struct err *e)
{
	struct teller t = { fn, arg };

	return each(in, tell, &t, e);
}
