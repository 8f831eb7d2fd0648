/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ve/params.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "netns/caps.h"
#include "util/exits.h"
#include "util/str.h"
#include "ve/apply.h"
#include "ve/guarantee.h"
#include "ve/netif.h"
#include "ve/ptypes.h"
#include "ve/refuse.h"

#define AT(field) .off = offsetof(struct ve_conf, field)
#define TEXT(field) AT(field), .max = sizeof(((struct ve_conf *)0)->field)
#define BOTH (P_CT | P_VM)
#define KIB UINT64_C(1024)
#define GIB (UINT64_C(1) << 30)
#define PAGE 4096               /* the unit of vz files, whatever the machine's page is */

/* Beancounters of old kernels: kept for the clients that set and read them, without effect. */
#define STORED(i, KEY, name, text)                                                            \
	{ .key = KEY, .opt = name, .json = name, .arg = "B[:L]", .help = text,                \
	  .type = &ptype_ubc_text, .flags = P_STORED | P_CT, AT(ubc[i]) }

/* What vzctl set in kernels of its own; the same, as text. */
#define KEPT(i, KEY, name, alt, text)                                                         \
	{ .key = KEY, .opt = name, .alias = alt, .json = name, .arg = "TEXT", .help = text,   \
	  .type = &ptype_text, .flags = P_STORED | BOTH, TEXT(kept[i]) }

#define MARKS(i, KEY, name, text)                                                             \
	{ .key = KEY, .opt = name, .json = name, .arg = "NAME:WORD...", .help = text,         \
	  .type = &ptype_marks, .flags = P_STORED | BOTH, TEXT(kept[i]) }

#define PLACE(i, KEY, name, text)                                                             \
	{ .key = KEY, .opt = name, .json = name, .arg = "TEXT", .help = text,                 \
	  .type = &ptype_text, .flags = P_STORED | P_STOPPED | BOTH, TEXT(kept[i]), .exit = VZ_RUNNING }

#define IO_BYTES                                                                              \
	.type = &ptype_size, .flags = P_LIVE | P_LIMIT | P_PART | P_POOL | BOTH,              \
	.max = 64 * GIB, .unit = KIB * KIB, .file_unit = 1, .exit = VZ_IO,                    \
	.lacks = lacks_io_rate
#define IO_COUNT                                                                              \
	.type = &ptype_iops, .flags = P_LIVE | P_LIMIT | P_PART | P_POOL | BOTH,            \
	.max = 100000000, .exit = VZ_IO, .lacks = lacks_io_rate

#define NET_RATE                                                                              \
	.type = &ptype_rate, .flags = P_LIVE | P_PART | BOTH, .exit = VZ_VETH,                \
	.apply = apply_netrate

#define NET_CAP                                                                               \
	.type = &ptype_number, .flags = P_LIVE | P_PART | BOTH, .max = CAP_MAX,               \
	.exit = VZ_VETH, .apply = apply_caps

#define INOTIFY                                                                               \
	.flags = P_LIVE | P_INSIDE | P_CT, .min = 1, .max = INT32_MAX, .unit = 1,             \
	.exit = VZ_SET_UBC, .apply = apply_inotify, .effective = effective_inotify,           \
	.wanted = wanted_or_none, .used = used_inotify

