/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filesystem is made so that its size can be told exactly: the count of blocks that a user
 * sees is all blocks less the metadata, and the metadata follows from the superblock by the
 * sum in overhead(), the same that the kernel does at mount (ext4_calculate_overhead).
 * s_overhead_clusters is not used: resize2fs 1.47 clears it.
 *
 * The options of mke2fs are all given here; the host's mke2fs.conf is not read, for the images
 * must be alike everywhere.
 *  - assume_storage_prezeroed (e2fsprogs 1.46.6): tables and journal of a fresh sparse file are
 *    zero already; no thread has to write them after the first mount;
 *  - resize=16 times the size: without it 4 MiB of reserved descriptors are written and have
 *    to be copied for each VE; with it a pristine image of 10 GiB holds 320 KiB.
 */
#include "storage/ext4.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-lock.h"
#include "util/sys-proc.h"

/* Offsets in the superblock (Documentation/filesystems/ext4/super.rst). */
enum {
	SB_AT = 1024,
	SB_SIZE = 1024,
	SB_BLOCKS_LO = 0x4,
	SB_FREE_LO = 0xc,
	SB_LOG_BLOCK = 0x18,
	SB_PER_GROUP = 0x20,
	SB_INODES_PER_GROUP = 0x28,
	SB_MAGIC = 0x38,
	SB_STATE = 0x3a,
	SB_INODE_SIZE = 0x58,
	SB_INCOMPAT = 0x60,
	SB_RO_COMPAT = 0x64,
	SB_UUID = 0x68,
	SB_RESERVED_GDT = 0xce,
	SB_LAST_ORPHAN = 0xe8,
	SB_DESC_SIZE = 0xfe,
	SB_JNL_SIZE_HI = 0x148,
	SB_JNL_SIZE_LO = 0x14c,
	SB_BLOCKS_HI = 0x150,
	SB_FREE_HI = 0x158,
	SB_CSUM_SEED = 0x270,
	SB_CSUM = 0x3fc,
};
#define STATE_VALID 1
#define STATE_ERROR 2
#define INCOMPAT_RECOVER 4
#define INCOMPAT_CSUM_SEED 0x2000
#define RO_COMPAT_METADATA_CSUM 0x400
#define PER_GROUP (8 * EXT4_BLOCK)
#define MAX_BLOCKS (UINT64_C(1) << 32)  /* 16 TiB: what fits 32-bit descriptors in old tools */
#define INODE_SIZE 256
#define JOURNAL_MIB_MAX 64
#define RESERVED_GDT_MAX (EXT4_BLOCK / 4)       /* one block says where they are */

static uint32_t get32(const unsigned char *sb, unsigned off)
{
	uint32_t v;

	memcpy(&v, sb + off, sizeof(v));
	return le32toh(v);
}

static uint16_t get16(const unsigned char *sb, unsigned off)
{
	uint16_t v;

	memcpy(&v, sb + off, sizeof(v));
	return le16toh(v);
}

static uint64_t get64(const unsigned char *sb, unsigned lo, unsigned hi)
{
	return (uint64_t)get32(sb, hi) << 32 | get32(sb, lo);
}

static void put32(unsigned char *sb, unsigned off, uint32_t v)
{
	v = htole32(v);
	memcpy(sb + off, &v, sizeof(v));
}

static uint64_t div_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

static bool is_clean(const unsigned char *sb)
{
	return (get16(sb, SB_STATE) & (STATE_VALID | STATE_ERROR)) == STATE_VALID &&
	       !(get32(sb, SB_INCOMPAT) & INCOMPAT_RECOVER) && !get32(sb, SB_LAST_ORPHAN);
}

/*
 * What mke2fs makes for us; a VM writes all of it itself. It keeps the overhead of a group below a
 * quarter of the group, so that ext4_blocks_for comes to an end.
 */
