/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the running keeper. Each owns its struct, fills its share of the poll set and
 * serves it afterwards; none blocks. A part that must not be polled for a while says until
 * when by its `_wake` function: monotonic milliseconds, 0 when it waits for nothing.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>

#include "runtime/keeper-msg.h"
#include "runtime/keeper-ring.h"

/* ---- keeper-event.c: the events file, out-of-memory counting ---- */
struct events {
	int fd;                 /* -1: events are not recorded */
	uint32_t veid;
};

struct oom {
	int fd;                 /* -1: not watched */
	short poll_events;
	uint64_t seen;          /* last oom_kill of memory.events */
	uint64_t pending;       /* not yet in the events file */
	uint64_t quiet_until;
	int node;               /* -1: no policy to carry out */
	int control;            /* v1: memory.oom_control, or -1 */
	int64_t kills;          /* of this VE, by the kernel; -1: it does not tell */
	uint64_t watch_at;      /* whether there was another; 0: nobody asks */
	uint64_t watch_end;
	uint64_t look_at;       /* whether what is frozen is still out of memory; 0: nothing is */
};

/* Append {"time":..., "veid":..., "event":EVENT, "KEY":VALUE}. */
void event_write(const struct events *ev, const char *event, const char *key, int64_t value);

void oom_init(struct oom *o, int fd, short poll_events, int node, int control);
void oom_poll(const struct oom *o, struct pollfd *p);
void oom_serve(struct oom *o, const struct pollfd *p, const struct events *ev, uint64_t now);
/* Record what is still pending. */
void oom_finish(struct oom *o, const struct events *ev);
uint64_t oom_wake(const struct oom *o);

/* ---- keeper-pace.c: how often a VE may have us read ---- */
struct pace {
	uint64_t end;           /* of the current window, and how many reads are left in it */
	unsigned left;
	uint64_t mute_until;
};

/* One read is done; after the last of a window none is until mute_until. */
void pace_spend(struct pace *p, uint64_t now);

/* ---- keeper-console.c: the pty master, the ring, those who are attached ---- */
#define VIEWERS 8
#define CONSOLE_POLLS (1 + VIEWERS)

struct viewer {
	int fd;                 /* our end of its stream socket, or -1 */
	uint64_t pos;           /* in the ring: what it has been sent */
};

struct console {
	int master;             /* -1: there is none */
	int slave;              /* held open, so that the master never reports a hangup */
	struct ring ring;
	struct viewer viewers[VIEWERS];
	int writer;             /* index of the viewer whose input is used, or -1 */
	char in[512];           /* its input that the pty has not taken yet */
	size_t in_len;
	struct pace pace;
};

void console_init(struct console *c, int master, int log);
void console_poll(const struct console *c, struct pollfd *p, uint64_t now);
void console_serve(struct console *c, const struct pollfd *p, uint64_t now);
uint64_t console_wake(const struct console *c);

/* New viewer: its end of the socket in *ret, whether it is the writer in *ret_writer. -Exxx. */
int console_attach(struct console *c, int *ret, bool *ret_writer);

/* Take what init wrote last, and give it to whoever is attached. */
void console_finish(struct console *c);

/* ---- keeper-clients.c: the socket's clients ---- */
#define CLIENTS 16
#define CLIENT_POLLS (1 + CLIENTS)

struct client {
	int fd;                 /* or -1 */
	bool stopping;
	uint64_t since;         /* order of arrival */
};

struct clients {
	struct client c[CLIENTS];
	uint64_t arrivals;
};

void clients_init(struct clients *cs);
void clients_poll(const struct clients *cs, struct pollfd *p);

/* Accept and answer. True when a client asked the keeper to quit. */
bool clients_serve(struct clients *cs, const struct pollfd *p, struct console *console,
		   bool init_lives);

/* Send KEEPER_EXITED to all who said KEEPER_STOPPING; false when there is none. */
bool clients_tell_exited(const struct clients *cs, int status);

/* ---- keeper-monitor.c: what a VM's QEMU says of the machine's end ---- */
struct monitor {
	int fd;                 /* -1: a container, or QEMU has closed it */
	char line[256];         /* the beginning of the current line */
	size_t len;
	bool reboot, poweroff;  /* the guest asked for it */
	bool panicked, io_failed;       /* told already */
	struct pace pace;
};

void monitor_init(struct monitor *m, int fd);
void monitor_poll(const struct monitor *m, struct pollfd *p, uint64_t now);
void monitor_serve(struct monitor *m, const struct pollfd *p, const struct events *ev, uint64_t now);
uint64_t monitor_wake(const struct monitor *m);
/* The wait status of QEMU as that of an init that ended so (pid_namespaces(7)). */
int monitor_status(struct monitor *m, const struct events *ev, int status);

/* ---- keeper-pages.c: memory ---- */
#define SEGMENTS 4

struct pages {
	void *start[SEGMENTS];
	size_t len[SEGMENTS], n;
};

void pages_init(struct pages *pg);

/* Unmap what of the program file is mapped now. */
void pages_shed(const struct pages *pg);

/* ---- keeper-exit.c: how init ended, and what comes after ---- */

/* Wait status of the ended init, -1 when it cannot be known. Ends a zombie child. */
int init_status(int pidfd);

/* Whether the process behind pidfd is a child of ours. */
bool init_is_child(int pidfd);

/* Drop what the keeper does not need; berth_exec gets it back. */
void drop_privileges(void);

/* Become `berth [--root ROOT] _exited ID STATUS`. */
_Noreturn void berth_exec(const struct keeper_args *a, int status);
