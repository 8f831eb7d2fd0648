/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/netif.h"

#include <errno.h>
#include <string.h>

#include "util/exits.h"
#include "util/str.h"
#include "ve/ptypes.h"
#include "ve/ve.h"

/* ---- one sub-key ---- */

/* A name the kernel takes (dev_valid_name) that is also safe in files and paths. */
static int take_ifname(char dst[IFNAMSIZ], const char *v)
{
	size_t n = strlen(v);

	while (n && v[n - 1] == '.')    /* libvirt's veth104.0. */
		n--;
	if (!n || n >= IFNAMSIZ)
		return -ERANGE;
	memcpy(dst, v, n);
	dst[n] = '\0';
	return str_is_word(dst, "._-") && *dst != '.' && *dst != '-' ? 0 : -EINVAL;
}

static int take_mac(uint8_t dst[6], bool *has, const char *v)
{
	static const uint8_t none[6];

	if (parse_mac(v, dst) < 0 || dst[0] & 1 || memcmp(dst, none, 6) == 0)
		return -EINVAL;
	*has = true;
	return 0;
}

static int take_off(bool *open, const char *v)
{
	bool on;

	if (parse_bool(v, &on) < 0)
		return -EINVAL;
	*open = !on;
	return 0;
}

static int take_ips(struct ip_list *l, const char *v)
{
	struct param any = { 0 };
	struct ip_list more = *l;
	const char *want;
	int r = *v ? ptype_ips.parse(&any, v, false, &more, &want) : 0;

	if (r == 0)
		*l = more;
	return r;
}

/* vzctl 7 puts IPv4 addresses side by side with colons. */
static int take_ip4(struct ip_list *l, const char *v)
{
	char list[512];

	if (str_fmt(list, sizeof(list), "%s", v) < 0)
		return -ERANGE;
	for (char *c = list; *c; c++)
		if (*c == ':')
			*c = ' ';
	return take_ips(l, list);
}

static int take_gateway(struct ipaddr *dst, uint8_t family, const char *v)
{
	struct ipaddr a;

	if (!*v) {
		dst->family = 0;
		return 0;
	}
	if (strchr(v, '/') || parse_ip(v, &a) < 0 || a.family != family)
		return -EINVAL;
	*dst = a;
	return 0;
}

/* Bits behind the prefix are refused: whoever writes 10.0.0.5/8 may have meant something else. */
static int take_allow(struct netif *f, const char *v)
{
	struct ipaddr a;

	if (!*v)
		return 0;
	if (f->n_allow == NETIF_ALLOWED)
		return -ERANGE;
	if (parse_ip(v, &a) < 0 || !ip_is_network(&a))
		return -EINVAL;
	f->allow[f->n_allow++] = a;
	return 0;
}

static int take_other(struct netif *f, const char *key, const char *v)
{
	size_t n = strlen(f->other);

	return str_fmt(f->other + n, sizeof(f->other) - n, "%s%s=%s", n ? "," : "", key, v) < 0
		       ? -ERANGE : 0;
}

static int take_index(struct netif *f, const char *v)
{
	uint32_t n;

	if (parse_u32(v, 0, 15, &n) < 0)
		return -EINVAL;
	f->index = n;
	return 0;
}

/* "" where an address would be: the usual one. */
static int take_name(char dst[IFNAMSIZ], const char *v)
{
	if (*v)
		return take_ifname(dst, v);
	dst[0] = '\0';
	return 0;
}

static int take_network(struct netif *f, const char *v)
{
	if (*v && (!str_is_word(v, "_-") || *v == '-'))
		return -EINVAL;
	return str_fmt(f->network, sizeof(f->network), "%s", v) < 0 ? -ERANGE : 0;
}

enum key { K_IFNAME, K_MAC, K_HOST_IFNAME, K_HOST_MAC, K_BRIDGE, K_DEVICE, K_NETWORK, K_MAC_FILTER,
	   K_IP_FILTER, K_IP, K_IP6, K_GW, K_GW6, K_ALLOW, K_INDEX, K_OTHER };