static bool is_ours(const unsigned char *sb, const struct ext4_geo *g)
{
	return get32(sb, SB_LOG_BLOCK) == 2 && get32(sb, SB_PER_GROUP) == PER_GROUP &&
	       get16(sb, SB_DESC_SIZE) == 64 && get16(sb, SB_INODE_SIZE) == INODE_SIZE &&
	       g->blocks && g->blocks <= MAX_BLOCKS && g->free <= g->blocks &&
	       g->journal <= g->blocks && g->journal <= JOURNAL_MIB_MAX * 256 &&
	       g->inodes_per_group && g->inodes_per_group <= PER_GROUP &&
	       get16(sb, SB_RESERVED_GDT) <= RESERVED_GDT_MAX;
}

int ext4_read_geo(int fd, struct ext4_geo *ret, struct err *e)
{
	unsigned char sb[SB_SIZE];
	struct ext4_geo g = { 0 };
	int r = fs_pread_all(fd, sb, sizeof(sb), SB_AT);

	if (r < 0 || get16(sb, SB_MAGIC) != 0xef53)
		return err_set(e, EINVAL, VZ_IMAGE_MOUNT, "read disk image: not an ext4 filesystem");
	g.blocks = get64(sb, SB_BLOCKS_LO, SB_BLOCKS_HI);
	g.free = get64(sb, SB_FREE_LO, SB_FREE_HI);
	g.journal = get64(sb, SB_JNL_SIZE_LO, SB_JNL_SIZE_HI) / EXT4_BLOCK;
	g.inodes_per_group = get32(sb, SB_INODES_PER_GROUP);
	g.clean = is_clean(sb);
	g.replay = get32(sb, SB_INCOMPAT) & INCOMPAT_RECOVER;
	if (!is_ours(sb, &g))
		return err_set(e, EINVAL, VZ_IMAGE_MOUNT,
			       "read disk image: its superblock is damaged");
	g.table = (uint32_t)div_up((uint64_t)g.inodes_per_group * INODE_SIZE, EXT4_BLOCK);
	g.descs = (uint32_t)div_up(div_up(g.blocks, PER_GROUP) * 64, EXT4_BLOCK) +
		  get16(sb, SB_RESERVED_GDT);
	*ret = g;
	return 0;
}

