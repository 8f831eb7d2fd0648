/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creating, changing and deleting networks. Everything is judged before the file is written,
 * under the network lock held alone; the file is replaced as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "netns/range.h"
#include "netns/uplink.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/fence.h"
#include "ve/netif.h"
#include "ve/netlock.h"
#include "ve/network-impl.h"
#include "ve/registry.h"
#include "ve/ve.h"

static void path_of(const char *name, char dst[80])
{
	(void)str_fmt(dst, 80, "networks/%s.conf", name);
}

static int save(const struct inst *in, const struct network *n, struct err *e)
{
	char text[NR_COUNT * (NETWORK_TEXT + 16)], path[80];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < NR_COUNT; i++) {
		int r = *n->text[i] ? str_fmt(text + len, sizeof(text) - len, "%s=\"%s\"\n",
					      net_rows[i].key, n->text[i]) : 0;

		len += r > 0 ? (size_t)r : 0;
	}
	path_of(n->name, path);
	return fs_save_at(in->etc, path, text, 0644, e) < 0 ? err_exit(e, VZ_CONF_SAVE) : 0;
}

/* ---- judging ---- */

struct meeting {
	const struct network *n;
	char name[NETWORK_NAME_LEN], range[2 * IPADDR_STRLEN];
	uint64_t numbers[1024];         /* bits of the numbers that are taken */
};

static int meet(void *arg, const struct network *other)
{
	struct meeting *m = arg;

	if (other->number < 65536)
		m->numbers[other->number / 64] |= UINT64_C(1) << other->number % 64;
	if (str_eq(other->name, m->n->name))
		return 0;
	for (size_t i = 0; i < m->n->n_pool; i++)
		for (size_t k = 0; k < other->n_pool; k++)
			if (range_overlap(&m->n->pool[i], &other->pool[k])) {
				memcpy(m->name, other->name, sizeof(m->name));
				range_format(&other->pool[k], m->range);
				return 1;
			}
	return 0;
}

static int check_meeting(const struct inst *in, const struct network *n, struct meeting *m,
			 struct err *e)
{
	int r;

	*m = (struct meeting){ .n = n };
	r = forwards_check(in, &(struct forwards_of){ n->name, "", { n->forward, n->n_forward } }, e);
	if (r == 0)
		r = network_each(in, meet, m, e);
	if (r == 1)
		return err_set(e, EEXIST, VZ_BAD_VALUE, "--pool: overlaps %s of network %s", m->range,
			       m->name);
	return r;
}

static int check_links(const struct network *n, struct err *e)
{
	const char *bridge = n->text[NR_BRIDGE], *uplink = n->text[NR_UPLINK];

	if (*bridge && !uplink_exists(bridge))
		return err_set(e, ENODEV, VZ_BAD_VALUE, "--bridge %s: there is no such link", bridge);
	if (*bridge && !uplink_is_bridge(bridge))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--bridge %s: is not a bridge", bridge);
	if (*uplink && !uplink_exists(uplink))
		return err_set(e, ENODEV, VZ_BAD_VALUE, "--uplink %s: there is no such link", uplink);
	if (n->mode == NET_MACVLAN && net_is_port(uplink))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--uplink %s: is a port of a bridge", uplink);
	return 0;
}

static int change(const struct inst *in, struct network *n, const struct network_change *c,
		  struct err *e)
{
	for (unsigned i = 0; i < NR_COUNT; i++) {
		if (!c->text[i])
			continue;
		if (str_has_control(c->text[i]) || strpbrk(c->text[i], "\"\\$`") ||
		    str_fmt(n->text[i], NETWORK_TEXT, "%s", c->text[i]) < 0)
			return err_set(e, EINVAL, VZ_BAD_VALUE, "--%s: bad value \"%.100s\": want %s",
				       net_rows[i].opt, c->text[i], net_rows[i].help);
	}
	return network_judge(in, n, e);
}

/* ---- who is on it ---- */

static bool names(const char *network, const char *netif, const char *name)
{
	struct netif_list l = { 0 };
	const char *want;

	if (netif_parse(netif, &l, &want) < 0)
		return true;            /* who knows */
	for (unsigned i = 0; i < l.n; i++)
		if (str_eq(l.a[i].network, name))
			return true;
	return str_eq(*network ? network : NETWORK_DEFAULT, name);
}

/* Also while it starts: its links are made, or are about to be, as the network is now. */
static bool has_links(const struct ve_state *s)
{
	return s->phase == PH_RUNNING || s->phase == PH_STARTING;
}

/* Number of a VE that names the network (running: that runs on it), or 0. */
static int find_user(struct inst *in, const char *name, bool running, uint32_t *ret, struct err *e)
{
	struct ve_status *s = calloc(1, sizeof(*s));
	_free_ uint32_t *ids = NULL;
	size_t n;
	int r = s ? reg_list(in, &ids, &n, e) : err_set(e, ENOMEM, 0, "find VEs: out of memory");

	*ret = 0;
	for (size_t i = 0; r == 0 && i < n && !*ret; i++) {
		if (ve_status(in, ids[i], 0, s, e) < 0) {
			err_clear(e);   /* gone meanwhile, or a config nobody can read */
			continue;
		}
		if ((has_links(&s->state) && names(s->state.network, s->state.netif, name)) ||
		    (!running && names(s->conf.network, s->conf.netif, name)))
			*ret = ids[i];
	}
	free(s);
	return r;
}

