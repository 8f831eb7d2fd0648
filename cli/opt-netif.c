/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about a VE's links, which add up to one change (ve/netif-change.h). */
#include "cli/options.h"

#include <errno.h>
#include <string.h>

#include "util/exits.h"
#include "util/str.h"
#include "ve/netif-entry.h"

static int append(char *dst, size_t size, const char *sep, const char *text, struct err *e)
{
	size_t n = strlen(dst);

	if (str_fmt(dst + n, size - n, "%s%s", n ? sep : "", text) < 0)
		return err_set(e, E2BIG, VZ_BAD_VALUE, "--netif_add: more than a command can say");
	return 0;
}

/* A blank ends one, as Ansible's module has it: --netif_add "eth1,,,,br0 eth2". */
int take_netif_add(struct args *a, const char *value, struct err *e)
{
	struct netif_change *c = &a->change.netif;
	char word[256], entry[320];

	while (*(value += strspn(value, " "))) {
		size_t n = strcspn(value, " ");

		if (str_fmt(word, sizeof(word), "%.*s", (int)n, value) < 0 ||
		    netif_from_option(word, entry, sizeof(entry)) < 0)
			return err_set(e, EINVAL, VZ_BAD_VALUE,
				       "--netif_add: \"%.80s\" is not IFNAME[,MAC[,HOST_IFNAME[,HOST_MAC[,BRIDGE]]]]",
				       value);
		if (append(c->add, sizeof(c->add), ";", entry, e) < 0)
			return -e->eno;
		value += n;
	}
	return 0;
}

int take_netif_del(struct args *a, const char *value, struct err *e)
{
	struct netif_change *c = &a->change.netif;

	if (str_eq(value, "all")) {
		c->del_all = true;
		return 0;
	}
	return append(c->del, sizeof(c->del), " ", value, e);
}

static bool is_link_name(const char *v)
{
	return str_is_word(v, "._-") && *v != '.' && *v != '-' && strlen(v) < IFNAMSIZ;
}

static int bad_device(const char *opt, const char *value, struct err *e)
{
	return err_set(e, EINVAL, VZ_BAD_VALUE, "--%s: \"%.40s\" is no name of a link of the host", opt,
		       value);
}

/* It keeps its name inside. */
int take_netdev_add(struct args *a, const char *value, struct err *e)
{
	struct netif_change *c = &a->change.netif;
	char entry[64];

	if (!is_link_name(value))
		return bad_device("netdev_add", value, e);
	(void)str_fmt(entry, sizeof(entry), "ifname=%s,device=%s", value, value);
	return append(c->add, sizeof(c->add), ";", entry, e);
}

int take_netdev_del(struct args *a, const char *value, struct err *e)
{
	if (!is_link_name(value))
		return bad_device("netdev_del", value, e);
	return append(a->change.netif.del_device, sizeof(a->change.netif.del_device), " ", value, e);
}

int take_ifname(struct args *a, const char *value, struct err *e)
{
	struct netif_change *c = &a->change.netif;

	if (*c->ifname && !str_eq(c->ifname, value))
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--ifname: one link at a time");
	if (!*value || str_fmt(c->ifname, sizeof(c->ifname), "%s", value) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--ifname: \"%.40s\" is no name of a link", value);
	return 0;
}

static int take_key(struct args *a, const char *key, const char *value, struct err *e)
{
	char text[256];

	if (strpbrk(value, ",;=") || str_fmt(text, sizeof(text), "%s=%s", key, value) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--%s: bad value \"%.80s\"", key, value);
	return append(a->change.netif.edit, sizeof(a->change.netif.edit), ",", text, e);
}

#define KEY(word)                                                                             \
	int take_##word(struct args *a, const char *value, struct err *e)                     \
	{                                                                                     \
		return take_key(a, #word, value, e);                                          \
	}

KEY(mac)
KEY(host_mac)
KEY(host_ifname)
KEY(bridge)
KEY(mac_filter)
KEY(ip_filter)
KEY(gw)
KEY(gw6)
KEY(allow)

/* What is said of a link without saying which. */
int netif_args_check(struct args *a, struct err *e)
{
	struct netif_change *c = &a->change.netif;

	if (*c->edit && !*c->ifname)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--%.*s: which link? add --ifname NAME",
			       (int)strcspn(c->edit, "="), c->edit);
	return 0;
}
