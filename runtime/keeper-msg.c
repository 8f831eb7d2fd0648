/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arguments and messages of the keeper. It has its own few lines for numbers because
 * util/parse.c and stdio would cost it more memory than all else it does.
 */
#include "runtime/keeper-msg.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* A decimal number in 1..max without sign or blanks; 0 when it is not. */
static uint32_t number(const char *s, uint32_t max)
{
	uint64_t v = 0;

	for (; *s >= '0' && *s <= '9' && v <= max; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	return *s == '\0' && v <= max ? (uint32_t)v : 0;
}

int keeper_parse_args(int argc, char *const *argv, struct keeper_args *ret)
{
	struct keeper_args a;

	if (argc != KEEPER_ARG_END)
		return -EINVAL;
	a.veid_text = argv[KEEPER_ARG_VEID];
	a.veid = number(a.veid_text, UINT32_MAX);
	a.init = (pid_t)number(argv[KEEPER_ARG_INIT], INT32_MAX);
	a.oom_events = (short)number(argv[KEEPER_ARG_OOM], INT16_MAX);
	a.berth = argv[KEEPER_ARG_BERTH];
	a.root = argv[KEEPER_ARG_ROOT];
	if (!a.veid || !a.init || a.berth[0] != '/' || (a.root[0] && a.root[0] != '/') ||
	    (a.oom_events != POLLIN && a.oom_events != POLLPRI))
		return -EINVAL;
	*ret = a;
	return 0;
}

int keeper_check_msg(const void *buf, size_t len, struct keeper_msg *ret)
{
	struct keeper_msg m;

	if (len != sizeof(m))
		return -EBADMSG;
	memcpy(&m, buf, sizeof(m));
	if (m.version != KEEPER_VERSION)
		return -EPROTO;
	if (m.op < KEEPER_HELLO || m.op > KEEPER_QUIT)
		return -EOPNOTSUPP;
	*ret = m;
	return 0;
}

const char *keeper_format_num(int64_t v, char buf[NUM_STRLEN])
{
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char *p = buf + NUM_STRLEN - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		*--p = '-';
	return p;
}
