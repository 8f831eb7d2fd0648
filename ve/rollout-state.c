/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "templates/manifest.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/parse.h"
#include "util/step.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/rollout.h"

#define LOG_MAX (64 << 20)

static const char *const words[] = {
	[RO_TODO] = "todo", [RO_OK] = "ok", [RO_FAILED] = "failed", [RO_UNDONE] = "undone",
	[RO_STUCK] = "stuck",
};

const char *rollout_word(enum rollout_outcome o)
{
	return words[o];
}

size_t rollout_count(const struct rollout *r, enum rollout_outcome o)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->ve[i].outcome == o;
	return n;
}

void rollout_free(struct rollout *r)
{
	cleanup_free(&r->ve);
	r->n = 0;
}

static void path_of(const char *channel, const char *suffix, char dst[128])
{
	(void)str_fmt(dst, 128, "rollout/%.63s.%s", channel, suffix);
}

int rollout_lock(const struct inst *in, const char *channel, int *ret, struct err *e)
{
	_fd_ int fd = -1;
	char path[128];

	if (!manifest_name_ok(channel))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "rollout: \"%.64s\" is no channel name",
			       str_has_control(channel) ? "?" : channel);
	if (mkdirat(in->lib, "rollout", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make the directory of rollouts");
	path_of(channel, "lck", path);
	fd = openat(in->lib, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, EBUSY, VZ_LOCKED, "a rollout of %s is running", channel);
	*ret = TAKE_FD(fd);
	return 0;
}

/* ---- the header ---- */

static void encode(struct json_out *j, const struct rollout *r)
{
	json_object(j);
	json_kstr(j, "channel", r->channel);
	json_kstr(j, "to", r->to);
	json_kstr(j, "was", r->was);
	json_kstr(j, "phase", r->phase);
	json_kstr(j, "check", r->check);
	json_ku64(j, "check_ms", (uint64_t)r->check_ms);
	json_ku64(j, "canary", r->canary);
	json_ku64(j, "parallel", r->parallel);
	json_ku64(j, "max_failures", r->max_failures);
	json_kbool(j, "force", r->force);
	json_end(j);
}

int rollout_save(const struct inst *in, const struct rollout *r, struct err *e)
{
	struct json_out *j = json_new(true);
	const char *text;
	char path[128];
	int res;

	encode(j, r);
	res = json_finish(j, &text, e);
	path_of(r->channel, "json", path);
	if (!res)
		res = fs_save_at(in->lib, path, text, 0600, e);
	json_free(j);
	return res;
}

static void text_of(const struct json_val *v, const char *key, char *dst, size_t size)
{
	(void)str_fmt(dst, size, "%s", json_get_str(v, key, ""));
}

static int there_is_none(const char *channel, struct err *e)
{
	return err_set(e, ENOENT, VZ_BAD_VALUE, "there is no rollout of %s; --to begins one", channel);
}

static int load_header(const struct inst *in, const char *channel, struct rollout *r,
		       struct err *e)
{
	_free_ char *text = NULL;
	struct json_val *v;
	char path[128];
	size_t len;
	int res;

	path_of(channel, "json", path);
	res = fs_read_at(in->lib, path, 65536, &text, &len, e);
	if (res == -ENOENT)
		return there_is_none(channel, e);
	if (!res)
		res = json_parse(text, len, path, &v, e);
	if (res < 0)
		return res;
	text_of(v, "channel", r->channel, sizeof(r->channel));
	text_of(v, "to", r->to, sizeof(r->to));
	text_of(v, "was", r->was, sizeof(r->was));
	text_of(v, "phase", r->phase, sizeof(r->phase));
	text_of(v, "check", r->check, sizeof(r->check));
	r->check_ms = (int)json_get_u64(v, "check_ms", 0);
	r->canary = json_get_u64(v, "canary", 1);
	r->parallel = json_get_u64(v, "parallel", 1);
	r->max_failures = json_get_u64(v, "max_failures", 0);
	r->force = json_get_bool(v, "force", false);
	json_val_free(v);
	/* Killed before its log was there: the one that is there is of another rollout. */
	return str_eq(r->phase, RO_PLANNED) ? there_is_none(channel, e) : 0;
}

/* ---- the log ---- */

static int add_ve(struct rollout *r, uint32_t id, const char *from)
{
	struct rollout_ve *more = reallocarray(r->ve, r->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	r->ve = more;
	more[r->n] = (struct rollout_ve){ .id = id };
	(void)str_fmt(more[r->n].from, sizeof(more[r->n].from), "%s", from);
	r->n++;
	return 0;
}

static struct rollout_ve *find_ve(struct rollout *r, uint32_t id)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->ve[i].id == id)
			return &r->ve[i];
	return NULL;
}

