/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The admission arithmetic: a promise is the limit in a VE's config, running or not, because a
 * stopped one may start at any time. What VEs share in a pool counts once. What fits is counted without overcommitment; how much of
 * that to sell is the administrator's decision.
 */
#include "ve/node.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "ve/conf.h"
#include "ve/guarantee.h"
#include "ve/plan.h"
#include "ve/pool.h"
#include "ve/registry.h"

#define CPU_SAMPLE_MS 200

uint64_t node_fits(const struct node_res *r)
{
	uint64_t gone = r->promised + r->others;

	if (!r->sample)
		return UINT64_MAX;
	return gone >= r->has ? 0 : (r->has - gone) / r->sample;
}

/* ---- promises ---- */

/* What a config promises of each resource; 0 is no limit. */
static void promises(const struct ve_conf *c, uint64_t ret[NODE_MAX])
{
	uint64_t cap = c->cpus * 100;

	ret[NODE_MEMORY] = c->ram >= U64_UNLIMITED ? 0 : c->ram;
	ret[NODE_CPU] = c->cpulimit && (!cap || c->cpulimit < cap) ? c->cpulimit : cap;
	ret[NODE_DISK] = c->diskspace ? c->diskspace : DEFAULT_DISK;
	ret[NODE_PROCESSES] = c->numproc >= U64_UNLIMITED ? 0 : c->numproc;
}

/* Blocks that the files of a VE's private area take now. */
static uint64_t disk_held(const struct inst *in, uint32_t id)
{
	struct err ignored = ERR_INIT;
	_dir_ DIR *d = NULL;
	_fd_ int fd = -1;
	struct dirent *de;
	uint64_t sum = 0;
	struct stat st;
	char path[32];

	(void)str_fmt(path, sizeof(path), "private/%u", id);
	if (fs_open_dir(in->lib, path, &fd, &ignored) < 0)
		return 0;
	d = fdopendir(fd);
	if (!d)
		return 0;
	(void)TAKE_FD(fd);
	while ((de = readdir(d)))
		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_blocks * 512;
	return sum;
}

static int read_pools(struct inst *in, struct node *n, struct err *e)
{
	_free_ pool_name *names = NULL;
	size_t count = 0;
	int r = pool_list(in, &names, &count, e);

	n->pools = r < 0 || !count ? NULL : calloc(count, sizeof(*n->pools));
	if (!r && count && !n->pools)
		return err_set(e, ENOMEM, 0, "read the pools: out of memory");
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct ve pool;

		r = pool_open(&pool, in, names[i], NULL, e);
		if (r < 0)
			return r;
		memcpy(n->pools[i].name, names[i], sizeof(names[i]));
		promises(&pool.conf, n->pools[i].want);
		if (!pool.conf.diskspace)
			n->pools[i].want[NODE_DISK] = 0;
		for (unsigned k = 0; k < NODE_MAX; k++)
			n->res[k].promised += n->pools[i].want[k];
		ve_close(&pool);
		n->n_pools++;
	}
	return r;
}

static struct node_pool *find_pool(struct node *n, const char *name)
{
	for (size_t i = 0; *name && i < n->n_pools; i++)
		if (str_eq(n->pools[i].name, name))
			return &n->pools[i];
	return NULL;
}

static void add_ve(struct inst *in, uint32_t id, struct node *n, uint64_t *held)
{
	struct ve_state state = VE_STATE_INIT;
	struct err ignored = ERR_INIT;
	struct ve_conf conf = { 0 };
	struct node_pool *pool;
	uint64_t want[NODE_MAX];

	n->ves++;
	if (state_load(in, id, &state, NULL, &ignored) == 0)
		n->running += state.phase == PH_RUNNING;
	*held += disk_held(in, id);
	err_clear(&ignored);
	if (conf_load(in, id, &conf, &ignored) < 0)
		return;
	promises(&conf, want);
	n->guaranteed += conf.cpuguarantee;
	n->ram_guaranteed += conf.ram_guarantee;
	pool = find_pool(n, conf.pool);
	if (pool) {
		pool->ves++;
		pool->running += state.phase == PH_RUNNING;
	}
	for (unsigned i = 0; i < NODE_MAX; i++) {
		if (pool && pool->want[i])
			continue;
		n->res[i].promised += want[i];
		n->res[i].unlimited += !want[i];
	}
}

/* ---- the host ---- */

static int meminfo(const char *text, const char *key, uint64_t *ret)
{
	const char *at = strstr(text, key);
	char word[24];
	int r;

	if (!at)
		return -ENOENT;
	at += strlen(key);
	r = str_word(&at, word, sizeof(word));
	return r <= 0 ? -EINVAL : parse_u64(word, 0, UINT64_MAX / 1024, ret);
}

