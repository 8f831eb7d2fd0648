/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The call filter is run here by a small interpreter, so that its policy is tested without
 * loading it; the capability set, device checks and terminal relay are tested as they are. */
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/caps.h"
#include "runtime/console.h"
#include "runtime/devnodes.h"
#include "runtime/seccomp-bpf.h"
#include "util/str.h"

#ifdef __x86_64__
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

#define NO(eno) (SECCOMP_RET_ERRNO | (eno))
#define BROKEN UINT32_MAX       /* the program did not end as a filter must */

static bool jump_taken(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGT:
		return a > f->k;
	case BPF_JGE:
		return a >= f->k;
	default:
		return a & f->k;
	}
}

static uint32_t judge(const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < ARRAY_SIZE(seccomp_bpf); pc++) {
		const struct sock_filter *f = &seccomp_bpf[pc];

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (f->k > sizeof(*d) - sizeof(a))
				return BROKEN;
			memcpy(&a, (const char *)d + f->k, sizeof(a));
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				pc += f->k;
			else
				pc += jump_taken(f, a) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return f->k;
		default:
			return BROKEN;
		}
	}
	return BROKEN;
}

static uint32_t judge_call(int nr, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
	struct seccomp_data d = { .nr = nr, .arch = NATIVE, .args = { arg0, arg1, arg2 } };

	return judge(&d);
}

