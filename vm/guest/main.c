/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "vm/guest/guest.h"

/* systemd leaves a process alone at shutdown whose name begins so (file-hierarchy(7) knows it as
 * the mark of storage daemons); it must be able to say how far a shutdown is. */
#define NAME "@berth-agent"

static void rename_to(char **argv, const char *name)
{
	size_t room = strlen(argv[0]);

	(void)prctl(PR_SET_NAME, name + 1);
	if (room)
		(void)snprintf(argv[0], room + 1, "%s", name);
}

static _Noreturn void off(const char *why)
{
	fprintf(stderr, "berth-agent: %s: %s\n", why, strerror(errno));
	sync();
	(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause();
}

static _Noreturn void run_init(void)
{
	static char name[] = "/sbin/init";
	static char *argv[] = { name, NULL };
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char term[] = "TERM=linux", home[] = "HOME=/";
	static char *env[] = { path, term, home, NULL };

	(void)execve(name, argv, env);
	off("execute /sbin/init of the VE");
}

int main(int argc, char **argv)
{
	struct boot b = { .disk = -1 };
	int go[2];
	char byte;
	pid_t pid;

	(void)argc;
	if (getpid() != 1) {
		fprintf(stderr, "berth-agent: the first process of a virtual machine\n");
		return 1;
	}
	boot_root(&b);          /* its files 0, 1 and 2 are the console: the kernel opened it */
	if (b.err.eno)
		fprintf(stderr, "berth-agent: %s\n", b.err.msg);
	if (pipe2(go, O_CLOEXEC) < 0)
		off("make a pipe");
	pid = fork();
	if (pid < 0)
		off("fork the agent");
	if (pid == 0) {
		(void)close(go[0]);
		(void)setsid();
		rename_to(argv, NAME);
		serve(&b, go[1]);
	}
	(void)close(go[1]);
	if (b.disk >= 0)
		(void)close(b.disk);
	if (read(go[0], &byte, 1) != 1)
		off("wait for the host");
	run_init();
}
