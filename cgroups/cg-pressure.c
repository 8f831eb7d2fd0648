/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pressure stall information of a VE's node (Documentation/accounting/psi.rst). It lives on
 * v2 on every host, also where the limits that cause the stalls are on v1.
 */
#include <errno.h>
#include <string.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/parse.h"
#include "util/str.h"

static const char *const files[CG_PRESSURES] = {
	[CG_PRESSURE_CPU] = "cpu.pressure",
	[CG_PRESSURE_MEMORY] = "memory.pressure",
	[CG_PRESSURE_IO] = "io.pressure",
};

/* "12.34" into hundredths; the kernel always writes two decimals. */
static int hundredths(const char *text, uint64_t *ret)
{
	const char *dot = strchr(text, '.');
	uint64_t whole, part;
	char word[24];

	if (!dot || str_fmt(word, sizeof(word), "%.*s", (int)(dot - text), text) < 0 ||
	    parse_u64(word, 0, 100, &whole) < 0 || strlen(dot + 1) != 2 ||
	    cg_number(dot[1] == '0' ? dot + 2 : dot + 1, &part) < 0)
		return -EINVAL;
	*ret = whole * 100 + part;
	return 0;
}

static int stall_word(const char *word, struct cg_stall *s)
{
	uint64_t *const avg[] = { &s->avg10, &s->avg60, &s->avg300 };
	static const char *const keys[] = { "avg10=", "avg60=", "avg300=" };

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		if (str_starts(word, keys[i]))
			return hundredths(word + strlen(keys[i]), avg[i]);
	return str_starts(word, "total=") ? cg_number(word + strlen("total="), &s->total_usec) : 0;
}

int cg_parse_pressure(const char *text, struct cg_pressure *ret)
{
	struct cg_pressure p = { .some = { 0 } };
	struct cg_stall *now = NULL;
	char word[48];
	int r;

	while ((r = str_word(&text, word, sizeof(word))) > 0) {
		if (str_eq(word, "some"))
			now = &p.some;
		else if (str_eq(word, "full"))
			now = &p.full;
		else if (!now || stall_word(word, now) < 0)
			return -EINVAL;
		if (now == &p.full)
			p.has_full = true;
	}
	if (r < 0 || !now)
		return -EINVAL;
	*ret = p;
	return 0;
}

int cg_read_pressure(const struct cg_host *h, const char *id, enum cg_pressure_of what,
		     struct cg_pressure *ret)
{
	char text[512];
	struct cg_node n;
	int r = cg_node_v2(h, id, &n);

	if (r == 0)
		r = cg_node_read(&n, files[what], text, sizeof(text));
	return r < 0 ? r : cg_parse_pressure(text, ret);
}
