/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set is an allow-list: a capability of a future kernel is dropped until somebody has
 * thought about it. Raw prctl(2) and capset(2), no libcap: this runs between clone and exec,
 * where nothing may allocate.
 *
 * Order: the bounding set can only be reduced while CAP_SETPCAP is effective, so capset(2),
 * which could remove it, comes last.
 */
#include "runtime/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/str.h"

/*
 * Kept. In a user namespace each of these reaches only what that namespace owns: its ids, its
 * network, its mounts (user_namespaces(7)).
 *
 * Not kept, with the reason:
 *   SYS_MODULE SYS_RAWIO SYS_TIME SYSLOG WAKE_ALARM BLOCK_SUSPEND SYS_PACCT AUDIT_CONTROL
 *   AUDIT_READ: belong to the machine, and systemd skips the units that ask for them, which
 *   could only fail (udev's static nodes, debugfs, modules, audit)
 *   MAC_ADMIN MAC_OVERRIDE: labels are the host's
 *   BPF PERFMON: the kernel's largest attack surface; the filter denies the calls as well
 *   CHECKPOINT_RESTORE: sets pids and opens map_files; the host checkpoints a VE, not itself
 *
 * SYS_RESOURCE is kept: here it only allows prlimit(2) on the VE's other users and writes to
 * /proc/sys/user, which is read-only in a VE. It lifts no limit of the host (capable() asks
 * the initial namespace).
 */
static const unsigned char kept[] = {
	CAP_CHOWN,	    CAP_DAC_OVERRIDE,	 CAP_DAC_READ_SEARCH, CAP_FOWNER,
	CAP_FSETID,	    CAP_KILL,		 CAP_SETGID,	      CAP_SETUID,
	CAP_SETPCAP,	    CAP_LINUX_IMMUTABLE, CAP_NET_BIND_SERVICE, CAP_NET_BROADCAST,
	CAP_NET_ADMIN,	    CAP_NET_RAW,	 CAP_IPC_LOCK,	      CAP_IPC_OWNER,
	CAP_SYS_CHROOT,	    CAP_SYS_PTRACE,	 CAP_SYS_ADMIN,	      CAP_SYS_BOOT,
	CAP_SYS_NICE,	    CAP_SYS_RESOURCE,	 CAP_SYS_TTY_CONFIG,  CAP_MKNOD,
	CAP_LEASE,	    CAP_AUDIT_WRITE,	 CAP_SETFCAP,
};

uint64_t caps_bounding(void)
{
	uint64_t set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		set |= UINT64_C(1) << kept[i];
	return set;
}

/* EINVAL marks the end of what this kernel knows (prctl(2), PR_CAPBSET_READ). */
static int drop_bounding(uint64_t keep)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		int have = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (have < 0)
			return errno == EINVAL && cap ? 0 : -errno;
		if (have && !(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int caps_new_keyring(void)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return -errno;
	return 0;
}

int caps_limit(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	uint64_t keep = caps_bounding();
	int r = drop_bounding(keep);

	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
		data[i].permitted &= (uint32_t)(keep >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}
