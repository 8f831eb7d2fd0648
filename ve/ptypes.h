/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types of parameters: each owns parse and format, for the command line and the file alike. */
#pragma once

#include "ve/params.h"

struct ptype {
	const char *name;               /* for help and completion */
	size_t size;                    /* bytes of the value in struct ve_conf */
	bool number;                    /* the value is a uint64_t */
	bool quoted;                    /* a JSON string rather than a number or boolean */
	/* 0 or -Exxx; on failure *ret_want may say what would be accepted */
	int (*parse)(const struct param *p, const char *text, bool from_file, void *val,
		     const char **ret_want);
	int (*format)(const struct param *p, const void *val, bool for_file, char *dst, size_t size);
};

extern const struct ptype ptype_text;           /* one line of text */
extern const struct ptype ptype_word;           /* letters, digits and . _ - */
extern const struct ptype ptype_number;
extern const struct ptype ptype_bool;
extern const struct ptype ptype_size;           /* bytes with suffix */
extern const struct ptype ptype_ubc_size;       /* "barrier:limit" in the file, one size for people */
extern const struct ptype ptype_ubc_count;      /* "barrier:limit" of counts */
extern const struct ptype ptype_disk;           /* "soft:hard" in KiB in the file */
extern const struct ptype ptype_cpulimit;       /* percent of one CPU, or N% of the whole node */
extern const struct ptype ptype_rate;           /* bits per second */
extern const struct ptype ptype_traffic_action; /* notify, throttle:RATE or suspend */
extern const struct ptype ptype_vz_rate;        /* DEVICE:CLASS:KBIT, class 1 counts */
extern const struct ptype ptype_cpulist;
extern const struct ptype ptype_ips;
extern const struct ptype ptype_hostname;
extern const struct ptype ptype_domains;        /* names of the resolver's search list */
extern const struct ptype ptype_addrs;          /* resolver addresses, or "inherit" */
extern const struct ptype ptype_marks;          /* NAME:WORD ..., each name once; a set adds to what is */
extern const struct ptype ptype_iops;           /* a count, or unlimited: 0 */
extern const struct ptype ptype_ubc_text;       /* stored beancounter, checked for form only */
extern const struct ptype ptype_date;           /* YYYY-MM-DD, or never: empty */
extern const struct ptype ptype_expire;         /* what happens when it has expired: warn or stop */
extern const struct ptype ptype_kind;           /* ct or vm */
extern const struct ptype ptype_cache;          /* shared or private */
extern const struct ptype ptype_boot;           /* kernel or disk */
extern const struct ptype ptype_machine;        /* auto, microvm, q35 or pc */
extern const struct ptype ptype_pool;           /* its name, or none */
extern const struct ptype ptype_oom;            /* what happens when memory is used up */
extern const struct ptype ptype_onexit;         /* what to do when init dies: stop or restart */

/* Bits per second of class 1 in a value of ptype_vz_rate; 0 when it names none. */
uint64_t vz_rate_bits(const char *text);
/* Bits per second of a value of ptype_rate. 0 or -Exxx. */
int rate_bits(const char *text, uint64_t *ret);
