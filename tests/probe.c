/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A static program that runs inside a VE, as its init or as a command, and prints what it sees
 * or what it was able to do: one fact per line, words separated by blanks, errors by name
 * (EPERM). It changes nothing it need not; what it tries is refused or undone.
 *
 * Exit: 0, 1 when a call that had to work did not, 2 for bad usage.
 */
#include "tests/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- helpers ---- */

const char *outcome(long r)
{
	return r >= 0 ? "ok" : strerrorname_np(errno) ? strerrorname_np(errno) : "E?";
}

unsigned long long number(const char *s)
{
	unsigned long long n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (unsigned)(*s - '0');
	return *s == 'K' ? n << 10 : *s == 'M' ? n << 20 : *s == 'G' ? n << 30 : n;
}

/* Lines of a file that start with one of the words; all lines when there are none. */
static int print_lines(const char *path, const char *const *words, size_t n)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!f) {
		printf("%s %s\n", path, outcome(-1));
		return 1;
	}
	while (getline(&line, &size, f) > 0) {
		bool show = n == 0;

		for (size_t i = 0; i < n; i++)
			show |= strncmp(line, words[i], strlen(words[i])) == 0;
		if (show)
			(void)fputs(line, stdout);
	}
	free(line);
	(void)fclose(f);
	return 0;
}

/* ---- who am I ---- */

static int do_id(char **argv)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg, groups[64];
	int n = getgroups(LEN(groups), groups);
	struct utsname u;

	(void)argv;
	if (getresuid(&ru, &eu, &su) < 0 || getresgid(&rg, &eg, &sg) < 0 || uname(&u) < 0)
		return 1;
	printf("uid %u %u %u\ngid %u %u %u\ngroups", ru, eu, su, rg, eg, sg);
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	printf("\npid %d ppid %d sid %d pgrp %d\n", getpid(), getppid(), getsid(0), getpgrp());
	printf("hostname %s\nuid_map ", u.nodename);
	(void)print_lines("/proc/self/uid_map", NULL, 0);
	printf("gid_map ");
	return print_lines("/proc/self/gid_map", NULL, 0);
}

static int do_caps(char **argv)
{
	static const char *const words[] = { "Cap", "NoNewPrivs", "Seccomp" };

	(void)argv;
	return print_lines("/proc/self/status", words, LEN(words));
}

