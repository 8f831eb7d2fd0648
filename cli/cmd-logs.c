/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * logs: the ring into which the keeper writes what the console shows. The bytes are the VE's:
 * on a terminal its control characters are taken out, lest it writes to the caller's screen
 * what the caller's terminal obeys.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/options.h"
#include "runtime/keeper.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/registry.h"
#include "ve/state.h"

static bool is_control(unsigned char ch, unsigned char before)
{
	return ch != '\n' && ch != '\t' && str_is_control(before, ch);
}

static void put(const char *text, size_t len, bool raw)
{
	unsigned char before = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char ch = (unsigned char)text[i];

		if (raw || !is_control(ch, before))
			(void)fputc(ch, stdout);
		else if (ch != '\r')
			(void)fputc('?', stdout);
		before = ch;
	}
}

int cmd_logs(struct cli *c, const struct args *a, struct err *e)
{
	_fd_ int dir = -1, fd = -1;
	_free_ char *data = NULL;
	size_t len;
	uint32_t id = a->ids[0];
	int r;

	if (!reg_exists(&c->in, id))
		return err_set(e, ENOENT, VZ_NO_CONF, "CT %u does not exist", id);
	r = state_dir(&c->in, id, false, &dir, e);
	if (r >= 0)
		fd = openat(dir, "console.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r == -ENOENT || (r >= 0 && fd < 0))
		return err_set(e, ENOENT, VZ_NOT_RUNNING, "CT %u has no console log: it is not running",
			       id);
	if (r >= 0)
		r = keeper_ring_read(fd, &data, &len, e);
	if (r < 0)
		return r;
	put(data, len, a->raw || !isatty(STDOUT_FILENO));
	return 0;
}
