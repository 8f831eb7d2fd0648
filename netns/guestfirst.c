/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest is given for its first boot: keys of its root, and cloud-init's seed in the form
 * of the data source NoCloud, where the guest has cloud-init. The seed names an instance: with
 * another name, as in a copy, cloud-init takes the boot for a first one.
 */
#include "netns/guestfile.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "netns/guestsyntax.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define SEED "var/lib/cloud/seed/nocloud"
#define CLOUD_CONF "etc/cloud/cloud.cfg.d"
#define HEAD "# Written by berth at every start.\n"

/* ---- keys ---- */

/* sshd(8), AUTHORIZED_KEYS FILE FORMAT, without options: type, base64, comment. */
bool guest_key_ok(const char *line, size_t len)
{
	static const char *const types[] = { "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com" };
	size_t type = 0, at;
	bool known = false;

	while (type < len && line[type] != ' ')
		type++;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		known |= strlen(types[i]) == type && memcmp(line, types[i], type) == 0;
	for (at = type + 1; at < len && line[at] != ' '; at++)
		if (!isalnum((unsigned char)line[at]) && !strchr("+/=", line[at]))
			return false;
	if (!known || at < type + 1 + 16)
		return false;
	for (size_t i = 0; i < len; i++)        /* the seed quotes it */
		if (line[i] < ' ' || line[i] > '~' || line[i] == '"' || line[i] == '\\')
			return false;
	return true;
}

static bool has_line(const char *s, const char *want, size_t n)
{
	const char *line;
	size_t len;

	while ((line = line_next(&s, &len)))
		if (len == n && memcmp(line, want, n) == 0)
			return true;
	return false;
}

/* Those that are not there are added: what else is there is the tenant's. */
static int put_keys(const struct guest_conf *g, struct err *e)
{
	static const char path[] = "root/.ssh/authorized_keys";
	const char *s = g->ssh_keys, *line, *had;
	_text_ struct text t = TEXT_INIT;
	_free_ char *old = NULL;
	struct stat st;
	size_t len;
	int r = fs_mkdir_in_root(g->root, "root/.ssh", 0700, g->uid, g->gid, e);

	if (r == 0)
		r = guest_read(g, path, &old, &st, e);
	if (r < 0)
		return r;
	if (r == 0)
		st = (struct stat){ .st_mode = 0600, .st_uid = g->uid, .st_gid = g->gid };
	had = old ? old : "";
	text_addf(&t, "%s%s", had, *had && !str_ends(had, "\n") ? "\n" : "");
	while ((line = line_next(&s, &len)))
		if (guest_key_ok(line, len) && !has_line(had, line, len))
			text_addf(&t, "%.*s\n", (int)len, line);
	return guest_put(g, path, &t, &st, e);
}

/* ---- cloud-init ---- */

static int put_meta_data(const struct guest_conf *g, struct err *e)
{
	const char *s = g->ssh_keys ? g->ssh_keys : "", *line;
	_text_ struct text t = TEXT_INIT;
	bool head = false;
	size_t len;

	text_addf(&t, HEAD "instance-id: \"%s\"\n", g->instance);
	if (g->hostname)
		text_addf(&t, "local-hostname: \"%s\"\n", g->hostname);
	for (; (line = line_next(&s, &len)); head = true)
		if (guest_key_ok(line, len))
			text_addf(&t, "%s  - \"%.*s\"\n", head ? "" : "public-keys:\n", (int)len, line);
	return guest_put(g, SEED "/meta-data", &t, NULL, e);
}

static int put_network_config(const struct guest_conf *g, struct err *e)
{
	_text_ struct text t = TEXT_INIT;

	text_addf(&t, HEAD "version: 2\nethernets:%s\n", g->n_links ? "" : " {}");
	for (size_t i = 0; i < g->n_links; i++)
		syntax_netplan(&t, &g->links[i], i == 0);
	return guest_put(g, SEED "/network-config", &t, NULL, e);
}

/* May hold what is secret. One that is there stays, unless another is given. */
static int put_user_data(const struct guest_conf *g, struct err *e)
{
	const struct stat st = { .st_mode = 0600, .st_uid = g->uid, .st_gid = g->gid };
	_text_ struct text t = TEXT_INIT;

	if (!g->user_data && guest_has(g, SEED "/user-data"))
		return 0;
	text_addf(&t, "%s", g->user_data ? g->user_data : "#cloud-config\n{}\n");
	return guest_put(g, SEED "/user-data", &t, &st, e);
}

/*
 * Where the network's files are written by us, cloud-init writes none: two hands on them would
 * leave behind what one of them has changed.
 */
static int put_cloud_conf(const struct guest_conf *g, bool network, struct err *e)
{
	_text_ struct text t = TEXT_INIT;
	int r = guest_mkdir(g, CLOUD_CONF, e);

	text_addf(&t, HEAD "datasource_list: [ NoCloud ]\n%s",
		  network ? "network: { config: disabled }\n" : "");
	return r < 0 ? r : guest_put(g, CLOUD_CONF "/99-berth.cfg", &t, NULL, e);
}

static int put_seed(const struct guest_conf *g, bool network, struct err *e)
{
	int r = guest_mkdir(g, SEED, e);

	if (r == 0)
		r = put_network_config(g, e);
	if (r == 0)
		r = put_user_data(g, e);
	if (r == 0)
		r = put_cloud_conf(g, network, e);
	return r < 0 ? r : put_meta_data(g, e);
}

int guest_write_first(const struct guest_conf *g, bool network, struct err *e)
{
	int r = g->ssh_keys ? put_keys(g, e) : 0;

	if (r < 0)
		return err_wrap(e, "add ssh keys");
	if (!g->instance || !guest_has(g, "usr/bin/cloud-init"))
		return 0;
	return put_seed(g, network, e) < 0 ? err_wrap(e, "write cloud-init's seed") : 0;
}
