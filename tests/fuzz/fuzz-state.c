/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of a run, as a crash or a foreign hand may have left it. "@BOOT@" in an input is
 * replaced by the id of this boot, without which a record is not looked at further.
 */
#include "ve/state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/replay.h"
#include "util/cleanup.h"
#include "util/sys-fs.h"
#include "util/sys-proc.h"

static char path[] = "/tmp/berth-fuzz.XXXXXX";

static void remove_dir(void)
{
	struct err ignored = ERR_INIT;

	(void)!fs_remove_tree(AT_FDCWD, path, &ignored);
}

static int run_dir(void)
{
	static int fd = -1;

	if (fd < 0 && mkdtemp(path)) {
		(void)atexit(remove_dir);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)!mkdirat(fd, "101", 0700);
	}
	return fd;
}

static void write_all(int dir, const char *text, size_t size)
{
	_fd_ int fd = openat(dir, "101/state.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const char *mark = strstr(text, "@BOOT@");
	char boot[37];

	if (fd < 0 || proc_boot_id(boot) < 0)
		return;
	if (!mark) {
		(void)fs_write_all(fd, text, size);
		return;
	}
	(void)fs_write_all(fd, text, (size_t)(mark - text));
	(void)fs_write_all(fd, boot, 36);
	(void)fs_write_all(fd, mark + 6, size - (size_t)(mark - text) - 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ struct inst *in = calloc(1, sizeof(*in));
	_free_ char *text = malloc(size + 1);
	_fd_ int pidfd = -1;
	struct err e = ERR_INIT;
	struct ve_state s;
	int dir = run_dir();

	if (!in || !text || dir < 0)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	write_all(dir, text, size);
	in->run = dir;
	(void)proc_boot_id(in->boot_id);
	in->cg = (struct cg_host)CG_HOST_INIT;
	if (state_load(in, 101, &s, &pidfd, &e) < 0) {
		if (!e.msg[0])
			abort();
		return 0;
	}
	/* Running means that a process was found; nothing else may hold one. */
	if (s.phase > PH_MOUNTED || (s.phase == PH_RUNNING && pidfd < 0) ||
	    (pidfd >= 0 && s.phase != PH_RUNNING && s.phase != PH_STARTING))
		abort();
	return 0;
}
