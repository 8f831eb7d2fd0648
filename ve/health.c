/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both kinds of test run in the VE: a command by its shell, a connection from its network
 * namespace, so that it needs no address, and no filter of the host is in between.
 */
#include "ve/health.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "runtime/nsenter.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/exec.h"

#define TRY_MS 10000            /* one test may take this long */
#define PAUSE_MS 100

static bool tcp_port(const char *check, uint32_t *ret)
{
	return str_starts(check, "tcp:") && parse_u32(check + 4, 1, 65535, ret) == 0;
}

int health_check_ok(const char *check, struct err *e)
{
	uint32_t port;

	if (str_starts(check, "tcp:") && !tcp_port(check, &port))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--check %.40s: want tcp:PORT, 1 to 65535",
			       str_has_control(check) ? "?" : check);
	if (!*check || strlen(check) > 4000)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--check: want a command or tcp:PORT");
	return 0;
}

/* A socket of the VE's network namespace; we come back at once. */
static int socket_inside(struct ve *ve, int family, struct err *e)
{
	_fd_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = -1;
	int fd = -1, r = ns_open(ve->state.pid, "net", &there, e);

	if (r < 0)
		return r;
	if (own < 0 || setns(there, CLONE_NEWNET) < 0)
		return err_sys(e, "enter the network of VE %u", ve->id);
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		(void)err_sys(e, "make a socket in VE %u", ve->id);
	if (setns(own, CLONE_NEWNET) < 0) {
		cleanup_fd(&fd);
		return err_sys(e, "return to the host's network");
	}
	return fd < 0 ? -e->eno : fd;
}

static bool connects(int fd, const struct sockaddr *a, socklen_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t n = sizeof(error);

	if (connect(fd, a, len) == 0)
		return true;
	if (errno != EINPROGRESS || poll(&p, 1, 1000) != 1)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0;
}

static bool answers_v4(struct ve *ve, uint32_t port, struct in_addr to)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				 .sin_addr = to };
	struct err ignored = ERR_INIT;
	_fd_ int fd = socket_inside(ve, AF_INET, &ignored);

	return fd >= 0 && connects(fd, (const struct sockaddr *)&a, sizeof(a));
}

static bool answers_v6(struct ve *ve, uint32_t port, struct in6_addr to)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port),
				  .sin6_addr = to };
	struct err ignored = ERR_INIT;
	_fd_ int fd = socket_inside(ve, AF_INET6, &ignored);

	return fd >= 0 && connects(fd, (const struct sockaddr *)&a, sizeof(a));
}

/* On the loopback, or on any address that the VE was given. */
static bool listens(struct ve *ve, uint32_t port)
{
	struct in_addr lo = { htonl(INADDR_LOOPBACK) };
	struct in6_addr lo6 = IN6ADDR_LOOPBACK_INIT;

	if (answers_v4(ve, port, lo) || answers_v6(ve, port, lo6))
		return true;
	for (unsigned i = 0; i < ve->state.ips.n; i++) {
		const struct ipaddr *a = &ve->state.ips.a[i];

		if (a->family == AF_INET ? answers_v4(ve, port, a->v4) : answers_v6(ve, port, a->v6))
			return true;
	}
	return false;
}

/* 0, 1 for not (yet), or -Exxx when there is nobody to ask. */
static int ask(struct inst *in, uint32_t id, const char *check, int timeout_ms, struct err *e)
{
	uint32_t port;
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	if (ve.state.phase != PH_RUNNING)
		r = err_set(e, ESRCH, VZ_NOT_RUNNING, "VE %u is not running any more", id);
	else if (tcp_port(check, &port))
		r = !listens(&ve, port);
	else
		r = exec_script(&ve, check, timeout_ms, e) != 0;
	ve_close(&ve);
	return r;
}

int health_wait(struct inst *in, uint32_t id, const char *check, int timeout_ms, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)timeout_ms * 1000;
	struct timespec pause = { 0, PAUSE_MS * 1000000L };
	int r, left = timeout_ms;

	while ((r = ask(in, id, check, left < TRY_MS ? left : TRY_MS, e)) > 0) {
		uint64_t now;

		err_clear(e);
		(void)nanosleep(&pause, NULL);
		now = proc_now_us();
		if (now >= end)
			return err_set(e, ETIMEDOUT, VZ_WAIT_FAILED,
				       "VE %u: the check \"%.100s\" does not pass", id,
				       str_has_control(check) ? "..." : check);
		left = (int)((end - now) / 1000) + 1;
	}
	return r;
}
