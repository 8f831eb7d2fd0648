/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The start of a virtual machine, on one page, beside that of a container (ve/start.c): the same
 * record, hooks, disk, limits, link and keeper; in place of clone and pivot, QEMU.
 *
 *    host: the worker                                guest
 *    template and disk opened, not mounted
 *    cgroups made, limits set
 *    kernel and initramfs found; tap made
 *    sockets listen; QEMU runs in its jail      -->  kernel; agent mounts erofs + ext4, overlay
 *    console and events connected, HELLO        -->
 *                                               <--  WELCOME
 *    SETUP: names, addresses                    -->  files, eth0
 *                                               <--  OK, or what failed
 *    QEMU's files taken away; GO                -->  /sbin/init
 *    state written
 */
#include "ve/start-steps.h"
#include "ve/vm-steps.h"

#include "util/str.h"

/* clang-format off */
const struct step vm_start_steps[] = {
	{ "record",   up_vm_record,   down_record },
	{ "premount", up_premount,    down_premount },
	{ "template", up_vm_template, NULL },
	{ "disk",     up_vm_disk,     down_disk },
	{ "mount",    up_mount,       down_mount },
	{ "cgroup",   up_vm_cgroup,   down_cgroup },
	{ "limits",   up_vm_limits,   down_limits },
	{ "kernel",   up_vm_kernel,   NULL },
	{ "fence",    up_fence,       down_fence },
	{ "network",  up_vm_network,  down_network },
	{ "sockets",  up_vm_sockets,  NULL },
	{ "init",     up_vm_init,     down_init },
	{ "keeper",   up_vm_keeper,   NULL },
	{ "guest",    up_vm_guest,    NULL },
	{ "go",       up_vm_go,       NULL },
	{ "state",    up_state,       NULL },
	{ "hook",     up_hook,        NULL },
};
/* clang-format on */
const size_t n_vm_start_steps = ARRAY_SIZE(vm_start_steps);
