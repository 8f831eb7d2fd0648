/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/netif-entry.h"

#include <errno.h>
#include <string.h>

#include "util/str.h"
#include "ve/ptypes.h"

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

/* ---- an entry ---- */

/* ethN has index N; the index of any other name is written down when the link is added. */
static unsigned index_of(const char *ifname)
{
	uint32_t n;

	if (str_starts(ifname, "eth") && parse_u32(ifname + 3, 0, 15, &n) == 0)
		return n;
	return UINT32_MAX;
}

int netif_take(struct netif *f, const char *text, const char **ret_want)
{
	char part[512], *eq;
	int r;

	while (str_part(&text, ',', part, sizeof(part)) != 0) {         /* too long: nothing in it */
		*ret_want = "sub-keys of the form key=value";
		eq = strchr(part, '=');
		if (!eq || eq == part)
			return -EINVAL;
		*eq = '\0';
		*ret_want = keys[key_of(part)].want;
		r = take(f, part, eq + 1);
		if (r < 0)
			return r;
	}
	*ret_want = keys[K_IFNAME].want;
	if (!*f->ifname || str_eq(f->ifname, "lo"))
		return -EINVAL;
	if (f->index == NETIF_NO_INDEX)
		f->index = index_of(f->ifname);
	return 0;
}

int netif_take_one(struct netif *f, const char *key, const char *value, const char **ret_want)
{
	struct netif n = *f;
	int r = take(&n, key, value);

	*ret_want = keys[key_of(key)].want;
	if (r < 0)
		return r;
	if (str_eq(n.ifname, "lo"))
		return -EINVAL;
	if (key_of(key) == K_IFNAME)
		n.index = index_of(n.ifname);
	*f = n;
	return 0;
}

/* ---- writing ---- */

struct out {
	char *dst;
	size_t size, len;
	bool full;
};

static void put(struct out *o, const char *key, const char *value)
{
	int n = o->full ? -1 : str_fmt(o->dst + o->len, o->size - o->len, "%s%s", key, value);

	if (n < 0)
		o->full = true;
	else
		o->len += (size_t)n;
}

static void put_mac(struct out *o, const char *key, const uint8_t mac[6])
{
	char text[MAC_STRLEN];

	format_mac(mac, text);
	put(o, key, text);
}

static void put_addr(struct out *o, const char *key, const struct ipaddr *a)
{
	char text[IPADDR_STRLEN];

	format_ip(a, text);
	put(o, key, text);
}

static void put_index(struct out *o, unsigned index)
{
	char text[12];

	(void)str_fmt(text, sizeof(text), "%u", index);
	put(o, ",index=", text);
}

int netif_append(const struct netif *f, char *dst, size_t size)
{
	struct out o = { dst, size, strlen(dst), false };

	put(&o, *dst ? ";ifname=" : "ifname=", f->ifname);
	if (*f->bridge)
		put(&o, ",bridge=", f->bridge);
	if (*f->device)
		put(&o, ",device=", f->device);
	if (*f->network)
		put(&o, ",network=", f->network);
	if (f->has_mac)
		put_mac(&o, ",mac=", f->mac);
	if (*f->host_ifname)
		put(&o, ",host_ifname=", f->host_ifname);
	if (f->has_host_mac)
		put_mac(&o, ",host_mac=", f->host_mac);
	if (f->mac_open)
		put(&o, ",mac_filter=", "off");
	if (f->ip_open)
		put(&o, ",ip_filter=", "off");
	for (unsigned i = 0; i < f->ips.n; i++)
		put_addr(&o, f->ips.a[i].family == AF_INET ? ",ip=" : ",ip6=", &f->ips.a[i]);
	if (f->gw[0].family)
		put_addr(&o, ",gw=", &f->gw[0]);
	if (f->gw[1].family)
		put_addr(&o, ",gw6=", &f->gw[1]);
	for (unsigned i = 0; i < f->n_allow; i++)
		put_addr(&o, ",allow=", &f->allow[i]);
	if (f->index != index_of(f->ifname))
		put_index(&o, f->index);
	if (*f->other)
		put(&o, ",", f->other);
	return o.full ? -ENAMETOOLONG : 0;
}

int netif_from_option(const char *text, char *dst, size_t size)
{
	static const enum key order[] = { K_IFNAME, K_MAC, K_HOST_IFNAME, K_HOST_MAC, K_BRIDGE };
	char part[64];
	size_t n = 0;
	int r;

	dst[0] = '\0';
	for (size_t i = 0; (r = str_part(&text, ',', part, sizeof(part))) != 0; i++) {
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
