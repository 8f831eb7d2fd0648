/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/boot.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/parse.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/conf.h"
#include "ve/intent.h"
#include "ve/moved.h"
#include "ve/registry.h"
#include "ve/state.h"

#define LOAD_WAIT_MS 10000
#define LOAD_POLL_MS 50

struct entry {
	uint32_t id;
	uint64_t order;
};

void boot_list_done(struct boot_list *l)
{
	cleanup_free(&l->ids);
	cleanup_free(&l->orders);
	l->n = 0;
}

static int upwards(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->order != y->order)
		return x->order > y->order ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int downwards(const void *a, const void *b)
{
	return upwards(b, a);
}

static bool goes_up(const struct inst *in, uint32_t id, uint64_t *ret_order)
{
	struct err ignored = ERR_INIT;
	struct ve_conf c = { 0 };

	*ret_order = 0;
	if (conf_load(in, id, &c, &ignored) < 0)
		return ignored.eno != ENOENT;
	*ret_order = c.bootorder;
	if (c.disabled || !moved_is_here(in, id))
		return false;
	return conf_has(&c, param_by_key("ONBOOT")) ? c.onboot : up_read(in, id);
}

static bool goes_down(const struct inst *in, uint32_t id, uint64_t *ret_order)
{
	struct err ignored = ERR_INIT;
	struct ve_conf c = { 0 };
	struct ve_state s;

	*ret_order = conf_load(in, id, &c, &ignored) < 0 ? 0 : c.bootorder;
	err_clear(&ignored);
	return state_load(in, id, &s, NULL, &ignored) == 0 && s.phase != PH_STOPPED;
}

static int split(struct entry *all, size_t n, struct boot_list *ret, struct err *e)
{
	struct boot_list l = BOOT_LIST_INIT;

	l.ids = calloc(n + 1, sizeof(*l.ids));
	l.orders = calloc(n + 1, sizeof(*l.orders));
	if (!l.ids || !l.orders) {
		boot_list_done(&l);
		return err_set(e, ENOMEM, 0, "list the VEs: out of memory");
	}
	for (; l.n < n; l.n++) {
		l.ids[l.n] = all[l.n].id;
		l.orders[l.n] = all[l.n].order;
	}
	*ret = l;
	return 0;
}

static int list(const struct inst *in, bool (*wanted)(const struct inst *, uint32_t, uint64_t *),
		int (*cmp)(const void *, const void *), struct boot_list *ret, struct err *e)
{
	_free_ struct entry *all = NULL;
	_free_ uint32_t *ids = NULL;
	size_t n, found = 0;
	int r = reg_list(in, &ids, &n, e);

	if (r < 0)
		return r;
	all = calloc(n + 1, sizeof(*all));
	if (!all)
		return err_set(e, ENOMEM, 0, "list the VEs: out of memory");
	for (size_t i = 0; i < n; i++) {
		all[found].id = ids[i];
		if (wanted(in, ids[i], &all[found].order))
			found++;
	}
	qsort(all, found, sizeof(*all), cmp);
	return split(all, found, ret, e);
}

int boot_list_up(const struct inst *in, struct boot_list *ret, struct err *e)
{
	return list(in, goes_up, upwards, ret, e);
}

int boot_list_down(const struct inst *in, struct boot_list *ret, struct err *e)
{
	return list(in, goes_down, downwards, ret, e);
}

/*
 * Tasks that run or could, at this moment: the fourth field of /proc/loadavg, "4/812". The
 * averages before it are of minutes, in which a boot is over. 0: unknown.
 */
static uint64_t runnable_now(void)
{
	_fd_ int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	const char *s;
	char text[128], word[32] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	uint64_t v;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	s = text;
	for (int i = 0; i < 4; i++)
		if (str_word(&s, word, sizeof(word)) <= 0)
			return 0;
	word[strcspn(word, "/")] = '\0';
	return parse_u64(word, 0, UINT64_MAX, &v) < 0 ? 0 : v;
}

void boot_wait_load(const struct inst *in)
{
	struct timespec pause = { 0, LOAD_POLL_MS * 1000000L };
	uint64_t end = proc_now_us() + LOAD_WAIT_MS * 1000;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t cap = in->conf.boot_load * (uint64_t)(cpus > 0 ? cpus : 1);

	while (cap && runnable_now() > cap && proc_now_us() < end)
		(void)nanosleep(&pause, NULL);
}