/* CRC-32C, four bits at a time (Documentation/filesystems/ext4/checksums.rst). */
static uint32_t crc32c(uint32_t crc, const unsigned char *p, size_t n)
{
	static const uint32_t part[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	while (n--) {
		crc ^= *p++;
		crc = crc >> 4 ^ part[crc & 15];
		crc = crc >> 4 ^ part[crc & 15];
	}
	return crc;
}

int ext4_renew_uuid(int fd, struct err *e)
{
	unsigned char sb[SB_SIZE], *uuid = sb + SB_UUID;
	uint32_t incompat;

	if (fs_pread_all(fd, sb, sizeof(sb), SB_AT) < 0 || get16(sb, SB_MAGIC) != 0xef53)
		return err_set(e, EINVAL, VZ_IMAGE_CREATE, "renew disk image: not an ext4 filesystem");
	incompat = get32(sb, SB_INCOMPAT);
	if (get32(sb, SB_RO_COMPAT) & RO_COMPAT_METADATA_CSUM && !(incompat & INCOMPAT_CSUM_SEED)) {
		put32(sb, SB_CSUM_SEED, crc32c(~0U, uuid, 16));
		put32(sb, SB_INCOMPAT, incompat | INCOMPAT_CSUM_SEED);
	}
	if (getrandom(uuid, 16, 0) != 16)
		return err_sys(e, "renew disk image: get random bytes");
	uuid[6] = (unsigned char)((uuid[6] & 0x0f) | 0x40);     /* version 4 (RFC 9562) */
	uuid[8] = (unsigned char)((uuid[8] & 0x3f) | 0x80);
	put32(sb, SB_CSUM, crc32c(~0U, sb, SB_CSUM));
	if (pwrite(fd, sb, sizeof(sb), SB_AT) != (ssize_t)sizeof(sb))
		return err_sys(e, "renew disk image");
	return 0;
}

/* Groups below n that hold a copy of the superblock: 0, 1 and the powers of 3, 5 and 7. */
static uint64_t backups(uint64_t n)
{
	static const unsigned base[] = { 3, 5, 7 };
	uint64_t sum = n < 2 ? n : 2;

	for (size_t i = 0; i < ARRAY_SIZE(base); i++)
		for (uint64_t p = base[i]; p < n; p *= base[i])
			sum++;
	return sum;
}

static uint64_t overhead(const struct ext4_geo *g, uint64_t blocks)
{
	uint64_t groups = div_up(blocks, PER_GROUP);

	return groups * (2 + g->table) + backups(groups) * (1 + g->descs) + g->journal;
}

uint64_t ext4_payload(const struct ext4_geo *g)
{
	uint64_t o = overhead(g, g->blocks);

	return o < g->blocks ? g->blocks - o : 0;
}

uint64_t ext4_blocks_for(const struct ext4_geo *g, uint64_t payload)
{
	/* A last group with less room than this is left out by e2fsprogs. */
	uint64_t blocks = payload, last, least = g->table + 2 + 1 + g->descs + 64;

	while (blocks < payload + overhead(g, blocks))
		blocks = payload + overhead(g, blocks);
	last = blocks % PER_GROUP;
	if (last && last < least)
		blocks += least - last;
	return blocks;
}

uint64_t ext4_blocks_most(uint64_t payload)
{
	const struct ext4_geo g = {
		.journal = JOURNAL_MIB_MAX * 256,
		.table = PER_GROUP / (EXT4_BLOCK / INODE_SIZE),
		.descs = (uint32_t)div_up(div_up(payload * 2, PER_GROUP) * 64, EXT4_BLOCK) +
			 RESERVED_GDT_MAX,
	};

	return ext4_blocks_for(&g, payload);
}

/*
 * A VM has written what e2fsck and resize2fs work on, as root and with the VE's lock held. The
 * limits are far above what any disk of ours takes, and grow with it.
 */
struct bounds {
	int ms;
	rlim_t memory;
};

static struct bounds bounds_for(int file)
{
	struct stat st;
	uint64_t size = fstat(file, &st) < 0 || st.st_size < 0 ? 0 : (uint64_t)st.st_size;
	uint64_t gib = size >> 30 < 30000 ? size >> 30 : 30000; /* in milliseconds an int */

	return (struct bounds){ .ms = (int)(600000 + gib * 60000), .memory = (1 << 30) + size / 1024 };
}

/* In the child, before exec. */
static int limit_memory(void *arg)
{
	const struct bounds *b = arg;
	struct rlimit l;

	if (getrlimit(RLIMIT_AS, &l) < 0)
		return -1;
	if (l.rlim_max > b->memory)
		l.rlim_max = b->memory;
	l.rlim_cur = l.rlim_max;
	return setrlimit(RLIMIT_AS, &l);
}

/* bounds: NULL for what works on a file of our own making. */
static int run_tool(const char *const *argv, int in, int cwd, struct bounds *bounds, struct err *e)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
					   "MKE2FS_CONFIG=/dev/null", "E2FSCK_CONFIG=/dev/null",
					   NULL };
	struct run run = { .argv = argv, .env = env, .in = in, .out = -1, .cwd = cwd };
	int r;

	if (bounds) {
		run.timeout_ms = bounds->ms;
		run.setup = limit_memory;
		run.arg = bounds;
	}
	r = proc_run(&run, e);
	/* All that e2fsprogs tell of a full disk is this text (in English: LC_ALL=C). */
	if (r > 0 && strstr(e->msg, "No space left"))
		e->eno = ENOSPC;
	return r;
}

