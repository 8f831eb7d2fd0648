/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What crosses into the keeper from outside: descriptors, arguments, messages. All pure. */
#pragma once

#include "runtime/keeper.h"

/* The descriptors that keeper_exec hands over; one that is not open was not given. */
enum keeper_fd {
	KEEPER_FD_LISTEN = 3,
	KEEPER_FD_PIDFD,
	KEEPER_FD_CONSOLE,
	KEEPER_FD_LOG,
	KEEPER_FD_OOM,
	KEEPER_FD_EVENTS,
	KEEPER_FD_NODE,
	KEEPER_FD_MONITOR,
	KEEPER_FD_OOM_CONTROL,
	KEEPER_FD_END,
};

/* The argument vector. The number of the VE comes first because ps(1) shows it. */
enum keeper_arg {
	KEEPER_ARG_NAME,
	KEEPER_ARG_VEID,
	KEEPER_ARG_INIT,
	KEEPER_ARG_OOM,         /* poll events of KEEPER_FD_OOM */
	KEEPER_ARG_BERTH,
	KEEPER_ARG_ROOT,        /* may be empty */
	KEEPER_ARG_END,
};

struct keeper_args {
	uint32_t veid;
	pid_t init;
	short oom_events;
	const char *veid_text, *berth, *root;
};

/* 0 or -EINVAL. The texts point into argv. */
int keeper_parse_args(int argc, char *const *argv, struct keeper_args *ret);

/* Check a client's message: 0, -EBADMSG (length), -EPROTO (version), -EOPNOTSUPP (op). */
int keeper_check_msg(const void *buf, size_t len, struct keeper_msg *ret);

/* Decimal text of v, sign included. Returns the start inside buf, which ends in NUL. */
#define NUM_STRLEN 21
const char *keeper_format_num(int64_t v, char buf[NUM_STRLEN]);
