/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conversation between the host and the VE's init before it is init. One SOCK_SEQPACKET
 * pair; a packet is one struct sync_packet, with descriptors where a message says so. The end
 * of file means that the peer died, except after SYNC_GO, where it means that exec closed the
 * socket: init runs.
 */
#pragma once

#include <stdint.h>

#include "util/err.h"

#define SYNC_MAX_FDS 3

enum sync_msg {
	/* host: your ids are mapped. Child: becomes root inside, joins its control groups, makes
	 * its other namespaces. Host meanwhile: mounts the root of the VE. */
	SYNC_MAPPED = 1,
	/* child of attach.c: I am in the control groups and namespaces of the VE. Of spawn.c:
	 * all my namespaces but mount exist. Host: makes the mounts below the root in the
	 * mount namespace that both still share, and the link in my network namespace. */
	SYNC_JOINED,
	/* host: the root is built; fds: its directory, the console, its /proc/sys while that can be
	 * written. Child: takes a mount namespace of its own, which locks every mount it was given,
	 * and pivots. */
	SYNC_ROOT,
	/* child: nothing of the host is reachable from here any more. Host: guest files, state. */
	SYNC_ROOTED,
	/* host: go. Child: limits, capabilities, filter, exec. */
	SYNC_GO,
	/* child, at any point: err says what failed; I am gone. */
	SYNC_ERR,
};

/* Send msg with up to SYNC_MAX_FDS descriptors. 0 or -Exxx. */
int sync_send(int sock, enum sync_msg msg, const int *fds, unsigned n_fds);

/* Ship an error as SYNC_ERR. */
void sync_send_err(int sock, const struct err *e);

/*
 * Receive exactly this message. An SYNC_ERR becomes e; the end of file "died"; any other
 * message a protocol error that names both. ret_fds gets n_fds descriptors (CLOEXEC).
 */
MUST_CHECK int sync_expect(int sock, enum sync_msg msg, int *ret_fds, unsigned n_fds,
			   struct err *e);

/* After SYNC_GO: 0 when the peer's exec closed the socket, else its error. */
MUST_CHECK int sync_expect_exec(int sock, struct err *e);
