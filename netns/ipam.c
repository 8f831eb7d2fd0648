/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/ipam.h"

#include <errno.h>
#include <inttypes.h>

#include "util/claim.h"
#include "util/exits.h"

int64_t ipam_owner(int dir, const struct ipaddr *a)
{
	char name[IPADDR_STRLEN];

	format_ip_host(a, name);
	return claim_owner(dir, name);
}

int ipam_claim(int dir, const struct ipaddr *a, uint32_t veid, struct err *e)
{
	char name[IPADDR_STRLEN];
	int r;

	format_ip_host(a, name);
	r = claim_take(dir, name, veid);
	if (r == -EEXIST)
		return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "claim %s: in use by VE %" PRId64, name,
			       claim_owner(dir, name));
	if (r < 0) {
		errno = -r;
		return err_sys(e, "claim %s", name);
	}
	return 0;
}

void ipam_release(int dir, const struct ipaddr *a, uint32_t veid)
{
	char name[IPADDR_STRLEN];

	format_ip_host(a, name);
	claim_drop(dir, name, veid);
}