static const struct {
	const char *word, *want;
} keys[] = {
	[K_IFNAME] = { "ifname", "ifname= of letters, digits and . _ -, at most 15" },
	[K_MAC] = { "mac", "mac= of one machine, as 02:00:00:00:00:01" },
	[K_HOST_IFNAME] = { "host_ifname", "host_ifname= of letters, digits and . _ -, at most 15" },
	[K_HOST_MAC] = { "host_mac", "host_mac= of one machine" },
	[K_BRIDGE] = { "bridge", "bridge= of letters, digits and . _ -, at most 15" },
	[K_DEVICE] = { "device", "device= with the name of a link of the host" },
	[K_NETWORK] = { "network", "network= with the name of a network" },
	[K_MAC_FILTER] = { "mac_filter", "mac_filter=on or off" },
	[K_IP_FILTER] = { "ip_filter", "ip_filter=on or off" },
	[K_IP] = { "ip", "ip= with IPv4 addresses of one machine" },
	[K_IP6] = { "ip6", "ip6= with IPv6 addresses of one machine" },
	[K_GW] = { "gw", "gw= with an IPv4 address" },
	[K_GW6] = { "gw6", "gw6= with an IPv6 address" },
	[K_ALLOW] = { "allow", "allow= with a network such as 10.8.0.0/24, at most 8" },
	[K_INDEX] = { "index", "index= from 0 to 15" },
	[K_OTHER] = { "", "shorter unknown sub-keys" },
};

static enum key key_of(const char *word)
{
	enum key k = K_IFNAME;

	while (k < K_OTHER && !str_eq(keys[k].word, word))
		k++;
	return k;
}

static int take(struct netif *f, const char *word, const char *v)
{
	switch (key_of(word)) {
	case K_IFNAME:
		return take_ifname(f->ifname, v);
	case K_MAC:
		return *v ? take_mac(f->mac, &f->has_mac, v) : 0;
	case K_HOST_IFNAME:
		return take_name(f->host_ifname, v);
	case K_HOST_MAC:
		return *v ? take_mac(f->host_mac, &f->has_host_mac, v) : 0;
	case K_BRIDGE:
		return take_name(f->bridge, v);
	case K_DEVICE:
		return take_name(f->device, v);
	case K_NETWORK:
		return take_network(f, v);
	case K_MAC_FILTER:
		return take_off(&f->mac_open, v);
	case K_IP_FILTER:
		return take_off(&f->ip_open, v);
	case K_IP:
		return take_ip4(&f->ips, v);
	case K_IP6:
		return take_ips(&f->ips, v);
	case K_GW:
		return take_gateway(&f->gw[0], AF_INET, v);
	case K_GW6:
		return take_gateway(&f->gw[1], AF_INET6, v);
	case K_ALLOW:
		return take_allow(f, v);
	case K_INDEX:
		return take_index(f, v);
	case K_OTHER:
		return take_other(f, word, v);
	}
	return -EINVAL;
}

/* ---- entries ---- */

/* Next part of *s up to sep, without it; false at the end. -ENAMETOOLONG leaves dst empty. */
static bool next_part(const char **s, char sep, char *dst, size_t size, int *ret)
{
	const char *end;
	size_t n;

	if (!*s || !**s)
		return false;
	end = strchr(*s, sep);
	n = end ? (size_t)(end - *s) : strlen(*s);
	if (str_fmt(dst, size, "%.*s", (int)n, *s) < 0)
		*ret = -ENAMETOOLONG;
	*s = end ? end + 1 : *s + n;
	return true;
}

/* Sub-keys of one entry, on top of what f already says. */
static int take_entry(struct netif *f, const char *text, const char **ret_want)
{
	char part[512];
	int r = 0;

	while (r == 0 && next_part(&text, ',', part, sizeof(part), &r)) {
		char *eq = strchr(part, '=');

		*ret_want = "sub-keys of the form key=value";
		if (r < 0 || !eq || eq == part)
			return -EINVAL;
		*eq = '\0';
		*ret_want = keys[key_of(part)].want;
		r = take(f, part, eq + 1);
	}
	return r;
}

/* ethN has index N; the index of any other name is written down when the link is added. */
static unsigned index_of(const char *ifname)
{
	uint32_t n;

	if (str_starts(ifname, "eth") && parse_u32(ifname + 3, 0, 15, &n) == 0)
		return n;
	return UINT32_MAX;
}

