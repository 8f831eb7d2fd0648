/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/json.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/ptypes.h"

#define STATE_VERSION 1
#define STATE_MAX 65536

static const char *const phases[] = {
	[PH_STOPPED] = "stopped", [PH_STARTING] = "starting", [PH_RUNNING] = "running",
	[PH_DEAD] = "dead", [PH_MOUNTED] = "mounted",
};

#define STATE "state.json"
#define NOTE "links.json"

static void state_path(uint32_t id, const char *name, char dst[64])
{
	(void)str_fmt(dst, 64, "%u/%s", id, name);
}

static enum ve_phase phase_of(const char *word)
{
	for (unsigned i = 0; i < ARRAY_SIZE(phases); i++)
		if (str_eq(word, phases[i]))
			return (enum ve_phase)i;
	return PH_STOPPED;
}

static void text_ips(const char *text, struct ip_list *ret)
{
	struct param any = { 0 };
	const char *want;

	(void)ptype_ips.parse(&any, text, true, ret, &want);
}

static void decode(const struct json_val *v, struct ve_state *s)
{
	s->phase = phase_of(json_get_str(v, "phase", ""));
	s->pid = (pid_t)json_get_u64(v, "pid", 0);
	s->starttime = json_get_u64(v, "starttime", 0);
	s->started = json_get_u64(v, "started", 0);
	s->uid_base = (uint32_t)json_get_u64(v, "uid_base", 0);
	s->loop = (int)json_get_u64(v, "loop", 0) - 1;
	s->disk_dev = json_get_u64(v, "disk_dev", 0);
	s->shm_dev = json_get_u64(v, "shm_dev", 0);
	s->pts_dev = json_get_u64(v, "pts_dev", 0);
	(void)str_fmt(s->template, sizeof(s->template), "%s", json_get_str(v, "template", ""));
	(void)str_fmt(s->init, sizeof(s->init), "%s", json_get_str(v, "init", ""));
	(void)str_fmt(s->place, sizeof(s->place), "%s", json_get_str(v, "place", ""));
	s->paused = json_get_bool(v, "paused", false);
	s->vm = json_get_bool(v, "vm", false);
	(void)str_fmt(s->accel, sizeof(s->accel), "%s", json_get_str(v, "accel", ""));
	s->ram = json_get_u64(v, "ram", 0);
	s->ram_now = json_get_u64(v, "ram_now", s->ram);
	s->ram_max = json_get_u64(v, "ram_max", s->ram);
	s->cpus_now = (unsigned)json_get_u64(v, "cpus_now", 1);
	s->cpus_max = (unsigned)json_get_u64(v, "cpus_max", 1);
	(void)str_fmt(s->machine, sizeof(s->machine), "%s", json_get_str(v, "machine", "microvm"));
	(void)str_fmt(s->kernel, sizeof(s->kernel), "%s", json_get_str(v, "kernel", ""));
	(void)str_fmt(s->hardware, sizeof(s->hardware), "%s", json_get_str(v, "hardware", ""));
	text_ips(json_get_str(v, "ips", ""), &s->ips);
	(void)str_fmt(s->network, sizeof(s->network), "%s", json_get_str(v, "network", ""));
	(void)str_fmt(s->netif, sizeof(s->netif), "%s", json_get_str(v, "netif", ""));
	(void)str_fmt(s->fence, sizeof(s->fence), "%s", json_get_str(v, "fence", ""));
}

/* A record of before the last boot says nothing about now. */
static bool is_stale(const struct json_val *v, const char *boot)
{
	return json_get_u64(v, "version", 0) != STATE_VERSION ||
	       !str_eq(json_get_str(v, "boot_id", ""), boot);
}

/* Not being able to look is no sign of death: a live VE would be tidied away. */
static int check_alive(struct ve_state *s, int *ret_pidfd)
{
	_fd_ int pidfd = -1;
	int r = s->pid > 0 ? proc_open(s->pid, s->starttime, &pidfd) : -ESRCH;

	if (r < 0 && r != -ESRCH)
		return r;
	if (r < 0) {
		if (s->phase == PH_RUNNING)
			s->phase = PH_DEAD;
		s->pid = 0;
	} else if (ret_pidfd) {
		*ret_pidfd = TAKE_FD(pidfd);
	}
	return 0;
}

static int judge(const struct inst *in, uint32_t id, const struct json_val *v,
		 struct ve_state *s, int *ret_pidfd)
{
	char name[16];

	(void)str_fmt(name, sizeof(name), "%u", id);
	if (v && !is_stale(v, in->boot_id)) {
		decode(v, s);
		if (s->paused && in->cg.v2 >= 0)
			s->paused = cg_frozen(&in->cg, *s->place ? s->place : name);
		if (s->phase == PH_RUNNING || s->phase == PH_STARTING)
			return check_alive(s, ret_pidfd);
		return 0;
	}
	/* No record, or one that a full disk or a power cut spoilt: the kernel knows better. */
	if (in->cg.v2 >= 0 && cg_populated(&in->cg, name))
		s->phase = PH_STARTING;
	return 0;
}

