/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A value of any parameter: the first byte chooses the row, the second whether the value stands
 * in a file, the rest is the value. What was taken is written as a file has it, and must be
 * read back as the same.
 */
#include "ve/params.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/replay.h"
#include "util/cleanup.h"
#include "ve/ptypes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ struct ve_conf *one = calloc(1, sizeof(*one)), *two = calloc(1, sizeof(*two));
	const struct param *p;
	char text[4096], out[4096];
	bool from_file;
	struct err e = ERR_INIT;

	if (!one || !two || size < 2 || size - 2 >= sizeof(text))
		return 0;
	p = &params[data[0] % n_params];
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	from_file = (data[1] & 1) || !p->opt;
	if (param_parse(p, text, from_file, one, &e) < 0) {
		if (!e.msg[0])
			abort();
		return 0;
	}
	/* "auto" of the command line becomes an address before anything is written. */
	if (param_format(p, one, true, out, sizeof(out)) < 0 ||
	    (p->type == &ptype_ips && !from_file && strstr(out, "auto")))
		return 0;
	if (param_parse(p, out, true, two, &e) < 0 || !param_same(p, one, two))
		abort();
	return 0;
}
