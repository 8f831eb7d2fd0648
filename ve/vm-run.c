/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM that runs, by way of its agent. */
#include "ve/vm.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "netns/addr.h"
#include "netns/guestconf.h"
#include "netns/guestlink.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"
#include "ve/events.h"
#include "ve/links.h"
#include "ve/plan.h"
#include "vm/agent.h"
#include "vm/qmp.h"

#define SETUP_MS 30000
#define CLOCK_MS 3000                   /* nobody waits longer for a guest that does not care */
#define LOOK_MS 100

int vm_agent(struct ve *ve, int timeout_ms, struct agent_link *ret, struct err *e)
{
	_fd_ int dir = -1;
	int r;

	if (plan_boots_disk(&ve->conf))
		return err_set(e, EOPNOTSUPP, VZ_EXEC_FAILED, "VE %u boots its own disk, and no agent of the "
			       "host is in it; its console is there (berth console %u)", ve->id, ve->id);
	r = state_dir(ve->in, ve->id, false, &dir, e);
	if (!r)
		r = agent_open(dir, ve->pidfd, timeout_ms, ret, e);
	return r < 0 ? err_wrap(e, "VE %u", ve->id) : 0;
}

int vm_exec(struct ve *ve, const struct agent_run *run, struct err *e)
{
	struct agent_link *l = malloc(sizeof(*l));
	int ms = run->timeout_ms && run->timeout_ms < VM_AGENT_MS ? run->timeout_ms : VM_AGENT_MS;
	int r = l ? vm_agent(ve, ms, l, e) : err_set(e, ENOMEM, 0, "execute: out of memory");

	if (!r) {
		r = agent_run(l, run, e);
		agent_close(l);
	}
	free(l);
	return r;
}

/* One request, answered by AGENT_OK; fill puts its body together. */
static int ask(struct ve *ve, const struct agent_call *c,
	       int (*fill)(struct agent_link *l, const void *arg, struct err *e), const void *arg,
	       struct err *e)
{
	struct agent_link *l = malloc(sizeof(*l));
	int ms = c->timeout_ms < VM_AGENT_MS ? c->timeout_ms : VM_AGENT_MS;
	int r = l ? vm_agent(ve, ms, l, e) : err_set(e, ENOMEM, 0, "talk to the VM: out of memory");

	if (!r) {
		if (fill)
			r = fill(l, arg, e);
		if (!r)
			r = agent_call(l, c, e);
		agent_close(l);
	}
	free(l);
	return r;
}

int vm_power_button(struct ve *ve, struct err *e)
{
	_fd_ int dir = -1;
	int r = state_dir(ve->in, ve->id, false, &dir, e);

	return r < 0 ? r : qmp_powerdown(dir, e);
}

int vm_signal_init(struct ve *ve, int sig, struct err *e)
{
	uint32_t n = (uint32_t)sig;
	const struct agent_call c = { .type = AGENT_INIT_SIGNAL, .payload = &n, .len = sizeof(n),
				      .timeout_ms = VM_AGENT_MS };

	return ask(ve, &c, NULL, NULL, e);
}

int vm_grow_filesystem(struct ve *ve, struct err *e)
{
	const struct agent_call c = { .type = AGENT_RESIZE, .timeout_ms = SETUP_MS };

	return ask(ve, &c, NULL, NULL, e);
}

int vm_usage(struct ve *ve, struct agent_usage *ret, struct err *e)
{
	const struct agent_call c = { .type = AGENT_USAGE, .ret = ret, .size = sizeof(*ret),
				      .timeout_ms = 2000 };

	return ask(ve, &c, NULL, NULL, e);
}

int vm_set_cpus(struct ve *ve, unsigned n, struct err *e)
{
	uint32_t want = n, got = 0;
	const struct agent_call c = { .type = AGENT_CPUS, .payload = &want, .len = sizeof(want),
				      .ret = &got, .size = sizeof(got), .timeout_ms = VM_AGENT_MS };
	int r = ask(ve, &c, NULL, NULL, e);

	if (r < 0 || got == want)
		return r;
	return err_set(e, EBUSY, 0, "the guest has %u CPUs in use then, not %u", got, want);
}