/* clang-format off */
const struct param params[] = {
	/* who it is */
	{ .key = "NAME", .opt = "name", .json = "name", .arg = "NAME", .help = "a unique name",
	  .type = &ptype_word, .flags = P_LIVE | P_SAVE | BOTH, .exit = VZ_NAME, TEXT(name) },
	{ .key = "DESCRIPTION", .opt = "description", .json = "description", .arg = "TEXT",
	  .help = "free text", .type = &ptype_text, .flags = P_LIVE | P_SAVE | P_POOL | BOTH,
	  TEXT(description) },
	{ .key = "OWNER", .opt = "owner", .json = "owner", .arg = "TEXT",
	  .help = "whose it is: a name or number of the customer", .type = &ptype_text,
	  .flags = P_LIVE | P_SAVE | BOTH, TEXT(owner) },
	{ .key = "EXPIRES", .opt = "expires", .json = "expires", .arg = "YYYY-MM-DD|never",
	  .help = "last day it is paid for; see expire", .type = &ptype_date,
	  .flags = P_LIVE | P_SAVE | BOTH, AT(expires) },
	{ .key = "EXPIRE_ACTION", .opt = "expire-action", .json = "expire_action",
	  .arg = "warn|stop|archive", .help = "what expire does to it afterwards; warn is the default",
	  .type = &ptype_expire, .flags = P_LIVE | P_SAVE | BOTH, TEXT(expire_action) },
	{ .key = "OSTEMPLATE", .opt = "ostemplate", .json = "ostemplate", .arg = "TEMPLATE",
	  .help = "template to create from", .type = &ptype_word, .flags = P_CREATE | BOTH,
	  TEXT(ostemplate) },
	{ .key = "TEMPLATE_VERSION", .json = "template", .help = "digest of the template version",
	  .type = &ptype_word, .flags = P_HIDDEN | BOTH, TEXT(template) },
	{ .key = "ORIGIN_SAMPLE", .json = "origin_sample", .help = "plan it was created from",
	  .type = &ptype_word, .flags = P_HIDDEN | BOTH, TEXT(origin_sample) },
	{ .key = "KIND", .opt = "kind", .json = "kind", .arg = "ct|vm",
	  .help = "container or virtual machine; a stopped VE can change", .type = &ptype_kind,
	  .flags = P_GUEST | P_STOPPED | P_SAVE | BOTH, TEXT(kind), .exit = VZ_RUNNING, .judge = judge_kind },
	{ .key = "KERNEL", .opt = "kernel", .json = "kernel", .arg = "NAME",
	  .help = "kernel of a virtual machine, of berth kernel list", .type = &ptype_word,
	  .flags = P_GUEST | P_RESTART | P_VM | P_OWN_INIT, TEXT(kernel) },
	{ .key = "BOOT", .opt = "boot", .json = "boot", .arg = "kernel|disk",
	  .help = "what a virtual machine starts from: a kernel of the host, or its own disk",
	  .type = &ptype_boot, .flags = P_CREATE | P_VM, TEXT(boot) },
	{ .key = "MACHINE", .opt = "machine", .json = "machine", .arg = "auto|microvm|q35|pc",
	  .help = "of a virtual machine; auto is q35 where --ram-max or --boot disk asks for it, else microvm",
	  .type = &ptype_machine, .flags = P_GUEST | P_RESTART | P_VM, TEXT(machine) },
	{ .key = "RAM_MAX", .opt = "ram-max", .json = "ram_max", .arg = "SIZE",
	  .help = "how far --ram can be raised while a virtual machine runs; 0 is not at all",
	  .type = &ptype_size, .flags = P_GUEST | P_RESTART | P_VM, AT(ram_max), .max = 65536 * GIB, .unit = 1,
	  .most = most_memory },
	{ .key = "CPUS_MAX", .opt = "cpus-max", .json = "cpus_max", .arg = "N",
	  .help = "how far --cpus can be raised while a virtual machine runs; 0 is not at all",
	  .type = &ptype_number, .flags = P_GUEST | P_RESTART | P_VM | P_OWN_INIT, AT(cpus_max), .max = 255,
	  .most = most_cpus },
	{ .key = "VE_LAYOUT", .opt = "layout", .alias = "ve_layout", .json = "layout",
	  .arg = "LAYOUT", .help = "how the disk is kept: image (ploop means image), full or quota",
	  .type = &ptype_word, .flags = P_CREATE | BOTH, TEXT(layout) },
	{ .key = "TEMPLATE_CACHE", .opt = "template-cache", .json = "template_cache",
	  .arg = "shared|private", .help = "whether pages of the template are shared with other VEs",
	  .type = &ptype_cache, .flags = P_RESTART | BOTH, TEXT(template_cache) },
	{ .key = "LOCAL_UID", .json = "local_uid", .help = "first host uid of its range",
	  .type = &ptype_number, .flags = P_HIDDEN | P_CT, AT(local_uid), .max = UINT32_MAX },
	{ .key = "LOCAL_GID", .json = "local_gid", .help = "first host gid of its range",
	  .type = &ptype_number, .flags = P_HIDDEN | P_CT, AT(local_gid), .max = UINT32_MAX },

	{ .key = "POOL", .opt = "pool", .json = "pool", .arg = "POOL",
	  .help = "pool whose limits it shares with others, or none", .type = &ptype_pool,
	  .flags = P_RESTART | P_SAVE | P_CT, TEXT(pool), .exit = VZ_BAD_VALUE },
	{ .key = "MAXVES", .opt = "max-ves", .json = "max_ves", .arg = "N",
	  .help = "how many VEs may be in the pool; 0 is any number", .type = &ptype_number,
	  .flags = P_LIVE | P_POOL, AT(max_ves), .max = 1000000 },

	/* when it runs */
	{ .key = "ONBOOT", .opt = "onboot", .json = "onboot", .arg = "yes|no",
	  .help = "start with the host", .type = &ptype_bool, .flags = P_LIVE | P_SAVE | BOTH,
	  AT(onboot) },
	{ .key = "BOOTORDER", .opt = "bootorder", .json = "bootorder", .arg = "N",
	  .help = "higher starts earlier", .type = &ptype_number,
	  .flags = P_LIVE | P_SAVE | BOTH, AT(bootorder), .max = 2147483647 },
	{ .key = "DISABLED", .opt = "disabled", .json = "disabled", .arg = "yes|no",
	  .help = "refuse to start without --force", .type = &ptype_bool,
	  .flags = P_LIVE | P_SAVE | BOTH, AT(disabled) },
	{ .key = "STOP_TIMEOUT", .opt = "stop-timeout", .json = "stop_timeout", .arg = "SECONDS",
	  .help = "how long an orderly stop may take; 0 is the default",
	  .type = &ptype_number, .flags = P_LIVE | P_SAVE | BOTH, AT(stop_timeout), .max = 86400 },
	{ .key = "ONEXIT", .opt = "onexit", .json = "onexit", .arg = "stop|restart",
	  .help = "what happens when init dies unasked", .type = &ptype_onexit,
	  .flags = P_LIVE | P_SAVE | BOTH, TEXT(onexit) },

	/* memory and processes */
	{ .key = "PHYSPAGES", .opt = "ram", .alias = "physpages", .json = "ram", .arg = "SIZE",
	  .help = "memory; a bare number is bytes, of --physpages pages", .type = &ptype_ubc_size,
	  .flags = P_GUEST | P_LIVE | P_ALIAS_FILE | P_POOL | BOTH, AT(ram), .min = 4096 * KIB, .max = 65536 * GIB, .unit = 1,
	  .file_unit = PAGE, .exit = VZ_SET_UBC, .used = used_memory, .below = "reclaimed first",
	  .apply_vm = vm_apply_ram, .effective_vm = vm_effective_ram, .judge = vm_judge_ram,
	  .most = most_memory,
	  .cg = { CG_MEMORY, { "memory.max", &cg_codec_max },
		  { "memory.limit_in_bytes", &cg_codec_v1_bytes }, cg_memory_set, NULL } },
	{ .key = "SWAPPAGES", .opt = "swap", .alias = "swappages", .json = "swap", .arg = "SIZE",
	  .help = "swap on top of memory; a bare number is bytes, of --swappages pages",
	  .type = &ptype_ubc_size, .flags = P_LIVE | P_ALIAS_FILE | P_POOL | BOTH, AT(swap), .max = 65536 * GIB, .unit = 1, .file_unit = PAGE,
	  .exit = VZ_SET_UBC,
	  .cg = { CG_MEMORY, { "memory.swap.max", &cg_codec_max },
		  { "memory.memsw.limit_in_bytes", &cg_codec_v1_bytes }, cg_swap_set,
		  cg_swap_get } },
	{ .key = "RAM_SOFT", .opt = "ram-soft", .json = "ram_soft", .arg = "SIZE",
	  .help = "memory above which it is slowed down and reclaimed, or first when the host is short",
	  .type = &ptype_size, .flags = P_LIVE | BOTH, AT(ram_soft), .min = 4096 * KIB,
	  .max = 65536 * GIB, .unit = 1, .exit = VZ_SET_UBC, .most = most_memory,
	  .cg = { CG_MEMORY, { "memory.high", &cg_codec_max },
		  { "memory.soft_limit_in_bytes", &cg_codec_v1_bytes }, NULL, NULL } },
	{ .key = "RAM_GUARANTEE", .opt = "ram-guarantee", .json = "ram_guarantee", .arg = "SIZE",
	  .help = "memory that is never taken from it, whoever needs it; 0 is none",
	  .type = &ptype_size, .flags = P_LIVE | P_LIMIT | P_CT, AT(ram_guarantee),
	  .max = 65536 * GIB, .unit = 1, .exit = VZ_SET_UBC, .most = most_guaranteed_ram,
	  .apply = apply_ram_guarantee, .effective = effective_ram_guarantee,
	  .wanted = wanted_ram_guarantee, .lacks = lacks_ram_guarantee },
	{ .key = "OOM_POLICY", .opt = "oom-policy", .json = "oom_policy",
	  .arg = "kill-largest|kill-ve|freeze", .help = "what happens when its memory is used up",
	  .type = &ptype_oom, .flags = P_LIVE | P_LIMIT | BOTH, TEXT(oom_policy),
	  .exit = VZ_SET_UBC, .apply = apply_oom_policy },
	{ .key = "HUGEPAGES", .opt = "hugepages", .json = "hugepages", .arg = "SIZE",
	  .help = "huge pages of 2 MiB it may take of those the host has reserved, or unlimited",
	  .type = &ptype_size, .flags = P_LIVE | P_LIMIT | BOTH, AT(hugepages), .max = 65536 * GIB,
	  .unit = 1, .file_unit = 1, .exit = VZ_SET_UBC, .apply = apply_hugepages,
	  .effective = effective_hugepages, .wanted = wanted_or_none,
	  .lacks = lacks_hugepages },
	{ .key = "NUMPROC", .opt = "numproc", .json = "numproc", .arg = "N",
	  .help = "processes and threads", .type = &ptype_ubc_count, .flags = P_LIVE | P_POOL | P_CT,
	  AT(numproc), .min = 8, .max = 4194304, .unit = 1, .exit = VZ_SET_UBC,
	  .used = used_processes, .below = "none can be started until it fits",
	  .most = most_processes,
	  .cg = { CG_PIDS, { "pids.max", &cg_codec_max }, { "pids.max", &cg_codec_v1_count },
		  NULL, NULL } },

	{ .key = "NUMFILE", .opt = "numfile", .json = "numfile", .arg = "N",
	  .help = "open files of one process", .type = &ptype_ubc_count,
	  .flags = P_LIVE | P_INSIDE | P_INHERIT | P_CT, AT(numfile), .min = 64,
	  .max = 1073741816, .unit = 1, .exit = VZ_SET_UBC, .apply = apply_rlimit,
	  .effective = effective_rlimit, .used = used_rlimit, .most = most_files },
	{ .key = "LOCKEDPAGES", .opt = "memlock", .alias = "lockedpages", .json = "memlock",
	  .arg = "SIZE", .help = "locked memory of one process; --lockedpages counts pages",
	  .type = &ptype_ubc_size, .flags = P_LIVE | P_INSIDE | P_INHERIT | P_ALIAS_FILE | P_CT,
	  AT(lockedpages), .min = PAGE, .max = 65536 * GIB, .unit = 1, .file_unit = PAGE,
	  .exit = VZ_SET_UBC, .apply = apply_rlimit, .effective = effective_rlimit,
	  .used = used_rlimit, .most = most_locked },
	{ .key = "NUMSIGINFO", .opt = "numsiginfo", .json = "numsiginfo", .arg = "N",
	  .help = "pending signals of one user of it", .type = &ptype_ubc_count,
	  .flags = P_LIVE | P_INSIDE | P_INHERIT | P_CT, AT(numsiginfo), .min = 16,
	  .max = 1073741816, .unit = 1, .exit = VZ_SET_UBC, .apply = apply_rlimit,
	  .effective = effective_rlimit, .used = used_rlimit, .most = most_signals },
	{ .key = "SHMPAGES", .opt = "shm", .alias = "shmpages", .json = "shm", .arg = "SIZE",
	  .help = "size of /dev/shm; half of the host's memory unless set; --shmpages counts pages",
	  .type = &ptype_ubc_size, .flags = P_LIVE | P_ALIAS_FILE | P_CT, AT(shmpages),
	  .min = 16 * PAGE, .max = 65536 * GIB, .unit = 1, .file_unit = PAGE,
	  .exit = VZ_SET_UBC, .apply = apply_shm, .effective = effective_shm,
	  .wanted = wanted_or_none, .used = used_shm, .most = most_memory,
	  .lacks = lacks_own_mount },
	{ .key = "NUMPTY", .opt = "numpty", .json = "numpty", .arg = "N",
	  .help = "terminals at a time, its console included; 512 unless set",
	  .type = &ptype_ubc_count, .flags = P_LIVE | P_CT, AT(numpty), .min = 2,
	  .max = 1048576, .unit = 1, .exit = VZ_SET_UBC, .apply = apply_ptys,
	  .effective = effective_ptys, .wanted = wanted_ptys, .used = used_ptys,
	  .most = most_ptys, .lacks = lacks_own_mount },
	{ .key = "INOTIFY_INSTANCES", .opt = "inotify-instances", .json = "inotify_instances",
	  .arg = "N", .help = "inotify instances of one user of it", .type = &ptype_ubc_count,
	  INOTIFY, AT(inotify_instances), .most = most_inotify_instances },
	{ .key = "INOTIFY_WATCHES", .opt = "inotify-watches", .json = "inotify_watches",
	  .arg = "N", .help = "inotify watches of one user of it", .type = &ptype_ubc_count,
	  INOTIFY, AT(inotify_watches), .most = most_inotify_watches },

	/* CPU */
	{ .key = "CPULIMIT", .opt = "cpulimit", .json = "cpulimit", .arg = "PERCENT[%]",
	  .help = "hard cap; 100 is one CPU, 0 is none, N% is of the whole node",
	  .type = &ptype_cpulimit, .flags = P_LIVE | P_LIMIT | P_PART | P_POOL | BOTH,
	  AT(cpulimit), .max = 102400,
	  .exit = VZ_SET_CPU, .apply = apply_cpu_quota, .effective = effective_cpu_quota,
	  .wanted = wanted_cpu_quota, .most = most_cpu, .lacks = lacks_cpu_quota },
	{ .key = "CPUBURST", .opt = "cpuburst", .json = "cpuburst", .arg = "PERCENT",
	  .help = "what it may use above cpulimit in 0.1 s, out of what it left unused before",
	  .type = &ptype_number, .flags = P_LIVE | P_LIMIT | P_PART | P_POOL | BOTH, AT(cpuburst),
	  .max = 102400, .exit = VZ_SET_CPU, .apply = apply_cpu_quota,
	  .effective = effective_cpu_burst, .lacks = lacks_cpu_burst },
	{ .key = "CPUUNITS", .opt = "cpuunits", .alias = "cpuweight", .json = "cpuunits",
	  .arg = "N", .help = "share of CPU when it is short; 1000 is the default",
	  .type = &ptype_number, .flags = P_LIVE | P_POOL | BOTH, AT(cpuunits), .min = 8, .max = 500000,
	  .exit = VZ_SET_CPU,
	  .cg = { CG_CPU, { "cpu.weight", &cg_codec_weight }, { "cpu.shares", &cg_codec_shares },
		  NULL, NULL }, .apply = apply_cpuunits, .effective = effective_cpuunits },
	{ .key = "CPUGUARANTEE", .opt = "cpuguarantee", .json = "cpuguarantee", .arg = "PERCENT[%]",
	  .help = "CPU it gets at the least, whatever others do; 100 is one CPU, 0 is none",
	  .type = &ptype_cpulimit, .flags = P_LIVE | P_LIMIT | P_CT, AT(cpuguarantee),
	  .max = 10000, .exit = VZ_SET_CPU, .apply = apply_cpuguarantee,
	  .effective = effective_cpuguarantee, .judge = judge_cpuguarantee,
	  .lacks = lacks_cpu_quota },
	{ .key = "CPUS", .opt = "cpus", .json = "cpus", .arg = "N",
	  .help = "CPUs it may use at once; caps like cpulimit N*100",
	  .type = &ptype_number, .flags = P_GUEST | P_LIVE | P_LIMIT | BOTH, AT(cpus), .max = 1024, .most = most_cpus,
	  .exit = VZ_SET_CPU, .apply = apply_cpu_quota, .judge = vm_judge_cpus,
	  .apply_vm = vm_apply_cpus, .effective_vm = vm_effective_cpus,
	  .lacks = lacks_cpu_quota },
	{ .key = "CPUMASK", .opt = "cpumask", .json = "cpumask", .arg = "LIST",
	  .help = "CPUs it may run on, such as 0-3,7, or all", .type = &ptype_cpulist,
	  .flags = P_LIVE | P_LIMIT | BOTH, AT(cpumask), .exit = VZ_SET_CPU,
	  .apply = apply_cpumask, .lacks = lacks_cpuset },
	{ .key = "NODEMASK", .opt = "nodemask", .json = "nodemask", .arg = "LIST",
	  .help = "memory nodes (NUMA) it may use, such as 0-1, or all", .type = &ptype_cpulist,
	  .flags = P_LIVE | P_LIMIT | BOTH, AT(nodemask), .exit = VZ_SET_CPU,
	  .apply = apply_nodemask, .lacks = lacks_cpuset },

	/* disk */
	{ .key = "DISKSPACE", .opt = "diskspace", .json = "diskspace", .arg = "SIZE[:SIZE]",
	  .help = "disk; a bare number is KiB; the second value counts", .type = &ptype_disk,
	  .flags = P_GUEST | P_LIVE | P_SAVE | P_PART | BOTH, AT(diskspace), .min = 16384 * KIB,
	  .max = 16384 * GIB, .unit = KIB, .file_unit = KIB, .exit = VZ_IMAGE_RESIZE,
	  .apply = apply_disk, .effective = effective_disk,
	  .apply_vm = vm_apply_disk, .effective_vm = vm_unknown, .used = used_disk },
	{ .key = "DISKINODES", .opt = "diskinodes", .json = "diskinodes", .arg = "N[:N]",
	  .help = "files it may have; fixed at creation for an image", .type = &ptype_ubc_count,
	  .flags = P_CREATE | P_MOOT | P_PART | BOTH, AT(diskinodes), .min = 1024, .max = UINT32_MAX,
	  .unit = 1, .exit = VZ_IMAGE_RESIZE, .live = disk_inodes_live, .apply = apply_disk,
	  .effective = effective_inodes, .used = used_inodes },
	{ .key = "DISK_HEADROOM", .opt = "disk-headroom", .json = "disk_headroom", .arg = "SIZE",
	  .help = "how much larger than the plan the disk can grow while it runs",
	  .type = &ptype_size, .flags = P_CREATE | BOTH, AT(disk_headroom), .max = 16384 * GIB,
	  .unit = KIB, .file_unit = KIB },
	{ .key = "IOLIMIT", .opt = "iolimit", .json = "iolimit", .arg = "SIZE",
	  .help = "bytes per second of its disk, each way; a bare number is MiB; 0 is none",
	  IO_BYTES, AT(iolimit), .apply = apply_iolimit, .effective = effective_iolimit },
	{ .key = "IOLIMIT_READ", .opt = "iolimit-read", .json = "iolimit_read", .arg = "SIZE",
	  .help = "bytes per second of reading, in place of iolimit; 0 is as iolimit",
	  IO_BYTES, AT(iolimit_way[0]), .apply = apply_iolimit,
	  .effective = effective_iolimit_read },
	{ .key = "IOLIMIT_WRITE", .opt = "iolimit-write", .json = "iolimit_write", .arg = "SIZE",
	  .help = "bytes per second of writing, in place of iolimit; 0 is as iolimit",
	  IO_BYTES, AT(iolimit_way[1]), .apply = apply_iolimit,
	  .effective = effective_iolimit_write },
	{ .key = "IOPSLIMIT", .opt = "iopslimit", .json = "iopslimit", .arg = "N",
	  .help = "operations per second of its disk, each way; 0 is none",
	  IO_COUNT, AT(iopslimit), .apply = apply_iopslimit, .effective = effective_iopslimit },
	{ .key = "IOPSLIMIT_READ", .opt = "iopslimit-read", .json = "iopslimit_read", .arg = "N",
	  .help = "operations per second of reading, in place of iopslimit; 0 is as iopslimit",
	  IO_COUNT, AT(iopslimit_way[0]), .apply = apply_iopslimit,
	  .effective = effective_iopslimit_read },
	{ .key = "IOPSLIMIT_WRITE", .opt = "iopslimit-write", .json = "iopslimit_write",
	  .arg = "N",
	  .help = "operations per second of writing, in place of iopslimit; 0 is as iopslimit",
	  IO_COUNT, AT(iopslimit_way[1]), .apply = apply_iopslimit,
	  .effective = effective_iopslimit_write },
	{ .key = "IOPRIO", .opt = "ioprio", .json = "ioprio", .arg = "N",
	  .help = "weight of its I/O, 0 to 7; 4 is the default", .type = &ptype_number,
	  .flags = P_LIVE | P_LIMIT | P_POOL | BOTH, AT(ioprio), .max = 7, .exit = VZ_IO,
	  .apply = apply_ioprio, .effective = effective_ioprio,
	  .wanted = wanted_ioprio, .lacks = lacks_ioprio },

	/* network and what is written inside */
	{ .key = "IP_ADDRESS", .opt = "ipadd", .alias = "ip", .json = "ip", .arg = "ADDR[/BITS]",
	  .help = "add addresses (may be given several times); --ipdel ADDR|all removes",
	  .type = &ptype_ips, .flags = P_GUEST | P_LIVE | BOTH, AT(ips), .exit = VZ_ADD_IP,
	  .apply = apply_links },
	{ .key = "NETWORK", .opt = "network", .json = "network", .arg = "NAME",
	  .help = "network of its first link, or of --ifname; routed unless said otherwise",
	  .type = &ptype_word, .flags = P_GUEST | P_LIVE | BOTH, TEXT(network), .exit = VZ_VETH,
	  .apply = apply_links },
	{ .key = "NETIF", .json = "netif", .help = "its links: --netif_add, --netif_del, --ifname",
	  .type = &ptype_netif, .flags = P_GUEST | P_LIVE | P_HIDDEN | BOTH, TEXT(netif), .exit = VZ_VETH,
	  .apply = apply_links },
	{ .key = "FENCE", .json = "fence", .help = "closed network of copies that it is in (fence create)",
	  .type = &ptype_word, .flags = P_HIDDEN | BOTH, TEXT(fence) },
	{ .key = "NETRATE_IN", .opt = "netrate-in", .json = "netrate_in", .arg = "RATE",
	  .help = "most it receives, such as 10mbit; a bare number is kbit per second; 0 is no limit",
	  NET_RATE, .judge = judge_direct, AT(netrate_in), .effective = effective_netrate_in,
	  .wanted = wanted_netrate_in },
	{ .key = "NETRATE_OUT", .opt = "netrate-out", .json = "netrate_out", .arg = "RATE",
	  .help = "most it sends, such as 10mbit; a bare number is kbit per second; 0 is no limit",
	  NET_RATE, .judge = judge_direct, AT(netrate_out), .effective = effective_netrate_out,
	  .wanted = wanted_netrate_out },
	{ .key = "NETBURST", .opt = "netburst", .json = "netburst", .arg = "SIZE",
	  .help = "what may pass at once above the rates; a bare number is KiB; 0 is 25 ms of the rate",
	  .type = &ptype_size, .flags = P_LIVE | BOTH, AT(netburst), .max = 64 * KIB * KIB,
	  .unit = KIB, .file_unit = 1, .exit = VZ_VETH, .apply = apply_netrate },
	{ .key = "FLOW_RATE", .opt = "flow-rate", .json = "flow_rate", .arg = "N",
	  .help = "most flows it opens in a second, by each link; 0 is no limit",
	  NET_CAP, .judge = judge_direct, AT(flow_rate), .effective = effective_flow_rate },
	{ .key = "CONNTRACK", .opt = "conntrack", .json = "conntrack", .arg = "N",
	  .help = "most entries of the host's connection tracking, by each link; 0 is no limit",
	  NET_CAP, .judge = judge_direct, AT(conntrack), .effective = effective_conntrack },
	{ .key = "MAIL_RATE", .opt = "mail-rate", .json = "mail_rate", .arg = "N",
	  .help = "most connections to TCP port 25 it opens in a minute, by each link; 0 is no limit",
	  NET_CAP, .judge = judge_direct, AT(mail_rate), .effective = effective_mail_rate },
	{ .key = "RATE", .opt = "rate", .json = "rate", .arg = "DEV:CLASS:KBIT",
	  .help = "vz's form of --netrate-out: class 1 counts, and only with --ratebound yes",
	  .type = &ptype_vz_rate, .flags = P_LIVE | BOTH, AT(rate), .exit = VZ_VETH,
	  .apply = apply_netrate },
	{ .key = "RATEBOUND", .opt = "ratebound", .json = "ratebound", .arg = "yes|no",
	  .help = "whether --rate is a cap", .type = &ptype_bool, .flags = P_LIVE | BOTH,
	  AT(ratebound), .exit = VZ_VETH, .judge = judge_direct, .apply = apply_netrate },
	{ .key = "TRAFFIC_LIMIT", .opt = "traffic-limit", .json = "traffic_limit", .arg = "SIZE",
	  .help = "what it may receive and send in a month; a bare number is GiB; 0 is no limit",
	  .type = &ptype_size, .flags = P_LIVE | BOTH, AT(traffic_limit), .max = UINT64_C(1) << 60,
	  .unit = GIB, .file_unit = 1, .exit = VZ_VETH, .apply = apply_traffic },
	{ .key = "TRAFFIC_ACTION", .opt = "traffic-action", .json = "traffic_action",
	  .arg = "notify|throttle:RATE|suspend", .help = "what happens at --traffic-limit",
	  .type = &ptype_traffic_action, .flags = P_LIVE | BOTH, AT(traffic_action),
	  .exit = VZ_VETH, .apply = apply_traffic },
	{ .key = "TRAFFIC_RESET_DAY", .opt = "traffic-reset-day", .json = "traffic_reset_day",
	  .arg = "DAY", .help = "day of the month on which --traffic-limit begins anew; 1 if not said",
	  .type = &ptype_number, .flags = P_LIVE | BOTH, AT(traffic_reset_day), .min = 1, .max = 28,
	  .exit = VZ_VETH, .apply = apply_traffic },
	{ .key = "HOSTNAME", .opt = "hostname", .json = "hostname", .arg = "NAME",
	  .help = "host name inside", .type = &ptype_hostname, .flags = P_GUEST | P_LIVE | P_OWN_INIT | BOTH,
	  AT(hostname), .exit = VZ_BAD_HOSTNAME, .apply = apply_guest },
	{ .key = "NAMESERVER", .opt = "nameserver", .json = "nameserver", .arg = "ADDR",
	  .help = "resolvers inside, or inherit", .type = &ptype_addrs,
	  .flags = P_GUEST | P_LIVE | P_OWN_INIT | BOTH, TEXT(nameserver), .exit = VZ_BAD_DNS, .apply = apply_guest },
	{ .key = "SEARCHDOMAIN", .opt = "searchdomain", .json = "searchdomain", .arg = "DOMAIN",
	  .help = "search list of the resolver", .type = &ptype_domains,
	  .flags = P_GUEST | P_LIVE | P_OWN_INIT | BOTH,
	  TEXT(searchdomain), .exit = VZ_BAD_SEARCH, .apply = apply_guest },
	{ .key = "SKIP_GUEST_CONFIG", .opt = "skip-guest-config", .json = "skip_guest_config",
	  .arg = "yes|no", .help = "write no file inside: the tenant does", .type = &ptype_bool,
	  .flags = P_RESTART | P_OWN_INIT | BOTH, AT(skip_guest) },

	STORED(0, "KMEMSIZE", "kmemsize", "kernel memory (no effect)"),
	STORED(1, "PRIVVMPAGES", "privvmpages", "private memory (no effect)"),
	STORED(2, "VMGUARPAGES", "vmguarpages", "memory guarantee (no effect; see ram-guarantee)"),
	STORED(3, "OOMGUARPAGES", "oomguarpages", "out-of-memory guarantee (no effect)"),
	STORED(4, "NUMTCPSOCK", "numtcpsock", "TCP sockets (no effect)"),
	STORED(5, "NUMFLOCK", "numflock", "file locks (no effect)"),
	STORED(6, "TCPSNDBUF", "tcpsndbuf", "TCP send buffers (no effect)"),
	STORED(7, "TCPRCVBUF", "tcprcvbuf", "TCP receive buffers (no effect)"),
	STORED(8, "OTHERSOCKBUF", "othersockbuf", "other socket buffers (no effect)"),
	STORED(9, "DGRAMRCVBUF", "dgramrcvbuf", "datagram buffers (no effect)"),
	STORED(10, "NUMOTHERSOCK", "numothersock", "other sockets (no effect)"),
	STORED(11, "DCACHESIZE", "dcachesize", "directory cache (no effect)"),
	KEPT(0, "AVNUMPROC", "avnumproc", NULL, "average number of processes (no effect)"),
	KEPT(1, "NUMIPTENT", "numiptent", "iptentries", "netfilter rules (no effect)"),
	KEPT(2, "VM_OVERCOMMIT", "vm_overcommit", NULL, "overcommitment of memory (no effect)"),
	KEPT(3, "QUOTATIME", "quotatime", NULL, "grace time of the soft disk limit (no effect)"),
	KEPT(4, "QUOTAUGIDLIMIT", "quotaugidlimit", NULL, "users and groups with a disk quota inside (no effect)"),
	KEPT(5, "DISK_QUOTA", "diskquota", NULL, "disk quota on or off (no effect)"),
	KEPT(6, "MOUNT_OPTS", "mount_opts", NULL, "options of its disk's mount (no effect)"),
	MARKS(7, "CAPABILITY", "capability", "capabilities (no effect)"),
	MARKS(8, "FEATURES", "features", "features (no effect)"),
	MARKS(9, "DEVICES", "devices", "devices by number (no effect)"),
	MARKS(10, "DEVNODES", "devnodes", "devices by name (no effect)"),
	KEPT(11, "NETFILTER", "netfilter", NULL, "netfilter inside (no effect)"),
	KEPT(12, "IPTABLES", "iptables", NULL, "iptables modules (no effect)"),
	KEPT(13, "MEMINFO", "meminfo", NULL, "what /proc/meminfo shows (no effect)"),
	KEPT(14, "NOATIME", "noatime", NULL, "no access times (no effect)"),
	KEPT(15, "AUTOSTOP", "autostop", NULL, "what happens when the host stops (no effect)"),
	PLACE(16, "VE_ROOT", "root", "where its root is mounted (no effect)"),
	PLACE(17, "VE_PRIVATE", "private", "where its data is (no effect)"),
	KEPT(18, "HA_ENABLE", "ha_enable", NULL, "high availability (no effect)"),
	KEPT(19, "HA_PRIO", "ha_prio", NULL, "its order there (no effect)"),
	KEPT(20, "APPLY_IPONLY", "apply_iponly", NULL, "what is set inside (no effect)"),
	KEPT(21, "DISTRIBUTION", "distribution", NULL, "its kind; the template says it (no effect)"),
	KEPT(22, "NUMNETIF", "numnetif", NULL, "number of links (no effect)"),
};
/* clang-format on */

