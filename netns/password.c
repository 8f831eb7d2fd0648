/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passwd(5), shadow(5) and group(5) of a guest, one line at a time. The three files are what a
 * tenant made of them: a line is taken by its first field only and every field we write is made
 * here, so nothing in them can add a line or a field. The guest's own lock (/etc/.pwd.lock) is
 * not taken: a tenant could hold it for ever.
 */
#include "netns/guestconf.h"

#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netns/guestfile.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MAX_USER 32             /* useradd(8) */
#define MAX_PASSWORD 256
#define FIRST_UID 1000          /* UID_MIN and UID_MAX of login.defs(5) */
#define LAST_UID 59999

static bool user_ok(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > MAX_USER || !(islower((unsigned char)*s) || *s == '_'))
		return false;
	for (; *s; s++)
		if (!(islower((unsigned char)*s) || isdigit((unsigned char)*s) || strchr("_-.", *s)))
			return false;
	return true;
}

/*
 * yescrypt where the guest's login.defs(5) asks for it: its libcrypt then knows it. Anything
 * else gets SHA-512, which glibc reads since 2.7 and musl and busybox read too.
 */
static const char *hash_prefix(const struct guest_conf *g)
{
	struct err e = ERR_INIT;
	_free_ char *text = NULL;
	const char *s, *line;
	struct stat st;
	size_t len;

	if (guest_read(g, "etc/login.defs", &text, &st, &e) < 0)
		return "$6$";
	for (s = text; (line = line_next(&s, &len));)
		if (line_is(line, len, "ENCRYPT_METHOD") && memmem(line, len, "YESCRYPT", 8))
			return "$y$";
	return "$6$";
}

/* Random salt from the kernel (crypt_gensalt with rbytes NULL), default cost. */
static int make_hash(const struct guest_conf *g, const char *password, char **ret, struct err *e)
{
	_free_ char *salt = crypt_gensalt_ra(hash_prefix(g), 0, NULL, 0);
	void *data = NULL;
	int size = 0;
	char *hash = salt ? crypt_ra(password, salt, &data, &size) : NULL;

	*ret = hash ? strdup(hash) : NULL;
	if (data) {
		explicit_bzero(data, (size_t)size);
		free(data);
	}
	if (!*ret)
		return err_set(e, ENOMEM, VZ_PASSWD, "hash password: not possible");
	return 0;
}

/* Length of the n-th colon-separated field of a line, and where it begins; NULL: none. */
static const char *field(const char *line, size_t len, unsigned n, size_t *ret_len)
{
	const char *end = line + len, *p;

	for (; n; n--) {
		p = memchr(line, ':', (size_t)(end - line));
		if (!p)
			return NULL;
		line = p + 1;
	}
	p = memchr(line, ':', (size_t)(end - line));
	*ret_len = (size_t)((p ? p : end) - line);
	return line;
}

static bool is_user(const char *line, size_t len, const char *user)
{
	size_t n;
	const char *name = field(line, len, 0, &n);

	return name && n == strlen(user) && memcmp(name, user, n) == 0;
}

struct account {
	const char *user, *hash;
	uint32_t id;            /* of a user that is made here; 0: the user exists */
};

/* passwd: point an existing entry at shadow, and say whether there was one. */
static bool edit_passwd(struct text *out, const char *s, const char *user)
{
	bool found = false;
	const char *line, *rest;
	size_t len, n;

	while ((line = line_next(&s, &len))) {
		if (!found && is_user(line, len, user) && (rest = field(line, len, 2, &n))) {
			found = true;
			text_addf(out, "%s:x:%.*s\n", user, (int)(line + len - rest), rest);
			continue;
		}
		text_add(out, line, len);
		text_add(out, "\n", 1);
	}
	return found;
}

static uint32_t days_now(void)
{
	return (uint32_t)(time(NULL) / 86400);
}

/* shadow: hash and date of the change; the ageing fields stay. */
static void edit_shadow(struct text *out, const char *s, const struct account *a)
{
	bool found = false;
	const char *line, *rest;
	size_t len, n;

	while ((line = line_next(&s, &len))) {
		if (!is_user(line, len, a->user)) {
			text_add(out, line, len);
			text_add(out, "\n", 1);
			continue;
		}
		rest = field(line, len, 3, &n);
		if (!found && rest)
			text_addf(out, "%s:%s:%u:%.*s\n", a->user, a->hash, days_now(),
				  (int)(line + len - rest), rest);
		found |= rest != NULL;
	}
	if (!found)
		text_addf(out, "%s:%s:%u:0:99999:7:::\n", a->user, a->hash, days_now());
}

/* Mark the ids that passwd and group use; both keep theirs in the third field. */
static void mark_ids(const char *s, uint8_t *used)
{
	const char *line, *f;
	char num[12];
	size_t len, n;
	uint32_t id;

	while ((line = line_next(&s, &len))) {
		f = field(line, len, 2, &n);
		if (f && str_fmt(num, sizeof(num), "%.*s", (int)n, f) > 0 &&
		    parse_u32(num, FIRST_UID, LAST_UID, &id) == 0)
			used[id - FIRST_UID] = 1;
	}
}

