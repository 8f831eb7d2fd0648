/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs when Berth is built and prints runtime/seccomp-bpf.h: the filter that init, enter and
 * exec load. Two parts in one program:
 *   1. a prologue of ours, for the few calls whose arguments decide. It only ever refuses; what
 *      it lets pass is judged by part 2. Arguments of type int are compared by their low half,
 *      as the kernel reads them (libseccomp compares 64 bits and cannot say "none of these").
 *   2. libseccomp's tree over the call numbers: allowed, refused with EPERM, else ENOSYS, so
 *      that programs fall back as on an older kernel. x32 and foreign architectures are killed;
 *      32-bit x86 knows no call at all, because its socketcall(2) hides from any filter what it
 *      asks for.
 * Filters are looked up once per number and cached by the kernel (since 5.11) where the
 * arguments do not matter.
 *
 * It must stay possible to boot systemd: mounts, namespaces, clone3, reboot and sethostname are
 * allowed, the VE's user namespace bounds what they can do. User namespaces inside the VE are
 * bounded by its user.max_user_namespaces, not here: clone3(2) passes its flags by pointer.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

/* ---- the policy ---- */

/* clang-format off */
static const struct group {
	const char *why;
	bool allow;             /* else EPERM; what is in no group is ENOSYS */
	const char *calls;
} groups[] = {
	{ "memory", true,
	  "brk cachestat get_mempolicy madvise map_shadow_stack mbind membarrier memfd_create "
	  "memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock "
	  "munlockall munmap pkey_alloc pkey_free pkey_mprotect process_madvise remap_file_pages "
	  "set_mempolicy set_mempolicy_home_node" },
	{ "processes and threads", true,
	  "arch_prctl capget capset clone clone3 execve execveat exit exit_group fork get_robust_list "
	  "get_thread_area getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid "
	  "getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get "
	  "ioprio_set kcmp personality pidfd_getfd pidfd_open pidfd_send_signal prctl prlimit64 "
	  "process_mrelease process_vm_readv process_vm_writev ptrace restart_syscall rseq seccomp "
	  "set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setpgid "
	  "setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid times unshare "
	  "vfork wait4 waitid waitpid" },
	{ "scheduling; real-time needs the host's leave anyway", true,
	  "nice sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr "
	  "sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr "
	  "sched_setparam sched_setscheduler sched_yield" },
	{ "signals", true,
	  "kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
	  "rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4 tgkill "
	  "tkill" },
	{ "time; adjtimex and clock_adjtime only read without CAP_SYS_TIME", true,
	  "adjtimex alarm clock_adjtime clock_getres clock_gettime clock_nanosleep getitimer "
	  "gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun "
	  "timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime" },
	{ "locks and waiting", true,
	  "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 "
	  "futex futex_requeue futex_waitv futex_wait futex_wake poll ppoll pselect6 select" },
	{ "files by descriptor", true,
	  "close close_range copy_file_range dup dup2 dup3 fadvise64 fallocate fcntl fdatasync flock "
	  "fstat fstatfs fsync ftruncate getdents getdents64 ioctl lseek pipe pipe2 pread64 preadv "
	  "preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile splice sync "
	  "sync_file_range syncfs tee write writev" },
	{ "files by name", true,
	  "access chdir chmod chown chroot creat faccessat faccessat2 fchdir fchmod fchmodat "
	  "fchmodat2 fchown fchownat file_getattr file_setattr futimesat getcwd lchown link linkat "
	  "lstat mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 "
	  "readlink readlinkat rename renameat renameat2 rmdir stat statfs statx symlink symlinkat "
	  "truncate umask unlink unlinkat utime utimensat utimes" },
	{ "extended attributes", true,
	  "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr "
	  "listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr "
	  "setxattrat" },
	{ "watching files", true,
	  "fanotify_init fanotify_mark inotify_add_watch inotify_init inotify_init1 "
	  "inotify_rm_watch" },
	{ "sockets; the prologue bounds the families", true,
	  "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg "
	  "recvmsg sendmmsg sendmsg sendto setsockopt shutdown socket socketpair" },
	{ "messages between processes", true,
	  "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv "
	  "msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget" },
	{ "asynchronous input and output of old", true,
	  "io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit" },
	{ "mounts and namespaces, within what the VE owns", true,
	  "fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree "
	  "open_tree_attr pivot_root setns statmount umount2" },
	{ "a program that confines itself", true,
	  "landlock_add_rule landlock_create_ruleset landlock_restrict_self" },
	{ "the machine as the VE sees it", true,
	  "getrandom reboot setdomainname sethostname sysinfo uname vhangup" },

	{ "load code into the kernel or replace it", false,
	  "bpf delete_module finit_module init_module kexec_file_load kexec_load" },
	{ "see or steer the whole machine", false,
	  "acct ioperm iopl lookup_dcookie nfsservctl perf_event_open quotactl quotactl_fd swapoff "
	  "swapon syslog" },
	{ "the host's clock", false, "clock_settime settimeofday stime" },
	{ "walks out of a mount (CVE-2014-3519)", false, "open_by_handle_at" },
	{ "keys are kept per user, not per namespace", false, "add_key keyctl request_key" },
	{ "large and often broken", false,
	  "io_uring_enter io_uring_register io_uring_setup userfaultfd" },
	{ "gifts of pages, and moving them between nodes", false,
	  "migrate_pages move_pages vmsplice" },
	{ "labels are the host's", false, "lsm_set_self_attr" },
};
/* clang-format on */

