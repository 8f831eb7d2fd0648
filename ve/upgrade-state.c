/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/upgrade.h"

static const char *const words[] = {
	[UP_NONE] = "none", [UP_SNAPSHOT] = "snapshot", [UP_PACKAGES] = "packages",
	[UP_SWAP] = "swap", [UP_VERIFY] = "verify", [UP_RETURN] = "return", [UP_KEPT] = "kept",
};

const char *upgrade_phase_word(enum upgrade_phase p)
{
	return words[p];
}

static int phase_of(const char *word, const char *path, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_eq(words[i], word))
			return (int)i;
	return err_set(e, EPROTO, VZ_SYSTEM, "%s: phase \"%.20s\" is unknown; made by a newer berth?",
		       path, str_has_control(word) ? "?" : word);
}

static void path_of(uint32_t id, char dst[64])
{
	(void)str_fmt(dst, 64, "private/%u/upgrade.json", id);
}

static void text_of(const struct json_val *v, const char *key, char *dst, size_t size)
{
	(void)str_fmt(dst, size, "%s", json_get_str(v, key, ""));
}

static int decode(const struct json_val *v, const char *path, struct upgrade_state *s, struct err *e)
{
	int phase = phase_of(json_get_str(v, "phase", ""), path, e);

	if (phase < 0)
		return phase;
	s->phase = (enum upgrade_phase)phase;
	text_of(v, "from", s->from, sizeof(s->from));
	text_of(v, "to", s->to, sizeof(s->to));
	text_of(v, "check", s->check, sizeof(s->check));
	text_of(v, "reason", s->reason, sizeof(s->reason));
	text_of(v, "snapshot", s->snapshot, sizeof(s->snapshot));
	s->started = json_get_u64(v, "started", 0);
	s->expires = json_get_u64(v, "expires", 0);
	s->keep_s = json_get_u64(v, "keep", 0);
	s->check_ms = (int)json_get_u64(v, "check_ms", 0);
	s->wait_ms = (int)json_get_u64(v, "wait_ms", 0);
	s->running = json_get_bool(v, "running", false);
	return 0;
}

int upgrade_load(const struct inst *in, uint32_t id, struct upgrade_state *ret, struct err *e)
{
	struct upgrade_state s = { 0 };
	_free_ char *text = NULL;
	struct json_val *v;
	char path[64];
	size_t len;
	int r;

	path_of(id, path);
	r = fs_read_at(in->lib, path, 65536, &text, &len, e);
	if (r == -ENOENT) {
		err_clear(e);
		*ret = s;
		return 0;
	}
	if (!r)
		r = json_parse(text, len, path, &v, e);
	if (r < 0)
		return r;
	r = decode(v, path, &s, e);
	json_val_free(v);
	if (r < 0)
		return r;
	*ret = (struct upgrade_state){ 0 };
	if (s.phase == UP_KEPT && s.expires < (uint64_t)time(NULL))
		memcpy(ret->snapshot, s.snapshot, sizeof(s.snapshot));
	else
		*ret = s;
	return 0;
}

static void encode(struct json_out *j, const struct upgrade_state *s)
{
	json_object(j);
	json_kstr(j, "phase", words[s->phase]);
	json_kstr(j, "from", s->from);
	json_kstr(j, "to", s->to);
	json_kstr(j, "check", s->check);
	json_kstr(j, "reason", s->reason);
	json_kstr(j, "snapshot", s->snapshot);
	json_ku64(j, "started", s->started);
	json_ku64(j, "expires", s->expires);
	json_ku64(j, "keep", s->keep_s);
	json_ku64(j, "check_ms", (uint64_t)s->check_ms);
	json_ku64(j, "wait_ms", (uint64_t)s->wait_ms);
	json_kbool(j, "running", s->running);
	json_end(j);
}

int upgrade_save(const struct inst *in, uint32_t id, const struct upgrade_state *s,
		 struct err *e)
{
	struct json_out *j;
	const char *text;
	char path[64];
	int r;

	path_of(id, path);
	if (s->phase == UP_NONE) {
		fs_unlink_saved(in->lib, path);
		return 0;
	}
	j = json_new(true);
	encode(j, s);
	r = json_finish(j, &text, e);
	if (!r)
		r = fs_save_at(in->lib, path, text, 0600, e);
	json_free(j);
	return r;
}

bool ve_upgrade_needs(const struct inst *in, uint32_t id, const char *digest)
{
	struct err ignored = ERR_INIT;
	struct upgrade_state s;

	if (upgrade_load(in, id, &s, &ignored) < 0)
		return true;
	return s.phase != UP_NONE && (str_eq(s.from, digest) || str_eq(s.to, digest));
}
