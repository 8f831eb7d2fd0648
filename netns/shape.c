/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel interface: linux/pkt_sched.h, linux/pkt_cls.h; TBF with its burst in bytes since 3.13.
 * A message for a queue that is there changes it without losing a packet, so a rate moves live;
 * but a packet that waits and is larger than a new burst would hold up all others for ever (a
 * token bucket never has the tokens for it, 6.18), so for a smaller burst there is a new queue.
 *
 * Each direction is made by one send, which a kill cannot cut: an ifb with a token bucket has
 * the redirection too. An ifb without one is of a shape_set that died, and is made again.
 */
#include "netns/shape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#include "netns/link.h"
#include "netns/network.h"
#include "netns/nl.h"
#include "util/str.h"

#define HANDLE(major) ((uint32_t)(major) << 16)
#define PRIO_REDIRECT 100               /* filters of lower numbers see the packet before */
#define BURST_MIN 8192                  /* several frames, and a late timer loses nothing */
#define BURST_UNIT 1024                 /* whole ones, for the kernel tells a burst as a time */
#define QUEUE_MS 50                     /* what may wait, in time at the rate ... */
#define QUEUE_MIN 65536                 /* ... and at least this, for a window of TCP */

/* From the whole name, which is all that is left when the link has gone. */
static void name_ifb(char dst[IFNAMSIZ], const char *link)
{
	(void)str_fmt(dst, IFNAMSIZ, "ifb%012" PRIx64, net_hash(NET_HASH, link, strlen(link)) >> 16);
}

static struct nlmsghdr *put_tc(struct nl *n, uint16_t type, unsigned index, uint32_t parent,
			       const char *what)
{
	bool add = type == RTM_NEWQDISC || type == RTM_NEWTFILTER;
	uint16_t flags = add ? NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK : NLM_F_ACK;
	struct nlmsghdr *h = nl_msg(n, type, flags, what);
	struct tcmsg *t = mnl_nlmsg_put_extra_header(h, sizeof(*t));

	t->tcm_family = AF_UNSPEC;
	t->tcm_ifindex = (int)index;
	t->tcm_parent = parent;
	return h;
}

/* A queue that is there; rate 0: none. */
struct bucket {
	uint64_t rate;                  /* bits per second */
	uint64_t burst;                 /* bytes */
	uint32_t handle;
};

static uint64_t burst_for(uint64_t bytes_per_s, uint64_t wanted)
{
	uint64_t burst = wanted ? wanted : bytes_per_s / 40;

	if (burst < BURST_MIN)
		burst = BURST_MIN;
	return (burst + BURST_UNIT - 1) / BURST_UNIT * BURST_UNIT;
}

static uint32_t handle_for(const struct bucket *now, uint64_t burst)
{
	if (now->rate && burst < now->burst)
		return now->handle == HANDLE(1) ? HANDLE(2) : HANDLE(1);
	return now->rate ? now->handle : HANDLE(1);
}

static void put_bucket(struct nl *n, unsigned index, const struct bucket *now, uint64_t bits,
		       const struct shape *s)
{
	struct nlmsghdr *h = put_tc(n, RTM_NEWQDISC, index, TC_H_ROOT, "set rate");
	struct tcmsg *t = mnl_nlmsg_get_payload(h);
	struct tc_tbf_qopt q = { 0 };
	uint64_t rate = bits / 8, queue = rate * QUEUE_MS / 1000, burst = burst_for(rate, s->burst);
	struct nlattr *opts;

	t->tcm_handle = handle_for(now, burst);
	mnl_attr_put_strz(h, TCA_KIND, "tbf");
	q.rate.rate = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
	q.rate.linklayer = TC_LINKLAYER_ETHERNET;       /* the kernel wants no rate table then */
	q.limit = s->closed ? 1 : (uint32_t)((queue < QUEUE_MIN ? QUEUE_MIN : queue) + burst);
	opts = mnl_attr_nest_start(h, TCA_OPTIONS);
	mnl_attr_put(h, TCA_TBF_PARMS, sizeof(q), &q);
	mnl_attr_put_u32(h, TCA_TBF_BURST, (uint32_t)burst);
	if (rate > UINT32_MAX)
		mnl_attr_put_u64(h, TCA_TBF_RATE64, rate);
	mnl_attr_nest_end(h, opts);
}