int vm_set_clock(struct ve *ve, struct err *e)
{
	uint64_t now = proc_real_us();
	const struct agent_call c = { .type = AGENT_CLOCK, .payload = &now, .len = sizeof(now),
				      .timeout_ms = CLOCK_MS };

	return ask(ve, &c, NULL, NULL, e);
}

int vm_freeze(struct ve *ve, bool on, struct err *e)
{
	uint32_t n = on;
	const struct agent_call c = { .type = AGENT_FREEZE, .payload = &n, .len = sizeof(n),
				      .timeout_ms = VM_AGENT_MS };

	return ask(ve, &c, NULL, NULL, e);
}

/* ---- names and addresses ---- */

static int put_address(struct agent_link *l, char letter, const struct net_spec *n,
		       const struct ipaddr *a, struct err *e)
{
	struct ipaddr whole = *a;
	char text[IPADDR_STRLEN];

	if (n->mode != NET_BRIDGED)
		whole.prefix = addr_bits(a);
	format_ip(&whole, text);
	return agent_body_word(l, letter, text, e);
}

static int put_word(struct agent_link *l, char letter, const char *text, struct err *e)
{
	return text ? agent_body_word(l, letter, text, e) : 0;
}

/* The default route of a family is by this link, or what is behind it is. */
static int put_gateway(struct agent_link *l, const struct net_spec *n, uint8_t family, struct err *e)
{
	bool standard = n->flags & (family == AF_INET ? NET_DEFAULT4 : NET_DEFAULT6);
	char text[IPADDR_STRLEN];
	struct ipaddr gw;
	int r;

	if (!net_gateway(n, family, &gw))
		return 0;
	format_ip_host(&gw, text);
	r = agent_body_word(l, standard ? SETUP_GATEWAY : SETUP_VIA, text, e);
	for (size_t i = 0; !r && !standard && i < n->n_nets; i++) {
		if (n->nets[i].family != family)
			continue;
		format_ip(&n->nets[i], text);
		r = agent_body_word(l, SETUP_NETWORK, text, e);
	}
	return r;
}

static int put_link(struct agent_link *l, const struct net_spec *n, struct err *e)
{
	char mac[MAC_STRLEN];
	int r = agent_body_word(l, SETUP_LINK, n->guest_name, e);

	format_mac(n->guest_mac, mac);
	if (!r)
		r = agent_body_word(l, SETUP_MAC, mac, e);
	if (!r && n->mode != NET_BRIDGED)
		r = agent_body_word(l, SETUP_ROUTED, "", e);
	for (size_t i = 0; !r && i < n->n_addrs; i++)
		r = put_address(l, SETUP_ADDRESS, n, &n->addrs[i], e);
	if (!r)
		r = put_gateway(l, n, AF_INET, e);
	return r < 0 ? r : put_gateway(l, n, AF_INET6, e);
}

static bool has_address(const struct net_spec *n, const struct ipaddr *a)
{
	for (size_t i = 0; i < n->n_addrs; i++)
		if (ip_same_host(&n->addrs[i], a) &&
		    (n->mode != NET_BRIDGED || n->addrs[i].prefix == a->prefix))
			return true;
	return false;
}

/* Addresses that the link had and has no more. */
static int put_lost(struct agent_link *l, const struct net_spec *was, const struct net_spec *now,
		    struct err *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < was->n_addrs; i++)
		if (!has_address(now, &was->addrs[i]))
			r = put_address(l, SETUP_REMOVE, was, &was->addrs[i], e);
	return r;
}

static int put_links(struct agent_link *l, const struct ve *ve, const struct links *from,
		     struct err *e)
{
	struct links *to = malloc(sizeof(*to));
	struct links_want w = links_of_conf(ve);
	int r = to ? links_plan(ve, &w, to, e) : err_set(e, ENOMEM, 0, "configure links: out of memory");

	for (unsigned i = 0; !r && i < to->n; i++) {
		r = put_link(l, &to->a[i], e);
		for (unsigned k = 0; !r && from && k < from->n; k++)
			if (str_eq(from->a[k].guest_name, to->a[i].guest_name))
				r = put_lost(l, &from->a[k], &to->a[i], e);
	}
	free(to);
	return r;
}

