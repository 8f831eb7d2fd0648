/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the verbs on templates. */
#pragma once

#include "cli/cli.h"
#include "cli/options.h"
#include "templates/store.h"

typedef int template_work(struct cli *c, const struct args *a, const struct store *s,
			  struct err *e);

/* Open the store of the instance, work, close it. */
MUST_CHECK int template_with_store(struct cli *c, const struct args *a, template_work *work,
				   struct err *e);

/* The directory of trusted public keys, or -1. */
int template_keys(const struct cli *c);

/* Print all about one version, as text or JSON. */
MUST_CHECK int template_show(struct cli *c, const struct store *s, const struct template *t,
			     struct err *e);
