/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Order in the child: control groups while it may, root while it is root, then descriptors,
 * then the identity, then exec. The names that QEMU starts from are Debian's own files of QEMU and the libraries;
 * jail_seal takes them away again.
 */
#include "vm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-call.h"
#include "util/sys-fs.h"

#define QEMU "/usr/bin/qemu-system-x86_64"
#define HIGH 64                         /* descriptors are parked above this on their way */
#define LOG_MAX (256u * 1024)           /* no file that it writes grows beyond */
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | \
		    CLONE_NEWCGROUP)

static const struct {
	const char *name;
	unsigned major, minor;
} nodes[] = { { "dev/null", 1, 3 }, { "dev/urandom", 1, 9 }, { "dev/kvm", 10, 232 } };

/* ---- the root ---- */

static int show(const char *from, const char *to, unsigned long flags, struct err *e)
{
	if (mount(from, to, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | flags,
		  NULL) < 0)
		return err_sys(e, "show %s to QEMU", from);
	return 0;
}

/*
 * A file of the host, as a mount that nobody has attached yet (clone_file): the file's own mount is
 * of another namespace here. The new root is the working directory.
 */
static int show_file(int tree, const char *to, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	_fd_ int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	if (target < 0)
		return err_sys(e, "make %s", to);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "show %s to QEMU", to);
	return 0;
}

/* Before the clone, where the file's mount is. */
static int clone_file(int fd, int *ret, struct err *e)
{
	int tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return err_sys(e, "show a file to QEMU");
	*ret = tree;
	return 0;
}

static int make_nodes(const struct jail_spec *s, struct err *e)
{
	if (mkdir("dev", 0755) < 0)
		return err_sys(e, "make /dev of QEMU");
	for (size_t i = 0; i < ARRAY_SIZE(nodes) - !s->kvm; i++)
		if (mknod(nodes[i].name, S_IFCHR | 0600, makedev(nodes[i].major, nodes[i].minor)) < 0 ||
		    chown(nodes[i].name, s->id, s->id) < 0)
			return err_sys(e, "make /%s of QEMU", nodes[i].name);
	return 0;
}

/* Debian has /lib and /lib64 below /usr (usrmerge). */
static int make_tree(const struct jail_spec *s, struct err *e)
{
	int r;

	if (mkdir("usr", 0755) < 0 || mkdir("old", 0700) < 0 || symlink("usr/lib", "lib") < 0 ||
	    symlink("usr/lib64", "lib64") < 0)
		return err_sys(e, "make the root of QEMU");
	r = make_nodes(s, e);
	if (!r)
		r = show("/usr", "usr", 0, e);
	if (!r && s->kernel >= 0)
		r = show_file(s->kernel, &VM_KERNEL[1], e);
	if (!r && s->initramfs >= 0)
		r = show_file(s->initramfs, &VM_INITRAMFS[1], e);
	return r;
}

static int make_root(const struct jail_spec *s, struct err *e)
{
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", s->stage, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k,nr_inodes=32") < 0 ||
	    chdir(s->stage) < 0)
		return err_sys(e, "make the root of QEMU");
	r = make_tree(s, e);
	if (r < 0)
		return r;
	if (sys_pivot_root(".", "old") < 0 || chdir("/") < 0 || umount2("old", MNT_DETACH) < 0 ||
	    rmdir("old") < 0 ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL) < 0)
		return err_sys(e, "change to the root of QEMU");
	return 0;
}

/* ---- the process ---- */

static int place_fds(const struct jail_spec *s, int sock, struct err *e)
{
	int high[VM_FD_END], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < VM_FD_END; i++) {
		int from = i == 0 ? null : i < VM_FD_TAP ? s->log : s->fds[i];

		high[i] = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, HIGH);
		if (from >= 0 && high[i] < 0)
			return err_sys(e, "pass descriptor %d to QEMU", i);
	}
	for (int i = 0; i < VM_FD_END; i++)
		if (high[i] >= 0 ? dup2(high[i], i) < 0 : close(i) < 0 && errno != EBADF)
			return err_sys(e, "pass descriptor %d to QEMU", i);
	if ((sock > VM_FD_END && close_range(VM_FD_END, (unsigned)sock - 1, 0) < 0) ||
	    close_range((unsigned)sock + 1, ~0U, 0) < 0)
		return err_sys(e, "close the host's files");
	return 0;
}

/* SIGXFSZ is ignored, so that a log that is full is a failed write and no end. */
static void set_limits(void)
{
	const struct rlimit none = { 0, 0 }, log = { LOG_MAX, LOG_MAX };
	sigset_t set;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)setrlimit(RLIMIT_FSIZE, &log);
	(void)umask(077);
	(void)setsid();
}

/*
 * With the uid the capabilities go (capabilities(7)), unless the caller's securebits say otherwise:
 * inherited and ambient ones would come back by the exec. The bounding set, so that none does.
 */
