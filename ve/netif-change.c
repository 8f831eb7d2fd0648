/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/netif-change.h"

#include <errno.h>
#include <string.h>

#include "util/exits.h"
#include "util/str.h"
#include "ve/netif-entry.h"
#include "ve/netif.h"
#include "ve/ve.h"

bool netif_change_empty(const struct netif_change *c)
{
	return !c->del_all && !*c->del && !*c->del_device && !*c->add && !*c->edit && !*c->ifname;
}

bool netif_change_is_for(const struct netif_change *c)
{
	return *c->ifname && !str_eq(c->ifname, NETIF_FIRST);
}

static int refuse(struct err *e, const char *opt, const char *text, const char *want)
{
	return err_set(e, EINVAL, VZ_VETH, "--%s: bad link \"%.100s\": want %s", opt, text, want);
}

static int drop(struct netif_list *l, const char *name, struct err *e)
{
	struct netif *f = netif_find(l, name);

	if (!f)
		return err_set(e, ENODEV, VZ_VETH, "--netif_del %s: the VE has no such link", name);
	memmove(f, f + 1, (size_t)(&l->a[l->n] - (f + 1)) * sizeof(*f));
	l->n--;
	return 0;
}

static int drop_device(struct netif_list *l, const char *name, struct err *e)
{
	for (unsigned i = 0; i < l->n; i++)
		if (str_eq(l->a[i].device, name))
			return drop(l, l->a[i].ifname, e);
	return err_set(e, ENODEV, VZ_NETDEV, "--netdev_del %s: the VE does not have this link of the host",
		       name);
}

/* Addresses and ranges that an edit names replace those there are. */
static int edit(struct netif_list *l, const struct netif_change *c, struct err *e)
{
	struct netif *f = netif_find(l, c->ifname);
	char entry[IFNAMSIZ + 8];
	const char *want = "";

	if (!f && !str_eq(c->ifname, NETIF_FIRST))
		return err_set(e, ENODEV, VZ_VETH, "--ifname %s: the VE has no such link", c->ifname);
	if (!f) {
		(void)str_fmt(entry, sizeof(entry), "ifname=%s", c->ifname);
		if (netif_add(l, entry, &want) < 0)
			return refuse(e, "ifname", c->ifname, want);
		f = &l->a[l->n - 1];
	}
	if (strstr(c->edit, "allow="))
		f->n_allow = 0;
	return netif_take(f, c->edit, &want) < 0 ? refuse(e, "ifname", c->edit, want) : 0;
}

static int change(struct netif_list *l, const struct netif_change *c, struct err *e)
{
	const char *s = c->del, *want = "";
	char word[1024];
	int r = 0;

	if (c->del_all)
		l->n = 0;
	while (r == 0 && !c->del_all && str_word(&s, word, sizeof(word)) > 0)
		r = drop(l, word, e);
	for (s = c->del_device; r == 0 && !c->del_all && str_word(&s, word, sizeof(word)) > 0;)
		r = drop_device(l, word, e);
	for (s = c->add; r == 0 && str_part(&s, ';', word, sizeof(word)) > 0;)
		if (netif_add(l, word, &want) < 0)
			r = refuse(e, "netif_add", word, want);
	if (r == 0 && netif_number(l, &want) < 0)
		r = refuse(e, "netif_add", c->add, want);
	if (r == 0 && *c->ifname && *c->edit)
		r = edit(l, c, e);
	return r;
}

int netif_change_ips(const struct ip_list *was, const struct ve_change *c, struct ip_list *ret,
		     struct err *e)
{
	const struct ip_list *add = &c->to.ips;
	struct ip_list out = { 0 };

	for (unsigned i = 0; !c->ip_del_all && i < was->n; i++)
		if (!ip_list_has(&c->ip_del, &was->a[i]) && !ip_list_has(add, &was->a[i]))
			out.a[out.n++] = was->a[i];
	for (unsigned i = 0; i < add->n; i++) {
		if (out.n == VE_MAX_IPS)
			return err_set(e, ENOSPC, VZ_ADD_IP, "--ipadd: a VE has at most %d addresses",
				       VE_MAX_IPS);
		out.a[out.n++] = add->a[i];
	}
	*ret = out;
	return 0;
}

/* Addresses and network of a link that is not the first. */
static int change_other(struct netif_list *l, const struct ve_change *c, struct err *e)
{
	struct netif *f = netif_find(l, c->netif.ifname);

	if (!f)
		return err_set(e, ENODEV, VZ_VETH, "--ifname %s: the VE has no such link",
			       c->netif.ifname);
	if (*c->to.network)
		memcpy(f->network, c->to.network, sizeof(f->network));
	return netif_change_ips(&f->ips, c, &f->ips, e);
}

int netif_apply(struct ve_conf *c, const struct ve_change *ch, struct err *e)
{
	bool other = netif_change_is_for(&ch->netif);
	struct netif_list l;
	int r;

	if (netif_change_empty(&ch->netif) && !other)
		return 0;
	r = netif_read(c->netif, &l, e);
	if (r == 0)
		r = change(&l, &ch->netif, e);
	if (r == 0 && other)
		r = change_other(&l, ch, e);
	if (r == 0 && netif_format(&l, c->netif, sizeof(c->netif)) < 0)
		r = err_set(e, E2BIG, VZ_VETH, "--netif_add: more than a config can hold");
	if (r == 0)
		conf_mark(c, param_by_key("NETIF"), true);
	return r;
}
