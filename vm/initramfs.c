/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/initramfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "vm/cpio.h"

#define PREFIX "initramfs-"
#define FILE_MAX (64u << 20)
#define KEY_HEX 32

static void key_of(const char *agent, size_t len, char ret[sizeof(PREFIX) + KEY_HEX])
{
	uint8_t raw[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, len, (const uint8_t *)agent);
	sha256_digest(&sha, sizeof(raw), raw);
	memcpy(ret, PREFIX, sizeof(PREFIX));
	for (size_t i = 0; i < KEY_HEX / 2; i++)
		(void)str_fmt(ret + sizeof(PREFIX) - 1 + 2 * i, 3, "%02x", raw[i]);
}

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int add_module(struct cpio *c, int dir, const char *file, struct err *e)
{
	_free_ char *data = NULL;
	char name[300];
	size_t len;
	int r = fs_read_at(dir, file, FILE_MAX, &data, &len, e);

	(void)str_fmt(name, sizeof(name), "modules/%s", file);
	return r < 0 ? r : cpio_add(c, name, S_IFREG | 0600, data, len, e);
}

static int add_modules(struct cpio *c, int kernel, struct err *e)
{
	struct dirent **list = NULL;
	_fd_ int dir = -1;
	int n, r = fs_open_dir(kernel, "modules", &dir, e);

	if (r < 0)
		return r;
	n = scandirat(kernel, "modules", &list, visible, alphasort);
	if (n < 0)
		return err_sys(e, "read the modules of a kernel");
	for (int i = 0; i < n; i++) {
		if (!r)
			r = add_module(c, dir, list[i]->d_name, e);
		free(list[i]);
	}
	free(list);
	return r;
}

static int fill(int fd, int kernel, const char *agent, size_t len, struct err *e)
{
	struct cpio c = { .fd = fd };
	int r = cpio_add(&c, "dev", S_IFDIR | 0755, NULL, 0, e);

	if (!r)
		r = cpio_add_device(&c, "dev/console", S_IFCHR | 0600, 5, 1, e);
	if (!r)
		r = cpio_add(&c, "modules", S_IFDIR | 0700, NULL, 0, e);
	if (!r)
		r = add_modules(&c, kernel, e);
	if (!r)
		r = cpio_add(&c, "init", S_IFREG | 0700, agent, len, e);
	return r < 0 ? r : cpio_end(&c, e);
}

/* Of agents that are no more. */
static void drop_others(int kernel, const char *keep)
{
	_fd_ int fd = openat(kernel, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;

	if (!d)
		return;
	fd = -1;                        /* closedir closes it */
	while ((de = readdir(d)))
		if (str_starts(de->d_name, PREFIX) && !str_eq(de->d_name, keep))
			(void)unlinkat(kernel, de->d_name, 0);
}

static int make(int kernel, const char *name, const char *agent, size_t len, struct err *e)
{
	char path[64];
	_fd_ int fd = openat(kernel, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	int r = fd < 0 ? err_sys(e, "make the initramfs") : fill(fd, kernel, agent, len, e);

	if (r < 0)
		return r;
	(void)str_fmt(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fsync(fd) < 0 ||
	    (linkat(AT_FDCWD, path, kernel, name, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST))
		return err_sys(e, "make the initramfs");
	drop_others(kernel, name);
	return 0;
}

int initramfs_open(int kernel, const char *agent, int *ret, struct err *e)
{
	char name[sizeof(PREFIX) + KEY_HEX];
	_free_ char *data = NULL;
	size_t len;
	int fd, r = fs_read_at(AT_FDCWD, agent, FILE_MAX, &data, &len, e);

	if (r < 0)
		return r;
	key_of(data, len, name);
	fd = openat(kernel, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		r = make(kernel, name, data, len, e);
		if (r < 0)
			return r;
		fd = openat(kernel, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(e, "open the initramfs");
	*ret = fd;
	return 0;
}
