/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * THE parameter table. One row is one parameter of a VE: its key in ID.conf, its option, its
 * JSON name, type, range, help, when it takes effect and which knob enforces it. The config
 * reader and writer, `set`, `create`, --help, completion, `list -o`, JSON and the manual page
 * come from the row. Adding a limit is adding a row, a test line and a manual line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cgroups/cg-knob.h"
#include "util/err.h"
#include "util/parse.h"

#define VE_MAX_IPS 64
#define VE_NAME_LEN 64
#define NETWORK_NAME_LEN 32
#define NETIF_LEN 2048

struct ip_list {
	unsigned n;
	struct ipaddr a[VE_MAX_IPS];
};

bool ip_list_has(const struct ip_list *l, const struct ipaddr *a);

enum { KEPT_STORED = 23 };
enum { UBC_STORED = 12 };

/* Everything a VE's config says; `set` has a bit per row of the table: "given explicitly". */
struct ve_conf {
	uint64_t set[2];

	char name[VE_NAME_LEN], description[1024], ostemplate[128], template[65];
	char origin_sample[64], kind[8], boot[8], machine[8], layout[16], hostname[65];
	char template_cache[8];
	char kernel[80], nameserver[512], searchdomain[256], cpumask[256], nodemask[256];
	char ubc[UBC_STORED][48];
	char kept[KEPT_STORED][128];
	char pool[VE_NAME_LEN];
	struct ip_list ips;
	char owner[64], expires[11], expire_action[16];
	char network[NETWORK_NAME_LEN], netif[NETIF_LEN], fence[NETWORK_NAME_LEN];
	uint64_t ram, swap, cpulimit, cpuunits, cpus, numproc;
	uint64_t ram_max, cpus_max;     /* of a virtual machine; 0: no more than it starts with */
	uint64_t cpuburst;
	/* in either direction; [0] reading, [1] writing, 0: as the one for both */
	uint64_t iolimit, iopslimit, iolimit_way[2], iopslimit_way[2];
	uint64_t netrate_in, netrate_out, netburst;
	uint64_t flow_rate, conntrack, mail_rate;
	char rate[128];
	bool ratebound;
	uint64_t traffic_limit, traffic_reset_day;
	char traffic_action[40];
	uint64_t ioprio, diskspace, diskinodes, disk_headroom;
	uint64_t max_ves, cpuguarantee, ram_guarantee;
	uint64_t stop_timeout, bootorder, local_uid, local_gid;
	uint64_t hugepages, ram_soft, numfile, lockedpages, shmpages, numpty, numsiginfo;
	uint64_t inotify_instances, inotify_watches;
	char oom_policy[16];
	bool onboot, disabled, skip_guest;
	char onexit[16];
};

enum param_flags {
	P_LIVE = 1 << 0,        /* takes effect on a running VE */
	P_RESTART = 1 << 1,     /* takes effect at the next start */
	P_CREATE = 1 << 2,      /* given at creation, fixed afterwards */
	P_CT = 1 << 3,
	P_VM = 1 << 4,
	P_STORED = 1 << 5,      /* accepted and kept for vzctl's clients, without effect */
	P_SAVE = 1 << 6,        /* meaningless without --save */
	P_HIDDEN = 1 << 7,      /* written by berth itself; no option */
	P_LIMIT = 1 << 8,       /* a function puts it in force on the control group, before init runs */
	/*
	 * Several rows make up one setting of the kernel. What is in force of this one, saved or
	 * not, is kept when another of them is set.
	 */
	P_PART = 1 << 9,
	P_STOPPED = 1 << 21,    /* can be changed while the VE does not run, only then */
	P_MOOT = 1 << 20,       /* with P_CREATE: given afterwards it is passed over, as vzctl does */
	P_POOL = 1 << 11,       /* a pool can have it; a row without P_CT and P_VM only a pool */
	P_INSIDE = 1 << 12,     /* a function puts it in force before init runs: on init, its mounts */
	P_INHERIT = 1 << 13,    /* not set: what the host's own processes have; there is nothing to obey */
	P_GUEST = 1 << 14,      /* a guest that is suspended knows it: fixed until it goes on */
	P_OWN_INIT = 1 << 15,   /* of what the host starts: no matter of a VM that boots its own disk */
	P_ALIAS_FILE = 1 << 10, /* the alias takes what the file has: pages, barrier:limit */
};