bool state_has_dump(const struct inst *in, uint32_t id)
{
	char path[32];

	(void)str_fmt(path, sizeof(path), "private/%u/dump", id);
	return faccessat(in->lib, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int read_record(const struct inst *in, uint32_t id, const char *name, struct json_val **ret,
		       struct err *e)
{
	_free_ char *text = NULL;
	char path[64];
	size_t len;
	int r;

	state_path(id, name, path);
	r = fs_read_at(in->run, path, STATE_MAX, &text, &len, e);
	return r < 0 ? r : json_parse(text, len, path, ret, e);
}

int state_load(const struct inst *in, uint32_t id, struct ve_state *ret, int *ret_pidfd,
	       struct err *e)
{
	struct ve_state s = VE_STATE_INIT;
	struct json_val *v = NULL;
	int r;

	r = read_record(in, id, STATE, &v, e);
	if (r < 0 && r != -ENOENT && r != -EINVAL && r != -EBADMSG)
		return r;
	err_clear(e);
	r = judge(in, id, v, &s, ret_pidfd);
	json_val_free(v);
	if (r < 0)
		return err_set(e, -r, 0, "find out whether VE %u runs: %s", id, strerror(-r));
	if (s.vm || s.phase != PH_RUNNING)
		s.suspended = state_has_dump(in, id);
	*ret = s;
	return 0;
}

static void encode(struct json_out *j, const struct ve_state *s, const char *boot)
{
	struct param any = { 0 };
	char ips[4096] = "";

	(void)ptype_ips.format(&any, &s->ips, true, ips, sizeof(ips));
	json_object(j);
	json_ku64(j, "version", STATE_VERSION);
	json_kstr(j, "boot_id", boot);
	json_kstr(j, "phase", phases[s->phase]);
	json_ku64(j, "pid", (uint64_t)s->pid);
	json_ku64(j, "starttime", s->starttime);
	json_ku64(j, "started", s->started);
	json_ku64(j, "uid_base", s->uid_base);
	json_ku64(j, "loop", (uint64_t)s->loop + 1);
	json_ku64(j, "disk_dev", s->disk_dev);
	json_ku64(j, "shm_dev", s->shm_dev);
	json_ku64(j, "pts_dev", s->pts_dev);
	json_kstr(j, "template", s->template);
	json_kstr(j, "init", s->init);
	json_kstr(j, "place", s->place);
	if (s->paused)
		json_kbool(j, "paused", true);
	if (s->vm) {
		json_kbool(j, "vm", true);
		json_kstr(j, "accel", s->accel);
		json_ku64(j, "ram", s->ram);
		json_kstr(j, "machine", s->machine);
		json_ku64(j, "ram_now", s->ram_now);
		json_ku64(j, "ram_max", s->ram_max);
		json_ku64(j, "cpus_now", s->cpus_now);
		json_ku64(j, "cpus_max", s->cpus_max);
		json_kstr(j, "kernel", s->kernel);
		json_kstr(j, "hardware", s->hardware);
	}
	json_kstr(j, "ips", ips);
	json_kstr(j, "network", s->network);
	json_kstr(j, "netif", s->netif);
	if (*s->fence)
		json_kstr(j, "fence", s->fence);
	json_end(j);
}

/* run/ is a tmpfs on most hosts and does not survive a boot: rename is enough, fsync is not. */
static int replace(int dir, const char *name, const char *text, struct err *e)
{
	_fd_ int fd = openat(dir, ".state.json", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			     0600);
	int r;

	if (fd < 0)
		return err_sys(e, "save the state");
	r = fs_write_all(fd, text, strlen(text));
	if (r < 0) {
		errno = -r;
		return err_sys(e, "save the state");
	}
	if (renameat(dir, ".state.json", dir, name) < 0)
		return err_sys(e, "save the state");
	return 0;
}

static int save_record(const struct inst *in, uint32_t id, const char *name,
		       const struct ve_state *s, struct err *e)
{
	struct json_out *j;
	_fd_ int dir = -1;
	const char *text;
	int r;

	j = json_new(false);
	encode(j, s, in->boot_id);
	r = json_finish(j, &text, e);
	if (!r)
		r = state_dir(in, id, true, &dir, e);
	if (!r)
		r = replace(dir, name, text, e);
	json_free(j);
	return r;
}

int state_save(const struct inst *in, uint32_t id, const struct ve_state *s, struct err *e)
{
	return save_record(in, id, STATE, s, e);
}

int state_note_links(const struct inst *in, uint32_t id, const struct ve_state *s, struct err *e)
{
	return save_record(in, id, NOTE, s, e);
}

bool state_noted_links(const struct inst *in, uint32_t id, struct ve_state *ret)
{
	struct ve_state s = VE_STATE_INIT;
	struct err ignored = ERR_INIT;
	struct json_val *v = NULL;
	bool is = read_record(in, id, NOTE, &v, &ignored) == 0 && !is_stale(v, in->boot_id);

	if (is)
		decode(v, &s);
	json_val_free(v);
	*ret = s;
	return is;
}

void state_links_done(const struct inst *in, uint32_t id)
{
	char path[64];

	state_path(id, NOTE, path);
	(void)unlinkat(in->run, path, 0);
}

void state_drop(const struct inst *in, uint32_t id)
{
	struct err ignored = ERR_INIT;
	char path[16];

	(void)str_fmt(path, sizeof(path), "%u", id);
	if (fs_remove_tree(in->run, path, &ignored) < 0)
		err_clear(&ignored);            /* a leftover is stale by its own content */
}

int state_dir(const struct inst *in, uint32_t id, bool make, int *ret, struct err *e)
{
	char path[16];

	(void)str_fmt(path, sizeof(path), "%u", id);
	if (make && mkdirat(in->run, path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make run/%s", path);
	return fs_open_dir(in->run, path, ret, e);
}

const char *state_word(const struct ve_state *s)
{
	if (s->suspended)
		return "suspended";
	switch (s->phase) {
	case PH_RUNNING:
		return s->paused ? "paused" : "running";
	case PH_MOUNTED:
		return "mounted";
	default:
		return "stopped";
	}
}