/* What mke2fs will make of it; with an inode count of the user's, only a first guess. */
static struct ext4_geo plan_geo(uint64_t payload, uint64_t inodes)
{
	uint64_t groups = div_up(payload, PER_GROUP), mib = payload / (256 * 64);
	struct ext4_geo g = { 0 };

	mib = mib < 4 ? 4 : mib > JOURNAL_MIB_MAX ? JOURNAL_MIB_MAX : mib;
	g.journal = mib * 256;
	g.inodes_per_group = inodes ? (uint32_t)(div_up(inodes, groups * 16) * 16) : 8192;
	if (g.inodes_per_group > 2 * PER_GROUP) /* more than will be allowed, however it grows */
		g.inodes_per_group = 2 * PER_GROUP;
	g.table = g.inodes_per_group / (EXT4_BLOCK / INODE_SIZE);
	g.descs = (uint32_t)div_up(groups * 16 * 64, EXT4_BLOCK);
	return g;
}

static int mkfs(int dir, const char *name, uint64_t blocks, const struct ext4_geo *g,
		uint64_t inodes, struct err *e)
{
	static const char features[] =
		"none,has_journal,extent,huge_file,flex_bg,metadata_csum,metadata_csum_seed,64bit,dir_nlink,"
		"extra_isize,sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr";
	char ext[128], journal[32], count[24], size[24];
	const char *const argv[] = {
		"/sbin/mke2fs", "-q", "-F", "-b", "4096", "-I", "256", "-m", "0", "-J", journal,
		"-O", features, "-E", ext, "-d", "skeleton",
		inodes ? "-N" : "-i", inodes ? count : "16384", name, size, NULL
	};
	/* mke2fs wants more than the size itself, and no more than 32-bit block numbers. */
	uint64_t limit = blocks * 16 < MAX_BLOCKS ? blocks * 16 : MAX_BLOCKS - 1;
	int r;

	(void)str_fmt(count, sizeof(count), "%llu", (unsigned long long)inodes);
	(void)str_fmt(size, sizeof(size), "%llu", (unsigned long long)blocks);
	(void)str_fmt(journal, sizeof(journal), "size=%llu",
		      (unsigned long long)(g->journal / 256));
	(void)str_fmt(ext, sizeof(ext),
		      "nodiscard,assume_storage_prezeroed=1,root_owner=0:0,resize=%llu",
		      (unsigned long long)limit);
	r = run_tool(argv, dir, dir, NULL, e);
	return r > 0 ? -e->eno : r;
}