static int do_fds(char **argv)
{
	DIR *d = opendir("/proc/self/fd");
	char target[4096];
	struct dirent *ent;
	ssize_t n;

	(void)argv;
	if (!d)
		return 1;
	while ((ent = readdir(d))) {
		if (ent->d_name[0] == '.' || (int)number(ent->d_name) == dirfd(d))
			continue;
		n = readlinkat(dirfd(d), ent->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		printf("%s %s\n", ent->d_name, target);
	}
	(void)closedir(d);
	n = readlink("/proc/self/cwd", target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	printf("cwd %s\n", target);
	return 0;
}

static int do_mounts(char **argv)
{
	(void)argv;
	return print_lines("/proc/self/mountinfo", NULL, 0);
}

static int do_env(char **argv)
{
	(void)argv;
	for (char **p = environ; *p; p++)
		puts(*p);
	return 0;
}

static int do_tty(char **argv)
{
	struct winsize w = { 0 };
	char name[256];
	struct stat st;

	(void)argv;
	if (ttyname_r(0, name, sizeof(name)) != 0 || fstat(0, &st) < 0) {
		printf("none\n");
		return 0;
	}
	(void)ioctl(0, TIOCGWINSZ, &w);
	printf("%s uid %u gid %u mode %o rows %u cols %u\n", name, st.st_uid, st.st_gid,
	       st.st_mode & 07777, w.ws_row, w.ws_col);
	return 0;
}

/* ---- files and devices ---- */

static int open_mode(const char *mode)
{
	static const struct {
		const char *name;
		int flags;
	} modes[] = {
		{ "r", O_RDONLY },	  { "w", O_WRONLY },  { "rw", O_RDWR },
		{ "a", O_WRONLY | O_APPEND }, { "path", O_PATH }, { "c", O_WRONLY | O_CREAT },
	};

	for (size_t i = 0; i < LEN(modes); i++)
		if (strcmp(mode, modes[i].name) == 0)
			return modes[i].flags;
	return -1;
}

static int do_try_open(char **argv)
{
	int flags = open_mode(argv[1]), fd;

	if (flags < 0)
		return 2;
	fd = open(argv[0], flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	printf("%s %s %s\n", argv[0], argv[1], outcome(fd));
	return 0;
}

/* Every file that opens for writing, without writing: directories and links are not followed,
 * masks (the null device) and our own /proc/PID are left out. */
static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	int fd;

	if (type == FTW_D && ftw->level == 1 && strncmp(path, "/proc/", 6) == 0 &&
	    (path[6] >= '0' && path[6] <= '9'))
		return FTW_SKIP_SUBTREE;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return FTW_CONTINUE;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0) {
		printf("writable %s\n", path);
		(void)close(fd);
	}
	return FTW_CONTINUE;
}

static int do_sweep_proc_sys(char **argv)
{
	(void)argv;
	if (nftw("/proc", visit, 32, FTW_PHYS | FTW_ACTIONRETVAL) < 0)
		return 1;
	return nftw("/sys", visit, 32, FTW_PHYS | FTW_ACTIONRETVAL) < 0;
}

static void show_node(const char *dir, const char *name)
{
	char path[512];
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (lstat(path, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
		return;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	printf("%s %c %u:%u mode %o uid %u gid %u open %s\n", path, S_ISCHR(st.st_mode) ? 'c' : 'b',
	       major(st.st_rdev), minor(st.st_rdev), st.st_mode & 07777, st.st_uid, st.st_gid,
	       outcome(fd));
	if (fd >= 0)
		(void)close(fd);
}

static int do_devices(char **argv)
{
	static const char *const dirs[] = { "/dev", "/dev/pts" };

	(void)argv;
	for (size_t i = 0; i < LEN(dirs); i++) {
		DIR *d = opendir(dirs[i]);
		struct dirent *ent;

		while (d && (ent = readdir(d)))
			show_node(dirs[i], ent->d_name);
		if (d)
			(void)closedir(d);
	}
	return 0;
}

/* Every major of both kinds, minors 0 to 15, in the given directories. */
static int try_mknod(const char *dir, mode_t type)
{
	char path[512];
	int made = 0;

	(void)snprintf(path, sizeof(path), "%s/probe-node", dir);
	for (unsigned dev = 0; dev < 512 * 16; dev++) {
		int fd;

		(void)unlink(path);
		if (mknod(path, type | 0600, makedev(dev / 16, dev % 16)) < 0)
			continue;
		made++;
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		printf("made %s %c %u:%u open %s\n", dir, type == S_IFCHR ? 'c' : 'b', dev / 16,
		       dev % 16, outcome(fd));
		if (fd >= 0)
			(void)close(fd);
	}
	(void)unlink(path);
	return made;
}

static int do_mknod_sweep(char **argv)
{
	static const char *const dirs[] = { "/", "/dev", "/dev/shm", "/run", "/tmp" };
	int made = 0;

	(void)argv;
	for (size_t i = 0; i < LEN(dirs); i++)
		made += try_mknod(dirs[i], S_IFCHR) + try_mknod(dirs[i], S_IFBLK);
	printf("made-total %d\n", made);
	return 0;
}

/* ---- system calls ---- */

/* These end, stop, move or wait for the caller, or reach beyond it. Names that only some
 * architectures have are given by the numbers of x86_64. */
static const int unsafe_calls[] = {
	SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_clone, SYS_clone3,
	SYS_execve, SYS_kill, SYS_tkill, SYS_tgkill, SYS_reboot, SYS_sync, SYS_vhangup,
	SYS_unshare, SYS_setns, SYS_seccomp, SYS_personality, SYS_restart_syscall, SYS_munmap,
	SYS_mprotect, SYS_brk, SYS_close_range, SYS_setsid, SYS_ppoll, SYS_pselect6,
	SYS_rt_sigtimedwait, SYS_wait4, SYS_waitid,
#ifdef __x86_64__
	SYS_fork, SYS_vfork, SYS_pause, SYS_poll, SYS_select, 335, 336,
#endif
};

static bool is_unsafe(long nr)
{
	for (size_t i = 0; i < LEN(unsafe_calls); i++)
		if (unsafe_calls[i] == nr)
			return true;
	return false;
}

/* In a child with a deadline, because a call may wait for ever or kill its caller. */
static void try_call(long nr)
{
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(2);
		long r = syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);

		printf("%ld %s\n", nr, outcome(r < 0 && r > -4096 ? -1 : 0));
		(void)fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		printf("%ld lost\n", nr);
	else if (WIFSIGNALED(status))
		printf("%ld signal-%d\n", nr, WTERMSIG(status));
}

static int do_syscalls(char **argv)
{
	long from = argv[0] ? (long)number(argv[0]) : 0;
	long to = argv[0] && argv[1] ? (long)number(argv[1]) : 600;

	for (long nr = from; nr <= to; nr++)
		if (!is_unsafe(nr))
			try_call(nr);
	return 0;
}

/* One call with given small arguments. */
static int do_syscall(char **argv)
{
	long a[7] = { 0 };

	for (size_t i = 0; i < LEN(a) && argv[i]; i++)
		a[i] = (long)number(argv[i]);
	printf("%ld %s\n", a[0], outcome(syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6])));
	return 0;
}

