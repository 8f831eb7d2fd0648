/* SPDX-License-Identifier: GPL-2.0-or-later */
/* templates/ as far as it goes without root: manifests, store, apt's sources. */
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templates/apt.h"
#include "templates/manifest.h"
#include "templates/recipe.h"
#include "templates/store.h"
#include "templates/verify.h"
#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct place {
	char path[64];
	int dir;
	struct store s;
};

static void place_init(struct place *p)
{
	struct err e = ERR_INIT;

	(void)str_fmt(p->path, sizeof(p->path), "/tmp/berth-test-templates.XXXXXX");
	if (!mkdtemp(p->path) || fs_open_dir(AT_FDCWD, p->path, &p->dir, &e) < 0 ||
	    store_open(p->dir, p->dir, &p->s, &e) < 0)
		abort();
}

static void place_done(struct place *p)
{
	struct err e = ERR_INIT;

	store_close(&p->s);
	(void)close(p->dir);
	CHECK(fs_remove_tree(AT_FDCWD, p->path, &e) == 0);
}

/* A file that passes for an erofs image; fill makes it differ from others. */
static void fake_image(int dir, const char *name, char fill)
{
	_fd_ int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char block[4096];

	memset(block, fill, sizeof(block));
	memcpy(block + 1024, "\xe2\xe1\xf5\xe0", 4);
	CHECK(fs_write_all(fd, block, sizeof(block)) == 0);
}

static int add(struct place *p, const char *image, const char *name, struct template *ret)
{
	struct template t = { .arch = "x86_64", .distribution = "mini", .init = "busybox" };
	struct err e = ERR_INIT;
	int r;

	(void)str_fmt(t.name, sizeof(t.name), "%s", name);
	r = store_add(&p->s, p->dir, image, &t, &e);
	if (!r)
		*ret = t;
	return r;
}

