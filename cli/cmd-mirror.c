/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network mirror: what goes over a VE's link, for a monitor or into a file. The audit log has a
 * line before the first frame is copied, and another with the exit number at the end: killing
 * the command hides nothing.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/out.h"
#include "netns/mirror.h"
#include "netns/space.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/fence.h"
#include "ve/netif.h"

#define FOR_MS 60000
#define FILE_MAX (UINT64_C(256) << 20)

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/* Blocked but while mirror_run waits, so that none is missed. */
static int catch_signals(struct err *e)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_stop };
	sigset_t block;

	(void)sigemptyset(&block);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		(void)sigaddset(&block, signals[i]);
		if (sigaction(signals[i], &sa, NULL) < 0)
			return err_sys(e, "mirror: handle signals");
	}
	return sigprocmask(SIG_BLOCK, &block, NULL) < 0 ? err_sys(e, "mirror: block signals") : 0;
}

static int check_options(struct cli *c, const struct args *a, struct err *e)
{
	bool pipe = a->output && str_eq(a->output, "-");

	if (!a->to == !a->output)
		return err_set(e, EINVAL, a->to ? VZ_BAD_OPTION : VZ_FEW_PARAMS,
			       "network mirror: want one of --to and --pcap");
	if (a->to && (!*a->to || strlen(a->to) >= IFNAMSIZ))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--to: \"%.40s\" is not the name of a link",
			       a->to);
	if (a->to && a->max_size)
		return err_set(e, EINVAL, VZ_BAD_OPTION, "--max-size is for --pcap");
	if (pipe && c->json)
		return err_set(e, EINVAL, VZ_BAD_OPTION,
			       "network mirror: standard output cannot take both frames and JSON");
	if (pipe && isatty(STDOUT_FILENO))
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--pcap -: standard output is a terminal");
	return 0;
}

/* Never over a file that is there, nor through a symlink planted in its place. */
static int open_file(const char *path, int *ret, struct err *e)
{
	int fd = str_eq(path, "-") ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) :
		 open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		return err_set(e, EEXIST, VZ_BAD_VALUE, "--pcap %.200s: is there already", path);
	if (fd < 0)
		return err_sys(e, "open %.200s", path);
	*ret = fd;
	return 0;
}

static void tell(struct cli *c, uint32_t id, const struct mirror *m, const struct mirror_result *r,
		 struct err *e, int *ret)
{
	static const char *const words[MIRROR_ENDS] = { "time", "stopped", "link-gone", "full" };
	struct json_out *j;

	if (!c->json) {
		if (!c->quiet && (*m->to || m->fd < 0))
			out_printf("%s: %" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64
				   " dropped, end: %s\n", m->link, r->frames, r->bytes, r->dropped,
				   words[r->end]);
		return;
	}
	j = json_new(true);
	json_object(j);
	json_ku64(j, "ctid", id);
	json_kstr(j, "link", m->link);
	json_kstr(j, "to", *m->to ? m->to : NULL);
	json_ku64(j, "frames", r->frames);
	json_ku64(j, "bytes", r->bytes);
	json_ku64(j, "dropped", r->dropped);
	json_kstr(j, "end", words[r->end]);
	json_end(j);
	*ret = out_json(j, e);
}

/* The links of a copy behind a fence are there; those of the host are not. */
static int run(struct cli *c, const struct args *a, const char *fence, struct mirror *m, struct err *e)
{
	struct mirror_result res;
	_space_home_ struct space_home home = SPACE_HOME_INIT;
	_fd_ int in = -1, out = -1, file = -1;
	int r = fence_enter(&c->in, fence, &home, e);

	if (r == 0)
		r = mirror_open(m, &in, &out, e);
	if (r == 0 && a->output)
		r = open_file(a->output, &file, e);
	if (r == 0)
		r = audit_start(c, "network mirror", e);
	if (r == 0)
		r = catch_signals(e);
	m->fd = file;
	if (r == 0)
		r = mirror_run(m, in, out, &res, e);
	if (r < 0)
		return r;
	m->fd = a->output && str_eq(a->output, "-") ? file : -1;
	tell(c, a->ids[0], m, &res, e, &r);
	return r;
}

int cmd_network_mirror(struct cli *c, const struct args *a, struct err *e)
{
	struct mirror m = { .fd = -1, .max = a->max_size ? a->max_size : FILE_MAX,
			    .ms = a->for_ms ? a->for_ms : FOR_MS, .stop = &stopped };
	struct ve_host_link at = { .name = "" };
	int r = check_options(c, a, e);

	if (r == 0 && a->to)
		(void)str_fmt(m.to, sizeof(m.to), "%s", a->to);
	if (r == 0)
		r = ve_host_link(&c->in, a->ids[0], a->name ? a->name : NETIF_FIRST, &at, e);
	if (r == 0 && a->to && *at.fence)
		r = err_set(e, EINVAL, VZ_BAD_OPTION, "--to %s: VE %u is behind fence %s; want --pcap", a->to,
			    a->ids[0], at.fence);
	memcpy(m.link, at.name, sizeof(m.link));
	return r < 0 ? r : run(c, a, at.fence, &m, e);
}
