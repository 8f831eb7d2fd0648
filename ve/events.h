/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened to the VEs of an instance: ROOT/var/log/berth/events.jsonl, one JSON object a
 * line: {"time":MICROSECONDS,"veid":N,"event":WORD,...}. Verbs append to it; the keeper of a
 * running VE writes run/ID/events.jsonl, which is taken over when the VE ends. Lines come in one
 * write(2) with O_APPEND, so they never mix. The file keeps its newest EVENTS_KEPT bytes at least.
 *
 * An event is a report, never a condition: a line that cannot be written is lost.
 */
#pragma once

#include "ve/inst.h"

#define EVENTS_KEPT (4 << 20)

/* Append an event of a VE: created, started, paused, unpaused, stopped, ... */
void events_add(const struct inst *in, uint32_t id, const char *event);

/* The same with a text of any bytes beside it. */
void events_add_text(const struct inst *in, uint32_t id, const char *event, const char *key,
		     const char *text);

/* Likewise, with an exit code. */
void events_add_status(const struct inst *in, uint32_t id, const char *event, int status);

/* Take over what the VE's keeper has written. Before its run directory goes. */
void events_keep(const struct inst *in, uint32_t id);

/* The directory of the logs, made when it is not there. */
MUST_CHECK int events_dir(const struct inst *in, int *ret, struct err *e);
