/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink in batches. Messages are queued one after another and sent in one sendmsg(2), which
 * saves a system call and a wake-up per message. Building a message cannot fail: the first
 * failure, of building or of the kernel, sticks and is reported once by nl_done, with the
 * label of its message and the kernel's own explanation (extended ack).
 *
 * rtnetlink and nfnetlink do their work inside sendmsg(2), so every answer is in the socket's
 * queue when it returns; nothing here ever waits.
 */
#pragma once

#include "util/err.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NL_MSGS 384             /* messages in one send */
#define NL_ROOM 2048            /* the largest single message */

struct nl {
	struct mnl_socket *sock;
	struct nlmsghdr *last;  /* still growing; its length counts when the next one begins */
	size_t len;             /* bytes before last */
	unsigned n;
	uint32_t seq;           /* of the first queued message */
	bool whole;             /* a transaction: a full queue is an error, never sent in parts */
	mnl_cb_t cb;            /* receives answers that are not acks */
	void *cb_data;
	int eno;                /* first failure, positive */
	char text[160];
	struct { const char *what; int ok; } note[NL_MSGS];
	_Alignas(8) char buf[48 * 1024];
};

#define NL_INIT { .sock = NULL }
#define _nl_ __attribute__((cleanup(nl_close)))

/* Open a socket of this protocol (NETLINK_ROUTE, NETLINK_NETFILTER) in the current namespace. */
MUST_CHECK int nl_open(struct nl *n, int proto, struct err *e);
/*
 * The same inside the network namespace of fd netns. The calling thread enters it and comes
 * back; when it cannot come back the error says so and the caller must not go on.
 */
MUST_CHECK int nl_open_in(struct nl *n, int proto, int netns, struct err *e);
/* Safe on a struct nl that was never opened; keeps errno. */
void nl_close(struct nl *n);

/* Queue a message; `what` is a constant such as "add route". Full queues are sent on the way. */
struct nlmsghdr *nl_msg(struct nl *n, uint16_t type, uint16_t flags, const char *what);
/* Room for one message that another library builds at the returned place with nl_seq's number. */
char *nl_room(struct nl *n, const char *what);
void nl_adopt(struct nl *n, struct nlmsghdr *h);
uint32_t nl_seq(const struct nl *n);

/* The message queued last may fail with this errno value. */
void nl_allow(struct nl *n, int eno);
/* Send what is queued and report the first failure since the last nl_done. */
MUST_CHECK int nl_done(struct nl *n, struct err *e);
/* Like nl_done; answers go to cb. */
MUST_CHECK int nl_query(struct nl *n, mnl_cb_t cb, void *data, struct err *e);
