/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/inst.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/seal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/conf.h"

/*
 * Id ranges. The default instance has 16384 of them from 0x10000000, above everything that
 * distributions, subuid and systemd's dynamic users hand out by default. Other instances get
 * one of six windows of 2048 by their tag, below 0x80000000, where some programs see a sign.
 */
#define ID_BASE UINT64_C(0x10000000)
#define ID_SLOTS 16384
#define ID_WINDOW_BASE UINT64_C(0x50000000)
#define ID_WINDOWS 6
#define ID_WINDOW_SLOTS 2048

static const char *const dirs[] = {
	"etc/berth/conf", "etc/berth/names", "etc/berth/networks",
	"var/lib/berth/private", "var/lib/berth/root", "var/lib/berth/ip", "var/lib/berth/ids",
	"var/lib/berth/half", "var/lib/berth/up", "var/lib/berth/seed", "var/lib/berth/traffic", "var/lib/berth/template/store", "var/lib/berth/template/cache", "var/lib/berth/template/channels",
	"run/berth/lock",
};

/* FNV-1a: only has to spread the few roots of one host, and must never change. */
static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261U;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619U;
	return h;
}

static int set_root(struct inst *in, const char *root, struct err *e)
{
	_free_ char *real = NULL;
	uint32_t h;

	if (!*root || str_eq(root, "/")) {
		(void)str_fmt(in->name, sizeof(in->name), "berth");
		return 0;
	}
	if (fs_mkdir_p(AT_FDCWD, root, 0755, e) < 0)
		return err_exit(e, VZ_BAD_VALUE);
	real = realpath(root, NULL);
	if (!real || str_fmt(in->root, sizeof(in->root), "%s", real) < 0)
		return err_sys(e, "find %s", root);
	h = hash(real);
	(void)str_fmt(in->tag, sizeof(in->tag), "%08x", h);
	(void)str_fmt(in->link_tag, sizeof(in->link_tag), "b%03x", h & 0xfff);
	(void)str_fmt(in->name, sizeof(in->name), "berth-%s", in->tag);
	in->conf.id_base = ID_WINDOW_BASE + (h % ID_WINDOWS) * UINT64_C(65536) * ID_WINDOW_SLOTS;
	in->conf.id_slots = ID_WINDOW_SLOTS;
	return 0;
}

/* Where it is, nothing is written: a service that only looks may see a read-only filesystem. */
static int close_to_others(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && (st.st_mode & 07777) == 0700 ? 0 : fchmod(dir, 0700);
}

static int open_dirs(struct inst *in, struct err *e)
{
	_fd_ int top = -1;
	int r = fs_open_dir(AT_FDCWD, *in->root ? in->root : "/", &top, e);

	for (size_t i = 0; !r && i < ARRAY_SIZE(dirs); i++)
		if (faccessat(top, dirs[i], F_OK, 0) < 0)
			r = fs_mkdir_p(top, dirs[i], 0700, e);
	if (!r)
		r = fs_open_dir(top, "etc/berth", &in->etc, e);
	if (!r)
		r = fs_open_dir(top, "var/lib/berth", &in->lib, e);
	if (!r)
		r = fs_open_dir(top, "run/berth", &in->run, e);
	/* fs_mkdir_p makes parents 0755; what is below here is nobody else's to see. */
	if (!r && (close_to_others(in->lib) < 0 || close_to_others(in->run) < 0))
		r = err_sys(e, "close %s/var/lib/berth to others", in->root);
	return r;
}

/* A program of ours: beside berth in a build tree, else where it was installed. */
static int find_program(const char *self, const char *name, const char **ret, struct err *e)
{
	char path[PATH_MAX];

	if (str_fmt(path, sizeof(path), "%.*s/%s", (int)(strrchr(self, '/') - self), self, name) < 0 ||
	    access(path, X_OK) < 0)
		(void)str_fmt(path, sizeof(path), "%s/%s", LIBEXECDIR, name);
	if (access(path, X_OK) < 0)
		return err_sys(e, "find %s", path);
	*ret = strdup(path);
	return *ret ? 0 : err_set(e, ENOMEM, 0, "find %s: out of memory", name);
}

static int find_programs(struct inst *in, struct err *e)
{
	char self[PATH_MAX];
	int r = seal_path(self, sizeof(self), e);

	if (!r)
		r = find_program(self, "berth-keeper", &in->keeper, e);
	if (r < 0)
		return r;
	in->self = strdup(self);
	return in->self ? 0 : err_set(e, ENOMEM, 0, "find the programs: out of memory");
}

int inst_program(const struct inst *in, const char *name, const char **ret, struct err *e)
{
	return find_program(in->self, name, ret, e);
}

/*
 * run/slice says in which slice the nodes are, if in one. While there are some they stay found there,
 * whatever berth.conf says by now.
 */
static int open_slice(struct inst *in, struct err *e)
{
	const char *want = in->conf.slice;
	char now[sizeof(in->conf.slice)] = "";
	ssize_t n = readlinkat(in->run, "slice", now, sizeof(now) - 1);

	if (n < 0 && errno != ENOENT)
		return err_sys(e, "read %s/run/berth/slice", in->root);
	if (!str_eq(now, want) && cg_slice_used(&in->cg, now))
		want = now;
	else if (!str_eq(now, want) && ((n >= 0 && unlinkat(in->run, "slice", 0) < 0 && errno != ENOENT) ||
					(*want && symlinkat(want, in->run, "slice") < 0 && errno != EEXIST)))
		return err_sys(e, "write %s/run/berth/slice", in->root);
	return *want ? cg_slice_enter(&in->cg, want, e) : 0;
}

/* Without it any record of a start would count as one of before the boot. */
static int read_boot_id(struct inst *in, struct err *e)
{
	int r = proc_boot_id(in->boot_id);

	return r < 0 ? err_set(e, -r, 0, "read /proc/sys/kernel/random/boot_id: %s", strerror(-r)) : 0;
}

int inst_open(struct inst *in, const char *root, unsigned flags, struct err *e)
{
	struct log log = in->log;
	int r;

	*in = (struct inst){ .etc = -1, .lib = -1, .run = -1, .cg = CG_HOST_INIT, .log = log };
	in->conf = (struct inst_conf){ .id_base = ID_BASE, .id_slots = ID_SLOTS,
				       .stop_timeout = 120, .boot_load = 4, .lxcfs = true };
	(void)str_fmt(in->conf.configfile, sizeof(in->conf.configfile), "basic");
	(void)str_fmt(in->conf.host_services, sizeof(in->conf.host_services), "icmp");
	r = set_root(in, root, e);
	if (!r && (flags & INST_CGROUPS))       /* before anything else is opened: see there */
		r = cg_host_open(&in->cg, in->name, e);
	if (!r)
		r = open_dirs(in, e);
	if (!r)
		r = read_boot_id(in, e);
	if (!r)
		r = find_programs(in, e);
	if (!r)
		r = inst_conf_load(in, e);
	if (!r && (flags & INST_CGROUPS))
		r = open_slice(in, e);
	if (r < 0)
		inst_close(in);
	return r;
}

void inst_close(struct inst *in)
{
	cleanup_fd(&in->etc);
	cleanup_fd(&in->lib);
	cleanup_fd(&in->run);
	cg_host_close(&in->cg);
	cleanup_free(&in->self);
	cleanup_free(&in->keeper);
}

void inst_say(const struct inst *in, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!in->say)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	in->say(in->say_arg, line);
}
