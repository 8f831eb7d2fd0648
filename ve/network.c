/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and judging networks; what changes them is in ve/network-set.c. */
#include "ve/network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "netns/services.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/network-impl.h"

#define FILE_MAX 16384
#define SUFFIX ".conf"

/* clang-format off */
const struct net_row_info net_rows[NR_COUNT] = {
	[NR_MODE] = { "MODE", "mode", "mode", "MODE", "routed, bridged, hostonly, nat or macvlan", true },
	[NR_BRIDGE] = { "BRIDGE", "bridge", "bridge", "LINK",
			"of a bridged network: the bridge to use; without it, one of its own", true },
	[NR_UPLINK] = { "UPLINK", "uplink", "uplink", "LINK",
			"the link of the host that leads out: of macvlan, or of a bridged network's own bridge", true },
	[NR_VLAN] = { "VLAN", "vlan", "vlan", "N", "802.1Q number of untagged frames, 1 to 4094", true },
	[NR_TRUNK] = { "TRUNK", "trunk", "trunk", "LIST",
		       "802.1Q numbers that VEs may tag themselves, as 10,20-29", true },
	[NR_POOL] = { "POOL", "pool", "pool", "RANGES",
		      "its addresses, as 10.0.0.0/24 or 10.0.0.10-10.0.0.99/24", false },
	[NR_GATEWAY] = { "GATEWAY", "gateway", "gateway", "ADDRESSES",
			 "of a bridged or macvlan network: where VEs send what is for others", true },
	[NR_PROBE] = { "PROBE", "probe", "probe", "yes|no",
		       "ask the wire for an address before a VE gets it", false },
	[NR_ISOLATED] = { "ISOLATED", "isolated", "isolated", "yes|no",
			  "of a bridged or macvlan network: its VEs do not reach each other", true },
	[NR_TRUSTED] = { "TRUSTED", "trusted", "trusted", "yes|no",
			 "of macvlan: yes, its VEs may send what they like, unseen by the host", true },
	[NR_FORWARD] = { "FORWARD", "forward", "forward", "LIST",
			 "of a nat network: ports of the host that lead to a VE, as tcp:8080=10.0.0.5:80",
			 false },
	[NR_HOST_SERVICES] = { "HOST_SERVICES", "host-services", "host_services", "LIST",
			       "what its VEs reach of the host itself: icmp, tcp:53, udp:53, ..., all or none",
			       false },
	[NR_NUMBER] = { "NUMBER", NULL, "number", NULL, "of the network in the filters", true },
};
/* clang-format on */

static const char *const modes[] = {
	[NET_ROUTED] = "routed", [NET_NAT] = "nat", [NET_HOSTONLY] = "hostonly",
	[NET_BRIDGED] = "bridged", [NET_MACVLAN] = "macvlan",
};

const char *network_mode_word(enum net_mode m)
{
	return modes[m];
}

/* ---- what the texts mean ---- */

static int bad(struct err *e, enum net_row row, const char *text, const char *want)
{
	return err_set(e, EINVAL, VZ_BAD_VALUE, "--%s: bad value \"%.100s\": want %s",
		       net_rows[row].opt ? net_rows[row].opt : "number", text, want);
}

static int take_mode(struct network *n, const char *v, struct err *e)
{
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
		if (str_eq(v, modes[i])) {
			n->mode = (enum net_mode)i;
			return 0;
		}
	return bad(e, NR_MODE, v, net_rows[NR_MODE].help);
}

static bool is_ifname(const char *v)
{
	return str_is_word(v, "._-") && *v != '.' && *v != '-' && strlen(v) < IFNAMSIZ;
}

static int take_vlan(struct network *n, const char *v, struct err *e)
{
	uint32_t vid;

	if (parse_u32(v, 1, 4094, &vid) < 0)
		return bad(e, NR_VLAN, v, "a number from 1 to 4094");
	n->vlan = (uint16_t)vid;
	return 0;
}

