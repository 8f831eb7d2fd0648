/* SPDX-License-Identifier: GPL-2.0-or-later */
/* storage/ as far as it goes without root: e2fsprogs works on plain files. */
#include "tests/unit/harness.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/ext4.h"
#include "storage/storage.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define MIB UINT64_C(1048576)

static int scratch(char path[64])
{
	struct err e = ERR_INIT;
	int fd = -1;

	(void)str_fmt(path, 64, "/tmp/berth-test-storage.XXXXXX");
	if (!mkdtemp(path) || fs_open_dir(AT_FDCWD, path, &fd, &e) < 0)
		abort();
	return fd;
}

static void scratch_done(int fd, const char *path)
{
	struct err e = ERR_INIT;

	(void)close(fd);
	CHECK(fs_remove_tree(AT_FDCWD, path, &e) == 0);
}

static int image_geo(int dir, struct ext4_geo *g)
{
	_fd_ int fd = openat(dir, "disk.img", O_RDONLY | O_CLOEXEC);
	struct err e = ERR_INIT;

	return ext4_read_geo(fd, g, &e);
}

TEST(backends_have_names_and_an_alias)
{
	CHECK(storage_find("image") != NULL);
	CHECK(storage_find("ploop") == storage_find("image"));
	CHECK(!storage_find("simfs-of-yore"));
	CHECK(storage_find("") == storage_find("image"));
	CHECK(storage_find("full") == storage_find("image") && storage_is_whole("full"));
	CHECK(!storage_is_whole("image") && !storage_is_whole("quota"));
	/* Whoever asks for what a directory cannot do must find nothing, not an image's function. */
	CHECK(!storage_find("quota")->attach && !storage_find("quota")->open_file);
}

TEST(a_seed_has_room_for_what_was_asked)
{
	static const struct {
		uint64_t mib, inodes;
	} cases[] = { { 16, 0 }, { 100, 0 }, { 1024, 0 }, { 4112, 0 }, { 10240, 1000 },
		      { 4096, 500000 }, { 300000, 0 }, { 128 * 9, 0 } };
	char path[64];
	int dir = scratch(path);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t want = cases[i].mib * 256;
		struct err e = ERR_INIT;
		struct ext4_geo g = { 0 };
		_fd_ int fd = -1;

		CHECK(ext4_seed(dir, want, cases[i].inodes, &fd, &e) == 0);
		CHECK_STR(e.msg, "");
		CHECK(ext4_read_geo(fd, &g, &e) == 0);
		CHECK(g.clean);
		CHECK(ext4_payload(&g) >= want);
		CHECK(ext4_payload(&g) < want + 2 * 8 * EXT4_BLOCK);    /* not a group too large */
		CHECK(g.blocks >= ext4_blocks_for(&g, want));
	}
	CHECK(faccessat(dir, ".seed.new", F_OK, 0) < 0);
	scratch_done(dir, path);
}

TEST(create_is_all_or_nothing)
{
	const struct storage_backend *b = storage_find("image");
	struct disk_spec spec = { .size = 64 * MIB, .headroom = 64 * MIB };
	struct err e = ERR_INIT;
	struct stat st;
	char path[64];
	int dir = scratch(path);

	spec.seeds = dir;
	CHECK(b->create(dir, &spec, &e) == 0);
	CHECK(fstatat(dir, "disk.img", &st, 0) == 0 && (st.st_mode & 07777) == 0600);
	CHECK((uint64_t)st.st_blocks * 512 < 4 * MIB);
	CHECK(b->create(dir, &spec, &e) == -EEXIST && e.exit == VZ_PRIVATE_EXISTS);
	CHECK(faccessat(dir, ".disk.img.new", F_OK, 0) < 0);
	spec.size = 0;
	spec.headroom = 0;
	CHECK(b->create(dir, &spec, &e) < 0);
	spec.size = UINT64_MAX / 2;
	CHECK(b->create(dir, &spec, &e) < 0);
	spec.size = 32 * MIB;
	spec.inodes = 200000;
	CHECK(b->create(dir, &spec, &e) == -ERANGE && e.exit == VZ_BAD_VALUE);
	spec.inodes = 524256;                   /* their table would be as large as the group */
	CHECK(b->create(dir, &spec, &e) == -ERANGE && e.exit == VZ_BAD_VALUE);
	CHECK(unlinkat(dir, "disk.img", 0) == 0);
	spec.inodes = 32768;
	CHECK(b->create(dir, &spec, &e) == 0);
	scratch_done(dir, path);
}

TEST(prepare_follows_the_plan_both_ways)
{
	static const uint64_t plan_mib[] = { 64, 1024, 2048, 512 };
	const struct storage_backend *b = storage_find("image");
	struct disk_spec spec = { .size = plan_mib[0] * MIB };
	struct err e = ERR_INIT;
	char path[64];
	int dir = scratch(path);

	spec.seeds = dir;
	CHECK(b->create(dir, &spec, &e) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(plan_mib); i++) {
		struct ext4_geo g = { 0 };
		uint64_t have;

		spec.size = plan_mib[i] * MIB;
		CHECK(b->prepare(dir, &spec, &e) == 0);
		CHECK_STR(e.msg, "");
		CHECK(image_geo(dir, &g) == 0 && g.clean);
		have = ext4_payload(&g) / 256;
		CHECK(have >= plan_mib[i] && have < plan_mib[i] + 160);
	}
	spec.size = 4 * MIB;
	CHECK(b->resize_offline(dir, &spec, &e) == 0);
	spec.size = 4096;
	CHECK(b->resize_offline(dir, &spec, &e) == -EBUSY && e.exit == VZ_IMAGE_RESIZE);
	scratch_done(dir, path);
}

