/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates of a VE's links, each for itself. The rate out is NETRATE_OUT, or that of vz's RATE where RATEBOUND makes
 * it a cap (without RATEBOUND it is a guarantee, which links of one host's own have no use for).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "netns/caps.h"
#include "netns/direct.h"
#include "netns/shape.h"
#include "netns/space.h"
#include "netns/uplink.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/apply.h"
#include "ve/fence.h"
#include "ve/links.h"
#include "ve/plan.h"
#include "ve/ptypes.h"
#include "ve/quota.h"

static struct shape configured(const struct ve *ve)
{
	const struct ve_conf *c = &ve->conf;
	struct shape s = { .in = c->netrate_in, .out = c->netrate_out, .burst = c->netburst };

	if (!s.out && c->ratebound)
		s.out = vz_rate_bits(c->rate);
	return s;
}

void plan_shape(const struct ve *ve, struct shape *ret)
{
	*ret = configured(ve);
	quota_shape(ve, ret);
	if (ret->closed)
		ret->in = ret->out = SHAPE_MIN;
}

/* The allowance is looked at with its new value, then the rates follow. */
int apply_traffic(struct ve *ve, const struct param *p, struct err *e)
{
	int r = quota_update(ve, e);

	return r < 0 ? r : apply_netrate(ve, p, e);
}

/* ---- what it shall obey while it runs, saved or not: gone with run/ID ---- */

#define RATES_MAX 128

static void rates_path(uint32_t id, const char *name, char dst[64])
{
	(void)str_fmt(dst, 64, "%u/%s", id, name);
}

/* Without fsync, like state.json: it means nothing after a power cut. */
static int remember(const struct ve *ve, struct err *e)
{
	struct shape s = configured(ve);
	char text[RATES_MAX], tmp[64], path[64];
	_fd_ int fd = -1;
	int r;

	(void)str_fmt(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s.in, s.out, s.burst);
	rates_path(ve->id, ".rates", tmp);
	rates_path(ve->id, "rates", path);
	fd = openat(ve->in->run, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "write %s", tmp);
	r = fs_write_all(fd, text, strlen(text));
	if (r == 0 && renameat(ve->in->run, tmp, ve->in->run, path) < 0)
		r = -errno;
	return r < 0 ? err_set(e, -r, 0, "write %s: %s", path, strerror(-r)) : 0;
}

void recall_netrate(struct ve *ve)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	char path[64], word[24];
	uint64_t v[3];
	const char *s;

	rates_path(ve->id, "rates", path);
	if (fs_read_at(ve->in->run, path, RATES_MAX, &text, NULL, &ignored) < 0)
		return;
	s = text;
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
		if (str_word(&s, word, sizeof(word)) <= 0 || parse_u64(word, 0, UINT64_MAX, &v[i]) < 0)
			return;
	ve->conf.netrate_in = v[0];
	ve->conf.netrate_out = v[1];
	ve->conf.netburst = v[2];
	ve->conf.ratebound = false;     /* it is in netrate_out */
}

/* What leads past the host has none, nor what the tenant has deleted. */
static bool has_rate(const struct net_spec *s)
{
	return !net_is_direct(s) && uplink_exists(s->host_name);
}

/* The kernel counts in bytes. */
static bool same_rates(const struct shape *a, const struct shape *b)
{
	return a->in / 8 == b->in / 8 && a->out / 8 == b->out / 8;
}

int apply_netrate(struct ve *ve, const struct param *p, struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	struct links_want w = links_of_state(ve);
	struct links links;
	int r = 0;

	(void)p;
	links_plan_undo(ve, &w, &links);
	r = fence_enter(ve->in, links.fence, &home, e);
	for (unsigned i = 0; i < links.n && r == 0; i++) {
		const struct net_spec *s = &links.a[i];

		if (net_is_direct(s))
			r = direct_check(s, e);
		else if (has_rate(s))
			r = shape_set(s->host_name, &s->shape, e);
	}
	return r < 0 ? r : remember(ve, e);
}

