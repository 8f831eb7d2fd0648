/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit log, as a power cut or somebody with an editor may have left it. The first byte says
 * how many entries stand before the input, which follows them. Whatever it is, what is added
 * afterwards continues the chain; and what was put in is never taken for an entry.
 */
#include "ve/audit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/replay.h"
#include "util/cleanup.h"
#include "util/str.h"
#include "util/sys-fs.h"

static struct inst in;

static void remove_root(void)
{
	struct err ignored = ERR_INIT;

	(void)!fs_remove_tree(AT_FDCWD, in.root, &ignored);
}

static bool ready(void)
{
	static char dir[] = "/tmp/berth-fuzz.XXXXXX";

	if (in.root[0])
		return true;
	if (!mkdtemp(dir) || str_fmt(in.root, sizeof(in.root), "%s", dir) < 0)
		return false;
	(void)atexit(remove_root);
	return true;
}

static void add(void)
{
	static const char *const words[] = { "101", "--ram", "1G", NULL };
	struct err e = ERR_INIT;

	if (audit_add(&in, "set", words, 0, &e) < 0)
		abort();
}

static struct audit_check verify(void)
{
	struct err e = ERR_INIT;
	struct audit_check c;

	if (audit_verify(&in, NULL, &c, &e) < 0)
		abort();
	return c;
}

static void count(void *arg, const char *line)
{
	(void)line;
	++*(uint64_t *)arg;
}

/* Opens the log anew, with only the input after `n` entries. */
static bool fill(const uint8_t *data, size_t size, unsigned n)
{
	char path[PATH_MAX];
	_fd_ int fd = -1;

	(void)str_fmt(path, sizeof(path), "%s/var/log/berth/audit.jsonl", in.root);
	(void)unlink(path);
	for (unsigned i = 0; i < n; i++)
		add();
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && fs_write_all(fd, data, size) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct audit_check before, after;
	uint64_t told = 0;

	if (size < 1 || size > 100000 || !ready())
		return 0;
	add();                                  /* makes the directory */
	if (!fill(data + 1, size - 1, data[0] % 4))
		return 0;
	before = verify();
	add();
	add();
	after = verify();
	if (before.bad_line ? after.bad_line != before.bad_line
			    : after.bad_line || after.lines != before.lines + 2)
		abort();
	if (audit_each(&in, count, &told, &e) < 0 || (!after.bad_line && told != after.lines - after.torn))
		abort();
	return 0;
}
