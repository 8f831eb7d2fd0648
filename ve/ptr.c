/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/ptr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "ve/conf.h"
#include "ve/links.h"
#include "ve/network.h"
#include "ve/registry.h"
#include "ve/ve.h"

/* RFC 1035, 3.5, and RFC 3596, 2.5. */
static void reverse(const struct ipaddr *a, char dst[PTR_NAME_LEN])
{
	const uint8_t *b = (const uint8_t *)&a->v4;
	size_t at = 0;

	if (a->family == AF_INET) {
		(void)str_fmt(dst, PTR_NAME_LEN, "%u.%u.%u.%u.in-addr.arpa.", b[3], b[2], b[1], b[0]);
		return;
	}
	for (unsigned i = 16; i-- > 0; at += 4)
		(void)snprintf(dst + at, PTR_NAME_LEN - at, "%x.%x.", b[i] & 15U, b[i] >> 4U);
	(void)snprintf(dst + at, PTR_NAME_LEN - at, "ip6.arpa.");
}

struct walk {
	struct ve ve;
	struct links links;
	const char *network;
	int (*fn)(void *arg, const struct ptr_record *p);
	void *arg;
};

static int tell_link(struct walk *w, unsigned i)
{
	struct ptr_record p = { .veid = w->ve.id, .host = w->ve.conf.hostname };
	const struct ip_list *l = &w->links.ips[i];
	int r = 0;

	if (!strchr(p.host, '.'))
		p.host = "";
	for (unsigned k = 0; k < l->n && r == 0; k++) {
		format_ip_host(&l->a[k], p.address);
		reverse(&l->a[k], p.name);
		r = w->fn(w->arg, &p);
	}
	return r;
}

static int tell_ve(struct walk *w, struct err *e)
{
	struct links_want want;
	int r = conf_load(w->ve.in, w->ve.id, &w->ve.conf, e);

	if (r == -ENOENT) {             /* destroyed meanwhile */
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return r;
	want = links_of_conf(&w->ve);
	links_plan_undo(&w->ve, &want, &w->links);
	for (unsigned i = 0; i < w->links.n && r == 0 && !*w->links.fence; i++)
		if (!*w->network || str_eq(w->links.net[i].name, w->network))
			r = tell_link(w, i);
	return r;
}

int ptr_each(struct inst *in, const char *network,
	     int (*fn)(void *arg, const struct ptr_record *p), void *arg, struct err *e)
{
	_free_ struct walk *w = calloc(1, sizeof(*w));
	_free_ uint32_t *ids = NULL;
	size_t n = 0;
	int r;

	if (!w)
		return err_set(e, ENOMEM, 0, "list addresses: out of memory");
	*w = (struct walk){ .network = network, .fn = fn, .arg = arg };
	w->ve.in = in;
	r = *network ? network_load(in, network, &w->links.net[0], e) : 0;
	if (r == 0)
		r = reg_list(in, &ids, &n, e);
	for (size_t i = 0; i < n && r == 0; i++) {
		w->ve.id = ids[i];
		r = tell_ve(w, e);
	}
	return r;
}
