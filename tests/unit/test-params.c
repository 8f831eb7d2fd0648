/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameter table is sound, and what a type prints it reads back. */
#include "tests/unit/harness.h"

#include "util/str.h"
#include "ve/params.h"
#include "ve/ptypes.h"

static bool has_enforcer(const struct param *p)
{
	return p->apply || p->cg.v1.file || p->cg.v2.file;
}

TEST(rows_have_what_they_need)
{
	for (size_t i = 0; i < n_params; i++) {
		const struct param *p = &params[i];

		CHECK(p->key && p->json && p->help && p->type);
		CHECK(p->off < sizeof(struct ve_conf));
		CHECK((p->opt != NULL) == !(p->flags & P_HIDDEN));
		CHECK(!p->opt || p->arg);
		CHECK(p->type->size || p->max);
		if (has_enforcer(p))
			CHECK(p->exit);
	}
}

TEST(keys_options_and_names_are_unique)
{
	for (size_t i = 0; i < n_params; i++)
		for (size_t j = i + 1; j < n_params; j++) {
			const struct param *a = &params[i], *b = &params[j];

			CHECK(!str_eq(a->key, b->key));
			CHECK(!str_eq(a->json, b->json));
			CHECK(a->off != b->off);
			CHECK(!a->opt || !b->opt || !str_eq(a->opt, b->opt));
			CHECK(!a->opt || !b->alias || !str_eq(a->opt, b->alias));
		}
}

TEST(rows_are_found_by_key_option_and_alias)
{
	CHECK(param_by_key("PHYSPAGES") == param_by_opt("ram"));
	CHECK(param_by_opt("cpuweight") == param_by_opt("cpuunits"));
	CHECK(!param_by_key("ram") && !param_by_opt("PHYSPAGES") && !param_by_opt("ra"));
}

struct value {
	const char *opt, *text;
	bool ok;
	const char *file;       /* how the file spells it, when ok */
};

static const struct value values[] = {
	{ "ram", "512M", true, "0:131072" },
	{ "ram", "536870912", true, "0:131072" },
	{ "ram", "131072p", true, "0:131072" },
	{ "ram", "0:256m", true, "0:65536" },
	{ "ram", "unlimited", true, "0:unlimited" },
	{ "ram", "1M", false, NULL },
	{ "ram", "-1", false, NULL },
	{ "ram", "1e9", false, NULL },
	{ "ram", "0x10000000", false, NULL },
	{ "ram", "512MM", false, NULL },
	{ "ram", "512 M", false, NULL },
	{ "ram", "", false, NULL },
	{ "ram", "99999999999999999999", false, NULL },
	{ "swap", "0", true, "0:0" },
	{ "numproc", "240", true, "240:240" },
	{ "numproc", "200:240", true, "240:240" },
	{ "numproc", "7", false, NULL },
	{ "cpulimit", "50", true, "50" },
	{ "cpulimit", "0", true, "0" },
	{ "cpulimit", "50.5", false, NULL },
	{ "cpulimit", "101%", false, NULL },
	{ "cpulimit", "%", false, NULL },
	{ "cpuunits", "1000", true, "1000" },
	{ "netrate-in", "800", true, "800kbit" },
	{ "netrate-in", "10mbit", true, "10mbit" },
	{ "netrate-in", "1.5M", true, "1500kbit" },
	{ "netrate-in", "8001bit", true, "8kbit" },
	{ "netrate-in", "100Gbit", true, "100gbit" },
	{ "netrate-in", "0", true, "0" },
	{ "netrate-in", "7kbit", false, NULL },
	{ "netrate-in", "101g", false, NULL },
	{ "netrate-in", "10mbps", false, NULL },
	{ "netrate-in", "18446744073709551616g", false, NULL },
	{ "rate", "eth0:1:800", true, "eth0:1:800" },
	{ "rate", "eth0:1", false, NULL },
	{ "rate", "eth0:16:800", false, NULL },
	{ "cpuunits", "7", false, NULL },
	{ "cpumask", "0-1,3", true, "0-1,3" },
	{ "cpumask", "3-1", false, NULL },
	{ "diskspace", "4G", true, "4194304:4194304" },
	{ "diskspace", "2097152", true, "2097152:2097152" },
	{ "diskspace", "2G:3G", true, "3145728:3145728" },
	{ "diskspace", "1M", false, NULL },
	{ "iolimit", "10", true, "10485760" },
	{ "iolimit", "512K", true, "524288" },
	{ "ioprio", "7", true, "7" },
	{ "ioprio", "8", false, NULL },
	{ "ioprio", "07", false, NULL },
	{ "onboot", "yes", true, "yes" },
	{ "onboot", "maybe", false, NULL },
	{ "hostname", "web-1.example.com", true, "web-1.example.com" },
	{ "hostname", "web_1\n", false, NULL },
	{ "hostname", "-x", false, NULL },
	{ "nameserver", "10.0.0.1 fd00::1", true, "10.0.0.1 fd00::1" },
	{ "nameserver", "inherit", true, "inherit" },
	{ "nameserver", "10.0.0.1/8", false, NULL },
	{ "ipadd", "10.0.0.5", true, "10.0.0.5" },
	{ "ipadd", "10.0.0.5/24 fd00::5", true, "10.0.0.5/24 fd00::5" },
	{ "ipadd", "10.0.0.5/32", true, "10.0.0.5" },
	{ "ipadd", "10.0.0.500", false, NULL },
	{ "ipadd", "10.0.0.5/33", false, NULL },
	{ "name", "web-1", true, "web-1" },
	{ "name", "a/b", false, NULL },
	{ "description", "a plain text", true, "a plain text" },
	{ "description", "{\"plan\": \"$5\"}", true, "{\"plan\": \"$5\"}" },
	{ "description", "two\nlines", false, NULL },
	{ "searchdomain", "example.com example.org", true, "example.com example.org" },
	{ "searchdomain", "$(reboot)", false, NULL },
	{ "kind", "vm", true, "vm" },
	{ "kind", "zone", false, NULL },
	{ "kmemsize", "14372700:14790164", true, "14372700:14790164" },
	{ "kmemsize", "a:b", false, NULL },
};

