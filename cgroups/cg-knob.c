/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codecs: a limit's value to the text of a cgroup file and back. A value that the file
 * cannot hold is clamped only where the unit itself is relative (weights, shares); absolute
 * limits are refused with -ERANGE instead. The formats are those of
 * Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 *
 * Decoders take what the kernel prints, with or without the newline, and nothing else.
 */
#include "cgroups/cg-knob.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cgroups/cg-internal.h"
#include "util/parse.h"
#include "util/str.h"

#define PERIOD_US 100000
#define PERCENT_MAX 1000000 /* ten thousand CPUs; keeps quotas far below the kernel's bound */
#define UNITS_MIN 8
#define UNITS_MAX 500000
#define UNITS_DEFAULT 1000
#define PRIO_MAX 7
#define PRIO_DEFAULT 4

static int put_text(char *dst, size_t size, const char *text)
{
	return str_fmt(dst, size, "%s", text) < 0 ? -ERANGE : 0;
}

static int put_number(char *dst, size_t size, uint64_t value)
{
	return str_fmt(dst, size, "%" PRIu64, value) < 0 ? -ERANGE : 0;
}

/* The whole text, but for its newline, is one number. */
static int whole_number(const char *text, uint64_t *ret)
{
	size_t len = strcspn(text, "\n");

	if (memchr(text, ' ', len) || strspn(text + len, "\n") != strlen(text + len))
		return -EINVAL;
	return cg_number(text, ret) < 0 ? -EINVAL : 0;
}

static bool is_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	return strncmp(text, word, len) == 0 && (text[len] == '\0' || text[len] == '\n');
}

static int max_enc(uint64_t value, char *dst, size_t size)
{
	/* vz files write "unlimited" as LONG_MAX, and no counter of the kernel goes beyond */
	return value >= U64_UNLIMITED ? put_text(dst, size, "max") : put_number(dst, size, value);
}

static int max_dec(const char *text, uint64_t *ret)
{
	if (!is_word(text, "max"))
		return whole_number(text, ret);
	*ret = CG_NONE;
	return 0;
}

/* The largest v1 byte limit, which is also how a missing one reads: whole pages only. */
static uint64_t v1_top(void)
{
	return U64_UNLIMITED - U64_UNLIMITED % (uint64_t)sysconf(_SC_PAGESIZE);
}

static int v1_bytes_enc(uint64_t value, char *dst, size_t size)
{
	if (value >= v1_top())
		return put_text(dst, size, "-1");
	return put_number(dst, size, value - value % (uint64_t)sysconf(_SC_PAGESIZE));
}

static int v1_bytes_dec(const char *text, uint64_t *ret)
{
	uint64_t v;
	int r;

	if (is_word(text, "-1")) {
		*ret = CG_NONE;
		return 0;
	}
	r = whole_number(text, &v);
	if (r < 0)
		return r;
	*ret = v >= v1_top() ? CG_NONE : v;
	return 0;
}

static int quota_of(uint64_t percent, uint64_t *ret)
{
	if (percent < 1 || percent > PERCENT_MAX)
		return -ERANGE;
	*ret = percent * (PERIOD_US / 100);
	return 0;
}

static int cpu_max_enc(uint64_t value, char *dst, size_t size)
{
	uint64_t quota;

	if (value == CG_NONE)
		return str_fmt(dst, size, "max %d", PERIOD_US) < 0 ? -ERANGE : 0;
	if (quota_of(value, &quota) < 0)
		return -ERANGE;
	return str_fmt(dst, size, "%" PRIu64 " %d", quota, PERIOD_US) < 0 ? -ERANGE : 0;
}

static int cpu_max_dec(const char *text, uint64_t *ret)
{
	const char *second = strchr(text, ' ');
	uint64_t quota, period;

	if (!second || whole_number(second + 1, &period) < 0 || period == 0)
		return -EINVAL;
	if (str_starts(text, "max ")) {
		*ret = CG_NONE;
		return 0;
	}
	if (cg_number(text, &quota) < 0 || quota > UINT64_MAX / 200)
		return -EINVAL;
	*ret = (quota * 200 / period + 1) / 2; /* nearest; another period is somebody else's */
	return 0;
}

static int cfs_quota_enc(uint64_t value, char *dst, size_t size)
{
	uint64_t quota;

	if (value == CG_NONE)
		return put_text(dst, size, "-1");
	if (quota_of(value, &quota) < 0)
		return -ERANGE;
	return put_number(dst, size, quota);
}

static int cfs_quota_dec(const char *text, uint64_t *ret)
{
	uint64_t quota;

	if (is_word(text, "-1")) {
		*ret = CG_NONE;
		return 0;
	}
	if (whole_number(text, &quota) < 0 || quota > UINT64_MAX / 200)
		return -EINVAL;
	*ret = (quota * 200 / PERIOD_US + 1) / 2;
	return 0;
}