/* Calls that libseccomp 2.5.4 cannot name; numbers from 424 on are the same everywhere. */
static const struct newer {
	const char *name;
	int nr;
} newer[] = {
	{ "cachestat", 451 },	  { "fchmodat2", 452 },	    { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },	  { "futex_wait", 455 },    { "futex_requeue", 456 },
	{ "statmount", 457 },	  { "listmount", 458 },	    { "lsm_set_self_attr", 460 },
	{ "mseal", 462 },	  { "setxattrat", 463 },    { "getxattrat", 464 },
	{ "listxattrat", 465 },	  { "removexattrat", 466 }, { "open_tree_attr", 467 },
	{ "file_getattr", 468 }, { "file_setattr", 469 },
};

static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };

/*
 * Not NETLINK_NETFILTER and NETLINK_XFRM: nf_tables and IPsec are the part of the kernel that
 * containers broke out of most. Not NETLINK_AUDIT: systemd then knows that there is no audit.
 */
static const uint32_t netlinks[] = {
	NETLINK_ROUTE, NETLINK_USERSOCK, NETLINK_SOCK_DIAG, NETLINK_KOBJECT_UEVENT, NETLINK_GENERIC,
};

/* They type into a terminal in its owner's stead (CVE-2017-5226). */
static const uint32_t ioctls[] = { TIOCSTI, TIOCLINUX };

/* ---- part 1: the prologue ---- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF 0
#else
#define LOW_HALF 4
#endif

#define ARG(n) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n) + LOW_HALF))
#define NR ((uint32_t)offsetof(struct seccomp_data, nr))
#define ARCH ((uint32_t)offsetof(struct seccomp_data, arch))
#define REFUSE(eno) (SECCOMP_RET_ERRNO | (eno))

struct prog {
	struct sock_filter insn[4096];  /* the kernel's bound, BPF_MAXINSNS */
	unsigned len;
};

static void emit(struct prog *p, struct sock_filter insn)
{
	if (p->len < ARRAY_SIZE(p->insn))
		p->insn[p->len++] = insn;
}

static void load(struct prog *p, uint32_t offset)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

static void answer(struct prog *p, uint32_t value)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

/* Jump over the next yes or no instructions. */
static void compare(struct prog *p, uint32_t value, unsigned yes, unsigned no)
{
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, (uint8_t)yes,
					     (uint8_t)no));
}

/* Refuse argument n unless it is one of the values. */
static void only(struct prog *p, unsigned n, const uint32_t *value, unsigned count)
{
	load(p, ARG(n));
	for (unsigned i = 0; i < count; i++)
		compare(p, value[i], count - i, 0);
	answer(p, REFUSE(EAFNOSUPPORT));
}

/* Refuse argument n when it is one of the values. */
static void never(struct prog *p, unsigned n, const uint32_t *value, unsigned count)
{
	load(p, ARG(n));
	for (unsigned i = 0; i < count; i++) {
		compare(p, value[i], 0, 1);
		answer(p, REFUSE(EPERM));
	}
}

/* As only() for families, and where the family is netlink for its protocol as well. */
static void check_socket(struct prog *p)
{
	only(p, 0, families, ARRAY_SIZE(families));
	compare(p, AF_NETLINK, 0, ARRAY_SIZE(netlinks) + 2);
	only(p, 2, netlinks, ARRAY_SIZE(netlinks));
}

static void check_ioctl(struct prog *p)
{
	never(p, 1, ioctls, ARRAY_SIZE(ioctls));
}

