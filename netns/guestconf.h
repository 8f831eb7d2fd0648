/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files inside the VE: hostname, hosts, resolver and the distribution's own network files
 * (ifupdown, systemd-networkd, netplan-free busybox), so that the guest's boot scripts arrive
 * at the same addresses the host has set by netlink. Every path is resolved in the guest's
 * root (util/sys-fs.h); a block of ours in a shared file is marked and the rest is kept.
 */
#pragma once

#include "util/err.h"
#include "util/parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct guest_link {
	const char *name;
	const struct ipaddr *addrs;
	size_t n_addrs;
	bool routed;                    /* no shared layer 2: whole addresses, gateway on the link */
	struct ipaddr gateway[2];       /* of the default routes, IPv4 and IPv6; family 0: none */
};

struct guest_conf {
	int root;                       /* fd of the guest's root directory */
	uid_t uid;                      /* owner of written files as seen through that root */
	gid_t gid;
	const char *hostname;           /* NULL: leave alone */
	const char *nameservers;        /* blank separated; NULL: leave alone; "inherit": the host's */
	const char *searchdomain;       /* NULL: none */
	const struct guest_link *links;
	size_t n_links;
	const char *ssh_keys;           /* lines that root's authorized_keys shall have; NULL: none */
	const char *user_data;          /* for cloud-init; NULL: what is there, or nothing to do */
	const char *instance;           /* what cloud-init takes the VE for; NULL: no seed */
};

/* Write all of it. A guest without a known network configuration is fine: netlink did it. */
MUST_CHECK int guest_write(const struct guest_conf *g, struct err *e);
/* What "inherit" stands for on this host: addresses separated by blanks, "" for none. */
void guest_inherited_servers(char *dst, size_t size);
/* Set the password of one user (and create the user if absent) by editing passwd and shadow. */
MUST_CHECK int guest_set_password(const struct guest_conf *g, const char *user,
				  const char *password, struct err *e);
/* Is this line a public key of ssh, without options before it? */
bool guest_key_ok(const char *line, size_t len);
/* Valid host name (RFC 1123, at most 64 bytes)? */
bool guest_hostname_ok(const char *s);