const size_t n_params = ARRAY_SIZE(params);
_Static_assert(ARRAY_SIZE(params) <= 128, "struct ve_conf has 128 set bits");

const struct param *param_by_key(const char *key)
{
	for (size_t i = 0; i < n_params; i++)
		if (params[i].key && str_eq(params[i].key, key))
			return &params[i];
	return NULL;
}

const struct param *param_by_opt(const char *opt)
{
	for (size_t i = 0; i < n_params; i++)
		if ((params[i].opt && str_eq(params[i].opt, opt)) ||
		    (params[i].alias && str_eq(params[i].alias, opt)))
			return &params[i];
	return NULL;
}

const char *param_word(const struct param *p)
{
	return p->opt ? p->opt : p->json;
}

size_t param_index(const struct param *p)
{
	return (size_t)(p - params);
}

static void *at(const struct param *p, struct ve_conf *c)
{
	return (char *)c + p->off;
}

static const void *at_const(const struct param *p, const struct ve_conf *c)
{
	return (const char *)c + p->off;
}

/* Bytes of the row's value: a type of variable size (text) has it in `max`. */
static size_t value_size(const struct param *p)
{
	return p->type->size ? p->type->size : (size_t)p->max;
}

bool param_is_of(const struct param *p, bool pool)
{
	return p->flags & (pool ? P_POOL : BOTH);
}

