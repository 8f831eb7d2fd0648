/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types of parameters. parse gets the text of an option or of a file and writes the value;
 * format writes what parse would read back to the same value.
 */
#include "ve/ptypes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgroups/cg-oom-policy.h"
#include "netns/guestconf.h"
#include "util/str.h"

static int ncpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (int)n : 1;
}

/* ---- text ---- */

static int text_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	*ret_want = "one line of text without control characters";
	/* A file may be older than UTF-8; what its bytes say is made harmless where it is shown. */
	if (from_file ? str_has_c0(text) : str_has_control(text))
		return -EINVAL;
	*ret_want = "a shorter text";
	return str_fmt(val, p->type->size ? p->type->size : p->max, "%s", text) < 0 ? -ERANGE : 0;
}

static int text_format(const struct param *p, const void *val, bool for_file, char *dst,
		       size_t size)
{
	(void)p;
	(void)for_file;
	return str_fmt(dst, size, "%s", (const char *)val) < 0 ? -ENAMETOOLONG : 0;
}

static int word_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	*ret_want = "letters, digits and . _ - only";
	if (*text && (!str_is_word(text, "._-") || *text == '-' || *text == '.'))
		return -EINVAL;
	return text_parse(p, text, from_file, val, ret_want);
}

static int domains_parse(const struct param *p, const char *text, bool from_file, void *val,
			 const char **ret_want)
{
	char word[256];
	const char *s = text;
	int r;

	*ret_want = "domain names";
	while ((r = str_word(&s, word, sizeof(word))) != 0)
		if (r < 0 || !str_is_word(word, "-._") || *word == '-')
			return -EINVAL;
	return text_parse(p, text, from_file, val, ret_want);
}

static int hostname_parse(const struct param *p, const char *text, bool from_file, void *val,
			  const char **ret_want)
{
	*ret_want = "a host name of letters, digits, dots and hyphens, at most 64";
	if (!guest_hostname_ok(text))
		return -EINVAL;
	return text_parse(p, text, from_file, val, ret_want);
}

static int addrs_parse(const struct param *p, const char *text, bool from_file, void *val,
		       const char **ret_want)
{
	char word[64];
	const char *s = text;
	struct ipaddr a;
	int r;

	*ret_want = "addresses without a prefix, or inherit";
	if (!str_eq(text, "inherit"))
		while ((r = str_word(&s, word, sizeof(word))) != 0)
			if (r < 0 || strchr(word, '/') || parse_ip(word, &a) < 0)
				return -EINVAL;
	return text_parse(p, text, from_file, val, ret_want);
}

static int cpulist_parse(const struct param *p, const char *text, bool from_file, void *val,
			 const char **ret_want)
{
	uint64_t bits[16];

	*ret_want = "a list such as 0-3,7, or all";
	if (parse_cpulist(text, (unsigned)ncpus(), bits) < 0)
		return -EINVAL;
	return text_parse(p, text, from_file, val, ret_want);
}

static int choice(const char *text, const char *const *words, void *val, size_t size)
{
	for (; *words; words++)
		if (str_eq(text, *words))
			return str_fmt(val, size, "%s", text) < 0 ? -ERANGE : 0;
	return -EINVAL;
}

static int kind_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	static const char *const words[] = { "ct", "vm", NULL };

	(void)p;
	(void)from_file;
	*ret_want = "ct or vm";
	return choice(text, words, val, ptype_kind.size);
}

static int boot_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	static const char *const words[] = { "kernel", "disk", NULL };

	(void)p;
	(void)from_file;
	*ret_want = "kernel or disk";
	return choice(text, words, val, ptype_boot.size);
}

static int machine_parse(const struct param *p, const char *text, bool from_file, void *val,
			 const char **ret_want)
{
	static const char *const words[] = { "auto", "microvm", "q35", "pc", NULL };

	(void)p;
	(void)from_file;
	*ret_want = "auto, microvm, q35 or pc";
	return choice(text, words, val, ptype_machine.size);
}

static int cache_parse(const struct param *p, const char *text, bool from_file, void *val,
			const char **ret_want)
{
	static const char *const words[] = { "shared", "private", NULL };

	(void)p;
	(void)from_file;
	*ret_want = "shared or private";
	return choice(text, words, val, ptype_cache.size);
}

static int onexit_parse(const struct param *p, const char *text, bool from_file, void *val,
			const char **ret_want)
{
	static const char *const words[] = { "stop", "restart", NULL };

	(void)p;
	(void)from_file;
	*ret_want = "stop or restart";
	return choice(text, words, val, ptype_onexit.size);
}

