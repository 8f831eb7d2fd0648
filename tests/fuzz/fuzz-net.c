/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What names a network: addresses, MACs, and the other small texts of a spec, each by all parsers. */
#include "util/parse.h"

#include <stdlib.h>
#include <string.h>

#include "cgroups/cgroup.h"
#include "netns/guestconf.h"
#include "tests/fuzz/replay.h"

static void check_ip(const char *text)
{
	char out[IPADDR_STRLEN];
	struct ipaddr a, b;

	if (parse_ip(text, &a) < 0)
		return;
	format_ip(&a, out);
	if (parse_ip(out, &b) < 0 || !ip_same_host(&a, &b) || a.prefix != b.prefix)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cg_pressure pressure;
	uint64_t v, bits[16];
	char text[512];
	uint8_t mac[6];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_ip(text);
	if (parse_mac(text, mac) == 0 && strlen(text) != 17)
		abort();
	(void)parse_size(text, 1024, true, &v);
	if (parse_duration(text, 10, 1000, &v) == 0 && (v < 10 || v > 1000))
		abort();
	(void)parse_cpulist(text, 4, bits);
	(void)cg_parse_pressure(text, &pressure);
	if (guest_hostname_ok(text) && strlen(text) > 64)
		abort();
	return 0;
}
