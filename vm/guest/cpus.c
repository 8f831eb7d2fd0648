/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUs that the machine has and the kernel brings up or leaves alone (cpu-hotplug in the kernel's core-api). The first is
 * there for good. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/str.h"
#include "util/sys-fs.h"
#include "vm/guest/guest.h"

#define CPUS 1024

static void path_of(unsigned i, const char *file, char dst[64])
{
	(void)str_fmt(dst, 64, "/sys/devices/system/cpu/cpu%u%s", i, file);
}

static bool is_there(unsigned i)
{
	char path[64];

	path_of(i, "", path);
	return access(path, F_OK) == 0;
}

/* 1, 0, or -Exxx. The first has no such file, as long as it cannot be switched off. */
static int is_used(unsigned i)
{
	char path[64];
	uint64_t on;
	int r;

	path_of(i, "/online", path);
	r = fs_read_u64(AT_FDCWD, path, &on);
	return r == -ENOENT && i == 0 ? 1 : r < 0 ? r : on == 1;
}

static int use(unsigned i, bool on, struct err *e)
{
	char path[64];

	if (is_used(i) == on)
		return 0;
	path_of(i, "/online", path);
	return fs_write_at(AT_FDCWD, path, on ? "1" : "0", e);
}

int cpus_use(uint32_t n, uint32_t *ret, struct err *e)
{
	uint32_t used = 0;
	int r = 0;

	if (!n || n > CPUS || !is_there(n - 1))
		return err_set(e, EINVAL, 0, "use %u CPUs: the machine has not so many", n);
	for (unsigned i = 0; !r && i < n; i++)
		r = use(i, true, e);
	for (unsigned i = n; !r && is_there(i); i++)
		r = use(i, false, e);
	for (unsigned i = 0; !r && is_there(i); i++)
		used += is_used(i) == 1;
	if (!r)
		*ret = used;
	return r;
}