static int burst_enc(uint64_t value, char *dst, size_t size)
{
	uint64_t usec = 0;

	if (value && value != CG_NONE && quota_of(value, &usec) < 0)
		return -ERANGE;
	return put_number(dst, size, usec);
}

static int burst_dec(const char *text, uint64_t *ret)
{
	uint64_t usec;

	if (whole_number(text, &usec) < 0 || usec > UINT64_MAX / 200)
		return -EINVAL;
	*ret = (usec * 200 / PERIOD_US + 1) / 2;
	return 0;
}

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

/* Scale cpuunits to a file whose default is `def`; no weight at all means the default. */
static int units_enc(uint64_t units, uint64_t def, uint64_t *ret)
{
	if (units == CG_NONE)
		units = UNITS_DEFAULT;
	if (units < UNITS_MIN || units > UNITS_MAX)
		return -ERANGE;
	*ret = (units * def * 2 / UNITS_DEFAULT + 1) / 2;
	return 0;
}

static int units_dec(const char *text, uint64_t def, uint64_t *ret)
{
	uint64_t v;

	if (whole_number(text, &v) < 0 || v > UINT32_MAX)
		return -EINVAL;
	*ret = clamp((v * UNITS_DEFAULT * 2 / def + 1) / 2, UNITS_MIN, UNITS_MAX);
	return 0;
}

static int weight_enc(uint64_t value, char *dst, size_t size)
{
	uint64_t w;

	if (units_enc(value, 100, &w) < 0)
		return -ERANGE;
	return put_number(dst, size, clamp(w, 1, 10000));
}

static int weight_dec(const char *text, uint64_t *ret)
{
	return units_dec(text, 100, ret);
}

static int shares_enc(uint64_t value, char *dst, size_t size)
{
	uint64_t w;

	if (units_enc(value, 1024, &w) < 0)
		return -ERANGE;
	return put_number(dst, size, clamp(w, 2, 262144));
}

static int shares_dec(const char *text, uint64_t *ret)
{
	return units_dec(text, 1024, ret);
}

/*
 * A step of priority is a fifth of the default weight, as a step was a fifth of the default
 * time slice in the CFQ scheduler, for which these eight levels were made.
 */
static int prio_enc(uint64_t prio, uint64_t *ret)
{
	if (prio == CG_NONE)
		prio = PRIO_DEFAULT;
	if (prio > PRIO_MAX)
		return -ERANGE;
	*ret = 20 * (prio + 1);
	return 0;
}

static uint64_t prio_dec(uint64_t weight)
{
	return clamp((clamp(weight, 20, 10000) + 10) / 20 - 1, 0, PRIO_MAX);
}

static int io_weight_enc(uint64_t value, char *dst, size_t size)
{
	uint64_t w;

	if (prio_enc(value, &w) < 0)
		return -ERANGE;
	return str_fmt(dst, size, "default %" PRIu64, w) < 0 ? -ERANGE : 0;
}

static int io_weight_dec(const char *text, uint64_t *ret)
{
	uint64_t w;

	/* lines for single devices may follow */
	if (!str_starts(text, "default ") || cg_number(text + strlen("default "), &w) < 0)
		return -EINVAL;
	*ret = prio_dec(w);
	return 0;
}

static int bfq_weight_enc(uint64_t value, char *dst, size_t size)
{
	uint64_t w;

	return prio_enc(value, &w) < 0 ? -ERANGE : put_number(dst, size, w);
}

static int bfq_weight_dec(const char *text, uint64_t *ret)
{
	uint64_t w;

	if (whole_number(text, &w) < 0)
		return -EINVAL;
	*ret = prio_dec(w);
	return 0;
}

const struct cg_codec cg_codec_max = { max_enc, max_dec };
const struct cg_codec cg_codec_v1_bytes = { v1_bytes_enc, v1_bytes_dec };
const struct cg_codec cg_codec_v1_count = { max_enc, max_dec };
const struct cg_codec cg_codec_burst = { burst_enc, burst_dec };
const struct cg_codec cg_codec_cpu_max = { cpu_max_enc, cpu_max_dec };
const struct cg_codec cg_codec_cfs_quota = { cfs_quota_enc, cfs_quota_dec };
const struct cg_codec cg_codec_weight = { weight_enc, weight_dec };
const struct cg_codec cg_codec_shares = { shares_enc, shares_dec };
const struct cg_codec cg_codec_io_weight = { io_weight_enc, io_weight_dec };
const struct cg_codec cg_codec_bfq_weight = { bfq_weight_enc, bfq_weight_dec };
