/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names under which OpenVZ's clients call: vzctl, vzlist and their company are links to
 * berth (make install-vzcompat). Each name is a verb of the command table; vzctl is berth with
 * vzctl's help, version and manners.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* What libvirt and others check; from 3.0.23 on libvirt leaves NETIF to the tool. */
#define VZ_VERSION "4.11.1"

/*
 * The name in argv[0] is one of ours: *ret_name is it, and *ret_verb the verb it stands for,
 * NULL for vzctl, which has its verbs on its command line.
 */
bool vz_called_as(const char *argv0, const char **ret_name, const char **ret_verb);

/* vzctl --help; clients read its first line and look for options in it. */
void vz_usage(FILE *f);
