/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/events.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

/* A keeper stops at a quarter of a MiB. */
#define KEEPER_MAX (1 << 20)

int events_dir(const struct inst *in, int *ret, struct err *e)
{
	char path[PATH_MAX];
	int r;

	(void)str_fmt(path, sizeof(path), "%s/var/log/berth", in->root);
	r = fs_open_dir(AT_FDCWD, path, ret, e);
	if (r != -ENOENT)
		return r;
	err_clear(e);
	r = fs_mkdir_p(AT_FDCWD, path, 0700, e);
	return r < 0 ? r : fs_open_dir(AT_FDCWD, path, ret, e);
}

/*
 * Cut the older half away, in place: keepers and followers have it open. Where the filesystem
 * cannot take a range out of a file (fallocate(2): ext4 and XFS can), all of it goes.
 */
static void shorten(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 2 * EVENTS_KEPT &&
	    fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, EVENTS_KEPT) < 0 && ftruncate(fd, 0) < 0)
		return;
	(void)flock(fd, LOCK_UN);
}

static void append(const struct inst *in, const char *text, size_t len)
{
	_fd_ int dir = -1, fd = -1;
	struct err ignored = ERR_INIT;
	struct stat st;

	if (events_dir(in, &dir, &ignored) < 0)
		return;
	fd = openat(dir, "events.jsonl", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, len) < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 2 * EVENTS_KEPT)
		shorten(fd);
}

void events_add(const struct inst *in, uint32_t id, const char *event)
{
	char line[160];

	if (str_fmt(line, sizeof(line), "{\"time\":%" PRIu64 ",\"veid\":%u,\"event\":\"%s\"}\n",
		    proc_real_us(), id, event) > 0)
		append(in, line, strlen(line));
}

void events_add_text(const struct inst *in, uint32_t id, const char *event, const char *key,
		     const char *text)
{
	struct json_out *j = json_new(false);
	struct err ignored = ERR_INIT;
	const char *line;

	json_object(j);
	json_ku64(j, "time", proc_real_us());
	json_ku64(j, "veid", id);
	json_kstr(j, "event", event);
	json_kstr(j, key, text);
	json_end(j);
	if (json_finish(j, &line, &ignored) == 0)
		append(in, line, strlen(line));
	json_free(j);
}

void events_add_status(const struct inst *in, uint32_t id, const char *event, int status)
{
	char line[160];

	if (str_fmt(line, sizeof(line),
		    "{\"time\":%" PRIu64 ",\"veid\":%u,\"event\":\"%s\",\"status\":%d}\n",
		    proc_real_us(), id, event, status) > 0)
		append(in, line, strlen(line));
}

void events_keep(const struct inst *in, uint32_t id)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char path[32], *end;
	size_t len;

	(void)str_fmt(path, sizeof(path), "%u/events.jsonl", id);
	if (fs_read_at(in->run, path, KEEPER_MAX, &text, &len, &ignored) < 0)
		return;
	/* A line that a full disk has cut short would spoil the next one. */
	end = memrchr(text, '\n', len);
	if (end)
		append(in, text, (size_t)(end - text) + 1);
}