bool conf_has(const struct ve_conf *c, const struct param *p)
{
	size_t i = param_index(p);

	return c->set[i / 64] >> (i % 64) & 1;
}

void conf_mark(struct ve_conf *c, const struct param *p, bool on)
{
	size_t i = param_index(p);
	uint64_t bit = UINT64_C(1) << (i % 64);

	if (on)
		c->set[i / 64] |= bit;
	else
		c->set[i / 64] &= ~bit;
}

static int exit_of(const struct param *p)
{
	if (p->exit == VZ_BAD_HOSTNAME || p->exit == VZ_BAD_DNS || p->exit == VZ_BAD_SEARCH)
		return p->exit;
	if (p->type == &ptype_netif)
		return VZ_VETH;
	return p->type == &ptype_ips ? VZ_BAD_IP : VZ_BAD_VALUE;
}

static const char *size_word(uint64_t v, char dst[32])
{
	static const char suffix[] = "KMGT";
	int i = -1;

	for (; i < 3 && v && v % 1024 == 0; i++)
		v /= 1024;
	(void)str_fmt(dst, 32, "%" PRIu64 "%.1s", v, i < 0 ? "" : suffix + i);
	return dst;
}

static bool is_size(const struct param *p)
{
	return p->type == &ptype_size || p->type == &ptype_ubc_size || p->type == &ptype_disk;
}