struct ptype;
struct ve;

struct param {
	const char *key, *opt, *alias;          /* alias: second spelling of the option, or NULL */
	const char *json, *arg, *help;
	const struct ptype *type;
	unsigned flags;
	size_t off;                             /* of the value in struct ve_conf */
	uint64_t min, max;                      /* of numbers */
	uint64_t unit;                          /* bytes (or ones) that a bare number counts on the command line */
	uint64_t file_unit;                     /* and in the file; 0: as unit */
	int exit;                               /* exit number when it cannot be applied */
	struct cg_knob cg;                      /* enforced by one file of a control group ... */
	/* ... or by a function: make the running VE obey ve->conf's value of this row. */
	int (*apply)(struct ve *ve, const struct param *p, struct err *e);
	/* The two for a VM that does not obey as a container does. */
	int (*apply_vm)(struct ve *ve, const struct param *p, struct err *e);
	int (*effective_vm)(struct ve *ve, const struct param *p, uint64_t *ret);
	/* The kernel's value now; NULL where the knob tells or nothing can. */
	int (*effective)(struct ve *ve, const struct param *p, uint64_t *ret);
	/* What the config asks of the kernel, where that is not the row's own value alone. */
	uint64_t (*wanted)(const struct ve *ve, const struct param *p);
	/* What of it is in use; NULL where nothing counts it. */
	int (*used)(struct ve *ve, const struct param *p, uint64_t *ret);
	const char *below;                      /* what a limit below that means; NULL: impossible */
	/* What the host has of it at most, where that is known; a higher limit is refused. */
	uint64_t (*most)(void);
	/* What the kernel would make of `to`, and why; NULL or SET_DONE: the usual. */
	int (*judge)(const struct ve *ve, const struct ve_conf *to, char *why, size_t size);
	/* With P_CREATE: a VE that can change it all the same, live. NULL: none. */
	bool (*live)(const struct ve *ve);
	/* Why this host cannot enforce it, or NULL. */
	const char *(*lacks)(struct ve *ve, const struct param *p);
};

extern const struct param params[];
extern const size_t n_params;

const struct param *param_by_key(const char *key);
const struct param *param_by_opt(const char *opt);      /* exact, alias included */
/* What errors call the row: its option, or where it has none its JSON name. */
const char *param_word(const struct param *p);
size_t param_index(const struct param *p);

/* The row is one of a VE, or of a pool. */
bool param_is_of(const struct param *p, bool pool);

bool conf_has(const struct ve_conf *c, const struct param *p);
void conf_mark(struct ve_conf *c, const struct param *p, bool on);

/*
 * Parse text as the row's value into c and mark it set. from_file selects the file's units.
 * On failure e names the option or key, the value and what would be accepted, exit VZ_BAD_VALUE.
 */
MUST_CHECK int param_parse(const struct param *p, const char *text, bool from_file,
			   struct ve_conf *c, struct err *e);
/* The value as the file (or a person) has it; "" when not set. 0 or -ENAMETOOLONG. */
int param_format(const struct param *p, const struct ve_conf *c, bool for_file, char *dst,
		 size_t size);

/* The same for people: a size has a suffix. */
int param_show(const struct param *p, const struct ve_conf *c, char *dst, size_t size);

/* Copy every row that is set in `from` over `to` (later set wins). */
void conf_merge(struct ve_conf *to, const struct ve_conf *from);
/* True when both have the row and the same value, or neither has it. */
bool param_same(const struct param *p, const struct ve_conf *a, const struct ve_conf *b);
/* Copy one row, set bit included. */
void param_copy(const struct param *p, struct ve_conf *to, const struct ve_conf *from);

/* Numeric value of a row of a numeric type; false for other types. */
bool param_number(const struct param *p, const struct ve_conf *c, uint64_t *ret);
