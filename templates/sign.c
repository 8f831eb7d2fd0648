/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/exits.h"
#include "util/str.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

#define KEYS_MAX 64
#define SIG_MAX 4096

static int let_through(void *arg)
{
	const int *fds = arg;

	for (; *fds >= 0; fds++)
		if (fcntl(*fds, F_SETFD, 0) < 0)
			return -1;
	return 0;
}

/* The program's last line is the reason; "run berth-sign: ..." around it says nothing. */
static void keep_line(void *arg, const char *line)
{
	(void)str_fmt(arg, 200, "%.199s", line);
}

static int run(const struct sign_policy *p, const char *const *argv, int *fds, int out,
	       struct err *e)
{
	char why[200] = "";
	struct run run = { .argv = argv, .in = -1, .out = out, .cwd = -1, .setup = let_through,
			   .arg = fds, .line = keep_line, .line_arg = why };
	int r = proc_run(&run, e);

	(void)p;
	if (r <= 0)
		return r;
	if (r == 2)
		return err_set(e, ENOKEY, VZ_BAD_TEMPLATE,
			       "check signature: no key in trusted.d made it");
	return err_set(e, EBADMSG, VZ_BAD_TEMPLATE, "check signature: %s",
		       *why ? why : "berth-sign failed");
}

/* ---- check ---- */

struct keys {
	int fd[2 + KEYS_MAX + 1];       /* data, signature, keys, -1 */
	size_t n;
};

static void close_keys(struct keys *k)
{
	for (size_t i = 2; i < k->n; i++)
		cleanup_fd(&k->fd[i]);
}

static int open_keys(int keys, struct keys *k, struct err *e)
{
	int fd = keys < 0 ? -1 : openat(keys, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		if (!str_ends(de->d_name, ".pub") || de->d_name[0] == '.')
			continue;
		if (k->n == 2 + KEYS_MAX)
			return err_set(e, E2BIG, 0, "read trusted.d: more than %d keys", KEYS_MAX);
		k->fd[k->n] = openat(keys, de->d_name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (k->fd[k->n] < 0)
			return err_sys(e, "open trusted.d/%s", de->d_name);
		k->n++;
	}
	k->fd[k->n] = -1;
	return 0;
}

int sign_check(const struct sign_policy *p, int data, int sig, char ret_key[SIGN_KEY_LEN + 1],
	       struct err *e)
{
	_fd_ int out = memfd_create("signature", MFD_CLOEXEC);
	char text[2 + KEYS_MAX][12], id[SIGN_KEY_LEN + 1] = "";
	const char *argv[2 + 2 + KEYS_MAX + 1] = { p->program, "verify" };
	struct keys k = { .fd = { data, sig }, .n = 2 };
	int r = out < 0 ? err_sys(e, "check signature") : open_keys(p->keys, &k, e);

	for (size_t i = 0; !r && i < k.n; i++) {
		(void)str_fmt(text[i], sizeof(text[i]), "%d", k.fd[i]);
		argv[2 + i] = text[i];
	}
	if (!r)
		r = run(p, argv, k.fd, out, e);
	close_keys(&k);
	if (r < 0)
		return r;
	if (fs_pread_all(out, id, SIGN_KEY_LEN, 0) < 0)
		return err_set(e, EIO, 0, "check signature: no answer");
	memcpy(ret_key, id, sizeof(id));
	return 0;
}

/* ---- sign ---- */

int sign_make(const struct sign_policy *p, int data, const char *key, const char *comment,
	      char **ret, struct err *e)
{
	_fd_ int out = memfd_create("signature", MFD_CLOEXEC);
	_fd_ int secret = open(key, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char text[2][12];
	const char *const argv[] = { p->program, "sign", text[0], text[1], comment, NULL };
	int fds[] = { data, secret, -1 }, r;

	if (secret < 0)
		return err_sys(e, "open %s", key);
	if (out < 0)
		return err_sys(e, "sign");
	(void)str_fmt(text[0], sizeof(text[0]), "%d", data);
	(void)str_fmt(text[1], sizeof(text[1]), "%d", secret);
	r = run(p, argv, fds, out, e);
	if (r < 0)
		return err_wrap(e, "sign with %.200s", key);
	if (lseek(out, 0, SEEK_SET) < 0)
		return err_sys(e, "sign");
	return fs_read_fd(out, "signature", SIG_MAX, ret, NULL, e);
}
