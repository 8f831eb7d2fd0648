/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth-convert FORMAT MAX-SIZE IN OUT: qemu-img, where the header of a hostile disk finds
 * nothing to name. It starts in namespaces of its own (templates/disk.c), as root; then
 *   - the root is a tmpfs with the host's /usr, the disk as /in, read-only, and /out
 *   - it is nobody, has no capability and no way to one; memory, time and size of a file are limited
 *   - calls for sockets, processes, other namespaces and the like end in EPERM
 * IN and OUT are detached mounts of one file each.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "templates/sandbox.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-call.h"

#define QEMU_IMG "/usr/bin/qemu-img"

/* qemu-img's own word for the format. */
static const char *const drivers[][2] = { { "qcow2", "qcow2" }, { "vmdk", "vmdk" }, { "vhd", "vpc" } };

static int show(int tree, const char *name, unsigned attr, struct err *e)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | attr };
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	if (fd < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0 ||
	    move_mount(tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "show /%s", name);
	(void)close(fd);
	(void)close(tree);
	return 0;
}

/* Debian has /lib and /lib64 below /usr (usrmerge). */
static int fill_root(int in, int out, struct err *e)
{
	int r;

	if (mkdir("usr", 0755) < 0 || symlink("usr/lib", "lib") < 0 || symlink("usr/lib64", "lib64") < 0 ||
	    mount("/usr", "usr", NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, "usr", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
		return err_sys(e, "show /usr");
	r = show(in, "in", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, e);
	return r < 0 ? r : show(out, "out", MOUNT_ATTR_NOEXEC, e);
}

/* tmpfs over /proc, which every root has; then that is the root and the old one is gone. */
static int make_root(int in, int out, struct err *e)
{
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "size=16k,nr_inodes=16,mode=755") < 0 ||
	    chdir("/proc") < 0)
		return err_sys(e, "make a root");
	r = fill_root(in, out, e);
	if (r < 0)
		return r;
	if (sys_pivot_root(".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
		return err_sys(e, "change to a root");
	return 0;
}

/* qemu-img has threads, so clone(2) is for those alone; clone3(2) hides its flags from a filter. */
static int filter(struct err *e)
{
	static const int calls[] = {
		SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev), SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(mount),
		SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(unshare),
		SCMP_SYS(setns), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
		SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(io_uring_setup),
		SCMP_SYS(open_by_handle_at), SCMP_SYS(open_tree), SCMP_SYS(move_mount),
		SCMP_SYS(fsopen), SCMP_SYS(mount_setattr), SCMP_SYS(kexec_load), SCMP_SYS(init_module),
		SCMP_SYS(finit_module), SCMP_SYS(personality), SCMP_SYS(io_setup), SCMP_SYS(kcmp),
	};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && !r; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	if (!r)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!r)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	if (!r)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? err_set(e, -r, 0, "load the filter of system calls") : 0;
}

static int confine(uint64_t max, int in, int out, struct err *e)
{
	int r = make_root(in, out, e);

	if (!r)
		r = sandbox_limit(max, true, e);
	if (!r)
		r = sandbox_drop_rights(false, e);
	return r < 0 ? r : filter(e);
}

static const char *driver_of(const char *format)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(drivers[i][0], format))
			return drivers[i][1];
	return NULL;
}

int main(int argc, char **argv)
{
	char *const env[] = { NULL };
	const char *args[] = { QEMU_IMG, "convert", "-f", NULL, "-O", "raw", "/in", "/out", NULL };
	struct err e = ERR_INIT;
	uint64_t max, in, out;

	if (argc != 5 || !(args[3] = driver_of(argv[1])) || parse_u64(argv[2], 1, INT64_MAX, &max) < 0 ||
	    parse_u64(argv[3], 3, 1024, &in) < 0 || parse_u64(argv[4], 3, 1024, &out) < 0)
		return 126;
	if (access(QEMU_IMG, X_OK) < 0)
		(void)err_set(&e, ENOENT, 0, QEMU_IMG " is not there, install the package qemu-utils");
	else if (confine(max, (int)in, (int)out, &e) == 0) {
		(void)execve(QEMU_IMG, (char *const *)(uintptr_t)args, env);
		(void)err_sys(&e, "execute " QEMU_IMG);
	}
	(void)dprintf(2, "%s\n", e.msg);
	return 1;
}