static int take_vids(const char *word, struct vlan_range *ret)
{
	const char *dash = strchr(word, '-');
	uint32_t first, last;
	char left[8];

	if (str_fmt(left, sizeof(left), "%.*s", dash ? (int)(dash - word) : 7, word) < 0 ||
	    parse_u32(left, 1, 4094, &first) < 0 ||
	    parse_u32(dash ? dash + 1 : word, 1, 4094, &last) < 0 || first > last)
		return -EINVAL;
	*ret = (struct vlan_range){ (uint16_t)first, (uint16_t)last };
	return 0;
}

static int take_trunk(struct network *n, const char *v, struct err *e)
{
	static const char want[] = "at most 16 numbers or ranges from 1 to 4094, as 10,20-29";
	const char *s = v;
	char word[16];
	int r;

	while ((r = str_word(&s, word, sizeof(word))) != 0)
		if (r < 0 || n->n_trunk == NET_MAX_VLANS || take_vids(word, &n->trunk[n->n_trunk++]) < 0)
			return bad(e, NR_TRUNK, v, want);
	return 0;
}

static int take_pool(struct network *n, const char *v, struct err *e)
{
	char word[2 * IPADDR_STRLEN];
	const char *s = v;
	int r;

	while ((r = str_word(&s, word, sizeof(word))) != 0) {
		if (n->n_pool == NETWORK_POOLS)
			return bad(e, NR_POOL, v, "at most 8 ranges");
		if (r < 0 || range_parse(word, &n->pool[n->n_pool]) < 0)
			return bad(e, NR_POOL, v, "ranges as 10.0.0.0/24 or 10.0.0.10-10.0.0.99/24");
		for (size_t i = 0; i < n->n_pool; i++)
			if (range_overlap(&n->pool[i], &n->pool[n->n_pool]))
				return bad(e, NR_POOL, v, "ranges that do not overlap");
		n->n_pool++;
	}
	return 0;
}

static int take_gateway(struct network *n, const char *v, struct err *e)
{
	char word[IPADDR_STRLEN];
	const char *s = v;
	int r;

	while ((r = str_word(&s, word, sizeof(word))) != 0) {
		struct ipaddr a;

		if (r < 0 || strchr(word, '/') || parse_ip(word, &a) < 0 ||
		    n->gateway[a.family == AF_INET6].family)
			return bad(e, NR_GATEWAY, v, "at most one address of each family");
		n->gateway[a.family == AF_INET6] = a;
	}
	return 0;
}

/* tcp:8080=10.0.0.5:80 */
static int take_one_forward(const char *word, const struct network *pool, struct net_forward *f)
{
	const char *eq = strchr(word, '='), *colon = eq ? strchr(eq, ':') : NULL;
	char port[8], addr[IPADDR_STRLEN];
	uint32_t from, to;
	struct ipaddr a;

	if (!colon || (!str_starts(word, "tcp:") && !str_starts(word, "udp:")) ||
	    str_fmt(port, sizeof(port), "%.*s", (int)(eq - word - 4), word + 4) < 0 ||
	    str_fmt(addr, sizeof(addr), "%.*s", (int)(colon - eq - 1), eq + 1) < 0 ||
	    parse_u32(port, 1, 65535, &from) < 0 || parse_u32(colon + 1, 1, 65535, &to) < 0 ||
	    strchr(addr, '/') || parse_ip(addr, &a) < 0 || a.family != AF_INET ||
	    (pool && pool->n_pool && !network_has(pool, &a)))
		return -EINVAL;
	*f = (struct net_forward){ *word == 't' ? IPPROTO_TCP : IPPROTO_UDP, (uint16_t)from,
				   (uint16_t)to, a.v4 };
	return 0;
}

static bool same_port(const struct net_forward *a, const struct net_forward *b)
{
	return a->proto == b->proto && a->port == b->port;
}

