/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files on their way into or out of a VE: a stream of records that parcel_send writes and parcel_take
 * makes files of. One of the two runs on the host, the other inside, as the VE's root, in a process of
 * a container or of a VM's agent; so each has to expect a hostile other side:
 *   - a name is one part of a path. Where it lies is told by the records before it, so no name
 *     leads out of what was copied;
 *   - nothing that is there is followed or written to. A file is written beside its place and renamed, a
 *     directory that is a link is refused: links of an earlier copy lead a later one nowhere;
 *   - no length is believed, and on the host every wait and every sum has an end.
 * Numbers are little-endian, as both sides are (x86-64).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define PARCEL_VERSION 1
#define PARCEL_MAGIC 0x31435042u        /* "BPC1" */
#define PARCEL_DATA_MAX 32768u
#define PARCEL_DEPTH 256                /* directories inside each other */

enum parcel_type {
	PARCEL_HELLO = 1,       /* value: version of what follows */
	PARCEL_DIR,             /* what follows is in it, until its PARCEL_UP */
	PARCEL_UP,
	PARCEL_FILE,            /* its content follows, then its PARCEL_EOF */
	PARCEL_DATA,            /* value: offset, never lower than the end of the one before */
	PARCEL_EOF,             /* value: size of the file */
	PARCEL_LINK,            /* data: where it points to */
	PARCEL_LEFT,            /* what was not copied: device, socket, FIFO, mount */
	PARCEL_END,             /* all was sent; in the other direction: all is in its place */
	PARCEL_FAIL,            /* value: errno, data: text */
	PARCEL_TYPES,
};

/* The first DIR or FILE has no name: the taker knows what to call it. */
struct parcel_head {
	uint32_t magic;
	uint16_t type, name;            /* name: bytes of it behind the head */
	uint32_t len;                   /* bytes of data behind the name */
	uint32_t mode, uid, gid;
	uint64_t value;
	int64_t mtime;
	uint32_t nsec, zero;
};

struct parcel_record {
	struct parcel_head head;
	char name[256];
	uint8_t data[PARCEL_DATA_MAX + 1];      /* a NUL behind its len bytes */
};

struct parcel_count {
	uint64_t files, dirs, links;
	/* Not copied: no file, directory or link, a mount, a link that leads out, gone or changed meanwhile. */
	uint64_t left;
	uint64_t bytes;
};

/* One end of the stream, and how patient it is. */
struct parcel {
	int in, out;                    /* pipes, or one socket */
	int stop;                       /* readable when it shall be given up; -1: nothing says so */
	int stall_ms;                   /* of waiting for the other side, for every PARCEL_PACE bytes; 0: none */
	uint64_t end_us;                /* of all of it, by proc_now_us; 0: none */
	uint64_t waited_us, moved;      /* since the last PARCEL_PACE */
	struct parcel_count count;
	void (*tell)(void *arg, const struct parcel_count *c);  /* now and then, or NULL */
	void *arg;
};
#define PARCEL_PACE 65536u

/* One part of a path, of len bytes: 1 to 255 of them, none a slash or NUL, and not "." or "..". */
bool parcel_name_ok(const char *name, size_t len);

/* What was not possible with a file of this side, from errno. */
int parcel_failed(const char *name, const char *what, struct err *e);
MUST_CHECK int parcel_put(struct parcel *p, const struct parcel_head *h, const char *name,
			  const void *data, struct err *e);
/* Next record. A PARCEL_FAIL is this side's error, "inside: " and what was said there. */
MUST_CHECK int parcel_get(struct parcel *p, struct parcel_record *ret, struct err *e);
/* Until fd, a file of this side, is ready for events of poll(2). */
MUST_CHECK int parcel_wait_own(struct parcel *p, int fd, short events, struct err *e);

struct parcel_source {
	const char *path;               /* links to it are followed, links in it never */
	int fd;                         /* read this to its end instead; -1 */
	bool recursive;
};
MUST_CHECK int parcel_send(struct parcel *p, const struct parcel_source *s, struct err *e);

enum parcel_flags {
	PARCEL_KEEP = 1,        /* owners by number, times, set-user-id bits */
	PARCEL_SAFE = 2,        /* on the host: no set-user-id bits, no link out of what was copied */
	PARCEL_OWNER = 4,       /* owner is uid and gid below, else it is the process's */
};
struct parcel_target {
	const char *path;
	const char *name;               /* in path, if that is a directory; "": path is the directory that comes */
	int fd;                         /* write one file's content there instead; -1 */
	unsigned flags;
	uint32_t uid, gid;
	uint64_t max;                   /* bytes of all, and of one file with its holes; 0: any number */
};
MUST_CHECK int parcel_take(struct parcel *p, const struct parcel_target *t, struct err *e);

/*
 * The side that is inside a VE: what the host asks for, in the form in which it goes to the agent
 * of a VM. Returns an exit code; what went wrong was told to the other side.
 */
struct parcel_job {
	uint32_t version;               /* PARCEL_VERSION */
	uint32_t take;                  /* 1: parcel_take, 0: parcel_send */
	uint32_t flags;                 /* enum parcel_flags */
	uint32_t recursive;
	uint32_t uid, gid;
};
int parcel_serve(const struct parcel_job *j, const char *path, const char *name);   /* by descriptors 0 and 1 */