static int drop_identity(uid_t id, struct err *e)
{
	cap_t none = cap_init();        /* an exec follows, or the end */

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0 ||
	    !none || cap_set_proc(none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "become the user of the VM");
	return 0;
}

static int confine(const struct jail_spec *s, int sock, struct err *e)
{
	int r = cg_join(&s->tasks);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "join the control groups");
	}
	(void)syscall(SYS_keyctl, 1, NULL);     /* KEYCTL_JOIN_SESSION_KEYRING: the caller's keys go */
	if (sethostname("vm", 2) < 0)           /* not the host's */
		return err_sys(e, "name the machine");
	r = make_root(s, e);
	if (!r)
		r = place_fds(s, sock, e);
	if (r < 0)
		return r;
	set_limits();
	return drop_identity(s->id, e);
}

static _Noreturn void child(const struct jail_spec *s, int sock)
{
	static char path[] = "PATH=/usr/bin", locale[] = "LC_ALL=C";
	static char *const env[] = { path, locale, NULL };
	struct err e = ERR_INIT;

	if (confine(s, sock, &e) == 0) {
		(void)execve(QEMU, (char *const *)(uintptr_t)s->args->argv, env);
		(void)err_sys(&e, "execute " QEMU);
		if (e.eno == ENOENT)
			(void)err_set(&e, ENOENT, VZ_NO_KERNEL_SUPPORT,
				      "execute " QEMU ": not found; install the package qemu-system-x86");
	}
	(void)!send(sock, &e, sizeof(e), MSG_NOSIGNAL);
	_exit(127);
}

static void reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Written from outside: a move costs a grace period, and here nobody waits for it. */
static int move_to_payload(const struct jail_spec *s, struct err *e)
{
	return fs_write_at(s->payload, "cgroup.procs", "0", e);
}

/* Since 6.14 a child cloned into a group that has seen cgroup.kill can be born dead, so the
 * child moves itself (runtime/attach.c has the details). */
static int clone_child(const struct jail_spec *s, int sock[2], pid_t *ret_pid, int *ret_pidfd,
		       struct err *e)
{
	int pidfd = -1;
	struct clone_args args = { .flags = NAMESPACES | CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd,
				   .exit_signal = SIGCHLD };
	pid_t pid = sys_clone3(&args);

	if (pid < 0)
		return err_sys(e, "clone QEMU into its namespaces");
	if (pid == 0) {
		(void)close(sock[0]);
		if (move_to_payload(s, e) < 0) {
			(void)!send(sock[1], e, sizeof(*e), MSG_NOSIGNAL);
			_exit(127);
		}
		child(s, sock[1]);
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}

static int start(const struct jail_spec *s, pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
	int sock[2], pidfd = -1, r;
	struct err theirs;
	pid_t pid = 0;
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return err_sys(e, "make the socket to QEMU");
	/* Above the numbers that the child fills. */
	r = fcntl(sock[1], F_DUPFD_CLOEXEC, 2 * HIGH);
	(void)close(sock[1]);
	sock[1] = r;
	r = r < 0 ? err_sys(e, "make the socket to QEMU") : clone_child(s, sock, &pid, &pidfd, e);
	(void)close(sock[1]);
	if (!r) {
		do {
			n = recv(sock[0], &theirs, sizeof(theirs), 0);
		} while (n < 0 && errno == EINTR);
		if (n == sizeof(theirs)) {
			reap(pid);
			cleanup_fd(&pidfd);
			*e = theirs;
			e->msg[sizeof(e->msg) - 1] = '\0';
			r = -e->eno;
		}
	}
	(void)close(sock[0]);
	if (r < 0)
		return err_exit(e, VZ_ENV_CREATE);
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}

int jail_start(const struct jail_spec *s, pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
	_fd_ int kernel = -1, initramfs = -1;
	struct jail_spec with = *s;
	int r = s->kernel < 0 ? 0 : clone_file(s->kernel, &kernel, e);

	if (!r && s->initramfs >= 0)
		r = clone_file(s->initramfs, &initramfs, e);
	if (r < 0)
		return r;
	with.kernel = kernel;
	with.initramfs = initramfs;
	return start(&with, ret_pid, ret_pidfd, e);
}

/* ---- sealing ---- */

static _Noreturn void seal_child(int pidfd)
{
	static const char *const names[] = { "/usr", VM_KERNEL, VM_INITRAMFS };

	if (setns(pidfd, CLONE_NEWNS) < 0)
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (umount2(names[i], MNT_DETACH) < 0 && errno != ENOENT)
			_exit(2);
	_exit(0);
}

int jail_seal(int pidfd, struct err *e)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		seal_child(pidfd);
	if (pid < 0)
		return err_sys(e, "seal QEMU");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "seal QEMU");
	return status ? err_set(e, EPERM, 0, "seal QEMU: its files cannot be taken away") : 0;
}