int network_parse_forwards(const char *text, const struct network *pool,
			   struct net_forward ret[NETWORK_FORWARDS], size_t *ret_n, struct err *e)
{
	const char *s = text;
	char word[64];
	size_t n = 0;
	bool ok = true;
	int r;

	while (ok && (r = str_word(&s, word, sizeof(word))) != 0) {
		ok = r > 0 && n < NETWORK_FORWARDS && take_one_forward(word, pool, &ret[n]) == 0;
		for (size_t i = 0; ok && i < n; i++)
			ok = !same_port(&ret[i], &ret[n]);
		n++;
	}
	if (!ok)
		return bad(e, NR_FORWARD, text, pool ?
			   "at most 32 as tcp:8080=10.0.0.5:80, each port once, to addresses of the pool" :
			   "at most 32 as tcp:8080=10.0.0.5:80, each port once");
	*ret_n = n;
	return 0;
}

const struct net_forward *network_common_port(const struct net_forward *a, size_t n_a,
					      const struct net_forward *b, size_t n_b)
{
	for (size_t i = 0; i < n_a; i++)
		for (size_t k = 0; k < n_b; k++)
			if (same_port(&a[i], &b[k]))
				return &a[i];
	return NULL;
}

static int take_services(struct network *n, const char *v, struct err *e)
{
	if (services_parse(v, &n->services) < 0)
		return bad(e, NR_HOST_SERVICES, v,
			   "all, none, or at most 62 of icmp, tcp:PORT and udp:PORT");
	return 0;
}

static int take_bool(enum net_row row, const char *v, bool *ret, struct err *e)
{
	return parse_bool(v, ret) < 0 ? bad(e, row, v, "yes or no") : 0;
}

static int take(struct network *n, enum net_row row, const char *v, struct err *e)
{
	switch (row) {
	case NR_MODE:
		return take_mode(n, v, e);
	case NR_BRIDGE:
	case NR_UPLINK:
		return is_ifname(v) ? 0 : bad(e, row, v, "the name of a link, at most 15 characters");
	case NR_VLAN:
		return take_vlan(n, v, e);
	case NR_TRUNK:
		return take_trunk(n, v, e);
	case NR_POOL:
		return take_pool(n, v, e);
	case NR_GATEWAY:
		return take_gateway(n, v, e);
	case NR_PROBE:
		return take_bool(row, v, &n->probe, e);
	case NR_ISOLATED:
		return take_bool(row, v, &n->isolated, e);
	case NR_TRUSTED:
		return take_bool(row, v, &n->trusted, e);
	case NR_FORWARD:
		return network_parse_forwards(v, n, n->forward, &n->n_forward, e);
	case NR_HOST_SERVICES:
		return take_services(n, v, e);
	case NR_NUMBER:
		return parse_u32(v, 1, 65535, &n->number) < 0 ? bad(e, row, v, "a number") : 0;
	case NR_COUNT:
		break;
	}
	return 0;
}

/* What the host cannot hold is had by who says so. */
static int check_macvlan(const struct network *n, struct err *e)
{
	if (!*n->text[NR_UPLINK])
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--mode macvlan: by which --uplink?");
	if (*n->text[NR_HOST_SERVICES])
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--host-services: a macvlan network leads past the host");
	if (!n->trusted)
		return err_set(e, EPERM, VZ_BAD_OPTION,
			       "--mode macvlan: no filter, rate or counter of the host is on its links; "
			       "say --trusted yes if its VEs may have that");
	return 0;
}