static int add_entry(struct netif_list *l, const char *text, const char **ret_want)
{
	struct netif *f = &l->a[l->n];
	int r;

	*ret_want = "at most 8 links";
	if (l->n == NET_MAX_LINKS)
		return -ERANGE;
	*f = (struct netif){ .index = UINT32_MAX };
	r = take_entry(f, text, ret_want);
	if (r < 0)
		return r;
	*ret_want = keys[K_IFNAME].want;
	if (!*f->ifname || str_eq(f->ifname, "lo"))
		return -EINVAL;
	*ret_want = "every ifname= once";
	if (netif_find(l, f->ifname))
		return -EINVAL;
	if (f->index == UINT32_MAX)
		f->index = index_of(f->ifname);
	l->n++;
	return 0;
}

/* Indexes that no name gives: the lowest that is free, never eth0's. */
static int number(struct netif_list *l, const char **ret_want)
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
	int r = 0;

	*ret_want = "links as ifname=eth1,bridge=br0;ifname=eth2";
	while (r == 0 && next_part(&text, ';', entry, sizeof(entry), &r)) {
		if (r == 0 && *entry)
			r = add_entry(&l, entry, ret_want);
	}
	if (r == 0)
		r = number(&l, ret_want);
	if (r == 0)
		*ret = l;
	return r;
}

struct netif *netif_find(struct netif_list *l, const char *ifname)
{
	for (unsigned i = 0; i < l->n; i++)
		if (str_eq(l->a[i].ifname, ifname))
			return &l->a[i];
	return NULL;
}

/* ---- writing ---- */

struct out {
	char *dst;
	size_t size, len;
	bool full;
};

static void put(struct out *o, const char *sep, const char *key, const char *value)
{
	int n = o->full ? -1 : str_fmt(o->dst + o->len, o->size - o->len, "%s%s=%s", sep, key, value);

	if (n < 0)
		o->full = true;
	else
		o->len += (size_t)n;
}

static void put_mac(struct out *o, const char *key, const uint8_t mac[6])
{
	char text[18];

	(void)str_fmt(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		      mac[3], mac[4], mac[5]);
	put(o, ",", key, text);
}

static void put_addr(struct out *o, const char *key, const struct ipaddr *a)
{
	char text[IPADDR_STRLEN];

	format_ip(a, text);
	put(o, ",", key, text);
}

static void put_entry(struct out *o, const struct netif *f)
{
	put(o, o->len ? ";" : "", "ifname", f->ifname);
	if (*f->bridge)
		put(o, ",", "bridge", f->bridge);
	if (*f->device)
		put(o, ",", "device", f->device);
	if (*f->network)
		put(o, ",", "network", f->network);
	if (f->has_mac)
		put_mac(o, "mac", f->mac);
	if (*f->host_ifname)
		put(o, ",", "host_ifname", f->host_ifname);
	if (f->has_host_mac)
		put_mac(o, "host_mac", f->host_mac);
	if (f->mac_open)
		put(o, ",", "mac_filter", "off");
	if (f->ip_open)
		put(o, ",", "ip_filter", "off");
	for (unsigned i = 0; i < f->ips.n; i++)
		put_addr(o, f->ips.a[i].family == AF_INET ? "ip" : "ip6", &f->ips.a[i]);
	if (f->gw[0].family)
		put_addr(o, "gw", &f->gw[0]);
	if (f->gw[1].family)
		put_addr(o, "gw6", &f->gw[1]);
	for (unsigned i = 0; i < f->n_allow; i++)
		put_addr(o, "allow", &f->allow[i]);
	if (f->index != index_of(f->ifname)) {
		char text[12];

		(void)str_fmt(text, sizeof(text), "%u", f->index);
		put(o, ",", "index", text);
	}
	if (*f->other && !o->full) {
		int n = str_fmt(o->dst + o->len, o->size - o->len, ",%s", f->other);

		o->full = n < 0;
		o->len += n < 0 ? 0 : (size_t)n;
	}
}

int netif_format(const struct netif_list *l, char *dst, size_t size)
{
	struct out o = { dst, size, 0, false };

	dst[0] = '\0';
	for (unsigned i = 0; i < l->n; i++)
		put_entry(&o, &l->a[i]);
	return o.full ? -ENAMETOOLONG : 0;
}

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

/* ---- changes ---- */

bool netif_change_empty(const struct netif_change *c)
{
	return !c->del_all && !*c->del && !*c->del_device && !*c->add && !*c->edit && !*c->ifname;
}

