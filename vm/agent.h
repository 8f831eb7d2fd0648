/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's side of a session with the agent in a VM. The guest may send anything at any time
 * or nothing at all: every wait has an end, no length is believed, and what it says is shown
 * to the one who asked, never acted upon.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"
#include "vm/agent-proto.h"

struct agent_link {
	int fd, lock;                   /* the port, and its being ours */
	uint32_t session;
	uint32_t version;               /* that both sides know */
	bool booted;                    /* the guest's init runs */
	uint8_t in[2 * AGENT_FRAME];
	size_t in_len, in_used;         /* in_used: of the frame given last */
};
#define AGENT_LINK_INIT { .fd = -1, .lock = -1 }

/*
 * A free port of the VM whose run directory this is. pidfd of its QEMU, or -1: its end is an
 * end of waiting.
 */
MUST_CHECK int agent_open(int dir, int pidfd, int timeout_ms, struct agent_link *ret,
			  struct err *e);
void agent_close(struct agent_link *l);

/* Bytes of the request that agent_call or agent_send makes next. */
MUST_CHECK int agent_body(struct agent_link *l, const void *data, size_t len, struct err *e);
/* One word of it. */
MUST_CHECK int agent_body_word(struct agent_link *l, char letter, const char *text,
			       struct err *e);
MUST_CHECK int agent_send(struct agent_link *l, enum agent_type type, const void *payload,
			  size_t len, struct err *e);
/* Next frame of our session: 1, or 0 when none came in the time; -ECONNRESET at the end. */
MUST_CHECK int agent_next(struct agent_link *l, int timeout_ms, struct agent_frame *ret,
			  struct err *e);
/* Send, and wait for AGENT_OK (ret, of exactly size bytes, or NULL) or AGENT_FAIL. */
struct agent_call {
	enum agent_type type;
	const void *payload;
	size_t len;
	void *ret;
	size_t size;
	int timeout_ms;
};
MUST_CHECK int agent_call(struct agent_link *l, const struct agent_call *c, struct err *e);

/* Run a command; see ve.h for what the files mean. Its exit code, or -Exxx. */
struct parcel_job;
struct agent_run {
	const char *const *argv, *const *env;   /* argv[0] "": the login shell */
	int in, out, err;
	int timeout_ms;                         /* 0: none */
	const struct parcel_job *job;           /* no command but this, for path and name */
	const char *path, *name;
};
MUST_CHECK int agent_run(struct agent_link *l, const struct agent_run *r, struct err *e);
