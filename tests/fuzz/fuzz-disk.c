/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of disks that somebody else has made; the first byte chooses what it is taken for. */
#include "templates/disk.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/replay.h"
#include "util/cleanup.h"
#include "util/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const formats[] = { "raw", "qcow2", "vmdk", "vhd" };
	const uint64_t max = UINT64_C(1) << 40;
	struct err e = ERR_INIT;
	uint64_t bytes = 0;
	_fd_ int fd = memfd_create("disk", MFD_CLOEXEC);

	if (!size || fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)size - 1)
		return 0;
	if (disk_inspect(fd, formats[data[0] % ARRAY_SIZE(formats)], max, &bytes, &e) == 0) {
		if (!bytes || bytes > max || bytes % 512)
			abort();
	} else if (!*e.msg) {
		abort();
	}
	return 0;
}
