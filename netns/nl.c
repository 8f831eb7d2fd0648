/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "util/cleanup.h"

void nl_close(struct nl *n)
{
	int keep = errno;

	if (n->sock)
		(void)mnl_socket_close(n->sock);
	n->sock = NULL;
	errno = keep;
}

int nl_open(struct nl *n, int proto, struct err *e)
{
	int on = 1;

	n->sock = mnl_socket_open2(proto, SOCK_CLOEXEC);
	if (!n->sock || mnl_socket_bind(n->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		(void)err_sys(e, "open netlink socket %d", proto);
		nl_close(n);
		return -e->eno;
	}
	/* Texts with errors (since 4.12), and errors without a copy of the request (4.3). */
	(void)mnl_socket_setsockopt(n->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(n->sock, NETLINK_CAP_ACK, &on, sizeof(on));
	n->seq = 1;
	n->whole = proto == NETLINK_NETFILTER;
	n->n = 0;
	n->len = 0;
	n->last = NULL;
	n->cb = NULL;
	n->eno = 0;
	return 0;
}

int nl_open_in(struct nl *n, int proto, int netns, struct err *e)
{
	_fd_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (own < 0)
		return err_sys(e, "open /proc/thread-self/ns/net");
	if (setns(netns, CLONE_NEWNET) < 0)
		return err_sys(e, "enter network namespace");
	r = nl_open(n, proto, e);
	if (setns(own, CLONE_NEWNET) < 0) {
		(void)err_sys(e, "return to the host's network namespace");
		nl_close(n);
		return -e->eno;
	}
	return r;
}

/* Count the message that was growing. */
static void seal(struct nl *n)
{
	if (!n->last)
		return;
	n->len += MNL_ALIGN(n->last->nlmsg_len);
	n->last = NULL;
}

static void fail(struct nl *n, int eno, const char *what, const char *why)
{
	if (n->eno)
		return;
	n->eno = eno;
	(void)snprintf(n->text, sizeof(n->text), "%s: %s%s%s%s", what, strerror(eno),
		       why ? " (" : "", why ? why : "", why ? ")" : "");
}

/* The kernel's explanation in an error message, or NULL (struct nlmsgerr, NLMSGERR_ATTR_MSG). */
static const char *explanation(const struct nlmsghdr *h, const struct nlmsgerr *m)
{
	size_t off = sizeof(*m);
	const struct nlattr *a;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		off += MNL_ALIGN(m->msg.nlmsg_len) - sizeof(m->msg);
	mnl_attr_for_each(a, h, off)
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(a);
	return NULL;
}

static void answer(struct nl *n, const struct nlmsghdr *h)
{
	const struct nlmsgerr *m = mnl_nlmsg_get_payload(h);
	uint32_t i = h->nlmsg_seq - n->seq;

	if (i >= n->n)          /* of an earlier send that was given up */
		return;
	if (h->nlmsg_type != NLMSG_ERROR) {
		if (n->cb)
			(void)n->cb(h, n->cb_data);
		return;
	}
	if (m->error && -m->error != n->note[i].ok)
		fail(n, -m->error, n->note[i].what, explanation(h, m));
}

/* Take every answer that is there; see the head of nl.h for why none can come later. */
static void collect(struct nl *n)
{
	_Alignas(8) char buf[16384];
	const struct nlmsghdr *h;
	ssize_t got;
	int left;

	for (;;) {
		got = recv(mnl_socket_get_fd(n->sock), buf, sizeof(buf), MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != EAGAIN)
			fail(n, errno, "read netlink answers", NULL);
		if (got <= 0)
			return;
		left = (int)got;
		for (h = (const void *)buf; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			answer(n, h);
	}
}

static void flush(struct nl *n)
{
	seal(n);
	if (!n->n)
		return;
	if (n->whole && n->eno)
		;               /* nothing of a transaction that could not be built */
	else if (mnl_socket_sendto(n->sock, n->buf, n->len) < 0)
		fail(n, errno, n->note[0].what, NULL);
	else
		collect(n);
	n->seq += n->n;
	n->n = 0;
	n->len = 0;
}

uint32_t nl_seq(const struct nl *n)
{
	return n->seq + n->n - 1;
}

char *nl_room(struct nl *n, const char *what)
{
	seal(n);
	if (n->n == NL_MSGS || n->len + NL_ROOM > sizeof(n->buf)) {
		if (n->whole)
			fail(n, EMSGSIZE, what, NULL);
		flush(n);
	}
	n->note[n->n].what = what;
	n->note[n->n].ok = 0;
	n->n++;
	return n->buf + n->len;
}

void nl_adopt(struct nl *n, struct nlmsghdr *h)
{
	n->last = h;
}

struct nlmsghdr *nl_msg(struct nl *n, uint16_t type, uint16_t flags, const char *what)
{
	n->last = mnl_nlmsg_put_header(nl_room(n, what));
	n->last->nlmsg_type = type;
	n->last->nlmsg_flags = NLM_F_REQUEST | flags;
	n->last->nlmsg_seq = nl_seq(n);
	return n->last;
}

void nl_allow(struct nl *n, int eno)
{
	n->note[n->n - 1].ok = eno;
}

int nl_done(struct nl *n, struct err *e)
{
	int eno;

	flush(n);
	eno = n->eno;
	n->eno = 0;
	return eno ? err_set(e, eno, 0, "%s", n->text) : 0;
}

int nl_query(struct nl *n, mnl_cb_t cb, void *data, struct err *e)
{
	int r;

	n->cb = cb;
	n->cb_data = data;
	r = nl_done(n, e);
	n->cb = NULL;
	return r;
}
