/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which version a VE is on stands in its config, and the command that chose it comes to writing that
 * down later: until then it holds the version by a read lock on one byte of a file, which dies with
 * it (open file description locks, fcntl(2)). Who removes versions has the write lock while he looks
 * who needs it. The bytes stand for the digests, so there is no file of a version to be tidied.
 */
#include <errno.h>
#include <fcntl.h>

#include "templates/manifest.h"
#include "templates/store.h"
#include "util/cleanup.h"
#include "util/exits.h"

#define DIGITS 15               /* of the digest: as many as fit into a file's length */

static off_t byte_of(const char *digest)
{
	off_t n = 0;

	for (int i = 0; i < DIGITS; i++)
		n = n * 16 + (digest[i] <= '9' ? digest[i] - '0' : digest[i] - 'a' + 10);
	return n;
}

static int lock_byte(const struct store *s, const char *digest, short type, int cmd, int *ret,
		     struct err *e)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte_of(digest),
			   .l_len = 1 };
	_fd_ int fd = openat(s->run, "held", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -1 : fcntl(fd, cmd, &l);

	while (fd >= 0 && r < 0 && errno == EINTR)
		r = fcntl(fd, cmd, &l);
	if (r < 0)
		return err_sys(e, "hold template %.12s", digest);
	*ret = TAKE_FD(fd);
	return 0;
}

int store_hold(const struct store *s, const char *digest, int *ret_hold, struct err *e)
{
	struct template t;
	_fd_ int hold = -1;
	int r = lock_byte(s, digest, F_RDLCK, F_OFD_SETLKW, &hold, e);

	if (!r)
		r = manifest_load(s->dir, digest, &t, e);       /* it may be gone since it was found */
	if (!r)
		*ret_hold = TAKE_FD(hold);
	return r;
}

int store_claim(const struct store *s, const char *digest, int *ret_claim, struct err *e)
{
	int r = lock_byte(s, digest, F_WRLCK, F_OFD_SETLK, ret_claim, e);

	if (r == -EAGAIN || r == -EACCES)
		return err_set(e, EBUSY, VZ_LOCKED, "remove template %.12s: a command is about to put "
			       "a VE on it", digest);
	return r;
}
