/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a link looks like in each form of network file. Every function adds one link to a text;
 * addresses and routes are there already, set by netlink before init runs, so each form says
 * what must be and none fails over what is.
 */
#pragma once

#include "netns/guestfile.h"

/* interfaces(5): method manual, and lines that cannot fail, so networking.service succeeds. */
void syntax_ifupdown(struct text *t, const struct guest_link *l, bool first);
/* netplan(5), version 2; below `ethernets:`. cloud-init's network-config is the same. */
void syntax_netplan(struct text *t, const struct guest_link *l, bool first);
/* systemd.network(5) */
void syntax_networkd(struct text *t, const struct guest_link *l, bool first);
/* nm-settings-keyfile(5) */
void syntax_keyfile(struct text *t, const struct guest_link *l, bool first);
