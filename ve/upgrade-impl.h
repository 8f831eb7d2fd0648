/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between upgrade.c, the verbs, and upgrade-phases.c, the machine they set going. */
#pragma once

#include "ve/upgrade.h"
#include "ve/ve.h"

struct upgrade {
	struct inst *in;
	uint32_t id;
	struct upgrade_state s;
};

/* The phase is on the disk when this returns. */
MUST_CHECK int upgrade_enter(struct upgrade *u, enum upgrade_phase p, struct err *e);

/* From the phase it is in until it is kept or nothing; the lock of upgrades is held. */
MUST_CHECK int upgrade_run(struct upgrade *u, struct err *e);

/* The state of a VE that is not merely mounted, which is refused. */
MUST_CHECK int upgrade_look(struct upgrade *u, struct ve_state *ret, struct err *e);
