/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The little of YAML that configs of Incus and LXD are made of: one document of maps, lists and
 * scalars. The only file that knows libyaml; in berth-unpack alone, without a right or a file.
 */
#pragma once

#include <stddef.h>

#include "util/err.h"

#define YAML_DEPTH_MAX 12
#define YAML_SCALARS_MAX 20000
#define YAML_PATH_MAX 512

/*
 * Calls put for every scalar, with its path: keys joined by '/', elements numbered. Anchors,
 * aliases and further documents are refused: what is small here shall not become large.
 */
MUST_CHECK int yaml_each(const char *text, size_t len,
			 int (*put)(void *arg, const char *path, const char *value, struct err *e),
			 void *arg, struct err *e);
