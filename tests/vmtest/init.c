/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of the test machine. It comes in an initramfs with the modules that the
 * root filesystem needs, in order:
 *
 *   modules   loaded from /modules/NN-name.ko, in the order of their names
 *   root      the host's own / over virtiofs, read-only, below an overlay in memory
 *   switch    that becomes /; the initramfs stays empty and forgotten
 *   script    the argument `vmtest_script` of the kernel's command line, by bash
 *   end       the script's exit status becomes QEMU's, through the isa-debug-exit device
 *
 * With `vmtest_takes_over=1` the script becomes process 1 instead, and then systemd; whoever
 * ends such a machine calls this program with `--exit STATUS`.
 *
 * Static, and runs in nothing but this machine: a failure is a line on the console and a
 * panic, which `run` reports.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_PORT 0xf4 /* iobase of isa-debug-exit; QEMU ends with 2 * value + 1 */
#define CONSOLE "/dev/ttyS0"

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "vmtest: %s: %s\n", what, strerror(errno));
	sync();
	_exit(1);
}

static void need_mount(const char *source, const char *target, const char *type,
		       unsigned long flags, const char *data)
{
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		die(target);
	if (mount(source, target, type, flags, data) < 0)
		die(target);
}

static void open_console(void)
{
	int fd = open(CONSOLE, O_RDWR | O_NOCTTY);

	if (fd < 0)
		die(CONSOLE);
	for (int i = 0; i < 3; i++)
		(void)dup2(fd, i);
	if (fd > 2)
		close(fd);
}

/* One that is built in, or for hardware that is not there, says so and is no loss by itself. */
static void load_modules(void)
{
	struct dirent **list;
	int n = scandir("/modules", &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[300];
		int fd;

		if (list[i]->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/modules/%s", list[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			fprintf(stderr, "vmtest: %s: %s\n", path, strerror(errno));
		close(fd);
	}
}

static void switch_root(void)
{
	static const char *const keep[] = { "dev", "proc", "sys" };

	need_mount("host", "/lower", "virtiofs", MS_RDONLY, NULL);
	need_mount("tmpfs", "/upper", "tmpfs", 0, "mode=0755,size=75%");
	if (mkdir("/upper/up", 0755) < 0 || mkdir("/upper/work", 0755) < 0)
		die("/upper");
	need_mount("root", "/new", "overlay", 0,
		   "lowerdir=/lower,upperdir=/upper/up,workdir=/upper/work");
	for (unsigned i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
		char from[16], to[16];

		(void)snprintf(from, sizeof(from), "/%s", keep[i]);
		(void)snprintf(to, sizeof(to), "/new/%s", keep[i]);
		if (mount(from, to, NULL, MS_MOVE, NULL) < 0)
			die(to);
	}
	if (chdir("/new") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		die("switch root");
	need_mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
}

static _Noreturn void end(int status)
{
	sync();
	if (iopl(3) < 0)
		die("iopl");
	__asm__ volatile("outl %0, %w1" : : "a"(status), "Nd"(EXIT_PORT));
	die("isa-debug-exit");
}

static _Noreturn void exec_script(const char *script)
{
	(void)execl("/bin/bash", "bash", script, (char *)NULL);
	die(script);
}

static int run_script(const char *script)
{
	pid_t pid = fork(), got;
	int status = 0;

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		(void)setsid();
		exec_script(script);
	}
	while ((got = wait(&status)) != pid)
		if (got < 0 && errno != EINTR)
			die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	const char *script = getenv("vmtest_script");

	if (argc == 3 && strcmp(argv[1], "--exit") == 0)
		end(atoi(argv[2]));
	if (getpid() != 1) {
		fprintf(stderr, "vmtest: this is the first process of a machine\n");
		return 1;
	}
	need_mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
	need_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	need_mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	open_console();
	load_modules();
	switch_root();
	if (!script)
		die("no vmtest_script");
	if (getenv("vmtest_takes_over"))
		exec_script(script);
	end(run_script(script));
}