TEST(names_are_words)
{
	static const struct {
		const char *s;
		bool ok;
	} cases[] = {
		{ "debian-12", true }, { "a", true },    { "A_b.c-1", true }, { "", false },
		{ ".x", false },       { "-x", false },  { "a/b", false },    { "..", false },
		{ "a b", false },      { "a\n", false }, { "\xc3\xa9", false },
		{ "012345678901234567890123456789012345678901234567890123456789012", true },
		{ "0123456789012345678901234567890123456789012345678901234567890123", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK(manifest_name_ok(cases[i].s) == cases[i].ok);
	CHECK(manifest_hex_ok(DIGEST, DIGEST_LEN));
	CHECK(!manifest_hex_ok(DIGEST "0", 0));
	CHECK(!manifest_hex_ok("ABC", 0));
	CHECK(!manifest_hex_ok("", 0));
}

TEST(manifests_are_hostile)
{
#define GOOD                                                                                   \
	"\"version\":1,\"digest\":\"" DIGEST "\",\"name\":\"n\",\"arch\":\"x86_64\","           \
	"\"distribution\":\"mini\",\"init\":\"busybox\",\"size\":4096"
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "{" GOOD ",\"created\":5}", 0 },
		{ "{" GOOD ",\"hook\":\"/bin/sh\"}", 0 },       /* inert */
		{ "{}", -EINVAL },
		{ "[]", -EINVAL },
		{ "", -EINVAL },
		{ "{\"version\":2,\"digest\":\"" DIGEST "\"}", -EINVAL },
		{ "{\"version\":1,\"digest\":\"f123\"}", -EINVAL },
		{ "{\"name\":\"../../etc\"," GOOD "}", -EINVAL },
		{ "{\"init\":\"/bin/sh -c x\"," GOOD "}", -EINVAL },
		{ "{\"arch\":\"0123456789abcdef\"," GOOD "}", -EINVAL }, /* does not fit */
		{ "{\"size\":-1," GOOD "}", -EINVAL },
		{ "{\"size\":18446744073709551615," GOOD "}", -EINVAL },
		{ "{\"digest\":null," GOOD "}", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct template t = { 0 };

		CHECK(manifest_parse(cases[i].text, strlen(cases[i].text), DIGEST, &t, &e) ==
		      cases[i].r);
		CHECK(!cases[i].r || (e.exit == VZ_BAD_TEMPLATE && !t.digest[0]));
	}
}

TEST(digest_is_sha256)
{
	struct err e = ERR_INIT;
	char hex[DIGEST_LEN + 1];
	_fd_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(verify_digest(fd, hex, &e) == 0);
	CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	CHECK(verify_image(fd, DIGEST, &e) == -EBADMSG && e.exit == VZ_BAD_TEMPLATE);
	CHECK(strstr(e.msg, DIGEST) != NULL);
}

TEST(add_is_idempotent_and_finds_again)
{
	struct template a, b, *list = NULL;
	struct err e = ERR_INIT;
	struct place p;
	char prefix[13];
	size_t n = 0;

	place_init(&p);
	fake_image(p.dir, "one", 'a');
	CHECK(add(&p, "one", "web", &a) == 0);
	CHECK(faccessat(p.dir, "one", F_OK, 0) < 0);            /* moved */
	fake_image(p.dir, "two", 'a');
	CHECK(add(&p, "two", "other", &b) == 0);
	CHECK_STR(a.digest, b.digest);
	CHECK_STR(b.name, "web");
	CHECK(faccessat(p.dir, "two", F_OK, 0) < 0);
	fake_image(p.dir, "three", 'c');
	CHECK(add(&p, "three", "web", &b) == 0);
	CHECK(store_list(&p.s, &list, &n, &e) == 0 && n == 2);
	free(list);
	CHECK(store_find(&p.s, "web", &a, &e) == 0);
	CHECK_STR(a.digest, b.digest);
	(void)str_fmt(prefix, sizeof(prefix), "%.12s", a.digest);
	CHECK(store_find(&p.s, prefix, &b, &e) == 0);
	CHECK_STR(a.digest, b.digest);
	CHECK(store_find(&p.s, "none", &b, &e) == -ENOENT && e.exit == VZ_NO_TEMPLATE);
	CHECK(store_find(&p.s, "../web", &b, &e) < 0);
	(void)str_fmt(prefix, sizeof(prefix), "%.11s", a.digest);
	CHECK(store_find(&p.s, prefix, &b, &e) == -ENOENT);     /* too short to be a digest */
	CHECK(store_verify(&p.s, a.digest, &e) == 0);
	place_done(&p);
}

TEST(add_refuses_what_is_no_image)
{
	struct template t = { 0 };
	struct place p;
	struct err e = ERR_INIT;

	place_init(&p);
	CHECK(fs_save_at(p.dir, "text", "hello\n", 0644, &e) == 0);
	CHECK(add(&p, "text", "web", &t) == -EINVAL);
	CHECK(faccessat(p.dir, "text", F_OK, 0) == 0);
	CHECK(symlinkat("text", p.dir, "link") == 0);
	CHECK(add(&p, "link", "web", &t) == -ELOOP);
	fake_image(p.dir, "img", 'a');
	CHECK(add(&p, "img", "../x", &t) == -EINVAL);
	CHECK(add(&p, "img", "0123456789abcdef", &t) == -EINVAL);       /* reads as a digest */
	CHECK(faccessat(p.dir, "img", F_OK, 0) == 0);
	place_done(&p);
}

TEST(a_flipped_byte_is_found)
{
	struct template t;
	struct err e = ERR_INIT;
	char name[DIGEST_LEN + 8];
	_fd_ int fd = -1;
	struct place p;

	place_init(&p);
	fake_image(p.dir, "one", 'a');
	CHECK(add(&p, "one", "web", &t) == 0);
	(void)str_fmt(name, sizeof(name), "%s.erofs", t.digest);
	CHECK(fchmodat(p.s.dir, name, 0644, 0) == 0);
	fd = openat(p.s.dir, name, O_RDWR | O_CLOEXEC);
	CHECK(pwrite(fd, "b", 1, 4000) == 1);
	CHECK(store_verify(&p.s, t.digest, &e) == -EBADMSG && e.exit == VZ_BAD_TEMPLATE);
	fake_image(p.dir, "two", 'a');
	CHECK(add(&p, "two", "web", &t) == 0);                  /* a good one takes its place */
	CHECK(store_verify(&p.s, t.digest, &e) == 0);
	place_done(&p);
}

TEST(remove_takes_a_channel_or_a_version)
{
	struct template t, u;
	struct err e = ERR_INIT;
	struct place p;

	place_init(&p);
	fake_image(p.dir, "one", 'a');
	CHECK(add(&p, "one", "web", &t) == 0);
	CHECK(store_tag(&p.s, t.digest, "db", &e) == 0);
	CHECK(store_tag(&p.s, DIGEST, "db", &e) == -ENOENT);
	CHECK(store_tag(&p.s, t.digest, "a/b", &e) == -EINVAL);
	CHECK(store_remove(&p.s, "web", &e) == 0);
	CHECK(store_find(&p.s, "web", &u, &e) == -ENOENT);
	CHECK(store_find(&p.s, "db", &u, &e) == 0);
	CHECK(store_remove(&p.s, t.digest, &e) == 0);
	CHECK(store_find(&p.s, "db", &u, &e) == -ENOENT);
	CHECK(store_find(&p.s, t.digest, &u, &e) == -ENOENT);
	CHECK(store_remove(&p.s, t.digest, &e) == -ENOENT);
	place_done(&p);
}

TEST(mirrors_of_the_host)
{
	static const struct {
		const char *text;
		bool deb822;
		const char *main, *security;
	} cases[] = {
		{ "# c\ndeb [arch=amd64 signed-by=/x] http://m.example/debian/ bookworm main contrib\n"
		  "deb http://s.example/debian-security bookworm-security main # x\n",
		  false, "http://m.example/debian/", "http://s.example/debian-security" },
		{ "deb-src http://a/debian bookworm main\n"
		  "deb https://download.example/linux/debian bookworm stable\n"
		  "deb cdrom:[Debian]/ bookworm main\n"
		  "deb file:/srv/debian bookworm main\n"
		  "deb http://b/debian;id bookworm main\n"
		  "deb http://pkg.example/php bookworm main\n",
		  false, "", "" },
		{ "Types: deb deb-src\n# http://old/debian\nURIs: http://a.example/debian\n"
		  "Suites: bookworm bookworm-updates\nComponents: main\n\n"
		  "types: deb\nURIs:\n http://b.example/debian-security\n"
		  "Suites: bookworm-security\nComponents: main non-free\n",
		  true, "http://a.example/debian", "http://b.example/debian-security" },
		{ "Enabled: no\nTypes: deb\nURIs: http://a/debian\nSuites: x\nComponents: main\n"
		  "\n\nTypes: deb\nURIs: http://c/ubuntu\nSuites: x\nComponents: main\n",
		  true, "", "" },
		{ "", true, "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct apt_mirrors m = { 0 };

		apt_read_sources(cases[i].text, cases[i].deb822, "debian", &m);
		CHECK_STR(m.main, cases[i].main);
		CHECK_STR(m.security, cases[i].security);
	}
}

TEST(recipe_files)
{
	static const char *const bad[] = {
		"", "PACKAGES=\"x\"\n", "BASE=\"mini\"\nNO=\"x\"\n", "BASE=\"mini\"\nPACKAGES=\"-x\"\n",
		"BASE=\"mini\"\nPACKAGES=\"a;b\"\n", "BASE=\"mini\" x\n", "BASE=\"mi\tni\"\n", "BASE\n",
	};
	struct recipe_extra x;
	struct err e = ERR_INIT;
	struct place p;

	place_init(&p);
	CHECK(fs_save_at(p.dir, "web.recipe", "# a comment\n\nBASE=\"debian-12\"\nPACKAGES=\"nginx, curl g++\"\n",
			 0644, &e) == 0);
	CHECK(recipe_load(p.dir, "web", &x, &e) == 0);
	CHECK_STR(x.base, "debian-12");
	CHECK_STR(x.packages, "nginx,curl,g++");
	CHECK(!*x.mirror && !*x.hook);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(fs_save_at(p.dir, "web.recipe", bad[i], 0644, &e) == 0);
		CHECK(recipe_load(p.dir, "web", &x, &e) == -EINVAL && e.exit == VZ_BAD_VALUE);
	}
	CHECK(recipe_load(p.dir, "none", &x, &e) == -ENOENT);
	CHECK(recipe_load(p.dir, "../web", &x, &e) == -ENOENT);
	CHECK(recipe_load(-1, "web", &x, &e) == -ENOENT);
	place_done(&p);
}
