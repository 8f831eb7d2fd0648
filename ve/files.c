/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of a parcel is here, the other inside: in a container a process of ours that has entered it
 * and executes nothing, in a VM a child of the agent, which a process of ours here talks to. Either is
 * the other end of a socket, and is killed when its time is over.
 */
#include "ve/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "runtime/attach.h"
#include "templates/unpack.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-proc.h"
#include "ve/exec.h"
#include "ve/plan.h"
#include "ve/vm.h"

#define STALL_MS 30000
#define ENTER_MS 10000
#define END_MS 5000
#define CLEAN_MS 1000

struct inside {
	struct parcel_job job;
	const char *path, *name;
	int sock;
	int why;                        /* for a struct err, of a process of ours */
};

static int work(const void *arg)
{
	const struct inside *x = arg;

	return parcel_serve(&x->job, x->path, x->name);
}

static int start_ct(struct ve *ve, const struct inside *x, pid_t *ret, struct err *e)
{
	_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct attach_spec s = { .work = work, .arg = x, .in = x->sock, .out = x->sock, .err = null,
				 .timeout_ms = ENTER_MS };

	return null < 0 ? err_sys(e, "open /dev/null") : exec_start(ve, &s, ret, e);
}

/* That it could not be done at all is not told in the stream, where the guest could say so too. */
static _Noreturn void talk(struct ve *ve, const struct inside *x)
{
	const struct agent_run run = { .in = x->sock, .out = x->sock, .err = open("/dev/null", O_RDWR | O_CLOEXEC),
				       .job = &x->job, .path = x->path, .name = x->name };
	struct err e = ERR_INIT;

	/* A signal to all of us, as a terminal sends it, would go on to the process inside and leave half a file. */
	(void)setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && vm_exec(ve, &run, &e) < 0)
		(void)!write(x->why, &e, sizeof(e));
	_exit(0);
}

static int start_vm(struct ve *ve, struct inside *x, int ours, pid_t *ret, int *ret_why, struct err *e)
{
	int why[2];
	pid_t pid;

	if (plan_boots_disk(&ve->conf)) {
		struct agent_link none = AGENT_LINK_INIT;

		return vm_agent(ve, 0, &none, e);       /* says why not */
	}
	if (pipe2(why, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "make a pipe");
	x->why = why[1];
	pid = fork();
	if (pid == 0) {
		(void)close(ours);
		talk(ve, x);
	}
	if (pid < 0)
		(void)err_sys(e, "fork");
	(void)close(why[1]);
	if (pid < 0) {
		(void)close(why[0]);
		return -e->eno;
	}
	*ret = pid;
	*ret_why = why[0];
	return 0;
}

/*
 * It ends by itself at the end of the stream, without leaving half a file. One that does not even die when
 * it is killed waits for a filesystem of the tenant: not with us.
 */
static void end(pid_t pid, bool well)
{
	_fd_ int pidfd = pidfd_open(pid, 0);

	if (pidfd < 0)
		return;
	if (proc_wait_gone(pidfd, well ? END_MS : CLEAN_MS) < 0)
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	if (proc_wait_gone(pidfd, END_MS) == 0)
		(void)attach_wait(pid);
}

/* ---- here ---- */

static int take(const struct ve *ve, struct parcel *p, const struct files_opts *o, struct err *e)
{
	uint64_t disk = ve->conf.diskspace ? ve->conf.diskspace : DEFAULT_DISK;
	const struct parcel_target t = {
		.path = o->here, .name = o->name, .fd = str_eq(o->here, "-") ? STDOUT_FILENO : -1,
		.flags = PARCEL_SAFE | (o->keep ? PARCEL_KEEP : 0) | (o->owned ? PARCEL_OWNER : 0),
		.uid = o->uid, .gid = o->gid, .max = o->max_size ? o->max_size : disk + UNPACK_MAX_SIZE,
	};

	return parcel_take(p, &t, e);
}

/* The other side's word is waited for. When it goes away too early, it has said why before. */
static int give(struct parcel *p, const struct files_opts *o, struct err *e)
{
	bool std = str_eq(o->here, "-");
	const struct parcel_source s = { .path = o->here, .fd = std ? STDIN_FILENO : -1, .recursive = o->recursive };
	struct parcel_record *rec = malloc(sizeof(*rec));
	struct err why = ERR_INIT;
	int r = rec ? parcel_send(p, &s, e) : err_set(e, ENOMEM, 0, "copy: out of memory");

	if (r == -EPIPE && parcel_get(p, rec, &why) < 0 && why.eno != EPIPE) {
		*e = why;
		r = -why.eno;
	} else if (!r) {
		r = parcel_get(p, rec, e);
		if (!r && rec->head.type != PARCEL_END)
			r = err_set(e, EPROTO, 0, "copy: the other side does not speak as it should");
	}
	free(rec);
	return r;
}

/* Why the other side went away, if that is known; e says that it has. */
static int reason(int why, struct err *e)
{
	struct err told;

	if (why >= 0 && read(why, &told, sizeof(told)) == sizeof(told))
		*e = told;
	return -e->eno;
}

static int carry(struct ve *ve, const struct files_opts *o, int sock[2], struct parcel_count *ret,
		 struct err *e)
{
	struct inside x = {
		.job = { .version = PARCEL_VERSION, .take = !o->out, .recursive = o->recursive, .uid = o->uid,
			 .gid = o->gid, .flags = (o->keep ? PARCEL_KEEP : 0) | (o->owned ? PARCEL_OWNER : 0) },
		.path = o->there, .name = o->name, .sock = sock[1],
	};
	struct parcel p = { .in = sock[0], .out = sock[0], .stall_ms = STALL_MS, .tell = o->tell, .arg = o->arg,
			    .end_us = o->timeout_s ? proc_now_us() + o->timeout_s * 1000000 : 0 };
	sigset_t old;
	_fd_ int stop = -1, why = -1;
	pid_t pid = 0;
	int r = ve->state.vm ? start_vm(ve, &x, sock[0], &pid, &why, e) : start_ct(ve, &x, &pid, e);

	if (r < 0)
		return r;
	cleanup_fd(&sock[1]);                   /* so that the end of the other side is heard */
	stop = p.stop = proc_catch_signals(false, &old);
	r = o->out ? take(ve, &p, o, e) : give(&p, o, e);
	(void)shutdown(sock[0], SHUT_RDWR);
	end(pid, r >= 0);
	if (r == -EPIPE)
		r = reason(why, e);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (!r)
		*ret = p.count;
	return r;
}

int ve_files(struct inst *in, uint32_t id, const struct files_opts *o, struct parcel_count *ret, struct err *e)
{
	int sock[2], r;
	struct ve ve;

	r = exec_open(&ve, in, id, e);
	if (r < 0)
		return r;
	r = exec_refuse_paused(&ve, e);
	if (!r && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0)
		r = err_sys(e, "copy: make a socket");
	if (!r) {
		r = carry(&ve, o, sock, ret, e);
		cleanup_fd(&sock[0]);
		cleanup_fd(&sock[1]);
	}
	ve_close(&ve);
	return r;
}
