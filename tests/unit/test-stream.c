/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VE's stream: what goes in comes out, and what does not fit is refused though its sum is right. */
#include "tests/unit/harness.h"

#include <endian.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "ve/receive.h"
#include "ve/stream-head.h"
#include "ve/stream.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CONF "TEMPLATE_VERSION=\"" DIGEST "\"\nNAME=\"web\"\nLOCAL_UID=\"268435456\"\n"
#define DISK (UINT64_C(2) << 20)

static struct stream_head good_head(void)
{
	struct stream_head h = { .id = 101, .template = DIGEST, .from = "host1", .disk = DISK };

	return h;
}

struct piece {
	char kind;
	uint64_t at;
	size_t len;
};

/* A stream of this head and these pieces, ended as it should be. */
static int stream_of(const struct stream_head *h, const char *conf, const struct piece *p, size_t n)
{
	static char data[4096 + 8];
	_fd_ int fd = memfd_create("stream", MFD_CLOEXEC);
	struct stream s = STREAM_INIT;
	struct err e = ERR_INIT;

	memset(data, 'x', sizeof(data));
	if (fd < 0 || stream_begin(&s, fd, true, &e) < 0 || stream_put_head(&s, h, conf, &e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = htole64(p[i].at);

		if (p[i].kind == 'D')
			memcpy(data, &at, sizeof(at));
		if (stream_put(&s, p[i].kind, data, p[i].len, &e) < 0)
			return -1;
	}
	if (stream_put_end(&s, &e) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	stream_done(&s);
	return TAKE_FD(fd);
}

static int verify(const struct stream_head *h, const char *conf, const struct piece *p, size_t n,
		  struct stream_head *ret)
{
	_fd_ int fd = stream_of(h, conf, p, n);
	struct err e = ERR_INIT;

	return fd < 0 ? -1000 : ve_stream_verify(fd, ret, &e);
}

TEST(a_stream_says_what_was_put_in)
{
	static const struct piece pieces[] = { { 'D', 0, 4104 }, { 'D', DISK - 4096, 4104 } };
	struct stream_head h = good_head(), have;

	CHECK(verify(&h, CONF, pieces, ARRAY_SIZE(pieces), &have) == 0);
	CHECK(have.id == 101 && have.disk == DISK);
	CHECK_STR(have.conf.name, "web");
	CHECK(have.conf.local_uid == 0);        /* the receiver's to choose */
}

TEST(a_template_has_one_signature)
{
	static const struct piece pieces[] = { { 'G', 0, 10 }, { 'G', 0, 10 }, { 'T', 0, 16 }, { 'D', 0, 4104 } };
	struct stream_head h = good_head(), have;

	h.image = 16;
	CHECK(verify(&h, CONF, pieces + 1, 3, &have) == 0);
	CHECK(verify(&h, CONF, pieces, 4, &have) == -EBADMSG);
}

TEST(zeros_are_left_out)
{
	static const char zeros[4096];
	_fd_ int fd = memfd_create("stream", MFD_CLOEXEC);
	struct stream s = STREAM_INIT;
	struct err e = ERR_INIT;
	off_t before;

	CHECK(stream_begin(&s, fd, true, &e) == 0);
	before = lseek(fd, 0, SEEK_CUR);
	CHECK(stream_put_disk(&s, 0, zeros, sizeof(zeros), &e) == 0);
	CHECK(lseek(fd, 0, SEEK_CUR) == before);
	stream_done(&s);
}

TEST(pieces_that_do_not_fit_are_refused)
{
	static const struct piece bad[][2] = {
		{ { 'D', 4096, 4104 }, { 'D', 0, 4104 } },              /* backwards */
		{ { 'D', 0, 4104 }, { 'D', 4095, 4104 } },              /* over each other */
		{ { 'D', 0, 4104 }, { 'D', DISK - 4095, 4104 } },       /* past the end */
		{ { 'D', 0, 4104 }, { 'D', UINT64_MAX, 4104 } },
		{ { 'D', 0, 4104 }, { 'D', 8192, 8 } },                 /* nothing */
		{ { 'D', 0, 4104 }, { 'D', 8192, 3 } },
		{ { 'D', 0, 4104 }, { 'T', 0, 100 } },                  /* a template not announced */
		{ { 'C', 0, 0 }, { 'D', 0, 4104 } },
	};
	struct stream_head h = good_head(), have;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(verify(&h, CONF, bad[i], 2, &have) == -EBADMSG);
}

TEST(heads_that_lie_are_refused)
{
	static const struct {
		uint32_t id;
		uint64_t disk, image;
		const char *from, *conf;
	} bad[] = {
		{ 100, DISK, 0, "host1", CONF },
		{ 101, 4096, 0, "host1", CONF },
		{ 101, UINT64_MAX, 0, "host1", CONF },
		{ 101, DISK, UINT64_MAX, "host1", CONF },
		{ 101, DISK, 0, "a b", CONF },
		{ 101, DISK, 0, "host1", "NAME=\"web\"\n" },            /* another version than the head */
		{ 101, DISK, 0, "host1", CONF "rm -rf /\n" },
		{ 101, DISK, 0, "host1", CONF "CPUS=\"many\"\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct stream_head h = good_head(), have;

		h.id = bad[i].id;
		h.disk = bad[i].disk;
		h.image = bad[i].image;
		(void)str_fmt(h.from, sizeof(h.from), "%s", bad[i].from);
		CHECK(verify(&h, bad[i].conf, NULL, 0, &have) < 0);
	}
}
