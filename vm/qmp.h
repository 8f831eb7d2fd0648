/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders to a running QEMU (QMP, see qemu-qmp-ref(7)). The process may be in the hands of its
 * guest: answers are bounded in size and time, and only numbers are taken from them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

struct json_val;

/* Several orders on one connection, during which nobody else is served. */
struct qmp;
MUST_CHECK int qmp_open(int dir, struct qmp **ret, struct err *e);
/* fd: a descriptor that goes with the order, or -1. *ret is the answer, to be freed; may be NULL. */
MUST_CHECK int qmp_order(struct qmp *q, const char *text, int fd, struct json_val **ret,
			 struct err *e);
void qmp_close(struct qmp *q);

/* Memory that the guest has now, as the balloon device knows it. */
MUST_CHECK int qmp_balloon_get(int dir, uint64_t *ret, struct err *e);
/* Ask for so much; the guest follows in its own time, if at all. */
MUST_CHECK int qmp_balloon_set(int dir, uint64_t bytes, struct err *e);
/* Memory on top of what the machine was started with, that the guest has taken; and shall have. */
MUST_CHECK int qmp_more_get(int dir, uint64_t *ret, struct err *e);
MUST_CHECK int qmp_more_set(int dir, uint64_t bytes, struct err *e);
/* The tenant's disk has grown to so many bytes: tell the guest. */
MUST_CHECK int qmp_disk_grown(int dir, uint64_t bytes, struct err *e);
/* That QEMU has begun to serve: whatever it opens at its start is open. Waits while the process lives. */
MUST_CHECK int qmp_wait_up(int dir, int pidfd, int timeout_ms, struct err *e);
/* Whether the guest has the device of a link, by the index that names it (vm_nic_name). */
MUST_CHECK int qmp_nic_get(int dir, unsigned index, bool *ret, struct err *e);
/* Plug a link into a q35: its tap is handed over. */
struct qmp_nic {
	unsigned index;
	const uint8_t *mac;
	int tap;
};
MUST_CHECK int qmp_nic_add(int dir, const struct qmp_nic *n, struct err *e);
/*
 * Ask the guest to let go of a link, and cut it off in any case, at the latest after so long.
 * One that is not there is fine; *ret_gone: the guest has not got it any more.
 */
MUST_CHECK int qmp_nic_del(int dir, unsigned index, unsigned timeout_ms, bool *ret_gone,
			   struct err *e);
/* Press the power button. */
MUST_CHECK int qmp_powerdown(int dir, struct err *e);
/* Let the guest stand still, what it has written being on its disk; and let it go on. */
MUST_CHECK int qmp_stop(int dir, struct err *e);
MUST_CHECK int qmp_cont(int dir, struct err *e);
/* Whether the guest stands still. */
MUST_CHECK int qmp_stands(int dir, bool *ret, struct err *e);
