/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first frame of a VE's stream: what comes, before it does. */
#pragma once

#include "ve/stream.h"
#include "ve/ve.h"

#define STREAM_TOKEN_LEN 32     /* hex digits */

struct stream_head {
	uint32_t id;
	char template[65];              /* version its root lies on */
	char from[65];                  /* host name of the sender */
	uint64_t disk;                  /* bytes of the disk */
	uint64_t image;                 /* bytes of the template's image that the stream has; 0: none */
	/* Between two ends that talk. */
	bool session;                   /* the receiver answers, and waits for C */
	bool left;                      /* the sender has let go already */
	char token[STREAM_TOKEN_LEN + 1];
	struct ve_conf conf;            /* without what the receiver decides */
};

/* Fill and write it; text[len] is the VE's config file. */
MUST_CHECK int stream_put_head(struct stream *s, const struct stream_head *h, const char *conf,
			       struct err *e);
/* Read and check it. */
MUST_CHECK int stream_get_head(struct stream *s, struct stream_head *ret, struct err *e);
