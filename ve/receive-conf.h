/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The config of a VE that another host has sent. */
#pragma once

#include "ve/receive.h"

/*
 * Take out what of this host only its administrator gives away: a pool, a link of the host, the
 * name of a link on it. What goes, and which filters are off, is told by o->tell.
 */
MUST_CHECK int receive_conf(struct ve_conf *c, const struct receive_opts *o, struct err *e);
