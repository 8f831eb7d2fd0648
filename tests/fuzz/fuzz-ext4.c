/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The superblock that a VM has written over its own, which says how large its disk has to be. */
#include "storage/ext4.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/replay.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t plans[] = { 1, 25600, UINT64_C(1) << 32, UINT64_C(1) << 52 };
	struct err e = ERR_INIT;
	struct ext4_geo g;
	_fd_ int fd = memfd_create("disk", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, data, size, 1024) != (ssize_t)size)
		return 0;
	if (ext4_read_geo(fd, &g, &e) < 0) {
		if (!*e.msg)
			abort();
		return 0;
	}
	for (size_t i = 0; i < sizeof(plans) / sizeof(*plans); i++) {
		struct ext4_geo grown = g;

		grown.blocks = ext4_blocks_for(&g, plans[i]);
		if (ext4_payload(&grown) < plans[i] || grown.blocks / 3 > plans[i] + 65536)
			abort();
	}
	return 0;
}
