/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs on one VE, as the command line and later front ends call them. Every function
 * takes the VE's lock where it must, is idempotent, and leaves everything as it was when it
 * fails. e->exit is vzctl's number. Texts for people go through inst_say.
 */
#pragma once

#include "netns/network.h"
#include "storage/storage.h"
#include "ve/inst.h"
#include "ve/netif-change.h"
#include "ve/params.h"
#include "ve/state.h"

/* Limits of a pool that those of a VE are kept below, where the kernel does not; 0: none. */
struct ve_bound {
	uint64_t cpu, io[2][2];         /* [CG_IO_*][reading, writing] */
};

/* A VE, or a pool, while a verb works on it. */
struct ve {
	struct inst *in;
	uint32_t id;
	char cg[CG_PLACE_LEN];        /* place of its control groups: "101", "pool-gold/101" */
	struct ve_conf conf;
	struct ve_state state;
	bool is_pool;
	int lock, pidfd;
	struct ve_bound bound;
	const struct ve_conf *was;      /* during `set`: what it obeyed before; else NULL */
	unsigned patience_ms;           /* for making room below a lower limit; 0: the usual */
};

/* Resolve, lock (verb names the holder; NULL takes no lock), load config and state. */
MUST_CHECK int ve_open(struct ve *ve, struct inst *in, uint32_t id, const char *verb,
		       struct err *e);
void ve_close(struct ve *ve);
/* Where the control groups of a running VE lie. */
void ve_place(const struct ve_state *s, uint32_t id, char ret[CG_PLACE_LEN]);

/* What `set` and `create` were asked for. */
struct ve_change {
	struct ve_conf to;              /* rows given, by their set bits */
	struct ip_list ip_del;
	bool ip_del_all;
	struct netif_change netif;      /* with an ifname other than eth0, the addresses are that link's */
	const char *userpasswd;         /* "user:password" or NULL */
	const char *ssh_keys;           /* create: public keys of root, a line each, or NULL */
	const char *user_script;        /* create: text of what runs at the first boot, or NULL */
	const char *applyconfig;        /* sample merged in below `to`, or NULL */
	unsigned patience_ms;           /* how long lowering memory may take; 0: the usual */
};

MUST_CHECK int ve_create(struct inst *in, uint32_t id, const struct ve_change *c,
			 struct err *e);
MUST_CHECK int ve_destroy(struct inst *in, uint32_t id, struct err *e);

struct start_opts {
	int wait_ms;                    /* 0: return when init runs; else wait for its ready state */
	bool force;                     /* although DISABLED="yes", or with --accel tcg */
	bool only_up;                   /* -ECANCELED when it was stopped meanwhile (ve/intent.h) */
	const char *accel;              /* of a VM: "kvm" or "tcg"; NULL: kvm */
};
MUST_CHECK int ve_start(struct inst *in, uint32_t id, const struct start_opts *o, struct err *e);

struct stop_opts {
	bool fast;
	int timeout_s;                  /* 0: the configured one */
	int at_most_s;                  /* 0: no other limit */
	bool for_boot;                  /* it shall run again after the host's next boot */
};
MUST_CHECK int ve_stop(struct inst *in, uint32_t id, const struct stop_opts *o, struct err *e);

/* Park all its tasks, or let them go on; done already is no error. */
MUST_CHECK int ve_pause(struct inst *in, uint32_t id, bool on, struct err *e);

/*
 * Write the memory of a running VM to its private area and let it go; a later start, or
 * ve_resume, goes on from there. for_boot: it shall do so after the host's next boot.
 */
struct suspend_opts {
	bool for_boot;
};
MUST_CHECK int ve_suspend(struct inst *in, uint32_t id, const struct suspend_opts *o,
			  struct err *e);
MUST_CHECK int ve_resume(struct inst *in, uint32_t id, struct err *e);

MUST_CHECK int ve_mount(struct inst *in, uint32_t id, struct err *e);
MUST_CHECK int ve_umount(struct inst *in, uint32_t id, struct err *e);

struct reinstall_opts {
	const char *ostemplate;         /* NULL: its own channel */
	bool skip_backup;               /* remove /old when the new root has booted */
};
/* A fresh root; what the tenant wrote is below /old of it. */
MUST_CHECK int ve_reinstall(struct inst *in, uint32_t id, const struct reinstall_opts *o,
			    struct err *e);

struct clone_opts {
	bool live;                      /* although it runs: it stands still for a moment */
	int freeze_ms;                  /* how long; 0: the usual */
	const char *fence;              /* the same machine, behind this fence; NULL: another machine */
	const struct ve_change *change; /* of the copy */
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
};
/* A copy of a VE under another number, with an identity of its own. */
MUST_CHECK int ve_clone(struct inst *in, uint32_t id, uint32_t copy, const struct clone_opts *o,
			struct err *e);

