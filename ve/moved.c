/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/moved.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "templates/manifest.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

static const char *const words[] = {
	[MOVED_NOT] = "not",
	[MOVED_GOING] = "going",
	[MOVED_LEFT] = "left",
	[MOVED_ARRIVING] = "arriving",
	[MOVED_ARRIVED] = "arrived",
};

static void note_path(uint32_t id, char dst[40])
{
	(void)str_fmt(dst, 40, "private/%u/moved", id);
}

static int parse(const char *text, struct moved *ret)
{
	struct moved m = { .how = MOVED_NOT };
	char word[16];

	if (str_word(&text, word, sizeof(word)) <= 0)
		return -EINVAL;
	for (size_t i = MOVED_GOING; i < ARRAY_SIZE(words); i++)
		if (str_eq(words[i], word))
			m.how = (enum moved_how)i;
	if (m.how == MOVED_NOT || str_word(&text, m.token, sizeof(m.token)) <= 0 ||
	    !manifest_hex_ok(m.token, STREAM_TOKEN_LEN) ||
	    str_word(&text, m.host, sizeof(m.host)) <= 0)
		return -EINVAL;
	m.host[strcspn(m.host, "\n")] = '\0';
	*ret = m;
	return 0;
}

int moved_read(const struct inst *in, uint32_t id, struct moved *ret, struct err *e)
{
	_free_ char *text = NULL;
	char path[40];
	int r;

	*ret = (struct moved){ .how = MOVED_NOT };
	note_path(id, path);
	r = fs_read_at(in->lib, path, 256, &text, NULL, e);
	if (r == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (!r && parse(text, ret) < 0)
		r = err_set(e, EINVAL, VZ_SYSTEM, "read %s: not what a move has written", path);
	return r;
}

int moved_save(const struct inst *in, uint32_t id, const struct moved *m, struct err *e)
{
	char path[40], text[160];

	note_path(id, path);
	(void)str_fmt(text, sizeof(text), "%s %s %s\n", words[m->how], m->token, m->host);
	return fs_save_at(in->lib, path, text, 0600, e);
}

void moved_drop(const struct inst *in, uint32_t id)
{
	char path[40];

	note_path(id, path);
	fs_unlink_saved(in->lib, path);
}

int moved_check(const struct inst *in, uint32_t id, struct err *e)
{
	struct moved m;
	int r = moved_read(in, id, &m, e);

	if (r < 0)
		return r;
	if (m.how == MOVED_LEFT)
		return err_set(e, EXDEV, VZ_DISABLED,
			       "VE %u has moved to %s (migrate --take-back %u if it is lost there)", id,
			       m.host, id);
	if (m.how == MOVED_ARRIVING)
		return err_set(e, EXDEV, VZ_DISABLED,
			       "VE %u has come from %s, which has not let go of it: give the migrate again there (receive --release %u if it cannot)",
			       id, m.host, id);
	return 0;
}

bool moved_is_here(const struct inst *in, uint32_t id)
{
	struct err ignored = ERR_INIT;

	return moved_check(in, id, &ignored) == 0;
}

int ve_take_back(struct inst *in, uint32_t id, struct err *e)
{
	struct moved m;
	struct ve ve;
	int r = ve_open(&ve, in, id, "take-back", e);

	if (r < 0)
		return r;
	r = moved_read(in, id, &m, e);
	if (!r && m.how != MOVED_LEFT && m.how != MOVED_ARRIVING)
		r = err_set(e, EINVAL, VZ_BAD_VALUE, "VE %u is here already", id);
	if (!r)
		moved_drop(in, id);
	if (!r && syncfs(in->lib) < 0)          /* it is told that the VE is here */
		r = err_sys(e, "take VE %u back", id);
	ve_close(&ve);
	return r;
}
