/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VE out of a stream. Nothing in one is trusted, see ve/stream.h. */
#pragma once

#include "ve/stream-head.h"

struct sign_policy;

struct receive_opts {
	uint32_t id;                            /* 0: the number it had */
	const struct ve_change *change;         /* what is to be otherwise than it was */
	bool own;                               /* this host wrote it: pool and devices are right */
	bool trust;                             /* its template's image needs no signature */
	bool session;                           /* a sender that lets go of it listens to the answers */
	const char *unpack;                     /* absolute path of berth-unpack */
	const struct sign_policy *sign;
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
	void (*tell)(void *arg, const char *line);      /* what is otherwise than it was there */
	void *tell_arg;
};

/*
 * Make the VE of the stream in fd. Of a session, answers go to `out`, a line each: HAVE or NEED
 * (the template), HELD, DONE, RUNS.
 */
MUST_CHECK int ve_receive(struct inst *in, const struct receive_opts *o, int fd, int out,
			  uint32_t *ret_id, struct err *e);

/* Read a stream to its end and change nothing: whether it would be taken, but for the host. */
MUST_CHECK int ve_stream_verify(int fd, struct stream_head *ret, struct err *e);