int netif_from_option(const char *text, char *dst, size_t size)
{
	static const enum key order[] = { K_IFNAME, K_MAC, K_HOST_IFNAME, K_HOST_MAC, K_BRIDGE };
	char part[64];
	size_t n = 0;
	int r = 0;

	dst[0] = '\0';
	for (size_t i = 0; next_part(&text, ',', part, sizeof(part), &r); i++) {
		int k;

		if (r < 0 || i == ARRAY_SIZE(order))
			return -EINVAL;
		if (!*part)
			continue;
		k = str_fmt(dst + n, size - n, "%s%s=%s", n ? "," : "", keys[order[i]].word, part);
		if (k < 0)
			return -EINVAL;
		n += (size_t)k;
	}
	return n ? 0 : -EINVAL;
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
		if (add_entry(l, entry, &want) < 0)
			return refuse(e, "ifname", c->ifname, want);
		f = &l->a[l->n - 1];
	}
	if (strstr(c->edit, "allow="))
		f->n_allow = 0;
	return take_entry(f, c->edit, &want) < 0 ? refuse(e, "ifname", c->edit, want) : 0;
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
	for (s = c->add; r == 0 && next_part(&s, ';', word, sizeof(word), &r);)
		if (add_entry(l, word, &want) < 0)
			r = refuse(e, "netif_add", word, want);
	if (r == 0 && number(l, &want) < 0)
		r = refuse(e, "netif_add", c->add, want);
	if (r == 0 && *c->ifname && *c->edit)
		r = edit(l, c, e);
	return r;
}

bool netif_change_is_for(const struct netif_change *c)
{
	return *c->ifname && !str_eq(c->ifname, NETIF_FIRST);
}

/* Deletions first, then additions; the same address again replaces its prefix. */
static int change_ips(struct netif *f, const struct ve_change *c, struct err *e)
{
	struct ip_list out = { 0 };
	const struct ip_list *add = &c->to.ips;

	for (unsigned i = 0; !c->ip_del_all && i < f->ips.n; i++)
		if (!ip_list_has(&c->ip_del, &f->ips.a[i]) && !ip_list_has(add, &f->ips.a[i]))
			out.a[out.n++] = f->ips.a[i];
	for (unsigned i = 0; i < add->n; i++) {
		if (out.n == VE_MAX_IPS)
			return err_set(e, ENOSPC, VZ_ADD_IP, "--ipadd: a VE has at most %d addresses",
				       VE_MAX_IPS);
		out.a[out.n++] = add->a[i];
	}
	f->ips = out;
	if (*c->to.network)
		memcpy(f->network, c->to.network, sizeof(f->network));
	return 0;
}

static int change_other(struct netif_list *l, const struct ve_change *c, struct err *e)
{
	struct netif *f = netif_find(l, c->netif.ifname);

	if (!f)
		return err_set(e, ENODEV, VZ_VETH, "--ifname %s: the VE has no such link",
			       c->netif.ifname);
	return change_ips(f, c, e);
}

int netif_apply(struct ve_conf *c, const struct ve_change *ch, struct err *e)
{
	bool other = netif_change_is_for(&ch->netif);
	struct netif_list l = { 0 };
	const char *want = "";
	int r = 0;

	if (netif_change_empty(&ch->netif) && !other)
		return 0;
	if (netif_parse(c->netif, &l, &want) < 0)
		return err_set(e, EINVAL, VZ_BAD_CONF, "read NETIF: want %s", want);
	r = change(&l, &ch->netif, e);
	if (r == 0 && other)
		r = change_other(&l, ch, e);
	if (r == 0 && netif_format(&l, c->netif, sizeof(c->netif)) < 0)
		r = err_set(e, E2BIG, VZ_VETH, "--netif_add: more than a config can hold");
	if (r == 0)
		conf_mark(c, param_by_key("NETIF"), true);
	return r;
}

int netif_all_ips(const struct ip_list *ips, const char *netif, struct ip_list *ret, struct err *e)
{
	struct ip_list all = *ips;
	struct netif_list l = { 0 };
	const char *want;

	if (*netif && netif_parse(netif, &l, &want) < 0)
		return err_set(e, EINVAL, VZ_BAD_CONF, "read NETIF: want %s", want);
	for (unsigned i = 0; i < l.n; i++)
		for (unsigned k = 0; k < l.a[i].ips.n; k++) {
			if (all.n == VE_MAX_IPS)
				return err_set(e, ENOSPC, VZ_ADD_IP,
					       "--ipadd: a VE has at most %d addresses", VE_MAX_IPS);
			all.a[all.n++] = l.a[i].ips.a[k];
		}
	*ret = all;
	return 0;
}
