/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/receive-conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/exits.h"
#include "ve/netif.h"

PRINTF(2, 3)
static void tell(const struct receive_opts *o, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!o->tell)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	o->tell(o->tell_arg, line);
}

static void forget_pool(struct ve_conf *c, const struct receive_opts *o)
{
	const struct param *p = param_by_key("POOL");
	struct ve_conf none = { 0 };

	if (*c->pool)
		tell(o, "pool %s is one of its old host; --pool puts it into one of this", c->pool);
	param_copy(p, c, &none);
}

/* False for one that is no VE's to bring along. */
static bool take_link(struct netif *l, const struct receive_opts *o)
{
	if (*l->device) {
		tell(o, "link %s was %s of its old host; --netdev_add gives it one of this",
		     l->ifname, l->device);
		return false;
	}
	if (*l->host_ifname)
		tell(o, "link %s: its name on the old host, %s, is not kept", l->ifname,
		     l->host_ifname);
	l->host_ifname[0] = '\0';
	if (*l->bridge)
		tell(o, "link %s will be on bridge %s of this host", l->ifname, l->bridge);
	if (l->mac_open || l->ip_open)
		tell(o, "link %s arrives with%s%s filter off", l->ifname, l->mac_open ? " its MAC" : "",
		     !l->ip_open ? "" : l->mac_open ? " and IP" : " its IP");
	return true;
}

static int take_links(struct ve_conf *c, const struct receive_opts *o, struct err *e)
{
	struct netif_list l;
	unsigned n = 0;
	int r = netif_read(c->netif, &l, e);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < l.n; i++)
		if (take_link(&l.a[i], o))
			l.a[n++] = l.a[i];
	l.n = n;
	if (netif_format(&l, c->netif, sizeof(c->netif)) < 0)
		return err_set(e, E2BIG, VZ_BAD_VALUE, "receive: more links than a config can hold");
	conf_mark(c, param_by_key("NETIF"), n);
	return 0;
}

int receive_conf(struct ve_conf *c, const struct receive_opts *o, struct err *e)
{
	/* In one of the same name it would be among copies that are another's. */
	if (*c->fence)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "receive: it is in fence %s of its old host", c->fence);
	forget_pool(c, o);
	return conf_has(c, param_by_key("NETIF")) ? take_links(c, o, e) : 0;
}
