/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Incus and LXD: index.yaml of an export, backup.yaml beside a container, metadata.yaml of an
 * image. What berth-unpack made of the YAML is a list of paths and values; those of the instance
 * lie below "config/instance" (LXD before 5: "container"), without "config" in a backup.yaml.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/exits.h"
#include "util/str.h"
#include "ve/foreign.h"

typedef int take_fn(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e);
static take_fn take_size, take_cpu, take_allowance, take_swap, take_priv;

#define SAFE "the same for all VEs"
#define DONE "cloud-init has run where it was made"

/* clang-format off */
static const struct foreign_row rows[] = {
	{ "limits.memory", "PHYSPAGES", take_size, NULL },
	{ "limits.memory.swap", "SWAPPAGES", take_swap, NULL },
	{ "limits.hugepages.2MB", "HUGEPAGES", take_size, NULL },
	{ "limits.processes", "NUMPROC", NULL, NULL },
	{ "limits.cpu", NULL, take_cpu, NULL },
	{ "limits.cpu.nodes", "NODEMASK", NULL, NULL },
	{ "limits.cpu.allowance", NULL, take_allowance, NULL },
	{ "limits.kernel.nofile", "NUMFILE", NULL, NULL },
	{ "limits.kernel.memlock", "LOCKEDPAGES", take_size, NULL },
	{ "limits.*", NULL, NULL, "no limit that Berth knows" },
	{ "boot.autostart", "ONBOOT", NULL, NULL },
	{ "boot.autostart.priority", "BOOTORDER", NULL, NULL },
	{ "boot.host_shutdown_timeout", "STOP_TIMEOUT", NULL, NULL },
	{ "security.privileged", NULL, take_priv, NULL },
	{ "security.protection*", NULL, NULL, "nothing here does that" },
	{ "security.*", NULL, NULL, SAFE },
	{ "image.*", NULL, foreign_once, "its root says what it is" },
	{ "volatile.*", NULL, foreign_once, "what the other host kept for itself" },
	{ "user.*", NULL, NULL, "nothing here reads it" },
	{ "cloud-init.*", NULL, NULL, DONE },
	{ "environment.*", NULL, NULL, "what is in init's environment is the same for all VEs" },
	{ "raw.*", NULL, NULL, "a setting of LXC, past Incus" },
	{ "snapshots.*", NULL, NULL, "snapshots are made by whoever calls berth snapshot" },
};
/* clang-format on */

/* ---- the list ---- */

struct pairs {
	const char *text;
	size_t len;
};

/* Next pair; both stay valid as long as the list. */
static bool next_pair(const struct pairs *p, size_t *at, const char **path, const char **value)
{
	const char *end = p->text + p->len;

	if (*at >= p->len)
		return false;
	*path = p->text + *at;
	*value = *path + strlen(*path) + 1;
	if (*value >= end)
		return false;
	*at = (size_t)(*value - p->text) + strlen(*value) + 1;
	return true;
}

/* "" when it is not there. */
static const char *get(const struct pairs *p, const char *base, const char *rest)
{
	const char *path, *value;
	size_t at = 0, len = strlen(base);

	while (next_pair(p, &at, &path, &value))
		if (strncmp(path, base, len) == 0 && str_eq(path + len, rest))
			return value;
	return "";
}

static bool has_below(const struct pairs *p, const char *base, const char *rest)
{
	const char *path, *value;
	size_t at = 0, len = strlen(base);

	while (next_pair(p, &at, &path, &value))
		if (strncmp(path, base, len) == 0 && str_starts(path + len, rest))
			return true;
	return false;
}

/* ---- values ---- */

/* Units are decimal where they have no "i", ours are not. */
static int size_of(const char *value, uint64_t *ret)
{
	static const char letters[] = "KMGTPE";
	size_t digits = strspn(value, "0123456789");
	char number[24];
	const char *unit = value + digits, *l;
	uint64_t v, k = 1;

	if (!digits || str_fmt(number, sizeof(number), "%.*s", (int)digits, value) < 0 ||
	    parse_u64(number, 0, INT64_MAX, &v) < 0)
		return -EINVAL;
	l = *unit ? strchr(letters, toupper((unsigned char)*unit)) : NULL;
	if (l && !str_eq(unit + 1, "B") && !str_eq(unit + 1, "iB"))
		return -EINVAL;
	if (!l && *unit && !str_eq(unit, "B"))
		return -EINVAL;
	for (const char *p = letters; l && p <= l; p++)
		k *= unit[1] == 'i' ? 1024 : 1000;
	if (v > INT64_MAX / k)
		return -ERANGE;
	*ret = v * k;
	return 0;
}

