/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device filter: a BPF_PROG_TYPE_CGROUP_DEVICE program on INSTANCE/ID, so that one code
 * path serves v2 and hybrid hosts. The program is a list of tests, assembled here by hand:
 * it is too small for a library, and nothing of a guest's goes into it.
 *
 * A new program replaces the old one in one step (BPF_F_REPLACE, 5.6); at no moment is there
 * none. It is attached with BPF_F_ALLOW_MULTI: a program further down (a service manager's
 * in the VE, an administrator's) can forbid more, never allow more. The node is ours alone,
 * so a program found on it is the one to replace. It goes away with the node.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "cgroups/cg-internal.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"

#define EXTRA_MAX 64
#define ANY UINT32_MAX
#define RULE_INSNS 8
#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

/* What every VE has; the nodes themselves are made by runtime/devnodes.c. */
static const struct cg_dev defaults[] = {
	{ 'c', 1, 3, true, true },     /* null */
	{ 'c', 1, 5, true, true },     /* zero */
	{ 'c', 1, 7, true, true },     /* full */
	{ 'c', 1, 8, true, true },     /* random */
	{ 'c', 1, 9, true, true },     /* urandom */
	{ 'c', 5, 0, true, true },     /* tty */
	{ 'c', 5, 1, true, true },     /* console */
	{ 'c', 5, 2, true, true },     /* ptmx */
	{ 'c', 136, ANY, true, true }, /* pts: 20 bits of minors, one major is enough */
};

struct prog {
	struct bpf_insn insn[6 + (ARRAY_SIZE(defaults) + EXTRA_MAX) * RULE_INSNS];
	unsigned n;
};

static void emit(struct prog *p, uint8_t code, uint8_t dst, int16_t off, int32_t imm)
{
	p->insn[p->n++] = (struct bpf_insn){ .code = code, .dst_reg = dst, .off = off, .imm = imm };
}

static void load(struct prog *p, uint8_t dst, size_t off)
{
	p->insn[p->n++] = (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
					     .dst_reg = dst,
					     .src_reg = BPF_REG_1,
					     .off = (int16_t)off };
}

static void leave(struct prog *p, int32_t verdict)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, verdict);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0);
}

/*
 * R2 type, R3 access, R4 major, R5 minor. Tests are 32 bits wide (5.1), so that no number is
 * sign-extended. A failed test jumps behind the rule's end, known once it is written.
 */
static void add_rule(struct prog *p, const struct cg_dev *d)
{
	int32_t allowed = BPF_DEVCG_ACC_MKNOD | (d->read ? BPF_DEVCG_ACC_READ : 0) |
			  (d->write ? BPF_DEVCG_ACC_WRITE : 0);
	unsigned first = p->n;

	emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_2, 0,
	     d->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_4, 0, (int32_t)d->major);
	if (d->minor != ANY)
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_5, 0, (int32_t)d->minor);
	if (allowed != ACCESS_ALL)
		emit(p, BPF_JMP32 | BPF_JSET | BPF_K, BPF_REG_3, 0, ACCESS_ALL & ~allowed);
	leave(p, 1);
	for (unsigned i = first; i < p->n - 2; i++)
		p->insn[i].off = (int16_t)(p->n - i - 1);
}

static void assemble(struct prog *p, const struct cg_dev *extra, unsigned n)
{
	p->n = 0;
	load(p, BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, 0, 0);
	p->insn[p->n - 1].src_reg = BPF_REG_2;
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0xffff);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 16);
	load(p, BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major));
	load(p, BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor));
	for (unsigned i = 0; i < ARRAY_SIZE(defaults); i++)
		add_rule(p, &defaults[i]);
	for (unsigned i = 0; i < n; i++)
		add_rule(p, &extra[i]);
	leave(p, 0);
}

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load_prog(const struct prog *p)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)p->insn;
	attr.insn_cnt = p->n;
	attr.license = (uintptr_t) "GPL";
	(void)str_fmt(attr.prog_name, sizeof(attr.prog_name), "berth_dev");
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

/* fd of the first program on the node; -1 with errno ENOENT when there is none. */
static int attached_prog(int cgroup)
{
	union bpf_attr attr;
	uint32_t ids[16] = { 0 };

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = ARRAY_SIZE(ids);
	if (sys_bpf(BPF_PROG_QUERY, &attr) < 0)
		return -1;
	if (attr.query.prog_cnt == 0) {
		errno = ENOENT;
		return -1;
	}
	memset(&attr, 0, sizeof(attr));
	attr.prog_id = ids[0];
	return sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

static int attach_prog(int cgroup, int prog)
{
	_fd_ int old = attached_prog(cgroup);
	union bpf_attr attr;

	if (old < 0 && errno != ENOENT)
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (old >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old;
	}
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

void cg_load_devices(struct cg_host *h)
{
	struct prog p;

	if (h->devices >= 0)
		return;
	assemble(&p, NULL, 0);
	h->devices = load_prog(&p);
}

int cg_set_devices(const struct cg_host *h, const char *id, const struct cg_dev *extra, unsigned n,
		   struct err *e)
{
	_fd_ int cgroup = -1, own = -1;
	int prog = n == 0 ? h->devices : -1;
	struct cg_node node;
	struct prog p;
	int r = cg_node_v2(h, id, &node);

	if (r == 0 && n > EXTRA_MAX)
		r = -E2BIG;
	if (r < 0)
		return err_set(e, -r, VZ_DEVICES, "set devices of %s%s: %s", CG_WHO(id), strerror(-r));
	cgroup = openat(node.root, node.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (cgroup < 0) {
		(void)err_sys(e, "open cgroup of %s%s", CG_WHO(id));
		return err_exit(e, VZ_DEVICES);
	}
	if (prog < 0) {
		assemble(&p, extra, n);
		prog = own = load_prog(&p);
	}
	if (prog < 0 || attach_prog(cgroup, prog) < 0) {
		(void)err_sys(e, "%s device filter of %s%s", prog < 0 ? "load" : "attach",
			      CG_WHO(id));
		return err_exit(e, VZ_DEVICES);
	}
	return 0;
}
