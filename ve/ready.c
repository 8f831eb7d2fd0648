/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/ready.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include "util/exits.h"
#include "util/sys-proc.h"
#include "ve/exec.h"
#include "ve/ve.h"

static int ready(struct ve *ve, int timeout_ms, struct err *e)
{
	static const char script[] =
		"if [ -d /run/systemd/system ]; then\n"
		"  s=$(systemctl is-system-running 2>/dev/null)\n"
		"  case \"$s\" in running|degraded) exit 0;; esac\n"
		"  exit 1\n"
		"fi\n"
		"[ ! -e /lib/systemd/systemd ] || exit 1\n"
		"[ ! -x /sbin/runlevel ] || /sbin/runlevel 2>/dev/null | grep -q ' [2-5]$'\n";

	return exec_script(ve, script, timeout_ms, e);
}

int ready_wait(struct inst *in, uint32_t id, int wait_ms, struct err *e)
{
	uint64_t end = proc_now_us() + (uint64_t)wait_ms * 1000;
	struct timespec pause = { 0, 50000000 };
	struct ve ve;
	int r = ve_open(&ve, in, id, NULL, e);

	if (r < 0)
		return r;
	do {
		r = ve.pidfd < 0 || proc_wait_gone(ve.pidfd, 0) == 0 ? -ESRCH :
		    ready(&ve, (int)((int64_t)(end - proc_now_us()) / 1000), e);
		if (r > 0)
			(void)nanosleep(&pause, NULL);
	} while (r > 0 && proc_now_us() < end);
	ve_close(&ve);
	if (r == 0)
		return 0;
	return err_set(e, ETIMEDOUT, VZ_WAIT_FAILED, "VE %u %s", id,
		       r == -ESRCH ? "stopped while it was booting"
				   : "runs, but has not reached its ready state in time");
}