int vm_setup(struct ve *ve, struct agent_link *l, const struct links *from, struct err *e)
{
	const struct agent_call c = { .type = AGENT_SETUP, .timeout_ms = SETUP_MS };
	char servers[512];
	struct guest_conf g;
	int r;

	plan_guest(ve, -1, 0, &g);
	if (g.nameservers && str_eq(g.nameservers, "inherit")) {
		guest_inherited_servers(servers, sizeof(servers));
		g.nameservers = *servers ? servers : NULL;
	}
	r = put_word(l, SETUP_HOSTNAME, g.hostname, e);
	if (!r)
		r = put_word(l, SETUP_NAMESERVER, g.nameservers, e);
	if (!r)
		r = put_word(l, SETUP_SEARCH, g.searchdomain, e);
	if (!r && ve->conf.skip_guest)
		r = agent_body_word(l, SETUP_NO_FILES, "", e);
	if (!r)
		r = put_links(l, ve, from, e);
	return r < 0 ? r : agent_call(l, &c, e);
}

/*
 * A system of its own gets the filters of its addresses; who has them inside is its own matter. A link that was
 * plugged in a moment ago is there when the guest's kernel has found it.
 */
int vm_setup_live(struct ve *ve, const struct links *from, struct err *e)
{
	static const struct timespec pause = { 0, LOOK_MS * 1000000 };
	uint64_t end = proc_now_us() + (uint64_t)VM_AGENT_MS * 1000;
	struct agent_link *l;
	int r;

	if (plan_boots_disk(&ve->conf))
		return 0;
	l = malloc(sizeof(*l));
	r = l ? vm_agent(ve, VM_AGENT_MS, l, e) : err_set(e, ENOMEM, 0, "talk to the VM: out of memory");

	if (!r) {
		while ((r = vm_setup(ve, l, from, e)) == -ENODEV && proc_now_us() < end) {
			err_clear(e);
			(void)nanosleep(&pause, NULL);
		}
		agent_close(l);
	}
	free(l);
	return r;
}

/* ---- passwords ---- */

static int put_password(struct agent_link *l, const void *arg, struct err *e)
{
	const char *userpasswd = arg, *colon = strchr(userpasswd, ':');
	char user[64];
	int r;

	if (!colon || colon == userpasswd ||
	    str_fmt(user, sizeof(user), "%.*s", (int)(colon - userpasswd), userpasswd) < 0)
		return err_set(e, EINVAL, VZ_BAD_VALUE, "--userpasswd: want USER:PASSWORD");
	r = agent_body_word(l, 'u', user, e);
	return r < 0 ? r : agent_body_word(l, 'p', colon + 1, e);
}

int vm_userpasswd(struct ve *ve, const char *userpasswd, struct err *e)
{
	const struct agent_call c = { .type = AGENT_PASSWD, .timeout_ms = SETUP_MS };

	return ask(ve, &c, put_password, userpasswd, e) < 0 ? err_exit(e, VZ_PASSWD) : 0;
}

/* ---- the end ---- */

#define TAIL 1000

/* reboot(2) and power-off come as the signals that stand for them (runtime/keeper-monitor.c). */
static bool ended_well(int status)
{
	return status >= 0 && (status == 0 || (WIFSIGNALED(status) && (WTERMSIG(status) == SIGHUP ||
								       WTERMSIG(status) == SIGINT)));
}

void vm_tell_crash(struct ve *ve, int status)
{
	struct err ignored = ERR_INIT;
	_free_ char *text = NULL;
	_fd_ int dir = -1;
	size_t len = 0;

	if (status < 0 || ended_well(status))   /* -1: nobody knows */
		return;
	if (state_dir(ve->in, ve->id, false, &dir, &ignored) < 0 ||
	    fs_read_at(dir, "qemu.log", 1 << 20, &text, &len, &ignored) < 0)
		err_clear(&ignored);            /* then it said nothing */
	events_add_text(ve->in, ve->id, "crashed", "log",
			!text ? "" : len > TAIL ? text + len - TAIL : text);
}