TEST(what_is_not_our_image_is_refused)
{
	const struct storage_backend *b = storage_find("image");
	struct disk_spec spec = { .size = 64 * MIB };
	struct err e = ERR_INIT;
	char path[64], junk[4096];
	int dir = scratch(path);
	_fd_ int fd = -1;

	CHECK(b->prepare(dir, &spec, &e) == -ENOENT && e.exit == VZ_IMAGE_NOT_FOUND);
	CHECK(symlinkat("/etc/passwd", dir, "disk.img") == 0);
	CHECK(b->prepare(dir, &spec, &e) == -ELOOP);
	(void)unlinkat(dir, "disk.img", 0);
	CHECK(mkfifoat(dir, "disk.img", 0600) == 0);
	CHECK(b->prepare(dir, &spec, &e) < 0);
	(void)unlinkat(dir, "disk.img", 0);
	fd = openat(dir, "disk.img", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(b->prepare(dir, &spec, &e) == -EINVAL && e.exit == VZ_IMAGE_MOUNT);
	memset(junk, 0xff, sizeof(junk));
	junk[1024 + 0x38] = 0x53;
	junk[1024 + 0x39] = (char)0xef;
	CHECK(pwrite(fd, junk, sizeof(junk), 0) == (ssize_t)sizeof(junk));
	CHECK(b->prepare(dir, &spec, &e) == -EINVAL && e.exit == VZ_IMAGE_MOUNT);
	scratch_done(dir, path);
}

/* What a VM can write over its superblock, by offset: the host reads it before any check. */
TEST(a_geometry_that_is_not_of_our_making_is_refused)
{
	static const struct {
		off_t at;
		unsigned char n, bytes[4];
	} lies[] = {
		{ 0x58, 2, { 0xff, 0xff } },            /* size of an inode */
		{ 0x58, 2, { 0xff, 0x0f } },
		{ 0x58, 2, { 0 } },
		{ 0x28, 4, { 0 } },                     /* inodes of a group */
		{ 0x28, 4, { 0, 0, 1 } },
		{ 0xce, 2, { 0xff, 0xff } },            /* reserved descriptors */
		{ 0x14c, 4, { 0, 0, 0, 0x10 } },        /* size of the journal */
		{ 0x150, 4, { 1, 1 } },                 /* blocks, high half */
	};
	struct err e = ERR_INIT;
	struct ext4_geo g;
	char path[64];
	int dir = scratch(path);
	_fd_ int seed = -1, fd = -1;

	CHECK(ext4_seed(dir, 1024 * 256, 0, &seed, &e) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		unsigned char sb[4096];

		cleanup_fd(&fd);
		fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		CHECK(pread(seed, sb, sizeof(sb), 0) == sizeof(sb));
		memcpy(sb + 1024 + lies[i].at, lies[i].bytes, lies[i].n);
		CHECK(pwrite(fd, sb, sizeof(sb), 0) == sizeof(sb));
		CHECK(ext4_read_geo(fd, &g, &e) == -EINVAL && e.exit == VZ_IMAGE_MOUNT);
	}
	scratch_done(dir, path);
}

static uint64_t image_size(int dir)
{
	struct stat st;

	return fstatat(dir, "disk.img", &st, 0) < 0 ? 0 : (uint64_t)st.st_size;
}

/* The end of the device is a VM's only cap: the guest may say what it likes of its filesystem. */
TEST(a_vm_gets_no_device_beyond_its_plan)
{
	const struct storage_backend *b = storage_find("image");
	struct disk_spec spec = { .size = 1024 * MIB };
	const uint32_t blocks = htole32(80000);
	struct disk d = DISK_INIT;
	struct err e = ERR_INIT;
	struct ext4_geo g = { 0 };
	char path[64];
	int dir = scratch(path);
	_fd_ int fd = -1;

	spec.seeds = dir;
	CHECK(b->create(dir, &spec, &e) == 0);
	spec.size = 256 * MIB;
	CHECK(b->attach(dir, &spec, &d, &e) == -EFBIG && e.exit == VZ_IMAGE_MOUNT);
	disk_done(&d);
	fd = openat(dir, "disk.img", O_RDWR | O_CLOEXEC);
	CHECK(pwrite(fd, &blocks, sizeof(blocks), 1024 + 4) == sizeof(blocks));
	CHECK(pwrite(fd, &(uint32_t){ 0 }, 4, 1024 + 0xc) == 4);        /* free ones */
	CHECK(image_geo(dir, &g) == 0 && ext4_payload(&g) < 80000);
	CHECK(b->attach(dir, &spec, &d, &e) == -EFBIG && e.exit == VZ_IMAGE_MOUNT);
	disk_done(&d);
	/* A start believes it, and leaves no more than that. */
	CHECK(b->prepare(dir, &spec, &e) == 0);
	CHECK(image_size(dir) == 80000 * 4096);
	scratch_done(dir, path);
}

TEST(no_geometry_takes_more_than_is_allowed_for)
{
	static const uint64_t mib[] = { 16, 100, 4112, 300000 };
	char path[64];
	int dir = scratch(path);

	for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
		uint64_t want = mib[i] * 256, inodes[] = { 0, want };

		for (size_t k = 0; k < ARRAY_SIZE(inodes); k++) {
			struct err e = ERR_INIT;
			struct ext4_geo g = { 0 };
			_fd_ int fd = -1;

			CHECK(ext4_seed(dir, want, inodes[k], &fd, &e) == 0);
			CHECK(ext4_read_geo(fd, &g, &e) == 0);
			CHECK(g.blocks <= ext4_blocks_most(want));
			CHECK(ext4_blocks_most(want) < want + want / 14 + 8 * EXT4_BLOCK);
		}
	}
	scratch_done(dir, path);
}
