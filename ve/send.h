/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VE into a stream: a copy of it for `send`, what an archive is made of, and a move's way out. */
#pragma once

#include "ve/stream-head.h"

struct send_opts {
	bool live;                      /* although it runs: a copy of the disk is made first */
	bool no_image;                  /* leave the template's image out */
	int freeze_ms;                  /* how long a running one may stand still; 0: the usual */
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
};
/* Write the whole of it to fd; it stays as it is. */
MUST_CHECK int ve_send(struct inst *in, uint32_t id, const struct send_opts *o, int fd,
		       struct err *e);

/* The same of one that is stopped and whose lock the caller has; live is not looked at. */
MUST_CHECK int send_locked(struct ve *ve, const struct send_opts *o, int fd, struct err *e);

/* Refuses a VE whose disk is nothing that can be sent, or received. */
MUST_CHECK int send_possible(const struct ve_conf *c, struct err *e);

/* In pieces, for a sender that talks to its receiver meanwhile. */
MUST_CHECK int send_head_make(struct ve *ve, bool with_image, struct stream_head *ret,
			      char **ret_conf, struct err *e);
MUST_CHECK int send_image(struct ve *ve, struct stream *s, struct err *e);
/* The disk in the directory, not mounted; nobody mounts it while it is open. */
MUST_CHECK int send_open_disk(struct ve *ve, int dir, int *ret, struct err *e);
MUST_CHECK int send_disk(struct stream *s, int fd, const struct send_opts *o, struct err *e);

/* Under the lock: remove what a killed send has left of a running VE's disk. */
void send_mend(const struct ve *ve);
