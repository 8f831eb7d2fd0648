/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/netif.h"

#include <errno.h>

#include "util/exits.h"
#include "util/str.h"
#include "ve/ptypes.h"

int netif_add(struct netif_list *l, const char *entry, const char **ret_want)
{
	struct netif *f = &l->a[l->n];
	int r;

	*ret_want = "at most 8 links";
	if (l->n == NET_MAX_LINKS)
		return -ERANGE;
	*f = (struct netif){ .index = NETIF_NO_INDEX };
	r = netif_take(f, entry, ret_want);
	if (r < 0)
		return r;
	*ret_want = "every ifname= once";
	if (netif_find(l, f->ifname))
		return -EINVAL;
	l->n++;
	return 0;
}

int netif_number(struct netif_list *l, const char **ret_want)
{
	unsigned taken = 1;

	*ret_want = "every index= once";
	for (unsigned i = 0; i < l->n; i++) {
		unsigned bit = l->a[i].index < 16 ? 1U << l->a[i].index : 0;

		if (l->a[i].index == 0 && str_eq(l->a[i].ifname, NETIF_FIRST))
			continue;
		if (taken & bit)
			return -EINVAL;
		taken |= bit;
	}
	for (unsigned i = 0; i < l->n; i++)
		if (l->a[i].index > 15) {
			l->a[i].index = (unsigned)__builtin_ctz(~taken);
			taken |= 1U << l->a[i].index;
		}
	return 0;
}

int netif_parse(const char *text, struct netif_list *ret, const char **ret_want)
{
	struct netif_list l = { 0 };
	char entry[1024];
	int r;

	*ret_want = "links as ifname=eth1,bridge=br0;ifname=eth2";
	while ((r = str_part(&text, ';', entry, sizeof(entry))) > 0) {
		r = *entry ? netif_add(&l, entry, ret_want) : 0;
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = netif_number(&l, ret_want);
	if (r == 0)
		*ret = l;
	return r;
}

int netif_read(const char *text, struct netif_list *ret, struct err *e)
{
	const char *want;

	if (netif_parse(text, ret, &want) < 0)
		return err_set(e, EINVAL, VZ_BAD_CONF, "read NETIF: want %s", want);
	return 0;
}

struct netif *netif_find(struct netif_list *l, const char *ifname)
{
	for (unsigned i = 0; i < l->n; i++)
		if (str_eq(l->a[i].ifname, ifname))
			return &l->a[i];
	return NULL;
}

int netif_format(const struct netif_list *l, char *dst, size_t size)
{
	dst[0] = '\0';
	for (unsigned i = 0; i < l->n; i++)
		if (netif_append(&l->a[i], dst, size) < 0)
			return -ENAMETOOLONG;
	return 0;
}

/* ---- the row of the parameter table ---- */

static int parse_row(const struct param *p, const char *text, bool from_file, void *val,
		     const char **ret_want)
{
	struct netif_list l;
	int r = netif_parse(text, &l, ret_want);

	(void)from_file;
	if (r < 0)
		return r;
	*ret_want = "a shorter text";
	return netif_format(&l, val, p->max) < 0 ? -ERANGE : 0;
}

static int format_row(const struct param *p, const void *val, bool for_file, char *dst, size_t size)
{
	(void)p;
	(void)for_file;
	return str_fmt(dst, size, "%s", (const char *)val) < 0 ? -ENAMETOOLONG : 0;
}

const struct ptype ptype_netif = { "links", 0, false, true, parse_row, format_row };
