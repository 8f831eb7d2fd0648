/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VE's config file. What parses is formatted over itself, and must parse again to the same:
 * a save never makes a file that the next load refuses or reads otherwise.
 */
#include "ve/conf.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/replay.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = malloc(size + 1), *out = NULL;
	_free_ struct ve_conf *one = calloc(1, sizeof(*one)), *two = calloc(1, sizeof(*two));
	struct err e = ERR_INIT;

	if (!text || !one || !two)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (conf_parse(text, size, "input", one, &e) < 0) {
		if (!e.msg[0])
			abort();
		return 0;
	}
	if (conf_format(text, one, &out, &e) < 0)
		return 0;
	if (conf_parse(out, strlen(out), "output", two, &e) < 0)
		abort();
	for (size_t i = 0; i < n_params; i++)
		if (params[i].key && !param_same(&params[i], one, two))
			abort();
	return 0;
}
