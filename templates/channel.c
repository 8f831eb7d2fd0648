/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "templates/manifest.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define LINE_MAX_LEN (DIGEST_LEN + 24)
#define FILE_MAX ((CHANNEL_STEPS_MAX + 2) * LINE_MAX_LEN)

/* "DIGEST SECONDS"; the first line, and all of a channel from before there was history, lack the time. */
static bool parse_line(const char *line, size_t len, struct channel_step *ret)
{
	struct channel_step st = { .since = 0 };
	char text[LINE_MAX_LEN + 1], *time;

	if (str_fmt(text, sizeof(text), "%.*s", (int)(len < LINE_MAX_LEN ? len : LINE_MAX_LEN), line) < 0)
		return false;
	time = strchr(text, ' ');
	if (time)
		*time++ = '\0';
	if (!manifest_hex_ok(text, DIGEST_LEN) ||
	    (time && parse_u64(time, 0, INT64_MAX, &st.since) < 0))
		return false;
	(void)str_fmt(st.digest, sizeof(st.digest), "%s", text);
	*ret = st;
	return true;
}

int channel_load(const struct store *s, const char *name, struct channel *ret, struct err *e)
{
	struct channel c = { .n = 0 };
	struct channel_step now, st;
	_free_ char *text = NULL;
	const char *p;
	int r = fs_read_at(s->channels, name, FILE_MAX, &text, NULL, e);

	if (r == -ENOENT)
		return err_set(e, ENOENT, VZ_NO_TEMPLATE, "find template %s: not in the store", name);
	if (r < 0)
		return err_exit(e, VZ_BAD_TEMPLATE);
	if (str_fmt(c.name, sizeof(c.name), "%s", name) < 0 ||
	    !parse_line(text, strcspn(text, "\n"), &now))
		return err_set(e, EINVAL, VZ_BAD_TEMPLATE, "read channel %s: holds no digest", name);
	for (p = strchr(text, '\n'); p && *++p && c.n < CHANNEL_STEPS_MAX; p = strchr(p, '\n'))
		if (parse_line(p, strcspn(p, "\n"), &st))
			c.steps[c.n++] = st;
	if (!c.n || !str_eq(c.steps[0].digest, now.digest)) {
		memmove(c.steps + 1, c.steps, (CHANNEL_STEPS_MAX - 1) * sizeof(c.steps[0]));
		c.steps[0] = now;
		c.n += c.n < CHANNEL_STEPS_MAX;
	}
	*ret = c;
	return 0;
}

int channel_point(const struct store *s, const char *name, const char *digest, struct err *e)
{
	struct err ignored = ERR_INIT;
	_free_ struct channel *c = calloc(1, sizeof(*c));
	char text[FILE_MAX];
	size_t at;

	if (!c)
		return err_set(e, ENOMEM, 0, "tag template: out of memory");
	/* A channel that cannot be read is made anew. */
	if (channel_load(s, name, c, &ignored) == 0 && str_eq(c->steps[0].digest, digest))
		return 0;
	at = (size_t)str_fmt(text, sizeof(text), "%s\n%s %llu\n", digest, digest,
			     (unsigned long long)time(NULL));
	for (size_t i = 0; i < c->n && i + 1 < CHANNEL_STEPS_MAX; i++)
		at += (size_t)str_fmt(text + at, sizeof(text) - at, "%s %llu\n", c->steps[i].digest,
				      (unsigned long long)c->steps[i].since);
	return fs_save_at(s->channels, name, text, 0644, e);
}

bool channel_next(DIR *d, char name[64])
{
	struct dirent *de;

	while ((de = readdir(d)))
		if (manifest_name_ok(de->d_name) && str_fmt(name, 64, "%s", de->d_name) > 0)
			return true;
	return false;
}

int channel_remove_to(const struct store *s, const char *digest, struct err *e)
{
	int fd = openat(s->channels, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	_free_ struct channel *c = malloc(sizeof(*c));
	char name[64];

	if (!d || !c) {
		if (!d)
			cleanup_fd(&fd);
		return err_sys(e, "read channels");
	}
	while (channel_next(d, name)) {
		struct err ignored = ERR_INIT;

		if (channel_load(s, name, c, &ignored) < 0 || !str_eq(c->steps[0].digest, digest))
			continue;
		if (unlinkat(s->channels, name, 0) < 0 && errno != ENOENT)
			return err_sys(e, "remove channel %s", name);
	}
	return 0;
}