static void put_clsact(struct nl *n, unsigned index)
{
	struct nlmsghdr *h = put_tc(n, RTM_NEWQDISC, index, TC_H_CLSACT, "add ingress hook");
	struct tcmsg *t = mnl_nlmsg_get_payload(h);

	t->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(h, TCA_KIND, "clsact");
}

static struct nlmsghdr *put_filter(struct nl *n, uint16_t type, unsigned index)
{
	struct nlmsghdr *h = put_tc(n, type, index, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
				    "redirect to ifb");
	struct tcmsg *t = mnl_nlmsg_get_payload(h);

	t->tcm_info = TC_H_MAKE(PRIO_REDIRECT << 16, htons(ETH_P_ALL));
	return h;
}

static void put_mirred(struct nlmsghdr *h, unsigned target)
{
	struct tc_mirred m = { .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR,
			       .ifindex = target };
	struct nlattr *acts = mnl_attr_nest_start(h, TCA_U32_ACT);
	struct nlattr *act = mnl_attr_nest_start(h, 1);
	struct nlattr *opts;

	mnl_attr_put_strz(h, TCA_ACT_KIND, "mirred");
	opts = mnl_attr_nest_start(h, TCA_ACT_OPTIONS);
	mnl_attr_put(h, TCA_MIRRED_PARMS, sizeof(m), &m);
	mnl_attr_nest_end(h, opts);
	mnl_attr_nest_end(h, act);
	mnl_attr_nest_end(h, acts);
}

/* A u32 filter with one key that every packet has: matchall is not in every kernel. */
static void put_redirect(struct nl *n, unsigned index, unsigned target)
{
	const struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	char any[sizeof(sel) + sizeof(struct tc_u32_key)] = { 0 };      /* its key: no bit of anything */
	struct nlmsghdr *h;
	struct nlattr *opts;

	memcpy(any, &sel, sizeof(sel));
	(void)put_filter(n, RTM_DELTFILTER, index);     /* a second one would double packets */
	nl_allow(n, ENOENT);
	h = put_filter(n, RTM_NEWTFILTER, index);
	mnl_attr_put_strz(h, TCA_KIND, "u32");
	opts = mnl_attr_nest_start(h, TCA_OPTIONS);
	put_mirred(h, target);
	mnl_attr_put(h, TCA_U32_SEL, sizeof(any), any);
	mnl_attr_nest_end(h, opts);
}

/* ---- what is there ---- */

/* Its ticks are of 64 ns (net/pkt_sched.h). */
static uint64_t burst_of(uint32_t ticks, uint64_t bytes_per_s)
{
	double bytes = (double)ticks * 64e-9 * (double)bytes_per_s;

	return (uint64_t)(bytes / BURST_UNIT + 0.5) * BURST_UNIT;
}

static void read_options(const struct nlattr *opts, struct bucket *ret)
{
	struct tc_tbf_qopt q = { 0 };
	const struct nlattr *a;
	uint64_t rate = 0;

	mnl_attr_for_each_nested(a, opts) {
		if (mnl_attr_get_type(a) == TCA_TBF_PARMS && !rate &&
		    mnl_attr_get_payload_len(a) >= sizeof(q)) {
			memcpy(&q, mnl_attr_get_payload(a), sizeof(q));
			rate = q.rate.rate;
		} else if (mnl_attr_get_type(a) == TCA_TBF_RATE64) {
			rate = mnl_attr_get_u64(a);
		}
	}
	ret->rate = rate * 8;
	ret->burst = burst_of(q.buffer, rate);
}

static int take_bucket(const struct nlmsghdr *h, void *data)
{
	const struct tcmsg *t = mnl_nlmsg_get_payload(h);
	const struct nlattr *a, *opts = NULL;
	struct bucket *ret = data;
	bool ours = false;

	mnl_attr_for_each(a, h, sizeof(*t)) {
		if (mnl_attr_get_type(a) == TCA_KIND)
			ours = str_eq(mnl_attr_get_str(a), "tbf");
		else if (mnl_attr_get_type(a) == TCA_OPTIONS)
			opts = a;
	}
	if (ours && opts) {
		ret->handle = t->tcm_handle;
		read_options(opts, ret);
	}
	return MNL_CB_OK;
}

