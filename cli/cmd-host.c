/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host check: what this host can enforce. Everything is tried rather than read off a version
 * number: a filesystem by fsopen(2), which also loads its module, the network in a namespace of
 * its own, a limit by asking the folder that would write it.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/out.h"
#include "netns/netfilter.h"
#include "netns/nf-rules.h"
#include "runtime/mounts.h"
#include "storage/storage.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/params.h"

enum verdict { OK, ADVICE, MISSING };

/* Lines go to text or JSON as they are found. */
struct check {
	const struct cli *c;
	struct json_out *j;
	bool missing;
};

static void say(struct check *k, enum verdict v, const char *what, const char *why)
{
	static const char *const words[] = { "OK", "advice", "missing" };

	if (v == MISSING)
		k->missing = true;
	if (k->j) {
		json_object(k->j);
		json_kstr(k->j, "check", what);
		json_kstr(k->j, "result", words[v]);
		json_kstr(k->j, "fix", v == OK ? NULL : why);
		json_end(k->j);
		return;
	}
	out_printf("%-8s %s%s%s\n", words[v], what, v == OK ? "" : ": ", v == OK ? "" : why);
}

static void check_kernel(struct check *k)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	char word[16];
	const char *p;
	size_t n;

	(void)uname(&u);
	p = u.release;
	n = strcspn(p, ".");
	if (str_fmt(word, sizeof(word), "%.*s", (int)n, p) > 0)
		(void)parse_u32(word, 0, 1000, &major);
	p += n + (p[n] == '.');
	if (str_fmt(word, sizeof(word), "%.*s", (int)strspn(p, "0123456789"), p) > 0)
		(void)parse_u32(word, 0, 1000, &minor);
	say(k, major > 6 || (major == 6 && minor >= 1) ? OK : MISSING, "kernel 6.1 or newer",
	    "install a newer kernel");
}

static void check_filesystem(struct check *k, const char *name, const char *fix)
{
	char what[64];
	int fd = fsopen(name, FSOPEN_CLOEXEC);

	(void)str_fmt(what, sizeof(what), "filesystem %s", name);
	say(k, fd >= 0 ? OK : MISSING, what, fix);
	if (fd >= 0)
		(void)close(fd);
}

static void check_path(struct check *k, enum verdict bad, const char *path, int mode,
		       const char *fix)
{
	say(k, access(path, mode) == 0 ? OK : bad, path, fix);
}

/* A number of /proc/sys against what it should at least be. */
static void check_sysctl(struct check *k, enum verdict bad, const char *name, uint64_t least)
{
	char path[128], what[160], fix[160], *p;
	uint64_t v;

	if (str_fmt(path, sizeof(path), "/proc/sys/%s", name) < 0)
		return;
	for (p = path; *p; p++)
		if (*p == '.')
			*p = '/';
	(void)str_fmt(what, sizeof(what), "sysctl %s at least %llu", name, (unsigned long long)least);
	(void)str_fmt(fix, sizeof(fix), "sysctl -w %s=%llu", name, (unsigned long long)least);
	/* A knob that this kernel does not have has nothing to close either. */
	if (fs_read_u64(AT_FDCWD, path, &v) < 0)
		return;
	say(k, v >= least ? OK : bad, what, fix);
}

/* In a child with a network of its own: make the table, as a start would. */
static int try_network(void)
{
	struct err e = ERR_INIT;

	if (unshare(CLONE_NEWNET) < 0)
		return 1;
	return nf_ensure("berth-check", NF_ROUTED, &e) < 0 ||
			       nf_ensure("berth-check", NF_BRIDGED, &e) < 0 ? 2 : 0;
}

static void check_network(struct check *k)
{
	int status = -1;
	pid_t pid;

	out_flush();
	pid = fork();
	if (pid == 0)
		_exit(try_network());
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		status = 1 << 8;
	say(k, WEXITSTATUS(status) == 1 ? MISSING : OK, "network namespaces",
	    "a kernel with CONFIG_NET_NS");
	say(k, WEXITSTATUS(status) == 0 ? OK : MISSING, "nftables",
	    "a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET, or modprobe nf_tables");
}

static void check_limits(struct check *k)
{
	size_t i;

	for (i = 0; i < n_params; i++) {
		const struct param *p = &params[i];
		char what[80];
		const char *lacks;

		if (!p->opt || (!p->cg.v2.file && !p->cg.v1.file))
			continue;
		lacks = cg_lacks(&k->c->in.cg, &p->cg);
		(void)str_fmt(what, sizeof(what), "limit --%s", p->opt);
		say(k, lacks ? ADVICE : OK, what, lacks);
	}
}

/* Where the disks of VEs are to be, if anything is there yet. */
static void check_quotas(struct check *k)
{
	struct err e = ERR_INIT;
	_fd_ int dir = -1;
	int r = fs_open_dir(k->c->in.lib, "private", &dir, &e);

	if (!r)
		r = storage_find("quota")->usable(dir, &e);
	say(k, r ? ADVICE : OK, "directories as disks (--layout quota)", e.msg);
}

static void check_all(struct check *k)
{
	check_kernel(k);
	check_sysctl(k, MISSING, "user.max_user_namespaces", 1);
	check_filesystem(k, "erofs", "a kernel with CONFIG_EROFS_FS, or modprobe erofs");
	check_filesystem(k, "overlay", "a kernel with CONFIG_OVERLAY_FS, or modprobe overlay");
	check_filesystem(k, "ext4", "a kernel with CONFIG_EXT4_FS, or modprobe ext4");
	check_path(k, MISSING, "/dev/loop-control", R_OK, "modprobe loop");
	check_network(k);
	check_limits(k);
	say(k, proc_has_cap(CAP_SYS_RESOURCE) ? OK : ADVICE, "CAP_SYS_RESOURCE",
	    "without it a disk grows live only within its headroom (DISK_HEADROOM)");
	check_quotas(k);
	check_path(k, MISSING, "/sbin/mkfs.ext4", X_OK, "apt-get install e2fsprogs");
	check_path(k, MISSING, "/sbin/e2fsck", X_OK, "apt-get install e2fsprogs");
	check_path(k, ADVICE, "/usr/bin/mmdebstrap", X_OK,
		   "to build Debian templates: apt-get install mmdebstrap");
	say(k, mounts_lxcfs_present() ? OK : ADVICE, "lxcfs",
	    "apt-get install lxcfs, so that free and uptime inside show the VE's own figures");
	check_sysctl(k, ADVICE, "net.ipv4.ip_forward", 1);
	check_sysctl(k, ADVICE, "kernel.unprivileged_bpf_disabled", 1);
	check_sysctl(k, ADVICE, "kernel.kptr_restrict", 1);
	check_sysctl(k, ADVICE, "kernel.dmesg_restrict", 1);
	check_sysctl(k, ADVICE, "fs.protected_symlinks", 1);
	check_sysctl(k, ADVICE, "fs.protected_hardlinks", 1);
}

int cmd_host_check(struct cli *c, const struct args *a, struct err *e)
{
	struct check k = { c, c->json ? json_new(true) : NULL, false };
	int r = 0;

	(void)a;
	if (k.j)
		json_array(k.j);
	check_all(&k);
	if (k.j) {
		json_end(k.j);
		r = out_json(k.j, e);
	}
	if (r >= 0 && k.missing)
		return err_set(e, ENOTSUP, VZ_NO_KERNEL_SUPPORT,
			       "host check: something that VEs need is missing");
	return r;
}