/* Another call than nr jumps over its check; each check starts by loading anew. */
static void prologue_call(struct prog *p, int nr, void (*check)(struct prog *))
{
	unsigned at;

	load(p, NR);
	at = p->len;
	compare(p, (uint32_t)nr, 0, 0);
	check(p);
	p->insn[at].jf = (uint8_t)(p->len - at - 1);
}

static void prologue(struct prog *p)
{
	unsigned at;

	load(p, ARCH);
	at = p->len;
	compare(p, seccomp_arch_native(), 0, 0);        /* libseccomp's are AUDIT_ARCH_* */
	prologue_call(p, SCMP_SYS(socket), check_socket);
	prologue_call(p, SCMP_SYS(socketpair), check_socket);
	prologue_call(p, SCMP_SYS(ioctl), check_ioctl);
	p->insn[at].jf = (uint8_t)(p->len - at - 1);
}

/* ---- part 2: the numbers ---- */

/* *ret is negative for a call that this architecture does not have. */
static int resolve(const char *name, int *ret)
{
	int nr = seccomp_syscall_resolve_name(name);

	for (size_t i = 0; nr == __NR_SCMP_ERROR && i < ARRAY_SIZE(newer); i++)
		if (str_eq(newer[i].name, name))
			nr = newer[i].nr;
	if (nr == __NR_SCMP_ERROR) {
		fprintf(stderr, "seccomp-gen: no system call is named %s\n", name);
		return -EINVAL;
	}
	*ret = nr;
	return 0;
}

/* A call that stands in two groups is a mistake of the tables. */
static int add_call(scmp_filter_ctx ctx, const struct group *g, const char *name, bool seen[1024])
{
	uint32_t action = g->allow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);
	int nr, r = resolve(name, &nr);

	if (r < 0 || nr < 0)
		return r;
	if (nr >= 1024 || seen[nr]) {
		fprintf(stderr, "seccomp-gen: %s (%s) is there twice\n", name, g->why);
		return -EEXIST;
	}
	seen[nr] = true;
	r = seccomp_rule_add_exact(ctx, action, nr, 0);
	if (r < 0)
		fprintf(stderr, "seccomp-gen: add %s: %s\n", name, strerror(-r));
	return r;
}

static int add_groups(scmp_filter_ctx ctx)
{
	bool seen[1024] = { false };
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		const char *p = groups[i].calls;
		int r;

		while ((r = str_word(&p, name, sizeof(name))) > 0) {
			r = add_call(ctx, &groups[i], name, seen);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* 32-bit x86: an architecture without a rule, so that all of it is the default, ENOSYS. */
static int add_compat(scmp_filter_ctx ctx)
{
	scmp_filter_ctx other;
	int r;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return 0;
	other = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!other)
		return -ENOMEM;
	r = seccomp_arch_add(other, SCMP_ARCH_X86);
	if (!r)
		r = seccomp_arch_remove(other, SCMP_ARCH_NATIVE);
	if (!r)
		r = seccomp_attr_set(other, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!r)
		r = seccomp_merge(ctx, other);
	if (r < 0)
		seccomp_release(other);
	return r;
}

/* libseccomp only exports to a file. */
static int append_program(scmp_filter_ctx ctx, struct prog *p)
{
	_file_ FILE *f = tmpfile();
	int r;

	if (!f)
		return -errno;
	r = seccomp_export_bpf(ctx, fileno(f));
	if (r < 0)
		return r;
	rewind(f);
	p->len += (unsigned)fread(p->insn + p->len, sizeof(p->insn[0]),
				  ARRAY_SIZE(p->insn) - p->len, f);
	return p->len < ARRAY_SIZE(p->insn) ? 0 : -E2BIG;
}

static int append_numbers(struct prog *p)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r;

	if (!ctx)
		return -ENOMEM;
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!r)
		r = add_groups(ctx);
	if (!r)
		r = add_compat(ctx);
	if (!r)         /* 2: a binary tree, since 2.5.0 */
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!r)
		r = append_program(ctx, p);
	seccomp_release(ctx);
	return r;
}

int main(void)
{
	static struct prog p;
	int r;

	prologue(&p);
	r = append_numbers(&p);
	if (r < 0) {
		fprintf(stderr, "seccomp-gen: %s\n", strerror(-r));
		return 1;
	}
	printf("/* Written by runtime/seccomp-gen.c; %u instructions. */\n"
	       "static const struct sock_filter seccomp_bpf[] = {\n", p.len);
	for (unsigned i = 0; i < p.len; i++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", p.insn[i].code, p.insn[i].jt,
		       p.insn[i].jf, p.insn[i].k);
	printf("};\n");
	return fflush(stdout) == 0 ? 0 : 1;
}
