/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets of a running VM, in run/ID. Berth makes and names them; QEMU gets each as an open
 * descriptor that listens, and knows no name. One client at a time is served; the next one waits.
 */
#pragma once

#include "util/err.h"

#define VM_SOCK_QMP "qmp.sock"          /* orders to the machine, for a command that holds the lock */
#define VM_SOCK_EVENTS "events.sock"    /* what the machine tells, for the keeper */
#define VM_SOCK_CONSOLE "console.sock"  /* the serial line, for the keeper */

/* Make, bind, listen. */
MUST_CHECK int vm_listen(int dir, const char *name, int *ret, struct err *e);
/* Connect, waiting at most so long for a place in the queue. */
MUST_CHECK int vm_connect(int dir, const char *name, int timeout_ms, int *ret, struct err *e);
/* agent.N.sock */
void vm_agent_sock(unsigned n, char dst[24]);
