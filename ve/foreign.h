/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configs of other tools, read into one of ours. What became of each of their keys is noted, for
 * whoever is asked whether it shall be done: it maps, it becomes something else (and why), or it
 * is lost (and why). Nothing here changes anything, and every text is a stranger's.
 */
#pragma once

#include "netns/network.h"
#include "ve/netif-entry.h"
#include "ve/params.h"

enum foreign_tool { FOREIGN_NONE, FOREIGN_OPENVZ, FOREIGN_PCT, FOREIGN_LXC, FOREIGN_INCUS,
		    _FOREIGN_MAX };

enum foreign_fate { FATE_MAPS, FATE_CHANGES, FATE_LOST, _FATE_MAX };

struct foreign_note {
	enum foreign_fate fate;
	char key[64], was[128];         /* as the other tool has it, cut where it is longer */
	char now[160];                  /* "option value", "" when it is lost */
	char why[200];                  /* "" when it maps */
};
#define FOREIGN_NOTES_MAX 600

/* A link as others have it, before it is known what this host can make of it. */
struct foreign_link {
	char key[24];                   /* net0 */
	struct netif netif;             /* name, bridge, MAC, addresses, gateways; nothing else */
};

struct foreign {
	struct ve_conf conf;            /* what maps, by its set bits */
	struct foreign_note *note;
	size_t n_notes;
	struct foreign_link link[NET_MAX_LINKS];
	unsigned n_links;
	uint64_t privvm;                /* OpenVZ: PRIVVMPAGES in bytes, 0: not limited */
	bool has_root;                  /* the archive holds what was mounted below its root, too */
	bool other_net;                 /* --network: bridges of the source do not count */
};

const char *foreign_word(enum foreign_tool t);
enum foreign_tool foreign_by_word(const char *word);
/* By its content; FOREIGN_NONE when it is nobody's. */
enum foreign_tool foreign_guess(const char *text);

/*
 * Read a config. For Incus, text is what look_yaml makes of its YAML. f->conf and f->note are
 * filled; foreign_free frees also on failure.
 */
MUST_CHECK int foreign_read(enum foreign_tool t, const char *text, size_t len, struct foreign *f,
			    struct err *e);
void foreign_free(struct foreign *f);

/* ---- for the readers ---- */

struct foreign_row {
	const char *from;               /* key; a '*' at its end stands for anything */
	const char *to;                 /* key of our parameter table; NULL: lost, or fn's business */
	int (*fn)(struct foreign *f, const struct foreign_row *row, const char *key,
		  const char *value, struct err *e);
	const char *why;                /* it is lost, or not quite the same */
};

/* The row for a key; NULL when there is none. */
const struct foreign_row *foreign_find(const struct foreign_row *rows, size_t n, const char *key);
/* What the row says is done. Without a row it is lost. */
MUST_CHECK int foreign_take(struct foreign *f, const struct foreign_row *row, const char *key,
			    const char *value, struct err *e);
/* Set our row `to` to text (as on a command line); what does not go is noted as lost. */
MUST_CHECK int foreign_set(struct foreign *f, const struct foreign_row *row, const char *key,
			   const char *value, const char *text, struct err *e);
MUST_CHECK int foreign_note(struct foreign *f, enum foreign_fate fate, const char *key,
			    const char *was, const char *now, const char *why, struct err *e);
/* The line of text that `at` points into is none of its tool's. */
MUST_CHECK int foreign_bad_line(const char *text, const char *at, const char *want, struct err *e);
/* A fn for keys of which there are many and none counts: the row is lost, and told once. */
MUST_CHECK int foreign_once(struct foreign *f, const struct foreign_row *row, const char *key,
			    const char *value, struct err *e);
/* The link of that key, made when it is new; NULL where there are too many. */
struct foreign_link *foreign_link(struct foreign *f, const char *key);
/* Its ifname, bridge, mac, gw or gw6; what is none is noted as lost under key. */
MUST_CHECK int foreign_link_set(struct foreign *f, struct foreign_link *l, const char *sub,
				const char *key, const char *value, struct err *e);
/* Addresses, likewise, with blanks between them. */
MUST_CHECK int foreign_link_ips(struct foreign *f, struct foreign_link *l, const char *key,
				const char *value, struct err *e);
/* What became of the links, once all are known. */
MUST_CHECK int foreign_links(struct foreign *f, struct err *e);

int foreign_openvz(struct foreign *f, const char *text, size_t len, struct err *e);
int foreign_pct(struct foreign *f, const char *text, size_t len, struct err *e);
int foreign_lxc(struct foreign *f, const char *text, size_t len, struct err *e);
int foreign_incus(struct foreign *f, const char *text, size_t len, struct err *e);