struct ve_compacted {
	uint64_t before, after;         /* bytes on the host */
};
MUST_CHECK int ve_compact(struct inst *in, uint32_t id, struct ve_compacted *ret, struct err *e);
/* Make a template from a VE that is not running; im says how, but not from what. */
struct import;
struct store;
struct template;
MUST_CHECK int ve_publish(struct inst *in, uint32_t id, const struct store *s, struct import *im,
			  struct template *ret, struct err *e);

/* Called by the keeper through the hidden verb: tidy up after an init that ended by itself,
 * and start again when it asked for a reboot or the policy says so. */
MUST_CHECK int ve_exited(struct inst *in, uint32_t id, int status, struct err *e);
/* Start another keeper when the one of a running VE is gone. */
MUST_CHECK int ve_adopt(struct inst *in, uint32_t id, struct err *e);

struct exec_opts {
	const char *const *argv;        /* NULL-terminated; NULL: a login shell */
	int in, out, err;               /* the caller's; a terminal of the VE stands in for a tty */
	const char *term;               /* TERM for the VE, or NULL */
};
/* Returns the command's exit code (128+signal), or -Exxx. */
MUST_CHECK int ve_exec(struct inst *in, uint32_t id, const struct exec_opts *o, struct err *e);

/* Attach the caller's terminal to the console until ESC . or the VE ends. */
MUST_CHECK int ve_console(struct inst *in, uint32_t id, int tty_in, int tty_out, struct err *e);

/* ---- set ---- */
enum set_flags {
	SET_SAVE = 1 << 0,
	SET_DRY_RUN = 1 << 1,
	SET_FORCE = 1 << 2,
};
enum set_outcome { SET_SAME, SET_DONE, SET_AT_RESTART, SET_WITHOUT_EFFECT, SET_IMPOSSIBLE };
struct set_line {
	const struct param *param;
	char from[256], to[256];
	enum set_outcome outcome;
	char why[256];
};
struct set_report {
	struct set_line line[64];
	unsigned n;
	bool running, saved;
};
/*
 * Plan all, apply all, read back all, save (with SET_SAVE); on any failure everything is put
 * back and nothing is saved. ret tells per row what happened (or would, with SET_DRY_RUN).
 */
MUST_CHECK int ve_set(struct inst *in, uint32_t id, const struct ve_change *c, unsigned flags,
		      struct set_report *ret, struct err *e);

/* ---- status ---- */
struct ve_status {
	uint32_t id;
	bool exists, mounted, running;
	struct ve_conf conf;            /* when it exists */
	struct ve_state state;
	bool conf_ok;                   /* false: the config file is broken; conf_error says how */
	char conf_error[256];
	struct cg_stat stat;            /* when running */
	bool keeper;                    /* a keeper answers; filled only with STATUS_KEEPER */
	struct disk_usage disk;         /* when running, with STATUS_DISK */
};
enum status_flags { STATUS_STAT = 1 << 0, STATUS_DISK = 1 << 1, STATUS_KEEPER = 1 << 2 };
/* Takes no lock. A VE that does not exist is not an error. */
MUST_CHECK int ve_status(struct inst *in, uint32_t id, unsigned flags, struct ve_status *ret,
			 struct err *e);

/* ---- what it uses ---- */
struct ve_link_use {
	char name[IFNAMSIZ];            /* as the VE calls it */
	struct net_counters counters;
};
struct ve_usage {
	struct cg_stat cg;
	struct cg_pressure pressure[CG_PRESSURES];
	bool has_pressure[CG_PRESSURES];
	struct ve_link_use net[NET_MAX_LINKS];
	unsigned n_net;
	struct net_counters net_all;    /* of all links that it has now */
};
/* Takes no lock and cannot fail; of a VE that has just ended everything is unknown. */
void ve_read_usage(const struct inst *in, uint32_t id, const struct ve_state *state,
		   struct ve_usage *ret);

/* The host's end of a running VE's link: its name, and the fence it is behind. */
struct ve_host_link {
	char name[IFNAMSIZ], fence[NETWORK_NAME_LEN];
};
MUST_CHECK int ve_host_link(struct inst *in, uint32_t id, const char *ifname,
			    struct ve_host_link *ret, struct err *e);

/* Calls fn for every step of every table, for the tests that make each of them fail. */
void ve_each_step(void (*fn)(void *arg, const char *verb, const char *step), void *arg);
