/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What host and guest say to each other over a virtio-serial port. Pure: frames in and out of
 * buffers, for the agent in the guest and the command on the host alike.
 *
 * A port carries one session at a time, from the connection of a command to its end. The other
 * side may be in the middle of an older one, and either may be hostile, so:
 *   - a frame is a head and at most AGENT_PAYLOAD bytes; what is not a head is skipped, byte by
 *     byte, until one comes;
 *   - a command begins with AGENT_PAYLOAD zero bytes, which end any frame that was cut off, and a
 *     AGENT_HELLO with a number of its own; every later frame of both sides carries that number,
 *     and frames with another are dropped;
 *   - long requests (arguments, files) are put together from AGENT_BODY frames first, up to
 *     AGENT_BODY_MAX bytes.
 * Numbers are little-endian, as both sides are (x86-64).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_VERSION 2         /* 2: AGENT_FILES */
#define AGENT_MAGIC 0x31474142u         /* "BAG1" */
#define AGENT_PAYLOAD 4096u
#define AGENT_BODY_MAX (256u * 1024)
#define AGENT_CREDIT (64u * 1024)       /* bytes of standard input under way */
#define AGENT_PORTS 8                   /* sessions at once; ports are called berth.0, berth.1, ... */
/* A word of the kernel's command line: there is no template, the root is in the disk. */
#define AGENT_WHOLE "berth.whole"

enum agent_type {
	/* host -> guest */
	AGENT_HELLO = 1,        /* struct agent_hello: begins a session; answered by AGENT_WELCOME */
	AGENT_BODY,             /* bytes of the request that follows */
	AGENT_EXEC,             /* struct agent_exec; body: words (see agent_word) 'e' environment,
				 * 'a' arguments; answered by AGENT_OK, then output, then AGENT_EXIT */
	AGENT_STDIN,            /* at most what AGENT_MORE allows; empty: end of file */
	AGENT_SIGNAL,           /* u32: to the command of this session */
	AGENT_SIZE,             /* struct agent_size: of its terminal */
	AGENT_SETUP,            /* body: words; see enum agent_setup */
	AGENT_GO,               /* let the guest's init run */
	AGENT_INIT_SIGNAL,      /* u32: to process 1 */
	AGENT_PASSWD,           /* body: words 'u' user, 'p' password */
	AGENT_RESIZE,           /* grow the filesystem of the disk to its device */
	AGENT_FREEZE,           /* u32: 1 freezes the disk's filesystem, 0 thaws it */
	AGENT_USAGE,            /* answered by AGENT_OK with struct agent_usage */
	AGENT_ALIVE,            /* is this session still one? AGENT_MORE of 0 if so, else AGENT_FAIL */
	AGENT_CPUS,             /* u32: use so many CPUs; answered by AGENT_OK with u32, how many are in use */
	AGENT_CLOCK,            /* u64: it is so many microseconds since 1970 */
	AGENT_FILES,            /* struct parcel_job (util/parcel.h); body: words 'p' path, 'n' name; answered
				 * like AGENT_EXEC: the parcel is standard input or output */
	AGENT_REQUESTS,

	/* guest -> host */
	AGENT_WELCOME = 100,    /* struct agent_welcome */
	AGENT_OK,               /* the request is done */
	AGENT_FAIL,             /* struct agent_fail: it is not */
	AGENT_STDOUT,
	AGENT_STDERR,
	AGENT_MORE,             /* u32: so many bytes of standard input were taken */
	AGENT_EXIT,             /* u32: exit code, or 128 + signal */
	AGENT_ANSWERS,
};

struct agent_head {
	uint32_t magic, session;
	uint16_t type, len;             /* len: of what follows */
};

struct agent_hello {
	uint32_t version;
};

struct agent_welcome {
	uint32_t version;               /* the lower one of both sides */
	uint32_t booted;                /* the guest's init runs */
};

enum { AGENT_TTY_IN = 1, AGENT_TTY_OUT = 2, AGENT_TTY_ERR = 4, AGENT_LINES = 8 };
struct agent_size {
	uint16_t rows, cols;
};
struct agent_exec {
	uint32_t flags;                 /* which of the three are a terminal */
	struct agent_size size;
};

struct agent_fail {
	int32_t eno, exit;
	char text[256];                 /* NUL-terminated if the guest is honest */
};

struct agent_usage {
	uint64_t mem_total, mem_avail;          /* bytes */
	uint64_t disk_size, disk_used, disk_avail, inodes, inodes_used;
	uint64_t load[3];                       /* in 1/65536 */
};

/* Letters of the words of AGENT_SETUP. What describes a link follows its SETUP_LINK. */
enum agent_setup {
	SETUP_HOSTNAME = 'h',
	SETUP_NAMESERVER = 'n',
	SETUP_SEARCH = 's',
	SETUP_NO_FILES = 'k',           /* the tenant writes the files inside */
	SETUP_LINK = 'L',               /* name that it shall have */
	SETUP_MAC = 'M',                /* by which it is found */
	SETUP_ROUTED = 'r',             /* no shared layer 2: gateways are on the link */
	SETUP_ADDRESS = 'i',            /* that it shall have, with prefix */
	SETUP_REMOVE = 'd',             /* that it shall lose */
	SETUP_GATEWAY = 'g',            /* of the default route of its family */
	SETUP_NETWORK = 'x',            /* behind this link ... */
	SETUP_VIA = 'v',                /* ... by this gateway, given before */
};

struct agent_frame {
	uint16_t type, len;
	uint32_t session;
	const uint8_t *payload;         /* into the buffer given */
};

/* What a frame takes at most. */
#define AGENT_FRAME (sizeof(struct agent_head) + AGENT_PAYLOAD)

/*
 * The first frame in buf[len]: 1 with *ret, 0 when more bytes are needed. *ret_used is in
 * either case what may be dropped from the buffer's front once *ret has been dealt with.
 */
int agent_parse(const uint8_t *buf, size_t len, struct agent_frame *ret, size_t *ret_used);

/* Write a frame into dst, which has room for AGENT_FRAME; len is at most AGENT_PAYLOAD. */
size_t agent_put(uint8_t *dst, uint32_t session, enum agent_type type, const void *payload,
		 size_t len);

/* Copy a payload of exactly `size` bytes; false when it has another length. */
bool agent_take(const struct agent_frame *f, void *dst, size_t size);

/*
 * Words of a body: a letter, the text, a NUL. Next word at *pos, or NULL at the end or when the
 * rest is not one; *ret_letter is its letter.
 */
const char *agent_word(const char *body, size_t len, size_t *pos, char *ret_letter);