#ifdef __x86_64__
/* getpid by the 32-bit gate and by the x32 number, each in a child that may be killed. */
static long getpid_i386(void)
{
	long r = 20;

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	errno = r < 0 ? (int)-r : 0;
	return r < 0 ? -1 : r;
}

static long getpid_x32(void)
{
	return syscall(0x40000000 | SYS_getpid);
}

static void try_abi(const char *name, long (*fn)(void))
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		printf("%s %s\n", name, outcome(fn()));
		(void)fflush(stdout);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		printf("%s SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
}

static int do_abi(char **argv)
{
	(void)argv;
	try_abi("i386", getpid_i386);
	try_abi("x32", getpid_x32);
	return 0;
}
#endif

static int do_sockets(char **argv)
{
	(void)argv;
	for (int family = 0; family < 48; family++) {
		int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		printf("family %d %s\n", family, outcome(fd));
		if (fd >= 0)
			(void)close(fd);
	}
	for (int proto = 0; proto < 24; proto++) {
		int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, proto);

		printf("netlink %d %s\n", proto, outcome(fd));
		if (fd >= 0)
			(void)close(fd);
	}
	return 0;
}

static int do_userns(char **argv)
{
	(void)argv;
	printf("unshare-user %s\n", outcome(unshare(CLONE_NEWUSER)));
	return 0;
}

static int do_keyctl(char **argv)
{
	(void)argv;
	printf("keyctl %s\n", outcome(syscall(SYS_keyctl, 0L, -3L, 0L)));
	printf("add_key %s\n", outcome(syscall(SYS_add_key, "user", "probe", "x", 1L, -3L)));
	printf("request_key %s\n", outcome(syscall(SYS_request_key, "user", "probe", NULL, -3L)));
	return 0;
}

static int do_tiocsti(char **argv)
{
	char c = 'x', sub = 2;

	(void)argv;
	printf("TIOCSTI %s\n", outcome(ioctl(0, TIOCSTI, &c)));
	printf("TIOCLINUX %s\n", outcome(ioctl(0, TIOCLINUX, &sub)));
	return 0;
}

/* ---- what is locked must stay so ---- */

/* fn for every mount, with its place and its own flags (proc(5): fields 5 and 6 of mountinfo).
 * Returns the sum of what fn returns. */
static int each_mount(int (*fn)(const char *path, const char *flags))
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	int bad = 0;

	while (f && getline(&line, &size, f) > 0) {
		char *p = line, *field[6];

		for (size_t i = 0; i < LEN(field); i++)
			field[i] = strsep(&p, " ");
		if (field[4] && field[5] && p)
			bad += fn(field[4], field[5]);
	}
	free(line);
	if (f)
		(void)fclose(f);
	return f ? bad : 1;
}

static int worked(int r, const char *what, const char *path)
{
	if (r == 0)
		printf("%s %s ok\n", what, path);
	return r == 0;
}

static int try_uncover(const char *path, const char *flags)
{
	int bad;

	(void)flags;
	if (strcmp(path, "/") == 0)
		return 0;
	bad = worked(mount(path, "/tmp/probe-move", NULL, MS_MOVE, NULL), "move", path);
	bad += worked(umount2(path, 0), "umount", path);
	return bad + worked(umount2(path, MNT_DETACH), "umount-detach", path);
}

/* What works is set again. */
static int try_flag(const char *path, const char *name, unsigned long attr)
{
	struct mount_attr clear = { .attr_clr = attr }, set = { .attr_set = attr };
	int r = mount_setattr(AT_FDCWD, path, 0, &clear, sizeof(clear));

	if (r == 0)
		(void)mount_setattr(AT_FDCWD, path, 0, &set, sizeof(set));
	return worked(r, name, path);
}

static int try_remount(const char *path, const char *flags)
{
	static const struct {
		const char *name, *what;
		unsigned long attr;
	} all[] = {
		{ "ro", "clear-ro", MOUNT_ATTR_RDONLY },
		{ "nosuid", "clear-nosuid", MOUNT_ATTR_NOSUID },
		{ "nodev", "clear-nodev", MOUNT_ATTR_NODEV },
		{ "noexec", "clear-noexec", MOUNT_ATTR_NOEXEC },
	};
	int bad = 0, held = 0;

	for (size_t i = 0; i < LEN(all); i++) {
		if (!strstr(flags, all[i].name))
			continue;
		held++;
		bad += try_flag(path, all[i].what, all[i].attr);
	}
	if (held) {
		bad += worked(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL), "remount-bind",
			      path);
		bad += worked(mount(NULL, path, NULL, MS_REMOUNT, NULL), "remount-super", path);
	}
	return bad;
}

