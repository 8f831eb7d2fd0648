/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the program that runs inside a VE. */
#pragma once

/* The name of errno, or "ok" when r is not negative. */
const char *outcome(long r);
/* Decimal with an optional K, M or G. */
unsigned long long number(const char *s);

/* ---- probe-limit.c: take as much of something as there is, say how much, hold it a while ---- */
int do_openfiles(char **argv);
int do_hugepages(char **argv);
int do_memlock(char **argv);
int do_ptys(char **argv);
int do_signals(char **argv);
int do_inotify(char **argv);
int do_database(char **argv);
int do_project(char **argv);

/* ---- probe-net.c ---- */
int do_net_send(char **argv);
int do_net_capture(char **argv);
int do_net_recv(char **argv);