static int expire_parse(const struct param *p, const char *text, bool from_file, void *val,
			const char **ret_want)
{
	static const char *const words[] = { "warn", "stop", "archive", NULL };

	(void)p;
	(void)from_file;
	*ret_want = "warn, stop or archive";
	return choice(text, words, val, ptype_expire.size);
}

/* Ten characters in the order of size, so that dates compare as text. */
static int date_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	struct tm tm = { 0 }, day;
	const char *end;
	time_t t;

	(void)p;
	(void)from_file;
	*ret_want = "a date such as 2027-01-31, or never";
	if (!*text || str_eq(text, "never"))
		return str_fmt(val, ptype_date.size, "%s", "");
	end = strlen(text) == 10 ? strptime(text, "%Y-%m-%d", &tm) : NULL;
	if (!end || *end)
		return -EINVAL;
	day = tm;
	t = timegm(&day);
	/* 2027-02-30 comes back as another day. */
	if (t == -1 || day.tm_mday != tm.tm_mday || day.tm_mon != tm.tm_mon)
		return -EINVAL;
	return str_fmt(val, ptype_date.size, "%s", text) < 0 ? -ERANGE : 0;
}

const struct ptype ptype_date = { "date", 11, false, true, date_parse, text_format };
const struct ptype ptype_expire = { "warn|stop|archive", 16, false, true, expire_parse, text_format };

static int pool_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	if (str_eq(text, "none"))
		text = "";
	*ret_want = "the name of a pool, or none";
	if (*text && !(*text >= 'A' && *text <= 'z'))
		return -EINVAL;
	return word_parse(p, text, from_file, val, ret_want);
}

static int oom_parse(const struct param *p, const char *text, bool from_file, void *val,
		     const char **ret_want)
{
	static const char *const words[] = { CG_OOM_KILL_LARGEST, CG_OOM_KILL_VE, CG_OOM_FREEZE,
					     NULL };

	(void)p;
	(void)from_file;
	*ret_want = "kill-largest, kill-ve or freeze";
	return choice(text, words, val, ptype_oom.size);
}

const struct ptype ptype_text = { "text", 0, false, true, text_parse, text_format };
const struct ptype ptype_word = { "word", 0, false, true, word_parse, text_format };
const struct ptype ptype_pool = { "pool", 0, false, true, pool_parse, text_format };
const struct ptype ptype_hostname = { "hostname", 65, false, true, hostname_parse, text_format };
const struct ptype ptype_addrs = { "addresses", 0, false, true, addrs_parse, text_format };
const struct ptype ptype_domains = { "domains", 0, false, true, domains_parse, text_format };
const struct ptype ptype_cpulist = { "cpulist", 256, false, true, cpulist_parse, text_format };
const struct ptype ptype_kind = { "ct|vm", 8, false, true, kind_parse, text_format };
const struct ptype ptype_boot = { "kernel|disk", 8, false, true, boot_parse, text_format };
const struct ptype ptype_machine = { "auto|microvm|q35|pc", 8, false, true, machine_parse, text_format };
const struct ptype ptype_oom = { "kill-largest|kill-ve|freeze", 16, false, true, oom_parse, text_format };
const struct ptype ptype_cache = { "shared|private", 8, false, true, cache_parse, text_format };
const struct ptype ptype_onexit = { "stop|restart", 16, false, true, onexit_parse, text_format };

/* ---- numbers ---- */

static int number_parse(const struct param *p, const char *text, bool from_file, void *val,
			const char **ret_want)
{
	(void)from_file;
	*ret_want = "a whole number";
	if (str_eq(text, "unlimited") && p->max == U64_UNLIMITED) {
		*(uint64_t *)val = U64_UNLIMITED;
		return 0;
	}
	return parse_u64(text, p->min, p->max, val);
}

static int number_format(const struct param *p, const void *val, bool for_file, char *dst,
			 size_t size)
{
	uint64_t v = *(const uint64_t *)val;

	(void)for_file;
	if (v == U64_UNLIMITED && p->max == U64_UNLIMITED)
		return str_fmt(dst, size, "unlimited") < 0 ? -ENAMETOOLONG : 0;
	return str_fmt(dst, size, "%" PRIu64, v) < 0 ? -ENAMETOOLONG : 0;
}

static int bool_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	(void)p;
	(void)from_file;
	*ret_want = "yes or no";
	return parse_bool(text, val);
}

