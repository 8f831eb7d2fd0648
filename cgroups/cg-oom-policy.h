/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of an out-of-memory policy, for cgroups/ and for the keeper, which links nothing. */
#pragma once

#define CG_OOM_XATTR "user.berth.oom"
#define CG_OOM_KILL_VE "kill-ve"
#define CG_OOM_KILL_LARGEST "kill-largest"
#define CG_OOM_FREEZE "freeze"
#define CG_OOM_FROZEN_XATTR "user.berth.oom-frozen"     /* there: the keeper has frozen it */
