/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/step.h"

#include "util/sys-proc.h"

static int step_up(const struct step *s, void *ctx, const char *what, struct err *e)
{
	int r = fault_at(what, s->name, false, e);

	if (!r && s->up)
		r = s->up(ctx, e);
	if (!r)
		r = fault_at(what, s->name, true, e);
	return r;
}

int steps_up(const struct step *s, size_t n, void *ctx, const struct log *log, const char *what,
	     struct err *e)
{
	size_t i;
	int r = 0;

	for (i = 0; i < n && r >= 0; i++) {
		uint64_t t = proc_now_us();

		r = step_up(&s[i], ctx, what, e);
		log_debug(log, "%s: %zu/%zu %s %s %llu us", what, i + 1, n, s[i].name,
			  r < 0 ? "failed" : "done", (unsigned long long)(proc_now_us() - t));
	}
	if (r >= 0)
		return 0;
	steps_down(s, i, ctx, log, what);       /* the failed step is undone too */
	return r;
}

void steps_down(const struct step *s, size_t n, void *ctx, const struct log *log,
		const char *what)
{
	while (n-- > 0) {
		if (!s[n].down)
			continue;
		log_debug(log, "%s: undo %s", what, s[n].name);
		s[n].down(ctx);
	}
}