/* ---- the verbs ---- */

int network_create(struct inst *in, const char *name, const struct network_change *c,
		   struct err *e)
{
	struct network n = { 0 };
	struct meeting m;
	char path[80];
	_fd_ int lock = -1;
	unsigned number = 2;
	int r;

	if (!network_name_ok(name) || str_eq(name, NETWORK_DEFAULT))
		return err_set(e, EINVAL, VZ_BAD_VALUE,
			       "network \"%.60s\": want a name of letters, digits, _ and -, at most 31",
			       name);
	r = netlock_take(in, true, &lock, e);
	if (r < 0)
		return r;
	path_of(name, path);
	if (faccessat(in->etc, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, EEXIST, VZ_NAME, "network %s already exists", name);
	(void)str_fmt(n.name, sizeof(n.name), "%s", name);
	r = change(in, &n, c, e);
	if (r == 0)
		r = check_links(&n, e);
	if (r == 0)
		r = check_meeting(in, &n, &m, e);
	if (r < 0)
		return r;
	while (number < 65535 && m.numbers[number / 64] >> number % 64 & 1)
		number++;
	(void)str_fmt(n.text[NR_NUMBER], NETWORK_TEXT, "%u", number);
	return save(in, &n, e);
}

static struct net_forwards forwards(const struct network *n)
{
	return (struct net_forwards){ n->forward, n->n_forward };
}

static int check_shape(struct inst *in, const struct network *old, const struct network *n,
		       struct err *e)
{
	uint32_t id = 0;
	int r = 0;

	for (unsigned i = 0; i < NR_COUNT && r == 0; i++) {
		if (!net_rows[i].shapes || str_eq(old->text[i], n->text[i]))
			continue;
		r = find_user(in, n->name, true, &id, e);
		if (r == 0 && id)
			return err_set(e, EBUSY, VZ_RUNNING,
				       "--%s: VE %u runs on network %s; stop it first", net_rows[i].opt,
				       id, n->name);
	}
	return r;
}

/* Nobody runs on it where it is not: the next start makes it anew. */
static bool same_bridge(const struct network *old, const struct network *n)
{
	static const enum net_row rows[] = { NR_UPLINK, NR_VLAN, NR_TRUNK };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!str_eq(old->text[rows[i]], n->text[rows[i]]))
			return false;
	return str_eq(old->bridge, n->bridge);
}

/* In the filters first: what is done again after a kill in between finds it done. */
static int put_live(const struct inst *in, const struct network *from, const struct network *to,
		    struct err *e)
{
	int r = net_forward(in->name, forwards(from), forwards(to), e);

	return r < 0 ? r : net_serve(in->name, net_group(in->name, to->number), &to->services, e);
}

static int put_and_save(const struct inst *in, const struct network *old, const struct network *n,
			struct err *e)
{
	struct err ignored = ERR_INIT;
	int r = put_live(in, old, n, e);

	if (r == 0)
		r = save(in, n, e);
	if (r < 0)
		(void)!put_live(in, n, old, &ignored);
	return r;
}

int network_set(struct inst *in, const char *name, const struct network_change *c, struct err *e)
{
	struct network old, n;
	struct meeting m;
	_fd_ int lock = -1;
	int r = netlock_take(in, true, &lock, e);

	if (r == 0)
		r = network_load(in, name, &old, e);
	if (r < 0)
		return r;
	n = old;
	r = change(in, &n, c, e);
	if (r == 0 && str_eq(name, NETWORK_DEFAULT) && n.mode != NET_ROUTED)
		r = err_set(e, EINVAL, VZ_BAD_VALUE, "--mode: network routed stays what it is called");
	if (r == 0)
		r = check_links(&n, e);
	if (r == 0)
		r = check_meeting(in, &n, &m, e);
	if (r == 0)
		r = check_shape(in, &old, &n, e);
	if (r == 0)
		r = put_and_save(in, &old, &n, e);
	if (r == 0 && !str_eq(old.text[NR_POOL], n.text[NR_POOL]))
		network_pool_forget(in, name);
	if (r == 0 && old.own_bridge && !same_bridge(&old, &n))
		uplink_bridge_drop(old.bridge);
	return r;
}

int network_delete(struct inst *in, const char *name, struct err *e)
{
	struct network n;
	_fd_ int lock = -1;
	char path[80];
	uint32_t id;
	int r = netlock_take(in, true, &lock, e);

	if (r == 0)
		r = network_load(in, name, &n, e);
	if (r == 0 && str_eq(name, NETWORK_DEFAULT))
		r = err_set(e, EPERM, VZ_BAD_VALUE, "network routed is always there");
	if (r == 0)
		r = find_user(in, name, false, &id, e);
	if (r == 0 && id)
		r = err_set(e, EBUSY, VZ_RUNNING, "network %s is in use by VE %u", name, id);
	if (r < 0)
		return r;
	if (n.own_bridge)
		uplink_bridge_drop(n.bridge);
	if (net_forward(in->name, forwards(&n), (struct net_forwards){ NULL, 0 }, e) < 0)
		return -e->eno;
	network_pool_forget(in, name);
	path_of(name, path);
	fs_unlink_saved(in->etc, path);
	return 0;
}