/* A fresh sparse file of that many blocks; what a killed maker left under the name is gone. */
static int make_once(int dir, const char *name, uint64_t blocks, const struct ext4_geo *g,
		     uint64_t inodes, int *ret_fd, struct err *e)
{
	_fd_ int fd = -1;
	int r;

	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove %s", name);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "make seed image %s", name);
	if (ftruncate(fd, (off_t)(blocks * EXT4_BLOCK)) < 0)
		return err_sys(e, "make seed image of %llu MiB",
			       (unsigned long long)(blocks / 256));
	r = mkfs(dir, name, blocks, g, inodes, e);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The filesystem itself says how large its metadata are; the second try has the right size. */
static int make_sized(int dir, const char *name, uint64_t payload, uint64_t inodes, int *ret_fd,
		      struct err *e)
{
	struct ext4_geo g = plan_geo(payload, inodes);
	uint64_t blocks = ext4_blocks_for(&g, payload);
	uint64_t most = div_up(blocks, PER_GROUP) * PER_GROUP;  /* one a block; mke2fs would make more, smaller groups */

	if (inodes > most)
		return err_set(e, ERANGE, VZ_BAD_VALUE,
			       "make disk: one of %llu MiB has %llu inodes at most, not %llu",
			       (unsigned long long)(payload / 256), (unsigned long long)most,
			       (unsigned long long)inodes);
	for (int try = 0; try < 3; try++) {
		_fd_ int fd = -1;
		int r = make_once(dir, name, blocks, &g, inodes, &fd, e);

		if (!r)
			r = ext4_read_geo(fd, &g, e);
		if (r < 0)
			return r;
		if (ext4_payload(&g) >= payload) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
		blocks = ext4_blocks_for(&g, payload);
	}
	return err_set(e, EINVAL, VZ_IMAGE_CREATE, "make seed image: the wanted size is not reached");
}

static int make_skeleton(int dir, struct err *e)
{
	int r = fs_mkdir_p(dir, "skeleton/upper", 0755, e);

	if (!r)
		r = fs_mkdir_p(dir, "skeleton/work", 0700, e);
	if (!r && (fchmodat(dir, "skeleton", 0755, 0) < 0 ||
		   fchmodat(dir, "skeleton/upper", 0755, 0) < 0))
		return err_sys(e, "make the skeleton of a disk");  /* a tight umask of ours */
	return r;
}

static int make_seed(int dir, const char *name, uint64_t payload, uint64_t inodes, struct err *e)
{
	static const char tmp[] = ".seed.new";
	_fd_ int fd = -1;
	int r = make_skeleton(dir, e);

	if (!r)
		r = make_sized(dir, tmp, payload, inodes, &fd, e);
	if (!r && (fsync(fd) < 0 || renameat(dir, tmp, dir, name) < 0))
		r = err_sys(e, "make seed image %s", name);
	if (r < 0)
		(void)unlinkat(dir, tmp, 0);
	return r;
}

int ext4_seed(int seeds, uint64_t payload, uint64_t inodes, int *ret_fd, struct err *e)
{
	_fd_ int dir = -1, fd = -1;
	char name[64];
	int r;

	if (!payload || payload > MAX_BLOCKS / 16 * 15 || inodes > UINT32_MAX - PER_GROUP)
		return err_set(e, ERANGE, VZ_BAD_VALUE, "make disk of %llu MiB: out of range",
			       (unsigned long long)(payload / 256));
	(void)str_fmt(name, sizeof(name), "ext4-%llu-%llu.img", (unsigned long long)payload,
		      (unsigned long long)inodes);
	fd = openat(seeds, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		/* One maker at a time. mke2fs inherits the lock: it ends with the last of both. */
		r = flock_path(seeds, ".", "the directory of seed images", FLOCK_WORK_MS, &dir, e);
		if (r < 0)
			return r;
		if (faccessat(dir, name, R_OK, AT_SYMLINK_NOFOLLOW) < 0) {
			r = make_seed(dir, name, payload, inodes, e);
			if (r < 0)
				return r;
		}
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(e, "open seed image %s", name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int ext4_check(int dir, const char *name, int fd, bool full, struct err *e)
{
	const char *const quick[] = { "/sbin/e2fsck", "-p", name, NULL };
	const char *const slow[] = { "/sbin/e2fsck", "-f", "-p", "-E", "discard", name, NULL };
	struct bounds b = bounds_for(fd);
	int r = run_tool(full ? slow : quick, fd, dir, &b, e);

	if (r < 0)
		return r == -ETIMEDOUT ? err_exit(e, VZ_IMAGE_MOUNT) : r;
	if (r >= 4)                     /* e2fsck(8): 1 and 2 are "errors corrected" */
		return err_exit(e, VZ_IMAGE_MOUNT);
	err_clear(e);
	return 0;
}

int ext4_resize(int dir, const char *name, int fd, uint64_t blocks, struct err *e)
{
	char size[24];
	const char *const argv[] = { "/sbin/resize2fs", name, size, NULL };
	struct bounds b = bounds_for(fd);
	int r;

	(void)str_fmt(size, sizeof(size), "%llu", (unsigned long long)blocks);
	r = run_tool(argv, fd, dir, &b, e);
	return r > 0 || r == -ETIMEDOUT ? err_exit(e, VZ_IMAGE_RESIZE) : r;
}