static int bool_format(const struct param *p, const void *val, bool for_file, char *dst,
		       size_t size)
{
	(void)p;
	(void)for_file;
	return str_fmt(dst, size, "%s", *(const bool *)val ? "yes" : "no") < 0 ? -ENAMETOOLONG : 0;
}

/* The plain N is percent of one CPU; N% is percent of the whole node (vzctl's legacy line). */
static int cpulimit_parse(const struct param *p, const char *text, bool from_file, void *val,
			  const char **ret_want)
{
	char digits[24];
	uint64_t pc;

	*ret_want = "percent of one CPU, or N% of the node";
	if (!str_ends(text, "%"))
		return number_parse(p, text, from_file, val, ret_want);
	if (str_fmt(digits, sizeof(digits), "%.*s", (int)strlen(text) - 1, text) < 0 ||
	    parse_u64(digits, 1, 100, &pc) < 0)
		return -EINVAL;
	*(uint64_t *)val = pc * (uint64_t)ncpus();
	return 0;
}

static int iops_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	return number_parse(p, str_eq(text, "unlimited") ? "0" : text, from_file, val, ret_want);
}

const struct ptype ptype_iops = { "number", 8, true, false, iops_parse, number_format };
const struct ptype ptype_number = { "number", 8, true, false, number_parse, number_format };
const struct ptype ptype_bool = { "yes|no", sizeof(bool), false, false, bool_parse, bool_format };
const struct ptype ptype_cpulimit = { "percent", 8, true, false, cpulimit_parse, number_format };

/* ---- sizes ---- */

static uint64_t unit_of(const struct param *p, bool file)
{
	uint64_t unit = file && p->file_unit ? p->file_unit : p->unit;

	return unit ? unit : 1;
}

static int in_range(const struct param *p, uint64_t v)
{
	return v < p->min || (v > p->max && v != U64_UNLIMITED) ? -ERANGE : 0;
}

static int size_parse(const struct param *p, const char *text, bool from_file, void *val,
		      const char **ret_want)
{
	uint64_t v;
	int r = parse_size(text, unit_of(p, from_file), false, &v);

	*ret_want = "a size such as 512M or 4G";
	if (r < 0)
		return r;
	if (in_range(p, v) < 0)
		return -ERANGE;
	*(uint64_t *)val = v;
	return 0;
}

static int size_format(const struct param *p, const void *val, bool for_file, char *dst,
		       size_t size)
{
	uint64_t v = *(const uint64_t *)val;

	if (v == U64_UNLIMITED)
		return str_fmt(dst, size, "unlimited") < 0 ? -ENAMETOOLONG : 0;
	return str_fmt(dst, size, "%" PRIu64, v / unit_of(p, for_file)) < 0 ? -ENAMETOOLONG : 0;
}

/* "barrier:limit" or one value for both; the limit counts. p means pages here. */
static int pair_parse(const struct param *p, const char *text, bool from_file, uint64_t *ret)
{
	const char *colon = strchr(text, ':');
	char left[32];
	uint64_t barrier, limit;
	int r;

	if (colon) {
		if (str_fmt(left, sizeof(left), "%.*s", (int)(colon - text), text) < 0)
			return -EINVAL;
		r = parse_size(left, unit_of(p, from_file), true, &barrier);
		if (r < 0)
			return r;
		text = colon + 1;
	}
	r = parse_size(text, unit_of(p, from_file), true, &limit);
	if (r < 0)
		return r;
	if (in_range(p, limit) < 0)
		return -ERANGE;
	*ret = limit;
	return 0;
}

static int ubc_size_parse(const struct param *p, const char *text, bool from_file, void *val,
			  const char **ret_want)
{
	*ret_want = "a size such as 512M";
	return pair_parse(p, text, from_file, val);
}

static int ubc_size_format(const struct param *p, const void *val, bool for_file, char *dst,
			   size_t size)
{
	uint64_t v = *(const uint64_t *)val;

	if (!for_file)
		return size_format(p, val, false, dst, size);
	if (v == U64_UNLIMITED)
		return str_fmt(dst, size, "0:unlimited") < 0 ? -ENAMETOOLONG : 0;
	return str_fmt(dst, size, "0:%" PRIu64, v / unit_of(p, true)) < 0 ? -ENAMETOOLONG : 0;
}

static int ubc_count_parse(const struct param *p, const char *text, bool from_file, void *val,
			   const char **ret_want)
{
	*ret_want = "a count, or barrier:limit";
	return pair_parse(p, text, from_file, val);
}