TEST(values_are_taken_refused_and_spelled)
{
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const struct value *v = &values[i];
		const struct param *p = param_by_opt(v->opt);
		struct ve_conf c = { 0 };
		struct err e = ERR_INIT;
		char file[4096];
		int r = param_parse(p, v->text, false, &c, &e);

		if ((r == 0) != v->ok)
			printf("# --%s \"%s\": %d %s\n", v->opt, v->text, r, e.msg);
		CHECK((r == 0) == v->ok);
		if (!v->ok) {
			CHECK(e.exit && strstr(e.msg, v->opt));
			CHECK(!conf_has(&c, p));
			continue;
		}
		CHECK(param_format(p, &c, true, file, sizeof(file)) == 0);
		CHECK_STR(file, v->file);
	}
}

TEST(what_the_file_says_reads_back_the_same)
{
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const struct param *p = param_by_opt(values[i].opt);
		struct ve_conf a = { 0 }, b = { 0 };
		struct err e = ERR_INIT;
		char file[4096];

		if (!values[i].ok)
			continue;
		CHECK(param_parse(p, values[i].text, false, &a, &e) == 0);
		CHECK(param_format(p, &a, true, file, sizeof(file)) == 0);
		CHECK(param_parse(p, file, true, &b, &e) == 0);
		CHECK(param_same(p, &a, &b));
	}
}

TEST(later_set_wins_and_unset_rows_stay)
{
	struct ve_conf a = { 0 }, b = { 0 };
	struct err e = ERR_INIT;

	CHECK(param_parse(param_by_opt("ram"), "256M", false, &a, &e) == 0);
	CHECK(param_parse(param_by_opt("cpus"), "2", false, &a, &e) == 0);
	CHECK(param_parse(param_by_opt("ram"), "512M", false, &b, &e) == 0);
	conf_merge(&a, &b);
	CHECK(a.ram == 512 << 20 && a.cpus == 2);
}

TEST(addresses_add_up_on_the_command_line)
{
	const struct param *p = param_by_opt("ipadd");
	struct ve_conf c = { 0 };
	struct err e = ERR_INIT;

	CHECK(param_parse(p, "10.0.0.1", false, &c, &e) == 0);
	CHECK(param_parse(p, "10.0.0.2 10.0.0.3", false, &c, &e) == 0);
	CHECK(param_parse(p, "10.0.0.1/24", false, &c, &e) == 0);
	CHECK(c.ips.n == 3 && c.ips.a[0].prefix == 24);
}