/* Rows that mean nothing in this mode are refused: whoever gives one expects something of it. */
static int check_mode(const struct network *n, struct err *e)
{
	static const enum net_row wire_only[] = { NR_BRIDGE, NR_UPLINK, NR_VLAN, NR_TRUNK, NR_GATEWAY,
						  NR_ISOLATED };
	static const enum net_row bridged_only[] = { NR_BRIDGE, NR_VLAN, NR_TRUNK };

	for (size_t i = 0; !net_on_wire(n->mode) && i < ARRAY_SIZE(wire_only); i++)
		if (*n->text[wire_only[i]])
			return err_set(e, EINVAL, VZ_BAD_OPTION, "--%s: only a bridged network has it",
				       net_rows[wire_only[i]].opt);
	for (size_t i = 0; n->mode == NET_MACVLAN && i < ARRAY_SIZE(bridged_only); i++)
		if (*n->text[bridged_only[i]])
			return err_set(e, EINVAL, VZ_BAD_OPTION, "--%s: only a bridged network has it",
				       net_rows[bridged_only[i]].opt);
	if (n->mode != NET_MACVLAN && n->trusted)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--trusted: only a macvlan network has it");
	if (n->mode != NET_NAT && n->n_forward)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--forward: only a nat network has it");
	if (*n->text[NR_BRIDGE] && *n->text[NR_UPLINK])
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "--uplink: the administrator's bridge %s has its own", n->text[NR_BRIDGE]);
	return n->mode == NET_MACVLAN ? check_macvlan(n, e) : 0;
}

const char *network_services(const struct inst *in, const struct network *n)
{
	return *n->text[NR_HOST_SERVICES] ? n->text[NR_HOST_SERVICES] : in->conf.host_services;
}

/* Defaults first, then every text there is. */
int network_judge(const struct inst *in, struct network *n, struct err *e)
{
	int r = 0;

	n->mode = NET_ROUTED;
	n->number = 1;
	n->n_pool = n->n_trunk = n->n_forward = 0;
	n->vlan = 0;
	n->isolated = n->trusted = false;
	memset(n->gateway, 0, sizeof(n->gateway));
	(void)!services_parse(in->conf.host_services, &n->services);
	for (unsigned i = 0; i < NR_COUNT && r == 0; i++) {
		if (i == NR_PROBE)      /* where there is a wire with others on it */
			n->probe = net_on_wire(n->mode) &&
				   (*n->text[NR_BRIDGE] || *n->text[NR_UPLINK]);
		if (*n->text[i])
			r = take(n, (enum net_row)i, n->text[i], e);
	}
	if (r == 0)
		r = check_mode(n, e);
	if (r < 0)
		return r;
	n->own_bridge = n->mode == NET_BRIDGED && !*n->text[NR_BRIDGE];
	if (n->own_bridge)
		(void)str_fmt(n->bridge, sizeof(n->bridge), "%s%s%u", *in->tag ? in->link_tag : "berth",
			      *in->tag ? ".n" : "", n->number);
	else
		(void)str_fmt(n->bridge, sizeof(n->bridge), "%s",
			      n->text[n->mode == NET_MACVLAN ? NR_UPLINK : NR_BRIDGE]);
	return 0;
}

/* ---- reading ---- */

static int take_line(struct network *n, const struct conf_line *l)
{
	for (unsigned i = 0; i < NR_COUNT; i++)
		if (str_eq(l->key, net_rows[i].key))
			return str_fmt(n->text[i], NETWORK_TEXT, "%s", l->value) < 0 ? -ERANGE : 0;
	return 0;                       /* of a later version */
}

static int parse_file(struct network *n, const char *text, const char *path, struct err *e)
{
	struct conf_line line = { 0 };
	const char *pos = text;
	int r;

	while ((r = conf_next(&pos, &line)) != 0)
		if (r < 0 || take_line(n, &line) < 0)
			return err_set(e, EINVAL, VZ_BAD_CONF, "read %s: line %u is not KEY=\"value\"",
				       path, line.number);
	return 0;
}

bool network_name_ok(const char *name)
{
	return str_is_word(name, "_-") && *name != '-' && strlen(name) < NETWORK_NAME_LEN;
}