static int take_size(struct foreign *f, const struct foreign_row *row, const char *key,
		     const char *value, struct err *e)
{
	char text[24];
	uint64_t v;

	if (size_of(value, &v) < 0)
		return foreign_note(f, FATE_LOST, key, value, NULL, strchr(value, '%') ?
				    "a part of the other host's memory" : "no size", e);
	(void)str_fmt(text, sizeof(text), "%" PRIu64 "b", v & ~UINT64_C(4095));
	return foreign_set(f, row, key, value, text, e);
}

static int take_swap(struct foreign *f, const struct foreign_row *row, const char *key,
		     const char *value, struct err *e)
{
	bool on;

	if (parse_bool(value, &on) < 0)
		return take_size(f, row, key, value, e);
	return foreign_set(f, row, key, value, on ? "unlimited" : "0", e);
}

/* A number is how many, anything else which. */
static int take_cpu(struct foreign *f, const struct foreign_row *row, const char *key,
		    const char *value, struct err *e)
{
	const struct foreign_row cpus = { row->from, "CPUS", NULL, NULL };
	const struct foreign_row mask = { row->from, "CPUMASK", NULL, NULL };

	return foreign_set(f, value[strspn(value, "0123456789")] ? &mask : &cpus, key, value, value, e);
}

/* "25ms/100ms" is a limit, "50%" a share. */
static int take_allowance(struct foreign *f, const struct foreign_row *row, const char *key,
			  const char *value, struct err *e)
{
	const struct foreign_row limit = { row->from, "CPULIMIT", NULL, NULL };
	const struct foreign_row share = { row->from, "CPUUNITS", NULL,
					   "relative to VEs of this host, whose default is 1000" };
	char first[16], text[24];
	const char *slash = strchr(value, '/');
	uint64_t a, b;

	if (str_fmt(first, sizeof(first), "%.*s", (int)strcspn(value, "/%"), value) < 0)
		first[0] = '\0';
	if (slash && parse_duration(first, 1, 100000, &a) == 0 &&
	    parse_duration(slash + 1, 1, 100000, &b) == 0) {
		(void)str_fmt(text, sizeof(text), "%" PRIu64, (a * 100 + b - 1) / b);
		return foreign_set(f, &limit, key, value, text, e);
	}
	if (!slash && str_ends(value, "%") && parse_u64(first, 1, 100, &a) == 0) {
		(void)str_fmt(text, sizeof(text), "%" PRIu64, a * 10);
		return foreign_set(f, &share, key, value, text, e);
	}
	return foreign_note(f, FATE_LOST, key, value, NULL, "neither TIME/TIME nor a percentage", e);
}

static int take_priv(struct foreign *f, const struct foreign_row *row, const char *key,
		     const char *value, struct err *e)
{
	bool on = true;

	(void)row;
	if (parse_bool(value, &on) == 0 && !on)
		return foreign_note(f, FATE_MAPS, key, value, "unprivileged", NULL, e);
	return foreign_note(f, FATE_CHANGES, key, value, "unprivileged", "every VE is", e);
}

/* ---- devices ---- */

struct device {
	char base[160];                 /* .../devices/eth0/ */
	char name[64];
};

static int take_rate(struct foreign *f, const char *key, const char *value, const char *to,
		     struct err *e)
{
	const struct foreign_row row = { key, to, NULL, NULL };
	char text[32];

	if (str_fmt(text, sizeof(text), "%s", value) < 0)
		text[0] = '\0';
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return foreign_set(f, &row, key, value, text, e);
}