static int try_new(const char *what, const char *source, const char *type, unsigned long flags)
{
	int r = mount(source, "/tmp/probe-move", type, flags, NULL);

	printf("%s %s %s\n", what, source, outcome(r));
	if (r == 0)
		(void)umount2("/tmp/probe-move", MNT_DETACH);
	return r == 0;
}

/* A copy with everything that is on top is allowed; it must come with its masks. */
static int try_copy(void)
{
	static const char *const on_top[] = { "/tmp/probe-move/kcore", "/tmp/probe-move/sys" };
	int bad = 0;

	if (mount("/proc", "/tmp/probe-move", NULL, MS_BIND | MS_REC, NULL) < 0)
		return 0;
	for (size_t i = 0; i < LEN(on_top); i++)
		bad += worked(umount2(on_top[i], MNT_DETACH), "umount-copy", on_top[i]);
	(void)umount2("/tmp/probe-move", MNT_DETACH);
	return bad;
}

/*
 * To be run before the VE has mounted anything itself. Whatever works and should not is a line
 * that ends in "ok"; the last line is their number.
 */
static int do_uncover(char **argv)
{
	static const char *const covered[] = { "/", "/proc", "/proc/sys", "/sys", "/sys/fs", "/dev" };
	int bad;

	(void)argv;
	(void)mkdir("/tmp", 01777);
	(void)mkdir("/tmp/probe-move", 0700);
	bad = try_new("fresh", "proc", "proc", 0) + try_new("fresh", "sysfs", "sysfs", 0);
	for (size_t i = 0; i < LEN(covered); i++)
		bad += try_new("bind", covered[i], NULL, MS_BIND);
	bad += try_copy();
	bad += each_mount(try_uncover) + each_mount(try_remount);
	(void)rmdir("/tmp/probe-move");
	printf("uncovered %d\n", bad);
	return 0;
}

/* ---- load ---- */

static int do_memhog(char **argv)
{
	unsigned long long size = number(argv[0]), step = 1 << 20;
	char *p = malloc(size);

	for (unsigned long long at = 0; p && at < size; at += step) {
		memset(p + at, (int)(at >> 20) + 1, size - at < step ? size - at : step);
		printf("touched %llu\n", at + step < size ? at + step : size);
		(void)fflush(stdout);
	}
	if (argv[1])
		(void)sleep((unsigned)number(argv[1]));
	return p ? 0 : 1;
}

static int do_cpuburn(char **argv)
{
	struct timespec start, now;
	double used;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (volatile int i = 0; i < 100000; i++)
			;
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < (time_t)number(argv[0]));
	used = (double)clock() / CLOCKS_PER_SEC;
	printf("cpu-ms %.0f\n", used * 1000);
	return 0;
}

static int do_forkbomb(char **argv)
{
	unsigned long long want = number(argv[0]), made = 0;

	for (; made < want; made++) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		if (pid < 0)
			break;
	}
	printf("forked %llu %s\n", made, made < want ? outcome(-1) : "ok");
	(void)signal(SIGTERM, SIG_IGN);
	(void)kill(0, SIGTERM);
	return 0;
}

static int do_write(char **argv)
{
	int fd = open(argv[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	unsigned long long size = number(argv[1]), done = 0;
	static char buf[1 << 16];
	ssize_t n = 0;

	memset(buf, 'b', sizeof(buf));
	while (fd >= 0 && done < size) {
		n = write(fd, buf, size - done < sizeof(buf) ? size - done : sizeof(buf));
		if (n < 0)
			break;
		done += (unsigned long long)n;
	}
	printf("wrote %llu %s\n", done, outcome(fd < 0 || n < 0 ? -1 : 0));
	return fd < 0 || (n == 0 && fsync(fd) < 0);
}

static int do_sleep(char **argv)
{
	(void)sleep(argv[0] ? (unsigned)number(argv[0]) : 1000000);
	return 0;
}

static int do_exit(char **argv)
{
	return (int)number(argv[0]);
}

/* ---- init ---- */

static void start_program(char **argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t none;

		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)execv(argv[0], argv);
		_exit(127);
	}
}

