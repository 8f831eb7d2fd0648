/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth-keeper: see keeper.h for what it is for. keeper_exec gives it its descriptors under
 * fixed numbers (keeper-msg.h), /dev/null as stdio, and nothing else.
 *
 * One poll loop, which never blocks:
 *   clients    requests, before init is looked at, so that a KEEPER_STOPPING that was sent in
 *              time is honoured
 *   console    the VE's output into the ring, and to and from whoever is attached
 *   oom        out-of-memory events
 *   pidfd      the end of init: tell those who are stopping the VE and exit, or become berth
 *
 * SIGTERM has its default effect: the keeper ends and the VE goes on. There is nothing to put
 * in order before that, since all it keeps is in files.
 *
 * It allocates no memory and uses no stdio: there is one per running VE.
 */
#include "runtime/keeper.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/keeper-impl.h"

#define SHED_MS 300

enum {
	POLL_PIDFD,
	POLL_OOM,
	POLL_MONITOR,
	POLL_CLIENTS,
	POLL_CONSOLE = POLL_CLIENTS + CLIENT_POLLS,
	POLL_END = POLL_CONSOLE + CONSOLE_POLLS,
};

struct keeper {
	struct keeper_args args;
	struct events events;
	struct oom oom;
	struct console console;
	struct clients clients;
	struct monitor monitor;
	struct pages pages;
	uint64_t shed_at;       /* when the pages go back; 0: they have */
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Milliseconds for poll until the first time that is still to come; -1: there is none. */
static int timeout_ms(const struct keeper *k, uint64_t now)
{
	uint64_t wake[] = { oom_wake(&k->oom), console_wake(&k->console),
			    monitor_wake(&k->monitor), k->shed_at };
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < sizeof(wake) / sizeof(wake[0]); i++)
		if (wake[i] > now && wake[i] < first)
			first = wake[i];
	return first == UINT64_MAX ? -1 : (int)(first - now);
}

/* Dispositions and the mask are inherited from whoever started us. With SIGCHLD ignored the
 * kernel would reap init itself and its status would be lost. */
static void set_signals(void)
{
	sigset_t none;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_process(void)
{
	set_signals();
	(void)syscall(SYS_close_range, KEEPER_FD_END, ~0U, 0);
	(void)setsid();         /* EPERM: a session leader already */
	(void)umask(077);
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);  /* the caller's keys go */
	(void)prctl(PR_SET_NAME, "berth-keeper");
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (chdir("/") < 0)
		_exit(1);
	drop_privileges();
}

static int given(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

static void init(struct keeper *k)
{
	bool ours = init_is_child(KEEPER_FD_PIDFD);

	pages_init(&k->pages);
	k->shed_at = now_ms() + SHED_MS;
	clients_init(&k->clients);
	/* Before anything is opened, which could take the number. */
	monitor_init(&k->monitor, given(KEEPER_FD_MONITOR));
	console_init(&k->console, given(KEEPER_FD_CONSOLE), given(KEEPER_FD_LOG));
	oom_init(&k->oom, given(KEEPER_FD_OOM), k->args.oom_events,
		 given(KEEPER_FD_NODE), given(KEEPER_FD_OOM_CONTROL));
	k->events = (struct events){ given(KEEPER_FD_EVENTS), k->args.veid };
	event_write(&k->events, ours ? "start" : "adopt", "pid", k->args.init);
	pages_shed(&k->pages);  /* what only the start needed, not after SHED_MS but now */
}

/* Init is gone. A reboot(2) inside ends it by SIGHUP (pid_namespaces(7)), which nothing else
 * can do that it does not handle. */
static _Noreturn void finish(struct keeper *k)
{
	int status = init_status(KEEPER_FD_PIDFD);
	bool reboot;

	status = monitor_status(&k->monitor, &k->events, status);
	reboot = status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP;

	console_finish(&k->console);
	oom_finish(&k->oom, &k->events);
	event_write(&k->events, reboot ? "reboot" : "exit", "status", status);
	if (clients_tell_exited(&k->clients, status))
		_exit(0);
	berth_exec(&k->args, status);
}

/* Idle for SHED_MS: the working set of what was done last can go. */
static void rest(struct keeper *k, uint64_t now)
{
	if (k->shed_at && now >= k->shed_at) {
		k->shed_at = 0;
		pages_shed(&k->pages);
	}
}

static void turn(struct keeper *k)
{
	struct pollfd p[POLL_END] = { { .fd = KEEPER_FD_PIDFD, .events = POLLIN } };
	uint64_t now = now_ms();
	int ready;

	oom_poll(&k->oom, &p[POLL_OOM]);
	monitor_poll(&k->monitor, &p[POLL_MONITOR], now);
	clients_poll(&k->clients, &p[POLL_CLIENTS]);
	console_poll(&k->console, &p[POLL_CONSOLE], now);
	ready = poll(p, POLL_END, timeout_ms(k, now));
	if (ready < 0)          /* what was in p is not defined then */
		return;
	now = now_ms();
	if (ready > 0)
		k->shed_at = now + SHED_MS;
	if (clients_serve(&k->clients, &p[POLL_CLIENTS], &k->console, !p[POLL_PIDFD].revents))
		_exit(0);
	console_serve(&k->console, &p[POLL_CONSOLE], now);
	oom_serve(&k->oom, &p[POLL_OOM], &k->events, now);
	monitor_serve(&k->monitor, &p[POLL_MONITOR], &k->events, now);
	if (p[POLL_PIDFD].revents)
		finish(k);
	rest(k, now);
}

int main(int argc, char **argv)
{
	static struct keeper k;

	if (keeper_parse_args(argc, argv, &k.args) < 0 || given(KEEPER_FD_LISTEN) < 0 ||
	    given(KEEPER_FD_PIDFD) < 0)
		return 2;
	set_process();
	init(&k);
	for (;;)
		turn(&k);
}