int network_load(const struct inst *in, const char *name, struct network *ret, struct err *e)
{
	struct network n = { 0 };
	_free_ char *text = NULL;
	char path[80];
	size_t len;
	int r;

	if (!network_name_ok(name))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "network \"%.60s\": not a network's name", name);
	(void)str_fmt(n.name, sizeof(n.name), "%s", name);
	(void)str_fmt(path, sizeof(path), "networks/%s" SUFFIX, name);
	r = fs_read_at(in->etc, path, FILE_MAX, &text, &len, e);
	if (r == -ENOENT && !str_eq(name, NETWORK_DEFAULT))
		return err_set(e, ENOENT, VZ_BAD_VALUE, "network %s does not exist", name);
	if (r == -ENOENT)
		err_clear(e);
	else if (r < 0)
		return r;
	r = text ? parse_file(&n, text, path, e) : 0;
	if (r == 0 && network_judge(in, &n, e) < 0)
		r = err_wrap(e, "read %s", path);
	if (r == 0)
		*ret = n;
	return r;
}

int network_each(const struct inst *in, int (*fn)(void *arg, const struct network *n), void *arg,
		 struct err *e)
{
	struct network n;
	_dir_ DIR *d = NULL;
	_fd_ int fd = -1;
	struct dirent *de;
	int r = network_load(in, NETWORK_DEFAULT, &n, e);

	if (r == 0)
		r = fn(arg, &n);
	if (r != 0)
		return r;
	fd = openat(in->etc, "networks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_sys(e, "read the networks");
	(void)TAKE_FD(fd);
	while (r == 0 && (de = readdir(d))) {
		char name[NETWORK_NAME_LEN + sizeof(SUFFIX)];

		if (!str_ends(de->d_name, SUFFIX) || str_fmt(name, sizeof(name), "%s", de->d_name) < 0)
			continue;
		name[strlen(name) - strlen(SUFFIX)] = '\0';
		if (!network_name_ok(name) || str_eq(name, NETWORK_DEFAULT))
			continue;
		r = network_load(in, name, &n, e);
		if (r == 0)
			r = fn(arg, &n);
	}
	return r;
}

/* ---- addresses ---- */

bool network_has(const struct network *n, const struct ipaddr *a)
{
	for (size_t i = 0; i < n->n_pool; i++)
		if (range_has(&n->pool[i], a))
			return true;
	return false;
}

struct owner {
	const struct network *of;
	const struct ipaddr *a;
	char name[NETWORK_NAME_LEN];
};

static int is_owner(void *arg, const struct network *n)
{
	struct owner *o = arg;

	if (str_eq(n->name, o->of->name) || !network_has(n, o->a))
		return 0;
	memcpy(o->name, n->name, sizeof(o->name));
	return 1;
}

static bool has_pool_of(const struct network *n, uint8_t family)
{
	for (size_t i = 0; i < n->n_pool; i++)
		if (n->pool[i].first.family == family)
			return true;
	return false;
}

int network_check_addr(const struct inst *in, const struct network *n, const struct ipaddr *a,
		       struct err *e)
{
	struct owner o = { .of = n, .a = a };
	char text[IPADDR_STRLEN];
	int r;

	format_ip_host(a, text);
	if (ip_same_host(a, &n->gateway[0]) || ip_same_host(a, &n->gateway[1]))
		return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "--ipadd %s: is the gateway of network %s",
			       text, n->name);
	if (network_has(n, a))
		return 0;
	if (has_pool_of(n, a->family))
		return err_set(e, ERANGE, VZ_BAD_IP, "--ipadd %s: not in the pool of network %s: %s",
			       text, n->name, n->text[NR_POOL]);
	r = network_each(in, is_owner, &o, e);
	if (r == 1)
		return err_set(e, ERANGE, VZ_BAD_IP, "--ipadd %s: belongs to network %s, not to %s", text,
			       o.name, n->name);
	return r;
}