/* Only with NLM_F_ECHO does the kernel answer who asks for one queue (until 6.8). */
static int read_bucket(struct nl *n, unsigned index, struct bucket *ret, struct err *e)
{
	struct nlmsghdr *h = nl_msg(n, RTM_GETQDISC, NLM_F_ECHO, "read rate");
	struct tcmsg *t = mnl_nlmsg_put_extra_header(h, sizeof(*t));
	struct bucket now = { 0 };
	int r;

	t->tcm_family = AF_UNSPEC;
	t->tcm_ifindex = (int)index;
	t->tcm_parent = TC_H_ROOT;
	nl_allow(n, ENOENT);
	r = nl_query(n, take_bucket, &now, e);
	if (r == 0)
		*ret = now;
	return r;
}

/* Index of the link's ifb, 0 when there is none. Another link of its name is not ours to delete. */
static int find_ifb(struct nl *n, const char *name, unsigned *ret, struct err *e)
{
	int r = link_index(n, name, ret, e);

	if (r == 0 && !link_is(n, name, "ifb"))
		*ret = 0;
	if (r != -ENODEV)
		return r;
	err_clear(e);
	*ret = 0;
	return 0;
}

struct now {
	char ifb_name[IFNAMSIZ];
	unsigned link, ifb;             /* ifb 0: there is none */
	struct bucket in, out;
};

/* Opens n, too. */
static int read_now(struct nl *n, const char *link, struct now *ret, struct err *e)
{
	struct now now = { 0 };
	int r = nl_open(n, NETLINK_ROUTE, e);

	name_ifb(now.ifb_name, link);
	if (r == 0)
		r = link_index(n, link, &now.link, e);
	if (r == 0)
		r = find_ifb(n, now.ifb_name, &now.ifb, e);
	if (r == 0)
		r = read_bucket(n, now.link, &now.in, e);
	if (r == 0 && now.ifb)
		r = read_bucket(n, now.ifb, &now.out, e);
	if (r == 0)
		*ret = now;
	return r;
}

/* ---- changes ---- */

static int make_ifb(struct nl *n, struct now *now, struct err *e)
{
	int r;

	if (now->ifb)                   /* half made */
		link_put_del(n, now->ifb_name);
	link_put_ifb(n, now->ifb_name);
	link_put_up(n, now->ifb_name);
	r = nl_done(n, e);
	return r < 0 ? err_wrap(e, "link %s", now->ifb_name)
		     : link_index(n, now->ifb_name, &now->ifb, e);
}

static int set_out(struct nl *n, struct now *now, const struct shape *s, struct err *e)
{
	int r = 0;

	if (!s->out) {
		if (!now->ifb)
			return 0;
		if (now->out.rate) {
			(void)put_filter(n, RTM_DELTFILTER, now->link);
			nl_allow(n, ENOENT);
		}
		link_put_del(n, now->ifb_name);
		return nl_done(n, e);
	}
	if (!now->out.rate)
		r = make_ifb(n, now, e);
	if (r < 0)
		return r;
	put_bucket(n, now->ifb, &now->out, s->out, s);
	if (!now->out.rate) {
		put_clsact(n, now->link);
		put_redirect(n, now->link, now->ifb);
	}
	return nl_done(n, e);
}

static int set_in(struct nl *n, const struct now *now, const struct shape *s, struct err *e)
{
	if (s->in) {
		put_bucket(n, now->link, &now->in, s->in, s);
	} else if (now->in.rate) {
		(void)put_tc(n, RTM_DELQDISC, now->link, TC_H_ROOT, "remove rate");
	}
	return nl_done(n, e);
}

int shape_set(const char *link, const struct shape *s, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	struct now now;
	int r = read_now(&n, link, &now, e);

	if (r == 0)
		r = set_in(&n, &now, s, e);
	if (r == 0)
		r = set_out(&n, &now, s, e);
	return r < 0 ? err_wrap(e, "rate of %s", link) : 0;
}

int shape_get(const char *link, struct shape *ret, struct err *e)
{
	_nl_ struct nl n = NL_INIT;
	struct now now;
	int r = read_now(&n, link, &now, e);

	if (r == 0)
		*ret = (struct shape){ .in = now.in.rate, .out = now.out.rate };
	return r;
}

int shape_forget(const char *link)
{
	_nl_ struct nl n = NL_INIT;
	struct err e = ERR_INIT;
	char name[IFNAMSIZ];
	unsigned ifb;

	name_ifb(name, link);
	if (nl_open(&n, NETLINK_ROUTE, &e) < 0 || find_ifb(&n, name, &ifb, &e) < 0)
		return -e.eno;
	if (ifb)
		link_put_del(&n, name);
	return nl_done(&n, &e);
}
