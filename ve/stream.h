/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE as a stream of bytes: what `send` writes and `receive` reads, a file as well as a pipe.
 *
 *   "BERTH-VE-1\n", then frames: kind (1 byte), three zero bytes, length (32 bits, little endian),
 *   payload of at most STREAM_FRAME_MAX bytes.
 *
 *   H  JSON: number, config, template version, size of the disk (ve/stream-head.h)
 *   T  the next bytes of the template's image; G its signature    (where the head says so)
 *   D  offset (64 bits, little endian) and bytes of the disk, offsets rising
 *   E  SHA-256 of all before this frame
 *   C  between two ends that talk: the sender has let go, "start" or nothing
 *
 * A stream is hostile: everything is bounded and checked here, before anybody else sees it.
 */
#pragma once

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define STREAM_FRAME_MAX ((1u << 20) + 8)

struct stream {
	int fd;
	struct sha256_ctx sha;
	uint64_t bytes;                 /* so far */
	unsigned char *buf;             /* of STREAM_FRAME_MAX, and a NUL behind */
};
#define STREAM_INIT { .fd = -1 }

struct frame {
	char kind;
	size_t len;
	const unsigned char *data;      /* in buf, until the next frame */
};

/* fd stays the caller's. Writing begins with the magic, reading checks it. */
MUST_CHECK int stream_begin(struct stream *s, int fd, bool writing, struct err *e);
void stream_done(struct stream *s);

MUST_CHECK int stream_put(struct stream *s, char kind, const void *data, size_t len, struct err *e);
/* A piece of the disk; one that is nothing but zeros is left out. */
MUST_CHECK int stream_put_disk(struct stream *s, uint64_t offset, const void *data, size_t len,
			       struct err *e);
MUST_CHECK int stream_put_end(struct stream *s, struct err *e);

/* The next frame; an E is compared with what was read. The end of the file is an error. */
MUST_CHECK int stream_get(struct stream *s, struct frame *ret, struct err *e);
/* The offset of a D; its bytes follow at data + 8. */
MUST_CHECK int stream_disk_offset(const struct frame *f, uint64_t *ret, struct err *e);