static int free_id(const char *passwd, const char *group, uint32_t *ret, struct err *e)
{
	uint8_t used[LAST_UID - FIRST_UID + 1] = { 0 };
	uint8_t *hit;

	mark_ids(passwd, used);
	mark_ids(group, used);
	hit = memchr(used, 0, sizeof(used));
	if (!hit)
		return err_set(e, ENOSPC, VZ_PASSWD, "add user: no free user id");
	*ret = FIRST_UID + (uint32_t)(hit - used);
	return 0;
}

/* A guest file that has to be a regular file if it is there at all: not to lose its entries. */
static int read_strict(const struct guest_conf *g, const char *rel, char **ret, struct stat *st,
		       struct err *e)
{
	int r = guest_read(g, rel, ret, st, e);

	if (r == 0 && guest_has(g, rel)) {
		free(*ret);
		*ret = NULL;
		return err_set(e, EINVAL, VZ_PASSWD, "open %s: not a regular file", rel);
	}
	return r;
}

static int add_home(const struct guest_conf *g, const struct account *a, struct err *e)
{
	char home[64];
	int r;

	(void)str_fmt(home, sizeof(home), "home/%s", a->user);
	r = guest_mkdir(g, "home", e);
	if (r < 0)
		return r;
	return fs_mkdir_in_root(g->root, home, 0700, g->uid + a->id, g->gid + a->id, e);
}

/* Group, home and passwd entry, in this order: an entry appears when all it names is there. */
static int add_user(const struct guest_conf *g, struct account *a, struct text *passwd,
		    struct err *e)
{
	const char *shell = guest_has(g, "bin/bash") ? "/bin/bash" : "/bin/sh";
	_text_ struct text group = TEXT_INIT;
	_free_ char *old = NULL;
	struct stat st;
	int r, have;

	if (str_eq(a->user, "root"))    /* would become an ordinary user */
		return err_set(e, ENOENT, VZ_PASSWD, "no root in etc/passwd");
	have = r = read_strict(g, "etc/group", &old, &st, e);
	if (r >= 0)
		r = free_id(passwd->p ? passwd->p : "", old, &a->id, e);
	if (r < 0)
		return r;
	text_addf(&group, "%s%s%s:x:%u:\n", old, *old && !str_ends(old, "\n") ? "\n" : "",
		  a->user, a->id);
	r = guest_save(g, "etc/group", &group, have == 1 ? &st : NULL, e);
	if (r == 0)
		r = add_home(g, a, e);
	text_addf(passwd, "%s:x:%u:%u::/home/%s:%s\n", a->user, a->id, a->id, a->user, shell);
	return r;
}

static int write_shadow(const struct guest_conf *g, const struct account *a, struct err *e)
{
	_text_ struct text t = TEXT_INIT;
	_free_ char *old = NULL;
	struct stat st;
	int r = read_strict(g, "etc/shadow", &old, &st, e);

	if (r < 0)
		return r;
	if (r == 0)
		st = (struct stat){ .st_mode = 0600, .st_uid = g->uid, .st_gid = g->gid };
	edit_shadow(&t, old, a);
	return guest_save(g, "etc/shadow", &t, &st, e);
}

static int set_password(const struct guest_conf *g, struct account *a, struct err *e)
{
	_text_ struct text t = TEXT_INIT;
	_free_ char *old = NULL;
	struct stat st;
	int have = read_strict(g, "etc/passwd", &old, &st, e);
	int r = have;

	if (r < 0)
		return r;
	if (!edit_passwd(&t, old, a->user))
		r = add_user(g, a, &t, e);
	if (r >= 0)
		r = write_shadow(g, a, e);
	if (r < 0 || (t.p && str_eq(t.p, old)))
		return r;
	return guest_save(g, "etc/passwd", &t, have == 1 ? &st : NULL, e);
}

int guest_set_password(const struct guest_conf *g, const char *user, const char *password,
		       struct err *e)
{
	struct account a = { .user = user };
	char *hash;
	int r;

	if (!user_ok(user))
		return err_set(e, EINVAL, VZ_PASSWD, "set password: not a valid user name");
	if (!*password || strlen(password) > MAX_PASSWORD || str_has_control(password))
		return err_set(e, EINVAL, VZ_PASSWD,
			       "set password of %s: empty, too long or with control characters",
			       user);
	r = make_hash(g, password, &hash, e);
	if (r < 0)
		return r;
	a.hash = hash;
	r = set_password(g, &a, e);
	explicit_bzero(hash, strlen(hash));
	free(hash);
	if (r >= 0)
		return 0;
	(void)err_exit(e, VZ_PASSWD);
	return err_wrap(e, "set password of %s", user);
}
