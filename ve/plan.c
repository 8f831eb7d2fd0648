/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/plan.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/moved.h"
#include "ve/reinstall.h"
#include "ve/snap-store.h"

#define GIB (UINT64_C(1) << 30)

/*
 * Where the host may resize ext4 while it is mounted, a disk is as large as its plan. Where it
 * may not (that needs CAP_SYS_RESOURCE), it is made three times larger, and at least 16 GiB, so
 * that plans can still grow live: the file is sparse and costs only what is used.
 */
static uint64_t default_headroom(uint64_t size)
{
	if (proc_has_cap(CAP_SYS_RESOURCE))
		return 0;
	return size * 4 < 16 * GIB ? 16 * GIB - size : size * 3;
}

bool plan_boots_disk(const struct ve_conf *c)
{
	return str_eq(c->boot, "disk");
}

const struct storage_backend *plan_backend(const struct ve_conf *c)
{
	return plan_boots_disk(c) ? &storage_disk : storage_find(c->layout);
}

void plan_disk(const struct ve *ve, struct disk_spec *ret)
{
	const struct ve_conf *c = &ve->conf;

	ret->size = c->diskspace ? c->diskspace : DEFAULT_DISK;
	if (str_eq(c->kind, "vm"))      /* its root could take that for itself, and can grow it live */
		ret->headroom = 0;
	else if (conf_has(c, param_by_key("DISK_HEADROOM")))
		ret->headroom = c->disk_headroom;
	else if (ve->in->conf.headroom_set)
		ret->headroom = ve->in->conf.disk_headroom;
	else
		ret->headroom = default_headroom(ret->size);
	ret->inodes = c->diskinodes;
	ret->whole = storage_is_whole(c->layout);
	ret->seeds = ret->content = -1;
}

/* Host names, resolvers and addresses that a VE's own files should have. */
void plan_guest(const struct ve *ve, int root, uid_t owner, struct guest_conf *ret)
{
	const struct ve_conf *c = &ve->conf;
	const struct inst_conf *g = &ve->in->conf;

	*ret = (struct guest_conf){ .root = root, .uid = owner, .gid = owner };
	ret->hostname = *c->hostname ? c->hostname : NULL;
	ret->nameservers = *c->nameserver ? c->nameserver : *g->nameserver ? g->nameserver : NULL;
	ret->searchdomain = *c->searchdomain ? c->searchdomain :
			    *g->searchdomain ? g->searchdomain : NULL;
}

bool plan_no_core(void)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;

	if (fs_read_at(AT_FDCWD, "/proc/sys/kernel/core_pattern", 4096, &text, NULL, &ignored) < 0)
		return true;
	return text[0] == '|';
}

int plan_private(const struct ve *ve, int *ret, struct err *e)
{
	char path[64];
	int r;

	(void)str_fmt(path, sizeof(path), "private/%u", ve->id);
	r = fs_open_dir(ve->in->lib, path, ret, e);
	if (r == -ENOENT)
		return err_set(e, ENOENT, VZ_NO_PRIVATE, "VE %u has no private area", ve->id);
	return r;
}

void plan_retire_disk(const struct ve *ve)
{
	const struct storage_backend *b = plan_backend(&ve->conf);
	struct err ignored = ERR_INIT;
	_fd_ int private = -1;

	if (b && b->retire && plan_private(ve, &private, &ignored) == 0)
		b->retire(private);
}

void plan_for_undo(const struct ve *ve, struct plan *ret)
{
	struct links_want w = links_of_state(ve);

	memset(ret, 0, sizeof(*ret));
	ret->backend = plan_backend(&ve->conf);
	ret->whole = !plan_boots_disk(&ve->conf) && storage_is_whole(ve->conf.layout);
	ret->own_cache = str_eq(ve->conf.template_cache, "private");
	plan_disk(ve, &ret->disk);
	links_plan_undo(ve, &w, &ret->links);
	(void)str_fmt(ret->stage, sizeof(ret->stage), "%s/run/berth/%u/root", ve->in->root, ve->id);
	(void)str_fmt(ret->conf_path, sizeof(ret->conf_path), "%s/etc/berth/conf/%u.conf",
		      ve->in->root, ve->id);
}

/* A new UTS namespace starts with the host's name, which is nobody's business inside. */
static void set_hostname(const struct ve *ve, struct plan *p)
{
	const struct ve_conf *c = &ve->conf;

	if (*c->hostname || *c->name)
		(void)str_fmt(p->hostname, sizeof(p->hostname), "%s",
			      *c->hostname ? c->hostname : c->name);
	else
		(void)str_fmt(p->hostname, sizeof(p->hostname), "%s%u", str_eq(c->kind, "vm") ? "vm" : "ct",
			      ve->id);
}

int plan_make(const struct ve *ve, struct plan *ret, struct err *e)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"TERM=linux", "HOME=/", "container=berth", NULL,
	};
	const struct ve_conf *c = &ve->conf;
	struct links_want w = links_of_conf(ve);
	int r;

	plan_for_undo(ve, ret);
	r = moved_check(ve->in, ve->id, e);
	if (!r)
		r = snap_switch_check(ve, e);
	if (!r)
		r = reinstall_check(ve, e);
	if (r < 0)
		return r;
	r = links_plan(ve, &w, &ret->links, e);
	if (r < 0)
		return err_wrap(e, "VE %u", ve->id);
	if (!ret->backend)
		return err_set(e, EINVAL, VZ_BAD_CONF, "VE %u: VE_LAYOUT \"%s\" is not known", ve->id,
			       c->layout);
	if (str_eq(c->kind, "vm") && !ret->backend->attach)
		return err_set(e, EINVAL, VZ_BAD_CONF,
			       "VE %u: no virtual machine can have VE_LAYOUT \"%s\"", ve->id, c->layout);
	if (str_eq(c->kind, "vm"))
		r = plan_vm(c, &ret->vm, e);
	if (r < 0)
		return err_wrap(e, "VE %u", ve->id);
	if (strlen(c->template) != 64 || !c->local_uid)
		return err_set(e, EINVAL, VZ_BAD_CONF,
			       "VE %u: the config lacks TEMPLATE_VERSION or LOCAL_UID", ve->id);
	memcpy(ret->digest, c->template, sizeof(ret->digest));
	set_hostname(ve, ret);
	ret->init[0] = "/sbin/init";
	memcpy(ret->env, env, sizeof(env));
	ret->no_core = plan_no_core();
	return 0;
}