static int pair_format(const struct param *p, const void *val, bool for_file, char *dst,
		       size_t size)
{
	char one[32];
	int r = size_format(p, val, for_file, one, sizeof(one));

	if (r < 0 || !for_file)
		return r < 0 ? r : str_fmt(dst, size, "%s", one) < 0 ? -ENAMETOOLONG : 0;
	return str_fmt(dst, size, "%s:%s", one, one) < 0 ? -ENAMETOOLONG : 0;
}

static int ubc_text_parse(const struct param *p, const char *text, bool from_file, void *val,
			  const char **ret_want)
{
	uint64_t ignored;
	struct param any = *p;

	any.min = 0;
	any.max = U64_UNLIMITED;
	any.unit = any.file_unit = 1;
	*ret_want = "a number, or barrier:limit";
	if (pair_parse(&any, text, from_file, &ignored) < 0)
		return -EINVAL;
	return str_fmt(val, p->type->size, "%s", text) < 0 ? -ERANGE : 0;
}

const struct ptype ptype_size = { "size", 8, true, false, size_parse, size_format };
const struct ptype ptype_ubc_size = { "size", 8, true, false, ubc_size_parse, ubc_size_format };
const struct ptype ptype_ubc_count = { "count", 8, true, false, ubc_count_parse, pair_format };
const struct ptype ptype_disk = { "size", 8, true, false, ubc_size_parse, pair_format };
const struct ptype ptype_ubc_text = { "b:l", 48, false, true, ubc_text_parse, text_format };

/* ---- addresses of the VE ---- */

bool ip_list_has(const struct ip_list *l, const struct ipaddr *a)
{
	for (unsigned i = 0; i < l->n; i++)
		if (ip_same_host(&l->a[i], a))
			return true;
	return false;
}

/* An address of one machine: not "any", loopback, multicast, broadcast or link-local. */
static bool is_unicast(const struct ipaddr *a)
{
	uint32_t v4 = ntohl(a->v4.s_addr);

	if (a->family == AF_INET)
		return v4 >> 24 != 0 && v4 >> 24 != 127 && v4 >> 28 < 14 && v4 >> 16 != 0xa9fe;
	return !IN6_IS_ADDR_UNSPECIFIED(&a->v6) && !IN6_IS_ADDR_LOOPBACK(&a->v6) &&
	       !IN6_IS_ADDR_MULTICAST(&a->v6) && !IN6_IS_ADDR_LINKLOCAL(&a->v6) &&
	       !IN6_IS_ADDR_V4MAPPED(&a->v6);
}

static int ips_parse(const struct param *p, const char *text, bool from_file, void *val,
		     const char **ret_want)
{
	struct ip_list list = { 0 };
	struct ip_list *out = val;
	char word[64];
	int r;

	(void)p;
	if (!from_file)         /* options add up: --ipadd A --ipadd B */
		list = *out;
	*ret_want = from_file ? "IPv4 or IPv6 addresses of one machine"
			      : "IPv4 or IPv6 addresses of one machine, or auto";
	while ((r = str_word(&text, word, sizeof(word))) != 0) {
		struct ipaddr a = { .family = 0, .v4.s_addr = list.n + 1 };
		unsigned i;

		if (r < 0 || ((from_file || !str_eq(word, "auto")) &&
			      (parse_ip(word, &a) < 0 || !is_unicast(&a))))
			return -EINVAL;
		for (i = 0; i < list.n && !ip_same_host(&list.a[i], &a); i++)
			;
		if (i == VE_MAX_IPS) {
			*ret_want = "at most 64 addresses";
			return -ERANGE;
		}
		list.a[i] = a;                  /* the same address again replaces its prefix */
		if (i == list.n)
			list.n++;
	}
	*out = list;
	return 0;
}

static int ips_format(const struct param *p, const void *val, bool for_file, char *dst, size_t size)
{
	const struct ip_list *list = val;
	size_t n = 0;

	(void)p;
	(void)for_file;
	dst[0] = '\0';
	for (unsigned i = 0; i < list->n; i++) {
		char one[IPADDR_STRLEN];
		int r;

		format_ip(&list->a[i], one);
		r = str_fmt(dst + n, size - n, "%s%s", n ? " " : "", one);
		if (r < 0)
			return r;
		n += (size_t)r;
	}
	return 0;
}

const struct ptype ptype_ips = { "addresses", sizeof(struct ip_list), false, true, ips_parse,
				 ips_format };
