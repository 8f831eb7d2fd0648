/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules of a kernel package: where .modinfo lies is what the file says. */
#include "vm/kmod.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/replay.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *copy = malloc(size ? size : 1);    /* its end is where a reader must stop */
	const char *value;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	value = kmod_info(copy, size, "depends");
	if (value && (value < copy || !memchr(value, 0, (size_t)(copy + size - value))))
		abort();
	return 0;
}