static int nic_prop(struct foreign *f, const struct device *d, const char *prop, const char *value,
		    struct err *e)
{
	static const char *const known[] = { "type", "nictype", "parent", "network", "name", "hwaddr",
					     "ipv4.address", "ipv6.address", "ipv4.gateway",
					     "ipv6.gateway" };
	char key[160];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(prop, known[i]))
			return 0;
	(void)str_fmt(key, sizeof(key), "%s %.64s", d->name, prop);
	if (str_eq(prop, "limits.ingress") || str_eq(prop, "limits.max"))
		r = take_rate(f, key, value, "NETRATE_IN", e);
	if (!r && (str_eq(prop, "limits.egress") || str_eq(prop, "limits.max")))
		r = take_rate(f, key, value, "NETRATE_OUT", e);
	if (r < 0 || str_starts(prop, "limits."))
		return r;
	return foreign_note(f, FATE_LOST, key, value, NULL, str_starts(prop, "security.") ?
			    "spoof filters are always on" : "nothing here does that", e);
}

/* Inside it has the name it was given, or the one that it was started with. */
static const char *name_of(const struct pairs *p, const struct device *d, const char *config)
{
	const char *value = get(p, d->base, "name");
	char key[96];

	(void)str_fmt(key, sizeof(key), "volatile.%s.name", d->name);
	if (!*value)
		value = get(p, config, key);
	return *value ? value : d->name;
}

static const char *mac_of(const struct pairs *p, const struct device *d, const char *config)
{
	const char *value = get(p, d->base, "hwaddr");
	char key[96];

	(void)str_fmt(key, sizeof(key), "volatile.%s.hwaddr", d->name);
	return *value ? value : get(p, config, key);
}

static int set_sub(struct foreign *f, struct foreign_link *l, const struct device *d,
		   const char *sub, const char *value, struct err *e)
{
	char key[96];

	if (str_eq(value, "none") || str_eq(value, "auto"))
		return 0;
	(void)str_fmt(key, sizeof(key), "%s %s", d->name, sub);
	return str_eq(sub, "address") ? foreign_link_ips(f, l, key, value, e)
				      : foreign_link_set(f, l, sub, key, value, e);
}

static int take_link(struct foreign *f, struct foreign_link *l, const struct pairs *p,
		     const struct device *d, const char *config, struct err *e)
{
	const char *parent = get(p, d->base, "parent");
	const char *const subs[][2] = {
		{ "ifname", name_of(p, d, config) },
		{ "bridge", *parent ? parent : get(p, d->base, "network") },
		{ "mac", mac_of(p, d, config) },
		{ "address", get(p, d->base, "ipv4.address") },
		{ "address", get(p, d->base, "ipv6.address") },
		{ "gw", get(p, d->base, "ipv4.gateway") },
		{ "gw6", get(p, d->base, "ipv6.gateway") },
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(subs); i++)
		r = set_sub(f, l, d, subs[i][0], subs[i][1], e);
	return r;
}

static int take_nic(struct foreign *f, const struct pairs *p, const struct device *d,
		    const char *config, struct err *e)
{
	struct foreign_link *l = foreign_link(f, d->name);
	const char *path, *value;
	size_t at = 0;
	int r;

	if (!l)
		return foreign_note(f, FATE_LOST, d->name, "nic", NULL, "more links than a VE can have", e);
	r = take_link(f, l, p, d, config, e);
	while (!r && next_pair(p, &at, &path, &value))
		if (str_starts(path, d->base))
			r = nic_prop(f, d, path + strlen(d->base), value, e);
	return r;
}

static int take_disk(struct foreign *f, const struct pairs *p, const struct device *d, struct err *e)
{
	static const struct foreign_row size = { "size", "DISKSPACE", take_size, NULL };
	const char *at = get(p, d->base, "path"), *v = get(p, d->base, "size");
	char key[80];

	(void)str_fmt(key, sizeof(key), "%s size", d->name);
	if (!str_eq(at, "/"))
		return foreign_note(f, FATE_LOST, d->name, at, NULL,
				    "a volume beside the root, which is not in the archive", e);
	return *v ? foreign_take(f, &size, key, v, e) : 0;
}

static int take_device(struct foreign *f, const struct pairs *p, const struct device *d,
		       const char *type, const char *config, struct err *e)
{
	if (str_eq(type, "nic"))
		return take_nic(f, p, d, config, e);
	if (str_eq(type, "disk"))
		return take_disk(f, p, d, e);
	return foreign_note(f, FATE_LOST, d->name, type, NULL,
			    "devices of the host are not given to VEs", e);
}