/* ", from 4M to 64T" where the row has a range, "" where it has none. */
static void range_words(const struct param *p, char dst[96])
{
	char a[32], b[32];

	dst[0] = '\0';
	if (!p->type->number || !p->max)
		return;
	if (is_size(p))
		(void)str_fmt(dst, 96, ", from %s to %s", size_word(p->min, a), size_word(p->max, b));
	else
		(void)str_fmt(dst, 96, ", from %" PRIu64 " to %" PRIu64, p->min, p->max);
}

int param_parse(const struct param *p, const char *text, bool from_file, struct ve_conf *c,
		struct err *e)
{
	const char *want = "a valid value";
	int r = p->type->parse(p, text, from_file, at(p, c), &want);
	char range[96];

	if (r == 0) {
		conf_mark(c, p, true);
		return 0;
	}
	range_words(p, range);
	return err_set(e, -r, exit_of(p), "%s%s: bad value \"%.100s\": want %s%s",
		       from_file ? "" : "--", from_file ? p->key : param_word(p), text, want, range);
}

int param_format(const struct param *p, const struct ve_conf *c, bool for_file, char *dst,
		 size_t size)
{
	if (!conf_has(c, p)) {
		dst[0] = '\0';
		return 0;
	}
	return p->type->format(p, at_const(p, c), for_file, dst, size);
}