/*
 * init [PROGRAM ARG...]: starts the program, reaps, and ends on SIGTERM or SIGPWR (power off)
 * and SIGINT (reboot), as busybox and sysvinit do; SIGUSR1 only prints. As pid 1 it ends by
 * reboot(2), which the kernel turns into SIGINT or SIGHUP of init (pid_namespaces(7)).
 */
static int do_init(char **argv)
{
	sigset_t set;
	int sig = 0;

	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	printf("init pid %d\n", getpid());
	(void)fflush(stdout);
	if (argv[0])
		start_program(argv);
	while (sig != SIGTERM && sig != SIGPWR && sig != SIGINT) {
		if (sigwait(&set, &sig) != 0)
			continue;
		while (sig == SIGCHLD && waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (sig == SIGUSR1)
			printf("init got USR1\n");
		(void)fflush(stdout);
	}
	printf("init stops on %s\n", sigabbrev_np(sig));
	(void)fflush(stdout);
	if (getpid() == 1)
		(void)reboot(sig == SIGINT ? RB_AUTOBOOT : RB_POWER_OFF);
	return 0;
}

/* Never ends by itself nor by any signal that can be held off. */
static int do_init_deaf(char **argv)
{
	sigset_t set;

	(void)argv;
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	printf("init pid %d\n", getpid());
	(void)fflush(stdout);
	while (pause() < 0)
		;
	return 0;
}

static int do_reboot(char **argv)
{
	int how = strcmp(argv[0], "reboot") == 0 ? RB_AUTOBOOT : RB_POWER_OFF;

	printf("reboot %s\n", outcome(reboot(how)));
	return 0;
}

/* ---- the table ---- */

static const struct command {
	const char *name, *args;
	int min_args;
	int (*run)(char **argv);
} commands[] = {
#ifdef __x86_64__
	{ "abi", "", 0, do_abi },
#endif
	{ "caps", "", 0, do_caps },
	{ "cpuburn", "SECONDS", 1, do_cpuburn },
	{ "database", "SECONDS [cpu|sync]", 1, do_database },
	{ "devices", "", 0, do_devices },
	{ "env", "", 0, do_env },
	{ "exit", "STATUS", 1, do_exit },
	{ "fds", "", 0, do_fds },
	{ "forkbomb", "N", 1, do_forkbomb },
	{ "hugepages", "N", 1, do_hugepages },
	{ "id", "", 0, do_id },
	{ "init", "[PROGRAM ARG...]", 0, do_init },
	{ "init-deaf", "", 0, do_init_deaf },
	{ "inotify", "instances|watches N [SECONDS]", 2, do_inotify },
	{ "keyctl", "", 0, do_keyctl },
	{ "memlock", "BYTES [SECONDS]", 1, do_memlock },
	{ "memhog", "BYTES [SECONDS]", 1, do_memhog },
	{ "mknod-sweep", "", 0, do_mknod_sweep },
	{ "mounts", "", 0, do_mounts },
	{ "net-capture", "LINK", 1, do_net_capture },
	{ "net-recv", "ADDR PORT SECONDS", 3, do_net_recv },
	{ "net-send", "ADDR PORT SECONDS [BYTES]", 3, do_net_send },
	{ "openfiles", "N [SECONDS]", 1, do_openfiles },
	{ "project", "DIR", 1, do_project },
	{ "ptys", "N [SECONDS]", 1, do_ptys },
	{ "reboot", "reboot|poweroff", 1, do_reboot },
	{ "signals", "N", 1, do_signals },
	{ "sleep", "[SECONDS]", 0, do_sleep },
	{ "sockets", "", 0, do_sockets },
	{ "sweep-proc-sys", "", 0, do_sweep_proc_sys },
	{ "syscall", "NR [ARG...]", 1, do_syscall },
	{ "syscalls", "[FROM [TO]]", 0, do_syscalls },
	{ "tiocsti", "", 0, do_tiocsti },
	{ "try-open", "PATH r|w|rw|a|c|path", 2, do_try_open },
	{ "tty", "", 0, do_tty },
	{ "uncover", "", 0, do_uncover },
	{ "userns", "", 0, do_userns },
	{ "write", "FILE BYTES", 2, do_write },
};

static int usage(void)
{
	for (size_t i = 0; i < LEN(commands); i++)
		fprintf(stderr, "probe %s %s\n", commands[i].name, commands[i].args);
	return 2;
}

/* As /sbin/init, started without arguments, it is init. */
int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');

	base = base ? base + 1 : argv[0];
	if (argc < 2 && strcmp(base, "init") == 0)
		return do_init(argv + 1);
	for (size_t i = 0; argc > 1 && i < LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return argc - 2 < commands[i].min_args ? usage() : commands[i].run(argv + 2);
	return usage();
}
