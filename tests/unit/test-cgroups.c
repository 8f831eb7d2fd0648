/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Codecs, and the choice of file, on directories of plain files that stand for hierarchies.
 * What needs a kernel (order, reclaim, kill, freeze, filter) is tested where root is.
 */
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MIB(n) ((uint64_t)(n) << 20)

struct enc_case {
	const struct cg_codec *codec;
	uint64_t value;
	int r;
	const char *text; /* what is written */
	uint64_t back;	  /* what that means when read */
};

static const struct enc_case enc_cases[] = {
	{ &cg_codec_max, 0, 0, "0", 0 },
	{ &cg_codec_max, 536870912, 0, "536870912", 536870912 },
	{ &cg_codec_max, INT64_MAX - 1, 0, "9223372036854775806", INT64_MAX - 1 },
	{ &cg_codec_max, INT64_MAX, 0, "max", CG_NONE },
	{ &cg_codec_max, CG_NONE, 0, "max", CG_NONE },
	{ &cg_codec_v1_bytes, 4096, 0, "4096", 4096 },
	{ &cg_codec_v1_bytes, 4097, 0, "4096", 4096 },
	{ &cg_codec_v1_bytes, 8191, 0, "4096", 4096 },
	{ &cg_codec_v1_bytes, CG_NONE, 0, "-1", CG_NONE },
	{ &cg_codec_v1_bytes, INT64_MAX, 0, "-1", CG_NONE },
	{ &cg_codec_v1_count, 512, 0, "512", 512 },
	{ &cg_codec_v1_count, CG_NONE, 0, "max", CG_NONE },
	{ &cg_codec_cpu_max, 1, 0, "1000 100000", 1 },
	{ &cg_codec_cpu_max, 50, 0, "50000 100000", 50 },
	{ &cg_codec_cpu_max, 250, 0, "250000 100000", 250 },
	{ &cg_codec_cpu_max, CG_NONE, 0, "max 100000", CG_NONE },
	{ &cg_codec_cpu_max, 0, -ERANGE, NULL, 0 },
	{ &cg_codec_cpu_max, 1000001, -ERANGE, NULL, 0 },
	{ &cg_codec_cfs_quota, 50, 0, "50000", 50 },
	{ &cg_codec_cfs_quota, CG_NONE, 0, "-1", CG_NONE },
	{ &cg_codec_cfs_quota, 0, -ERANGE, NULL, 0 },
	{ &cg_codec_weight, 1000, 0, "100", 1000 },
	{ &cg_codec_weight, 8, 0, "1", 10 },
	{ &cg_codec_weight, 1004, 0, "100", 1000 },
	{ &cg_codec_weight, 500000, 0, "10000", 100000 },
	{ &cg_codec_weight, CG_NONE, 0, "100", 1000 },
	{ &cg_codec_weight, 7, -ERANGE, NULL, 0 },
	{ &cg_codec_weight, 500001, -ERANGE, NULL, 0 },
	{ &cg_codec_shares, 1000, 0, "1024", 1000 },
	{ &cg_codec_shares, 8, 0, "8", 8 },
	{ &cg_codec_shares, 500000, 0, "262144", 256000 },
	{ &cg_codec_shares, CG_NONE, 0, "1024", 1000 },
	{ &cg_codec_shares, 7, -ERANGE, NULL, 0 },
	{ &cg_codec_io_weight, 4, 0, "default 100", 4 },
	{ &cg_codec_io_weight, 0, 0, "default 20", 0 },
	{ &cg_codec_io_weight, 7, 0, "default 160", 7 },
	{ &cg_codec_io_weight, 8, -ERANGE, NULL, 0 },
	{ &cg_codec_io_weight, CG_NONE, 0, "default 100", 4 },
	{ &cg_codec_bfq_weight, 4, 0, "100", 4 },
	{ &cg_codec_bfq_weight, 7, 0, "160", 7 },
	{ &cg_codec_bfq_weight, 8, -ERANGE, NULL, 0 },
};

TEST(encode)
{
	for (size_t i = 0; i < ARRAY_SIZE(enc_cases); i++) {
		const struct enc_case *c = &enc_cases[i];
		uint64_t back = 1;
		char text[64] = "";

		CHECK(c->codec->enc(c->value, text, sizeof(text)) == c->r);
		if (c->r < 0)
			continue;
		CHECK_STR(text, c->text);
		CHECK(c->codec->dec(text, &back) == 0);
		CHECK(back == c->back);
		CHECK(c->codec->enc(c->value, text, strlen(c->text)) == -ERANGE);
	}
}