static int read_memory(struct node_res *m, struct err *e)
{
	_free_ char *text = NULL;
	uint64_t total, available;
	int r = fs_read_at(AT_FDCWD, "/proc/meminfo", 65536, &text, NULL, e);

	if (r < 0)
		return r;
	if (meminfo(text, "MemTotal:", &total) < 0 || meminfo(text, "MemAvailable:", &available) < 0)
		return err_set(e, EINVAL, 0, "read /proc/meminfo: not of the known form");
	m->has = total * 1024;
	m->used = (total - (available < total ? available : total)) * 1024;
	return 0;
}

/* Ticks of all CPUs, and those of them that were idle (proc(5)). */
static int cpu_ticks(uint64_t ret[2], struct err *e)
{
	_free_ char *text = NULL;
	const char *s;
	char word[24];
	int r = fs_read_at(AT_FDCWD, "/proc/stat", 1 << 20, &text, NULL, e);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	ret[0] = ret[1] = 0;
	s = text;
	/* cpu user nice system idle iowait irq softirq steal; guest is part of user */
	for (unsigned i = 0; i < 9 && str_word(&s, word, sizeof(word)) > 0; i++) {
		uint64_t v;

		if (i == 0 || parse_u64(word, 0, UINT64_MAX, &v) < 0)
			continue;
		ret[0] += v;
		if (i == 4 || i == 5)
			ret[1] += v;
	}
	return 0;
}

static int read_cpu(struct node_res *c, struct err *e)
{
	struct timespec pause = { 0, CPU_SAMPLE_MS * 1000000L };
	uint64_t a[2], b[2], all;
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	int r = cpu_ticks(a, e);

	if (r == 0) {
		(void)nanosleep(&pause, NULL);
		r = cpu_ticks(b, e);
	}
	if (r < 0)
		return r;
	c->has = (uint64_t)(n > 0 ? n : 1) * 100;
	all = b[0] - a[0];
	if (all)
		c->used = c->has * (all - (b[1] - a[1])) / all;
	return 0;
}

static int read_disk(const struct inst *in, uint64_t held, struct node_res *d, struct err *e)
{
	struct statvfs v;

	if (fstatvfs(in->lib, &v) < 0)
		return err_sys(e, "read the size of the disk below %s/var/lib/berth", in->root);
	d->has = (uint64_t)v.f_blocks * v.f_frsize;
	d->used = d->has - (uint64_t)v.f_bavail * v.f_frsize;
	d->others = d->used > held ? d->used - held : 0;
	return 0;
}

/* loadavg: "0.20 0.18 0.12 1/80 11206", the fourth is runnable/all. */
static int read_processes(struct node_res *p, struct err *e)
{
	_free_ char *text = NULL, *most = NULL;
	const char *slash;
	char word[24];
	int r = fs_read_at(AT_FDCWD, "/proc/loadavg", 256, &text, NULL, e);

	if (r == 0)
		r = fs_read_at(AT_FDCWD, "/proc/sys/kernel/pid_max", 64, &most, NULL, e);
	if (r < 0)
		return r;
	most[strcspn(most, "\n")] = '\0';
	slash = strchr(text, '/');
	slash = slash ? slash + 1 : "";
	if (str_word(&slash, word, sizeof(word)) <= 0 ||
	    parse_u64(word, 0, UINT64_MAX, &p->used) < 0 ||
	    parse_u64(most, 1, UINT64_MAX, &p->has) < 0)
		return err_set(e, EINVAL, 0, "read /proc/loadavg: not of the known form");
	return 0;
}

int node_read(struct inst *in, const char *plan, struct node *ret, struct err *e)
{
	struct node n = { .ves = 0 };
	struct ve_conf sample = { 0 };
	_free_ uint32_t *ids = NULL;
	uint64_t want[NODE_MAX], held = 0;
	size_t n_ids = 0;
	int r = conf_load_sample(in, plan ? plan : in->conf.configfile, &sample, e);

	if (r == 0)
		r = read_pools(in, &n, e);
	if (r == 0)
		r = reg_list(in, &ids, &n_ids, e);
	for (size_t i = 0; r == 0 && i < n_ids; i++)
		add_ve(in, ids[i], &n, &held);
	if (r == 0)
		r = read_memory(&n.res[NODE_MEMORY], e);
	if (r == 0)
		r = read_cpu(&n.res[NODE_CPU], e);
	if (r == 0)
		r = read_disk(in, held, &n.res[NODE_DISK], e);
	if (r == 0)
		r = read_processes(&n.res[NODE_PROCESSES], e);
	if (r < 0) {
		node_done(&n);
		return r;
	}
	promises(&sample, want);
	n.can_guarantee = guarantee_most(in);
	n.can_guarantee_ram = cg_protect_lacks(&in->cg) ? 0 : most_guaranteed_ram();
	for (unsigned i = 0; i < NODE_MAX; i++)
		n.res[i].sample = want[i];
	*ret = n;
	return 0;
}

void node_done(struct node *n)
{
	free(n->pools);
	n->pools = NULL;
	n->n_pools = 0;
}
