/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fleet: VEs as a JSON file says they are to be.
 *
 *   { "ves": [ { "id": 101, "state": "running", "ostemplate": "mini", "name": "web",
 *                "ram": "256M", "ip": ["10.0.0.5"] }, { "id": 105, "state": "absent" } ] }
 *
 * Members besides id and state are the names that list -j and status -j print; values are as on
 * the command line, numbers of sizes are bytes as in what is printed. state is running, stopped
 * or absent; without it a VE is left as it is, and made stopped. VEs that the file does not name
 * are left alone.
 */
#pragma once

#include "ve/ve.h"

enum fleet_state { FLEET_ANY, FLEET_RUNNING, FLEET_STOPPED, FLEET_ABSENT };

struct fleet_item {
	uint32_t id;
	enum fleet_state state;
	struct ve_change want;          /* what the file says */
	/* what is to be done */
	bool create, set, start, stop, destroy;
};

struct fleet {
	struct fleet_item *item;
	size_t n;
};

MUST_CHECK int fleet_parse(const char *text, size_t len, const char *name, struct fleet *ret,
			   struct err *e);
void fleet_done(struct fleet *f);

/*
 * Compare an item with what is. rep tells what set would do; -EOPNOTSUPP when something of it is
 * impossible.
 */
MUST_CHECK int fleet_plan(struct inst *in, struct fleet_item *it, struct set_report *rep,
			  struct err *e);
MUST_CHECK int fleet_apply(struct inst *in, const struct fleet_item *it, struct err *e);