/* The first link's, or those of one that differs from what it should obey. */
static int effective(const struct ve *ve, struct shape *ret)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	struct err ignored = ERR_INIT;
	struct links_want w = links_of_state(ve);
	struct links links;
	struct shape now;
	int r = -ENOENT;

	links_plan_undo(ve, &w, &links);
	if (fence_enter(ve->in, links.fence, &home, &ignored) < 0)
		return -ENOENT;
	for (unsigned i = 0; i < links.n; i++) {
		const struct shape *want = &links.a[i].shape;
		bool first = r < 0;

		if (!has_rate(&links.a[i]))
			continue;
		r = shape_get(links.a[i].host_name, &now, &ignored);
		if (r < 0)
			return r;
		if (first || !same_rates(&now, want))
			*ret = now;
	}
	return r;
}

bool netrate_obeyed(const struct ve *ve)
{
	struct shape now, want;

	plan_shape(ve, &want);
	return effective(ve, &now) < 0 || same_rates(&now, &want);
}

int effective_netrate_in(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct shape now;
	int r = effective(ve, &now);

	(void)p;
	if (r == 0)
		*ret = now.in;
	return r;
}

int effective_netrate_out(struct ve *ve, const struct param *p, uint64_t *ret)
{
	struct shape now;
	int r = effective(ve, &now);

	(void)p;
	if (r == 0)
		*ret = now.out;
	return r;
}

uint64_t wanted_netrate_in(const struct ve *ve, const struct param *p)
{
	struct shape s;

	(void)p;
	plan_shape(ve, &s);
	return s.in;
}

uint64_t wanted_netrate_out(const struct ve *ve, const struct param *p)
{
	struct shape s;

	(void)p;
	plan_shape(ve, &s);
	return s.out;
}

/* No rate or cap where a link leads past the host. */
int judge_direct(const struct ve *ve, const struct ve_conf *to, char *why, size_t size)
{
	static const char *const rows[] = { "NETWORK", "NETIF", "NETRATE_IN", "NETRATE_OUT", "RATE",
					    "RATEBOUND", "FLOW_RATE", "CONNTRACK", "MAIL_RATE" };
	struct err e = ERR_INIT;
	struct ve wanted = *ve;
	struct links links;
	struct links_want w = links_of_conf(&wanted);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (conf_has(to, param_by_key(rows[i])))
			param_copy(param_by_key(rows[i]), &wanted.conf, to);
	links_plan_undo(&wanted, &w, &links);
	for (unsigned i = 0; i < links.n; i++)
		if (net_is_direct(&links.a[i]) && direct_check(&links.a[i], &e) < 0) {
			(void)str_fmt(why, size, "%.200s", e.msg);
			return SET_IMPOSSIBLE;
		}
	return SET_DONE;
}

/* ---- caps ---- */

int apply_caps(struct ve *ve, const struct param *p, struct err *e)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	struct links_want w = links_of_state(ve);
	struct links links;
	int r = 0;

	(void)p;
	links_plan_undo(ve, &w, &links);
	r = fence_enter(ve->in, links.fence, &home, e);
	for (unsigned i = 0; i < links.n && r == 0; i++)
		r = net_is_direct(&links.a[i]) ? direct_check(&links.a[i], e) : net_cap(&links.a[i], e);
	return r;
}

/* The links' own, where they agree. */
static int effective_cap(struct ve *ve, enum cap cap, uint64_t *ret)
{
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	struct err ignored = ERR_INIT;
	struct links_want w = links_of_state(ve);
	struct links links;
	struct caps now = { { 0 } };
	uint64_t n = 0;

	links_plan_undo(ve, &w, &links);
	if (fence_enter(ve->in, links.fence, &home, &ignored) < 0)
		return -ENOENT;
	for (unsigned i = 0; i < links.n; i++) {
		const struct net_spec *s = &links.a[i];

		if (net_is_direct(s))
			continue;
		if (caps_get(s->table, s->host_name, &now, &ignored) < 0)
			return -ignored.eno;
		if (i && now.n[cap] != n)
			return -EMLINK;
		n = now.n[cap];
	}
	*ret = n;
	return links.n ? 0 : -ENOENT;
}

int effective_flow_rate(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective_cap(ve, CAP_FLOWS, ret);
}

int effective_conntrack(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective_cap(ve, CAP_ENTRIES, ret);
}

int effective_mail_rate(struct ve *ve, const struct param *p, uint64_t *ret)
{
	(void)p;
	return effective_cap(ve, CAP_MAIL, ret);
}
