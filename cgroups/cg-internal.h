/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the files of cgroups/ only: where a VE's node lies, and access to its files.
 * cg_node and cg_node_v2 are the only places that turn "which limit" into "which hierarchy".
 */
#pragma once

#include "cgroups/cg-knob.h"

/* A directory of one hierarchy; path is relative to the root of its mount. */
struct cg_node {
	int root;
	char path[160];
};

/* Node that carries the limits of ctl. -EOPNOTSUPP: no hierarchy here has the controller. */
int cg_node(const struct cg_host *h, enum cg_ctl ctl, const char *id, struct cg_node *ret);
/* The VE's node on v2, where its lifecycle is, whatever carries the limits. */
int cg_node_v2(const struct cg_host *h, const char *id, struct cg_node *ret);
int cg_node_v1(const struct cg_host *h, enum cg_ctl ctl, const char *id, struct cg_node *ret);

/* The root of the v2 hierarchy, whatever slice there is. */
void cg_top(const struct cg_host *h, struct cg_node *ret);
/* The slice that VEs shall lie in cannot be had: an error. */
int cg_slice_refuse(const struct cg_host *h, const char *id, struct err *e);
/* The slice, if there is one, protects less than `total` bytes: an error. */
int cg_slice_protects(const struct cg_host *h, uint64_t total, struct err *e);

/* One read(2) into buf, trailing newlines cut. Returns the length or -Exxx. */
int cg_node_read(const struct cg_node *n, const char *file, char *buf, size_t size);
int cg_node_write(const struct cg_node *n, const char *file, const char *text);
/* A file that holds one number; "max" is CG_NONE. */
int cg_node_u64(const struct cg_node *n, const char *file, uint64_t *ret);

/* The number that text begins with; it must end at a blank, a newline or the text's end. */
int cg_number(const char *text, uint64_t *ret);
/* Value of `key value` in a flat keyed file. -ENOENT when the key is not there. */
int cg_keyed(const char *text, const char *key, uint64_t *ret);

/* The node above; of a top one the root of the hierarchy, ".". */
void cg_node_parent(const struct cg_node *n, struct cg_node *ret);

/*
 * mkdir INSTANCE/..., making what is above when it is not there: another process may be
 * removing it, because its last VE went. Present is success.
 */
int cg_make_dir(const struct cg_node *n);
/* rmdir the top node that n lies in, if nothing is left in it. */
void cg_tidy_top(const struct cg_node *n);

/*
 * rmdir, waiting a little while the kernel finishes the exits of processes that are already
 * dead to everybody else. 0 also when absent; -EBUSY in the end.
 */
int cg_remove_dir(const struct cg_node *n);
void cg_sleep_ms(unsigned ms);

/* Whose limits, for messages: "VE " and "101", "pool " and "gold". */
const char *cg_kind(const char *id);
const char *cg_leaf(const char *id);
#define CG_WHO(id) cg_kind(id), cg_leaf(id)

/* One hierarchy's part of cg_create and cg_destroy. */
int cg_v2_make_node(const struct cg_host *h, const char *id, struct cg_node *ret, struct err *e);
int cg_v2_make(const struct cg_host *h, const char *id, uid_t uid, gid_t gid, struct err *e);
int cg_v2_remove(const struct cg_host *h, const char *id, struct err *e);
int cg_v1_make(const struct cg_host *h, enum cg_ctl ctl, const char *id, struct err *e);
int cg_v1_remove(const struct cg_host *h, enum cg_ctl ctl, const char *id, struct err *e);
/* The calling thread goes to the root of all that it can leave. 0, or -Exxx of the first other. */
int cg_v1_leave(const struct cg_host *h);

/* Names of the controllers in cgroup.controllers; NULL for cpuacct, which v2 always counts. */
extern const char *const cg_v2_names[CG_CTL_MAX];

/* Encode, write, read back: 0, -Exxx of the write, or -EIO when the kernel took another. */
int cg_put(const struct cg_node *n, const struct cg_file *f, uint64_t value);
int cg_take(const struct cg_node *n, const struct cg_file *f, uint64_t *ret);
/* cg_put, going back to what was there on any failure. */
int cg_put_or_restore(const struct cg_node *n, const struct cg_file *f, uint64_t value);

/* "verb object: cause" with r (< 0) as the cause and the exit number of ctl's options. */
int cg_fail(struct err *e, enum cg_ctl ctl, int r, const char *fmt, ...) PRINTF(4, 5);
int cg_exit_number(enum cg_ctl ctl);

/* ---- making room (cg-room.c) ---- */
struct cg_room {
	const struct cg_host *h;
	const char *id;
	uint64_t end, stuck_us, stuck, best;    /* when to give up */
	uint64_t stall, seen;                   /* the VE's time in full stall, and when it was read */
};
struct cg_room cg_room_new(const struct cg_host *h, const char *id, unsigned patience_ms);
/* True while it is worth another try; `used` is what the try before left in use. */
bool cg_room_left(struct cg_room *m, uint64_t used);
/* Let the VE catch up: a nap, and more of them while its tasks mostly wait for memory. */
void cg_room_breathe(struct cg_room *m);
/* Write what makes the kernel reclaim; -EINTR when it took too long for one go. */
int cg_room_write(const struct cg_room *m, const struct cg_node *n, const char *file,
		  const char *text);
/* Giving up, with use and pressure in the text; -EBUSY. */
struct cg_lack {
	const char *what;
	uint64_t value, used;
};
int cg_room_busy(const struct cg_room *m, const struct cg_lack *l, struct err *e);
