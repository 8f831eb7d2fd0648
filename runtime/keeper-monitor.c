/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU tells its events as lines of JSON (QMP). It is the same process that a guest may have
 * taken over, so they are believed no further than an init would be: whether the VE starts
 * again is up to its tenant anyway. Only the beginning of a line is kept, and looked at for
 * constant texts.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/keeper-impl.h"

void monitor_init(struct monitor *m, int fd)
{
	memset(m, 0, sizeof(*m));
	m->fd = fd;
}

void monitor_poll(const struct monitor *m, struct pollfd *p, uint64_t now)
{
	*p = (struct pollfd){ .fd = now < m->pace.mute_until ? -1 : m->fd, .events = POLLIN };
}

uint64_t monitor_wake(const struct monitor *m)
{
	return m->pace.mute_until;
}

/* As often as the guest likes, they would leave no room for how the VE ended. */
static void tell_once(bool *told, const struct events *ev, const char *event)
{
	if (!*told)
		event_write(ev, event, "count", 1);
	*told = true;
}

static void take_line(struct monitor *m, const struct events *ev)
{
	m->line[m->len] = '\0';
	if (strstr(m->line, "\"event\": \"SHUTDOWN\"")) {
		m->reboot = strstr(m->line, "\"guest-reset\"");
		m->poweroff = strstr(m->line, "\"guest-shutdown\"");
	} else if (strstr(m->line, "\"event\": \"GUEST_PANICKED\"")) {
		tell_once(&m->panicked, ev, "panic");
	} else if (strstr(m->line, "\"event\": \"BLOCK_IO_ERROR\"")) {
		tell_once(&m->io_failed, ev, "io-error");
	}
	m->len = 0;
}

static bool hear(struct monitor *m, const struct events *ev)
{
	char buf[512];
	ssize_t n = read(m->fd, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\n')
			take_line(m, ev);
		else if (m->len + 1 < sizeof(m->line))
			m->line[m->len++] = buf[i];
	return n > 0;
}

void monitor_serve(struct monitor *m, const struct pollfd *p, const struct events *ev, uint64_t now)
{
	if (m->fd < 0 || !p->revents)
		return;
	pace_spend(&m->pace, now);
	if (!hear(m, ev)) {
		(void)close(m->fd);
		m->fd = -1;
	}
}

int monitor_status(struct monitor *m, const struct events *ev, int status)
{
	for (int i = 0; m->fd >= 0 && i < 64 && hear(m, ev); i++)
		;
	if (status != 0)                /* it died of something else */
		return status;
	return m->reboot ? SIGHUP : m->poweroff ? SIGINT : status;
}