struct dec_case {
	const struct cg_codec *codec;
	const char *text;
	int r;
	uint64_t value;
};

static const struct dec_case dec_cases[] = {
	{ &cg_codec_max, "max\n", 0, CG_NONE },
	{ &cg_codec_max, "12\n", 0, 12 },
	{ &cg_codec_max, "", -EINVAL, 0 },
	{ &cg_codec_max, "\n", -EINVAL, 0 },
	{ &cg_codec_max, "maximum", -EINVAL, 0 },
	{ &cg_codec_max, "12 13", -EINVAL, 0 },
	{ &cg_codec_max, "12x", -EINVAL, 0 },
	{ &cg_codec_max, "-1", -EINVAL, 0 },
	{ &cg_codec_max, "1\n2", -EINVAL, 0 },
	{ &cg_codec_max, "99999999999999999999999", -EINVAL, 0 },
	{ &cg_codec_v1_bytes, "9223372036854771712\n", 0, CG_NONE },
	{ &cg_codec_v1_bytes, "9223372036854767616", 0, UINT64_C(9223372036854767616) },
	{ &cg_codec_v1_bytes, "-1", 0, CG_NONE },
	{ &cg_codec_v1_bytes, "-2", -EINVAL, 0 },
	{ &cg_codec_cpu_max, "25000 50000", 0, 50 },
	{ &cg_codec_cpu_max, "33333 100000", 0, 33 },
	{ &cg_codec_cpu_max, "33500 100000\n", 0, 34 },
	{ &cg_codec_cpu_max, "max 50000\n", 0, CG_NONE },
	{ &cg_codec_cpu_max, "50000", -EINVAL, 0 },
	{ &cg_codec_cpu_max, "50000 0", -EINVAL, 0 },
	{ &cg_codec_cpu_max, "maxi 100000", -EINVAL, 0 },
	{ &cg_codec_cpu_max, "18446744073709551615 1", -EINVAL, 0 },
	{ &cg_codec_cfs_quota, "150000\n", 0, 150 },
	{ &cg_codec_cfs_quota, "18446744073709551615", -EINVAL, 0 },
	{ &cg_codec_weight, "0", 0, 8 },
	{ &cg_codec_weight, "99999999999", -EINVAL, 0 },
	{ &cg_codec_io_weight, "default 100\n8:0 50\n", 0, 4 },
	{ &cg_codec_io_weight, "default 1", 0, 0 },
	{ &cg_codec_io_weight, "default 10000", 0, 7 },
	{ &cg_codec_io_weight, "100", -EINVAL, 0 },
	{ &cg_codec_io_weight, "default x", -EINVAL, 0 },
	{ &cg_codec_bfq_weight, "1000\n", 0, 7 },
	{ &cg_codec_burst, "0\n", 0, 0 },
	{ &cg_codec_burst, "20000\n", 0, 20 },
	{ &cg_codec_burst, "x", -EINVAL, 0 },
};

TEST(decode)
{
	for (size_t i = 0; i < ARRAY_SIZE(dec_cases); i++) {
		const struct dec_case *c = &dec_cases[i];
		uint64_t v = 77;

		CHECK(c->codec->dec(c->text, &v) == c->r);
		CHECK(v == (c->r < 0 ? 77 : c->value));
	}
}

/* Encoding what was decoded changes nothing more: cg_set compares in this form. */
TEST(encode_is_stable)
{
	static const struct cg_codec *const units[] = { &cg_codec_weight, &cg_codec_shares };
	char a[64], b[64];
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		for (uint64_t u = 8; u <= 500000; u += u < 3000 ? 1 : 997) {
			CHECK(units[i]->enc(u, a, sizeof(a)) == 0);
			CHECK(units[i]->dec(a, &v) == 0);
			CHECK(units[i]->enc(v, b, sizeof(b)) == 0);
			CHECK_STR(a, b);
		}
	for (uint64_t pct = 1; pct <= 6400; pct++) {
		CHECK(cg_codec_cpu_max.enc(pct, a, sizeof(a)) == 0);
		CHECK(cg_codec_cpu_max.dec(a, &v) == 0 && v == pct);
		CHECK(cg_codec_cfs_quota.enc(pct, a, sizeof(a)) == 0);
		CHECK(cg_codec_cfs_quota.dec(a, &v) == 0 && v == pct);
	}
}