/* Every path devices/NAME/type. */
static int take_devices(struct foreign *f, const struct pairs *p, const char *base,
			const char *config, struct err *e)
{
	const char *path, *value;
	size_t at = 0, len = strlen(base);
	int r = 0;

	while (!r && next_pair(p, &at, &path, &value)) {
		struct device d;
		size_t n;

		if (strncmp(path, base, len) != 0)
			continue;
		n = strcspn(path + len, "/");
		if (!str_eq(path + len + n, "/type"))
			continue;
		if (str_fmt(d.name, sizeof(d.name), "%.*s", (int)n, path + len) < 0 ||
		    str_fmt(d.base, sizeof(d.base), "%s%s/", base, d.name) < 0)
			return err_set(e, EINVAL, VZ_BAD_CONF, "a device with a name that is too long");
		r = take_device(f, p, &d, value, config, e);
	}
	return r;
}

/* ---- all of it ---- */

static int take_config(struct foreign *f, const struct pairs *p, const char *base, struct err *e)
{
	const char *path, *value;
	size_t at = 0, len = strlen(base);
	int r = 0;

	while (!r && next_pair(p, &at, &path, &value))
		if (strncmp(path, base, len) == 0)
			r = foreign_take(f, foreign_find(rows, ARRAY_SIZE(rows), path + len), path + len,
					 value, e);
	return r;
}

static int take_names(struct foreign *f, const struct pairs *p, const char *base, struct err *e)
{
	static const struct foreign_row name = { "name", "NAME", NULL, NULL };
	static const struct foreign_row host = { "name", "HOSTNAME", NULL, NULL };
	static const struct foreign_row text = { "description", "DESCRIPTION", NULL, NULL };
	const char *v = get(p, base, "name");
	int r = 0;

	if (!*v)
		v = get(p, "", "name");         /* of index.yaml */
	if (*v)
		r = foreign_take(f, &name, "name", v, e);
	if (!r && *v)
		r = foreign_take(f, &host, "name", v, e);
	v = get(p, base, "description");
	return r < 0 || !*v ? r : foreign_take(f, &text, "description", v, e);
}

static int take_instance(struct foreign *f, const struct pairs *p, const char *base, struct err *e)
{
	bool all = has_below(p, base, "expanded_config/") || has_below(p, base, "expanded_devices/");
	char config[64], devices[64];
	int r = take_names(f, p, base, e);

	(void)str_fmt(config, sizeof(config), "%s%sconfig/", base, all ? "expanded_" : "");
	(void)str_fmt(devices, sizeof(devices), "%s%sdevices/", base, all ? "expanded_" : "");
	if (!r && !all && has_below(p, base, "profiles/"))
		r = foreign_note(f, FATE_LOST, "profiles", get(p, base, "profiles/0"), NULL,
				 "what they say is not in the export", e);
	if (!r)
		r = take_config(f, p, config, e);
	if (!r)
		r = take_devices(f, p, devices, config, e);
	if (!r && (has_below(p, "", "snapshots/") || has_below(p, "", "config/snapshots/")))
		r = foreign_note(f, FATE_LOST, "snapshots", "", NULL, "snapshots are not taken along", e);
	return r;
}

int foreign_incus(struct foreign *f, const char *text, size_t len, struct err *e)
{
	static const char *const bases[] = { "config/instance/", "config/container/", "instance/",
					     "container/" };
	static const struct foreign_row about = { "description", "DESCRIPTION", NULL, NULL };
	const struct pairs p = { text, len };
	const char *v;

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		if (has_below(&p, bases[i], ""))
			return take_instance(f, &p, bases[i], e);
	v = get(&p, "", "properties/description");
	if (*v)
		return foreign_take(f, &about, "description", v, e);
	if (has_below(&p, "", "architecture") || has_below(&p, "", "properties/"))
		return 0;
	if (*get(&p, "", "name"))
		return take_names(f, &p, "", e);
	return err_set(e, EINVAL, VZ_BAD_CONF, "nothing of an instance of Incus or LXD in it");
}
