/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A claim is written completely under another name and then linked to its own, so whoever
 * sees it sees the number too. A file without a number can only be damage (a power loss on a
 * filesystem that lost the data, a foreign hand): it counts as free and is replaced under the
 * directory's lock, so that two claimants cannot both replace it.
 */
#include "netns/ipam.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/sys-fs.h"

#define TMP_LEN 32

/* 1 and the number, 0 when there is none (no file, or one without a number), or -Exxx. */
static int read_owner(int dir, const char *name, uint32_t *ret, struct err *e)
{
	_free_ char *text = NULL;
	size_t len;
	int r = fs_read_at(dir, name, 32, &text, &len, e);

	if (r == -ENOENT || r == -EFBIG || r == -ELOOP || r == -EINVAL) {
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return r;
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	return parse_u32(text, 1, UINT32_MAX, ret) < 0 ? 0 : 1;
}

int64_t ipam_owner(int dir, const struct ipaddr *a)
{
	struct err e = ERR_INIT;
	char name[IPADDR_STRLEN];
	uint32_t owner = 0;
	int r;

	format_ip_host(a, name);
	r = read_owner(dir, name, &owner, &e);
	return r < 0 ? r : (int64_t)owner;
}

/* The claim under a name of this process; fsync, or the link could outlive the number. */
static int write_claim(int dir, char tmp[TMP_LEN], uint32_t veid, struct err *e)
{
	_fd_ int fd = -1;
	char text[16];
	int n = snprintf(text, sizeof(text), "%u\n", veid);
	int r;

	(void)snprintf(tmp, TMP_LEN, ".claim.%d", (int)getpid());
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "create %s", tmp);
	r = fs_write_all(fd, text, (size_t)n);
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	(void)unlinkat(dir, tmp, 0);
	errno = -r;
	return err_sys(e, "write %s", tmp);
}

static int in_use(const char *name, uint32_t owner, struct err *e)
{
	return err_set(e, EADDRINUSE, VZ_IP_IN_USE, "claim %s: in use by VE %u", name, owner);
}

static int replace_damaged(int dir, const char *name, const char *tmp, uint32_t veid,
			   struct err *e)
{
	_fd_ int lock = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t owner;
	int r;

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return err_sys(e, "lock the address directory");
	r = read_owner(dir, name, &owner, e);
	if (r < 0)
		return r;
	if (r > 0 && owner != veid)
		return in_use(name, owner, e);
	return renameat(dir, tmp, dir, name) < 0 ? err_sys(e, "claim %s", name) : 0;
}

int ipam_claim(int dir, const struct ipaddr *a, uint32_t veid, struct err *e)
{
	char name[IPADDR_STRLEN], tmp[TMP_LEN];
	uint32_t owner;
	int r;

	format_ip_host(a, name);
	r = read_owner(dir, name, &owner, e);
	if (r < 0)
		return r;
	if (r > 0)
		return owner == veid ? 0 : in_use(name, owner, e);
	r = write_claim(dir, tmp, veid, e);
	if (r < 0)
		return r;
	if (linkat(dir, tmp, dir, name, 0) < 0)
		r = errno == EEXIST ? replace_damaged(dir, name, tmp, veid, e)
				    : err_sys(e, "claim %s", name);
	(void)unlinkat(dir, tmp, 0);    /* gone already when it replaced a damaged file */
	return r;
}

void ipam_release(int dir, const struct ipaddr *a, uint32_t veid)
{
	char name[IPADDR_STRLEN];

	format_ip_host(a, name);
	if (ipam_owner(dir, a) == (int64_t)veid)
		(void)unlinkat(dir, name, 0);
}
