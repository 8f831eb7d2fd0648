/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the program that runs inside a VE. */
#pragma once

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The name of errno, or "ok" when r is not negative. */
const char *outcome(long r);
/* Decimal with an optional K, M or G. */
unsigned long long number(const char *s);

/* ---- probe-view.c ---- */
int do_id(char **argv);
int do_caps(char **argv);
int do_fds(char **argv);
int do_mounts(char **argv);
int do_env(char **argv);
int do_tty(char **argv);
int do_try_open(char **argv);
int do_sweep_proc_sys(char **argv);
int do_devices(char **argv);
int do_mknod_sweep(char **argv);

/* ---- probe-call.c ---- */
int do_syscalls(char **argv);
int do_syscall(char **argv);
int do_abi(char **argv);
int do_sockets(char **argv);
int do_userns(char **argv);
int do_keyctl(char **argv);
int do_tiocsti(char **argv);

/* ---- probe-mount.c ---- */
int do_uncover(char **argv);

/* ---- probe-load.c ---- */
int do_memhog(char **argv);
int do_cpuburn(char **argv);
int do_forkbomb(char **argv);
int do_write(char **argv);

/* ---- probe-limit.c: take as much of something as there is, say how much, hold it a while ---- */
int do_openfiles(char **argv);
int do_hugepages(char **argv);
int do_memlock(char **argv);
int do_ptys(char **argv);
int do_signals(char **argv);
int do_inotify(char **argv);
int do_cpushare(char **argv);
int do_database(char **argv);
int do_project(char **argv);

/* ---- probe-net.c ---- */
int do_net_send(char **argv);
int do_net_capture(char **argv);
int do_net_recv(char **argv);

/* ---- probe-caller.c: run a command as a caller that is confined or treated oddly would ---- */
int do_caller(char **argv);