int param_show(const struct param *p, const struct ve_conf *c, char *dst, size_t size)
{
	char word[32];
	uint64_t v;

	if (!conf_has(c, p) || !is_size(p) || !param_number(p, c, &v) || v >= U64_UNLIMITED)
		return param_format(p, c, false, dst, size);
	return str_fmt(dst, size, "%s", size_word(v, word)) < 0 ? -ENAMETOOLONG : 0;
}

void param_copy(const struct param *p, struct ve_conf *to, const struct ve_conf *from)
{
	memcpy(at(p, to), at_const(p, from), value_size(p));
	conf_mark(to, p, conf_has(from, p));
}

void conf_merge(struct ve_conf *to, const struct ve_conf *from)
{
	for (size_t i = 0; i < n_params; i++)
		if (conf_has(from, &params[i]))
			param_copy(&params[i], to, from);
}

bool param_same(const struct param *p, const struct ve_conf *a, const struct ve_conf *b)
{
	char ta[4096], tb[4096];

	if (conf_has(a, p) != conf_has(b, p))
		return false;
	if (!conf_has(a, p))
		return true;
	return param_format(p, a, true, ta, sizeof(ta)) == 0 &&
	       param_format(p, b, true, tb, sizeof(tb)) == 0 && str_eq(ta, tb);
}

bool param_number(const struct param *p, const struct ve_conf *c, uint64_t *ret)
{
	if (!p->type->number)
		return false;
	*ret = *(const uint64_t *)at_const(p, c);
	return true;
}