TEST(texts)
{
	static const char events[] = "populated 1\nfrozen 0\nnr_x 5\nx 6";
	uint64_t v = 0;

	CHECK(cg_keyed(events, "populated", &v) == 0 && v == 1);
	CHECK(cg_keyed(events, "frozen", &v) == 0 && v == 0);
	CHECK(cg_keyed(events, "x", &v) == 0 && v == 6);
	CHECK(cg_keyed(events, "nr", &v) == -ENOENT);
	CHECK(cg_keyed("", "nr", &v) == -ENOENT);
	CHECK(cg_number("12 rest", &v) == 0 && v == 12);
	CHECK(cg_number("x", &v) == -EINVAL);
	CHECK(cg_number("", &v) == -EINVAL);
}

static int set_to(const struct cg_host *h, const struct cg_knob *k, uint64_t value, struct err *e)
{
	return cg_set(h, "101", &(struct cg_ask){ k, value, 0 }, e);
}

TEST(pressure)
{
	static const char text[] = "some avg10=12.66 avg60=0.05 avg300=100.00 total=283176331\n"
				   "full avg10=0.00 avg60=1.00 avg300=0.10 total=7";
	static const char *const bad[] = { "", "some avg10=1", "avg10=1.00", "some avg10=x.00",
					   "some avg10=1.000", "some avg10=101.00", "full total=" };
	struct cg_pressure p;

	CHECK(cg_parse_pressure(text, &p) == 0 && p.has_full);
	CHECK(p.some.avg10 == 1266 && p.some.avg60 == 5 && p.some.avg300 == 10000);
	CHECK(p.some.total_usec == 283176331);
	CHECK(p.full.avg10 == 0 && p.full.avg60 == 100 && p.full.avg300 == 10);
	CHECK(p.full.total_usec == 7);
	CHECK(cg_parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=0", &p) == 0);
	CHECK(!p.has_full);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(cg_parse_pressure(bad[i], &p) == -EINVAL);
}

/* ---- hierarchies made of plain files ---------------------------------------------------- */

static char dir[] = "/tmp/test-cgroups-XXXXXX";

static void put(const char *rel, const char *text)
{
	char path[256];
	FILE *f;

	CHECK(str_fmt(path, sizeof(path), "%s/%s", dir, rel) > 0);
	f = fopen(path, "we");
	CHECK(f && fputs(text, f) >= 0);
	if (f)
		(void)fclose(f);
}

static void check_file(const char *rel, const char *text)
{
	char path[256], got[256] = "";
	FILE *f;
	size_t n;

	CHECK(str_fmt(path, sizeof(path), "%s/%s", dir, rel) > 0);
	f = fopen(path, "re");
	CHECK(f != NULL);
	if (!f)
		return;
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = '\0';
	(void)fclose(f);
	CHECK_STR(got, text);
}

/* A fake host with berth/101 in "v2" and in "v1". */
static struct cg_host fake(bool v2)
{
	struct cg_host h = CG_HOST_INIT;
	struct err e = ERR_INIT;
	int top;

	(void)str_fmt(dir, sizeof(dir), "/tmp/test-cgroups-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(top >= 0 && fs_mkdir_p(top, "v2/berth/101/payload", 0700, &e) == 0 &&
	      fs_mkdir_p(top, "v1/berth/101", 0700, &e) == 0);
	(void)str_fmt(h.base, sizeof(h.base), "berth");
	h.v2 = openat(top, "v2", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned c = 0; c < CG_CTL_MAX; c++) {
		h.on_v2[c] = v2;
		if (!v2)
			h.v1[c] = openat(top, "v1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	(void)close(top);
	return h;
}

static void fake_end(struct cg_host *h)
{
	struct err e = ERR_INIT;

	cg_host_close(h);
	CHECK(fs_remove_tree(AT_FDCWD, dir, &e) == 0);
}

static const struct cg_knob pids = {
	CG_PIDS, { "pids.max", &cg_codec_max }, { "pids.max", &cg_codec_v1_count }, NULL, NULL
};
static const struct cg_knob only_v2 = {
	CG_CPU, { "cpu.max", &cg_codec_cpu_max }, { NULL, NULL }, NULL, NULL
};
static const struct cg_knob ram = { CG_MEMORY,
				    { "memory.max", &cg_codec_max },
				    { "memory.limit_in_bytes", &cg_codec_v1_bytes },
				    cg_memory_set,
				    NULL };
static const struct cg_knob swap = { CG_MEMORY,
				     { "memory.swap.max", &cg_codec_max },
				     { "memory.memsw.limit_in_bytes", &cg_codec_v1_bytes },
				     cg_swap_set,
				     cg_swap_get };

TEST(knob_picks_the_file)
{
	struct cg_host h = fake(true);
	struct err e = ERR_INIT;
	uint64_t v = 0;

	put("v2/berth/101/pids.max", "max\n");
	put("v2/berth/pids.max", "max\n");
	CHECK(cg_lacks(&h, &pids) == NULL);
	CHECK(set_to(&h, &pids, 500, &e) == 0);
	CHECK(cg_get(&h, "101", &pids, &v) == 0 && v == 500);
	CHECK(cg_get(&h, "102", &pids, &v) == -ENOENT);
	fake_end(&h);
}

TEST(slice)
{
	struct cg_host h = fake(true);
	struct err e = ERR_INIT;
	struct cg_node n;

	CHECK(cg_slice_valid("berth.slice") && !cg_slice_valid("a-b.slice") && !cg_slice_valid("berth") &&
	      !cg_slice_valid("../x.slice") && !cg_slice_valid(".slice"));
	CHECK(cg_slice_used(&h, "") && !cg_slice_used(&h, "berth.slice"));
	CHECK(cg_slice_enter(&h, "berth.slice", &e) == 0 && h.top < 0);
	CHECK(cg_create(&h, "102", 0, 0, &e) == -EOPNOTSUPP && strstr(e.msg, "systemctl start") != NULL);
	CHECK(cg_exists(&h, "101"));
	fake_end(&h);

	h = fake(true);
	err_clear(&e);
	CHECK(fs_mkdir_p(h.v2, "berth.slice/berth-guaranteed/103", 0700, &e) == 0);
	CHECK(cg_slice_used(&h, "berth.slice"));
	CHECK(cg_slice_enter(&h, "berth.slice", &e) == 0 && h.top >= 0);
	CHECK(!cg_exists(&h, "101") && cg_exists(&h, "guaranteed/103"));
	cg_top(&h, &n);
	CHECK(n.root == h.top);
	put("v2/berth.slice/memory.min", "1048576\n");
	CHECK(cg_slice_protects(&h, 1 << 20, &e) == 0);
	CHECK(cg_slice_protects(&h, 2 << 20, &e) == -EBUSY && strstr(e.msg, "MemoryMin=") != NULL);
	fake_end(&h);
}

TEST(knob_is_refused_with_a_reason)
{
	struct cg_host h = fake(false);
	struct err e = ERR_INIT;
	uint64_t v;

	CHECK_STR(cg_lacks(&h, &only_v2), "cgroup v1 has no such limit");
	CHECK(set_to(&h, &only_v2, 50, &e) == -EOPNOTSUPP && e.exit == 5);
	CHECK(cg_get(&h, "101", &only_v2, &v) == -EOPNOTSUPP);
	CHECK_STR(cg_lacks(&h, &pids), "this kernel has no such limit");
	(void)close(h.v1[CG_PIDS]);
	h.v1[CG_PIDS] = -1;
	CHECK_STR(cg_lacks(&h, &pids), "this host has no pids controller");
	CHECK(set_to(&h, &pids, 50, &e) == -EOPNOTSUPP);
	CHECK_STR(e.msg, "set pids.max of VE 101: this host has no pids controller");
	fake_end(&h);
}

TEST(bad_names)
{
	static const char *const bad[] = { "", ".", "..", "../x", "keepers", ".x", "a b",
					    "a/..", "a/../b", "/a", "a/", "a//b", "pool-x/../1" };
	struct cg_host h = fake(true);
	struct cg_node n;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(cg_node_v2(&h, bad[i], &n) == -EINVAL);
	CHECK(cg_node_v2(&h, "101", &n) == 0);
	CHECK_STR(n.path, "berth/101");
	CHECK(cg_node_v2(&h, "pool-gold/101", &n) == 0);
	CHECK_STR(n.path, "berth/pool-gold/101");
	CHECK(cg_node_v2(&h, CG_SURE "101", &n) == 0);
	CHECK_STR(n.path, "berth-guaranteed/101");
	CHECK_STR(cg_leaf("guaranteed/pool-gold/101"), "101");
	CHECK_STR(cg_leaf("pool-gold"), "gold");
	fake_end(&h);
}

TEST(v2_memory_is_not_lowered_below_use)
{
	struct cg_host h = fake(true);
	struct err e = ERR_INIT;

	put("v2/berth/memory.max", "max\n");
	put("v2/berth/101/memory.max", "536870912\n");
	put("v2/berth/101/memory.current", "123456789\n");
	CHECK(set_to(&h, &ram, MIB(100), &e) == -EBUSY);
	CHECK_STR(e.msg, "set memory of VE 101 to 104857600 bytes: in use: 123456789 bytes");
	CHECK(e.exit == 1);
	check_file("v2/berth/101/memory.max", "536870912\n");
	CHECK(set_to(&h, &ram, MIB(256), &e) == 0);
	check_file("v2/berth/101/memory.max", "268435456\n");
	fake_end(&h);
}

TEST(v1_swap_moves_with_memory)
{
	struct cg_host h = fake(false);
	struct err e = ERR_INIT;
	uint64_t v = 0;

	put("v1/berth/memory.limit_in_bytes", "");
	put("v1/berth/memory.memsw.limit_in_bytes", "");
	put("v1/berth/101/memory.limit_in_bytes", "536870912");
	put("v1/berth/101/memory.memsw.limit_in_bytes", "805306368");
	CHECK(cg_get(&h, "101", &swap, &v) == 0 && v == MIB(256));
	CHECK(set_to(&h, &ram, MIB(256), &e) == 0);
	check_file("v1/berth/101/memory.limit_in_bytes", "268435456");
	check_file("v1/berth/101/memory.memsw.limit_in_bytes", "536870912");
	CHECK(set_to(&h, &swap, MIB(512), &e) == 0);
	check_file("v1/berth/101/memory.memsw.limit_in_bytes", "805306368");
	CHECK(cg_get(&h, "101", &swap, &v) == 0 && v == MIB(512));
	/* cannot be said: unlimited memory with limited swap */
	CHECK(set_to(&h, &ram, CG_NONE, &e) == -EOPNOTSUPP && e.exit == 5);
	check_file("v1/berth/101/memory.limit_in_bytes", "268435456");
	fake_end(&h);
}

TEST(io_lines)
{
	struct cg_rate bps = { makedev(7, 1), CG_IO_BPS, { 0, 0 } };
	struct cg_rate iops = { makedev(7, 1), CG_IO_IOPS, { 0, 0 } };
	struct cg_rate other = { makedev(7, 2), CG_IO_BPS, { 0, 0 } };
	struct cg_host h = fake(true);

	put("v2/berth/101/io.max", "7:10 rbps=1 wbps=1 riops=1 wiops=1\n"
				   "7:1 rbps=1048576 wbps=2097152 riops=max wiops=max\n");
	CHECK(cg_get_io(&h, "101", &bps) == 0);
	CHECK(bps.value[0] == MIB(1) && bps.value[1] == MIB(2));
	CHECK(cg_get_io(&h, "101", &iops) == 0);
	CHECK(iops.value[0] == CG_NONE && iops.value[1] == CG_NONE);
	CHECK(cg_get_io(&h, "101", &other) == 0);
	CHECK(other.value[0] == CG_NONE && other.value[1] == CG_NONE);
	fake_end(&h);
}

TEST(stat_v2)
{
	struct cg_host h = fake(true);
	struct err e = ERR_INIT;
	struct cg_stat s;

	put("v2/berth/101/cpu.stat", "usage_usec 900\nuser_usec 1\nnr_throttled 3\n"
				     "throttled_usec 44\n");
	put("v2/berth/101/memory.current", "4096\n");
	put("v2/berth/101/memory.max", "max\n");
	put("v2/berth/101/memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n");
	put("v2/berth/101/pids.current", "5\n");
	put("v2/berth/101/pids.max", "100\n");
	/* the loop's worker shows on the disk as well: counted once */
	put("v2/berth/101/io.stat", "254:0 rbytes=10 wbytes=200 rios=1 wios=2 dbytes=9\n"
				    "7:3 rbytes=30 wbytes=100 rios=3 wios=4\n"
				    "7:4 rbytes=5 wbytes=50 rios=1 wios=1\n8:0 \n");
	CHECK(cg_read_stat(&h, "101", &s, &e) == 0);
	CHECK(s.cpu_usec == 900 && s.nr_throttled == 3 && s.throttled_usec == 44);
	CHECK(s.mem_current == 4096 && s.mem_max == UINT64_MAX && s.swap_current == UINT64_MAX);
	CHECK(s.oom_kills == 1 && s.pids_current == 5 && s.pids_max == 100);
	CHECK(s.rbytes == 35 && s.wbytes == 200 && s.rios == 4 && s.wios == 5);
	CHECK(cg_count(&h, "101") == 5 && cg_count(&h, "102") == 0);
	CHECK(cg_read_stat(&h, "102", &s, &e) == -ENOENT);
	fake_end(&h);
}

TEST(stat_v1)
{
	struct cg_host h = fake(false);
	struct err e = ERR_INIT;
	struct cg_stat s;

	put("v2/berth/101/cpu.stat", "usage_usec 900\n");
	put("v1/berth/101/cpu.stat", "nr_periods 9\nnr_throttled 3\nthrottled_time 44000\n");
	put("v1/berth/101/memory.usage_in_bytes", "8192\n");
	put("v1/berth/101/memory.memsw.usage_in_bytes", "12288\n");
	put("v1/berth/101/memory.limit_in_bytes", "9223372036854771712\n");
	put("v1/berth/101/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	put("v1/berth/101/pids.current", "5\n");
	put("v1/berth/101/pids.max", "max\n");
	put("v1/berth/101/blkio.throttle.io_service_bytes",
	    "254:0 Read 100\n254:0 Write 7\n254:0 Sync 107\n254:0 Total 107\nTotal 107\n");
	put("v1/berth/101/blkio.throttle.io_serviced", "Total 0\n");
	CHECK(cg_read_stat(&h, "101", &s, &e) == 0);
	CHECK(s.cpu_usec == 900 && s.nr_throttled == 3 && s.throttled_usec == 44);
	CHECK(s.mem_current == 8192 && s.mem_max == UINT64_MAX && s.swap_current == 4096);
	CHECK(s.oom_kills == 2 && s.pids_current == 5 && s.pids_max == UINT64_MAX);
	CHECK(s.rbytes == 100 && s.wbytes == 7 && s.rios == 0 && s.wios == 0);
	fake_end(&h);
}

/* Beside other/ with that weight, a host whose VE 101 can be guaranteed CPU. */
static struct cg_host fake_sure(bool v2, const char *others)
{
	static const char *const nodes[] = { "other", "berth", "berth-guaranteed", "berth-guaranteed/101" };
	struct cg_host h = fake(v2);
	struct err e = ERR_INIT;
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		CHECK(fs_mkdir_p(v2 ? h.v2 : h.v1[CG_CPU], nodes[i], 0700, &e) == 0);
		(void)str_fmt(path, sizeof(path), v2 ? "v2/%s/cpu.weight" : "v1/%s/cpu.shares", nodes[i]);
		put(path, i ? "0" : others);
	}
	return h;
}

/* What the guaranteed get at the least when everybody is busy; all others have that weight. */
static uint64_t least(const struct cg_host *h, uint64_t all, uint64_t others)
{
	bool v2 = h->on_v2[CG_CPU];
	struct cg_node top = { v2 ? h->v2 : h->v1[CG_CPU], "berth-guaranteed" };
	struct cg_node rest = { top.root, "berth" };
	const char *file = v2 ? "cpu.weight" : "cpu.shares";
	uint64_t w = 0, s = 0;

	CHECK(cg_node_u64(&top, file, &w) == 0 && cg_node_u64(&rest, file, &s) == 0);
	return all * w / (w + s + others);
}

TEST(guarantee_fits_the_weights)
{
	static const struct {
		bool v2;
		uint64_t cpus;
		const char *nodes;
		uint64_t others;        /* with them: on v1 the tasks of the root group */
		uint64_t most;
	} cases[] = {
		{ false, 2, "1024", 5120, 192 },
		{ false, 8, "1024", 17408, 706 },
		{ false, 64, "1024", 132096, 3187 },
		{ true, 64, "400", 400, 5925 },
		{ true, 256, "5000", 5000, 12800 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cg_host h = fake_sure(cases[i].v2, cases[i].nodes);
		uint64_t all = cases[i].cpus * 100, most = 0, one;
		struct err e = ERR_INIT;

		CHECK(cg_sure_most(&h, all, &most) == 0 && most == cases[i].most);
		one = most < 10000 ? most : 10000;
		CHECK(cg_sure_set(&h, "guaranteed/101", one, all, &e) == 0);
		CHECK(least(&h, all, cases[i].others) >= one);
		fake_end(&h);
	}
}
