/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of the probe that have a file of their own. */
#pragma once

int do_net_send(char **argv);
int do_net_capture(char **argv);
int do_net_recv(char **argv);