static int outcome_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_eq(words[i], word))
			return (int)i;
	return -EINVAL;
}

/* "ID WORD TEXT", NUL-terminated. A line that is none is passed over. */
static int take_line(struct rollout *r, const char *line)
{
	char word[16], id_text[16];
	struct rollout_ve *v;
	uint32_t id;
	int o;

	if (str_word(&line, id_text, sizeof(id_text)) <= 0 ||
	    parse_u32(id_text, 1, UINT32_MAX, &id) < 0 ||
	    str_word(&line, word, sizeof(word)) <= 0 || (o = outcome_of(word)) < 0)
		return 0;
	line += strspn(line, " ");
	v = find_ve(r, id);
	if (!v)
		return o == RO_TODO ? add_ve(r, id, line) : 0;
	v->outcome = (enum rollout_outcome)o;
	(void)str_fmt(v->why, sizeof(v->why), "%.255s", o == RO_TODO ? "" : line);
	return 0;
}

static int load_log(const struct inst *in, const char *channel, struct rollout *r, struct err *e)
{
	_free_ char *text = NULL;
	char path[128], *s, *nl;
	int res;

	path_of(channel, "log", path);
	res = fs_read_at(in->lib, path, LOG_MAX, &text, NULL, e);
	for (s = text; !res && (nl = strchr(s, '\n')); s = nl + 1) {
		*nl = '\0';
		if (take_line(r, s) < 0)
			res = err_set(e, ENOMEM, 0, "read %s: out of memory", path);
	}
	return res;
}

int rollout_load(const struct inst *in, const char *channel, struct rollout *ret, struct err *e)
{
	struct rollout r = { .n = 0 };
	int res = load_header(in, channel, &r, e);

	if (!res)
		res = load_log(in, channel, &r, e);
	if (res < 0) {
		rollout_free(&r);
		return res;
	}
	*ret = r;
	return 0;
}

int rollout_create(const struct inst *in, const struct rollout *r, struct err *e)
{
	size_t size = r->n * 96 + 1, len = 0;
	_free_ char *text = malloc(size);
	char path[128];
	int res;

	if (!text)
		return err_set(e, ENOMEM, 0, "plan the rollout: out of memory");
	*text = '\0';
	for (size_t i = 0; i < r->n; i++) {
		int n = str_fmt(text + len, size - len, "%u todo %s\n", r->ve[i].id, r->ve[i].from);

		len += n > 0 ? (size_t)n : 0;
	}
	path_of(r->channel, "log", path);
	res = rollout_save(in, r, e);
	if (!res)
		res = fault_at("rollout", "plan", false, e);
	return res < 0 ? res : fs_save_at(in->lib, path, text, 0600, e);
}

int rollout_note(const struct inst *in, const struct rollout *r, const struct rollout_ve *v,
		 struct err *e)
{
	char path[128], line[400];
	_fd_ int fd = -1;
	int n = str_fmt(line, sizeof(line), "%u %s %s\n", v->id, words[v->outcome],
			str_has_control(v->why) ? "?" : v->why);

	path_of(r->channel, "log", path);
	fd = openat(in->lib, path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || n < 0 || write(fd, line, (size_t)n) != n)
		return err_sys(e, "write %s", path);
	return 0;
}