TEST(filter_calls)
{
	static const struct {
		int nr;
		uint32_t want;
	} cases[] = {
		{ SYS_read, SECCOMP_RET_ALLOW },
		{ SYS_clone3, SECCOMP_RET_ALLOW },
		{ SYS_mount, SECCOMP_RET_ALLOW },
		{ SYS_move_mount, SECCOMP_RET_ALLOW },
		{ SYS_setns, SECCOMP_RET_ALLOW },
		{ SYS_reboot, SECCOMP_RET_ALLOW },
		{ SYS_ptrace, SECCOMP_RET_ALLOW },
		{ SYS_name_to_handle_at, SECCOMP_RET_ALLOW },
		{ 452 /* fchmodat2 */, SECCOMP_RET_ALLOW },
		{ SYS_open_by_handle_at, NO(EPERM) },
		{ SYS_kexec_load, NO(EPERM) },
		{ SYS_init_module, NO(EPERM) },
		{ SYS_finit_module, NO(EPERM) },
		{ SYS_delete_module, NO(EPERM) },
		{ SYS_bpf, NO(EPERM) },
		{ SYS_perf_event_open, NO(EPERM) },
		{ SYS_io_uring_setup, NO(EPERM) },
		{ SYS_userfaultfd, NO(EPERM) },
		{ SYS_keyctl, NO(EPERM) },
		{ SYS_quotactl, NO(EPERM) },
		{ SYS_swapon, NO(EPERM) },
		{ SYS_acct, NO(EPERM) },
		{ SYS_settimeofday, NO(EPERM) },
		{ SYS_clock_settime, NO(EPERM) },
		{ SYS_syslog, NO(EPERM) },
		{ SYS_vmsplice, NO(EPERM) },
		{ 460 /* lsm_set_self_attr */, NO(EPERM) },
		{ 999, NO(ENOSYS) },
		{ 600, NO(ENOSYS) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t got = judge_call(cases[i].nr, 0, 0, 0);

		if (got != cases[i].want)
			printf("# call %d: %x, not %x\n", cases[i].nr, got, cases[i].want);
		CHECK(got == cases[i].want);
	}
}

TEST(filter_sockets)
{
	const uint64_t high = UINT64_C(1) << 32;

	for (unsigned family = 0; family < 300; family++) {
		bool ok = family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
			  family == AF_NETLINK || family == AF_PACKET;
		uint32_t want = ok ? SECCOMP_RET_ALLOW : NO(EAFNOSUPPORT);

		CHECK(judge_call(SYS_socket, family, SOCK_RAW, 0) == want);
		CHECK(judge_call(SYS_socketpair, family, SOCK_RAW, 0) == want);
		/* The kernel reads an int: what stands above it must not change the answer. */
		CHECK(judge_call(SYS_socket, family | high, SOCK_RAW, 0) == want);
	}
	for (unsigned proto = 0; proto < 40; proto++) {
		bool ok = proto == 0 || proto == 2 || proto == 4 || proto == 15 || proto == 16;
		uint32_t want = ok ? SECCOMP_RET_ALLOW : NO(EAFNOSUPPORT);

		CHECK(judge_call(SYS_socket, AF_NETLINK, SOCK_RAW, proto) == want);
		CHECK(judge_call(SYS_socket, AF_NETLINK, SOCK_RAW, proto | high) == want);
		CHECK(judge_call(SYS_socket, AF_INET, SOCK_RAW, proto) == SECCOMP_RET_ALLOW);
	}
}

TEST(filter_ioctl)
{
	CHECK(judge_call(SYS_ioctl, 0, TIOCSTI, 0) == NO(EPERM));
	CHECK(judge_call(SYS_ioctl, 0, TIOCSTI | UINT64_C(1) << 40, 0) == NO(EPERM));
	CHECK(judge_call(SYS_ioctl, 0, TIOCLINUX, 0) == NO(EPERM));
	CHECK(judge_call(SYS_ioctl, 0, TIOCGWINSZ, 0) == SECCOMP_RET_ALLOW);
}

TEST(filter_architectures)
{
	struct seccomp_data d = { .nr = SYS_read, .arch = AUDIT_ARCH_PPC64 };

	CHECK(judge(&d) == SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
	for (int nr = 0; nr < 600; nr++) {
		d = (struct seccomp_data){ .nr = nr, .arch = AUDIT_ARCH_I386 };
		CHECK(judge(&d) == NO(ENOSYS));
		d = (struct seccomp_data){ .nr = nr | 0x40000000, .arch = AUDIT_ARCH_X86_64 };
		CHECK(judge(&d) == SECCOMP_RET_KILL_PROCESS);
	}
#endif
}

TEST(caps_bounding)
{
	static const unsigned gone[] = {
		CAP_SYS_MODULE,	 CAP_SYS_RAWIO,	    CAP_SYS_TIME,      CAP_SYSLOG,
		CAP_MAC_ADMIN,	 CAP_MAC_OVERRIDE,  CAP_BPF,	       CAP_PERFMON,
		CAP_AUDIT_READ,	 CAP_AUDIT_CONTROL, CAP_WAKE_ALARM,    CAP_BLOCK_SUSPEND,
		CAP_SYS_PACCT,	 CAP_CHECKPOINT_RESTORE,
	};
	uint64_t set = caps_bounding();

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		CHECK(!(set >> gone[i] & 1));
	CHECK(set >> CAP_SYS_ADMIN & 1 && set >> CAP_SETPCAP & 1 && set >> CAP_NET_ADMIN & 1);
	CHECK(set >> (CAP_LAST_CAP + 1) == 0);
	CHECK(__builtin_popcountll(set) + ARRAY_SIZE(gone) == CAP_LAST_CAP + 1);
}

TEST(devnodes_checks)
{
	int null = open("/dev/null", O_PATH | O_CLOEXEC), dir = open("/", O_PATH | O_CLOEXEC);

	CHECK(devnodes_is(null, 1, 3));
	CHECK(!devnodes_is(null, 1, 5));
	CHECK(!devnodes_is(dir, 1, 3));
	CHECK(!devnodes_is(-1, 1, 3));
	CHECK(!devnodes_on_devpts(null));
	CHECK(!devnodes_on_devpts(-1));
	(void)close(null);
	(void)close(dir);
}

/* in -> master is a socket pair here, as for the console; the other end echoes `reply`. */
static int relay(const char *typed, const char *reply, bool detach, char *out, size_t size)
{
	int in[2], seen[2], line[2], r = -1;
	ssize_t n;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(seen, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0)
		return -errno;
	CHECK(write(in[1], typed, strlen(typed)) == (ssize_t)strlen(typed));
	CHECK(write(line[1], reply, strlen(reply)) == (ssize_t)strlen(reply));
	(void)close(in[1]);
	if (!detach)
		(void)shutdown(line[1], SHUT_WR);
	r = pty_relay(in[0], seen[1], line[0], -1, detach);
	(void)close(seen[1]);
	n = read(seen[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	(void)close(in[0]);
	(void)close(seen[0]);
	(void)close(line[0]);
	(void)close(line[1]);
	return r;
}

TEST(relay_ends)
{
	char out[64];

	CHECK(relay("", "hello\n", false, out, sizeof(out)) == 0);
	CHECK_STR(out, "hello\n");
	CHECK(relay("x\033.y", "there", true, out, sizeof(out)) == 1);
	CHECK_STR(out, "there");
}

/* Its end is ours, too. */
static pid_t fork_helper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static pid_t write_for_ever(int fd)
{
	static const char many[4096];
	pid_t pid = fork_helper();

	while (pid == 0)
		if (write(fd, many, sizeof(many)) < 0)
			_exit(1);
	return pid;
}

static pid_t read_slowly(int fd)
{
	static char buf[16384];
	pid_t pid = fork_helper();

	while (pid == 0) {
		if (read(fd, buf, sizeof(buf)) <= 0)
			_exit(0);
		(void)usleep(20000);
	}
	return pid;
}

/*
 * What others write goes on for ever; the alarm is for a relay that does, too. Who reads its
 * output is slow, so that there always is more.
 */
TEST(relay_ends_with_its_process)
{
	int line[2] = { -1, -1 }, out[2] = { -1, -1 }, pidfd;
	struct pollfd full = { .events = POLLOUT };
	pid_t pid = fork(), other[4];

	if (pid == 0)
		_exit(0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) == 0 &&
	      pipe2(out, O_CLOEXEC) == 0);
	full.fd = line[1];
	for (size_t i = 0; i < 3; i++)
		other[i] = write_for_ever(line[1]);
	other[3] = read_slowly(out[0]);
	while (poll(&full, 1, 0) > 0)
		(void)usleep(1000);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	(void)alarm(30);
	CHECK(pty_relay(-1, out[1], line[0], pidfd, 0) == 0);
	(void)alarm(0);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		(void)kill(other[i], SIGKILL);
		(void)waitpid(other[i], NULL, 0);
	}
	(void)waitpid(pid, NULL, 0);
	for (int fd = 0; fd < 5; fd++)
		(void)close((int[]){ line[0], line[1], out[0], out[1], pidfd }[fd]);
}

/* A process that has ended leaves what it wrote; all of it comes out, then the relay ends. */
TEST(relay_drains_after_exit)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), out[2], slave, pidfd;
	struct err e = ERR_INIT;
	char text[16] = "";
	pid_t pid;

	if (master < 0 || unlockpt(master) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		printf("# no terminal to be had here\n");
		return;
	}
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(slave >= 0);
	pid = fork();
	if (pid == 0)
		_exit(write(slave, "bye", 3) == 3 ? 0 : 1);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(pty_relay(-1, out[1], master, pidfd, false) == 0);
	CHECK(read(out[0], text, sizeof(text) - 1) == 3);
	CHECK_STR(text, "bye");
	CHECK(pty_bind(out[0], out[0], -1, "console", &e) == -EINVAL);
	(void)waitpid(pid, NULL, 0);
	for (int fd = 0; fd < 5; fd++)
		(void)close((int[]){ master, slave, pidfd, out[0], out[1] }[fd]);
}
