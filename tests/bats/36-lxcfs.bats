#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# /proc inside shows the VE's limits where the host runs lxcfs; nothing depends on it.
# bats file_tags=root

load helpers/load

# A lxcfs of our own, in the mount namespace that plays the host.
setup() {
	common_setup
	requires lxcfs_program
	host mkdir -p /var/lib/lxcfs
	(exec nsenter --target "$HOST_PID" --net --mount -- lxcfs -f -p "$BATS_TEST_TMPDIR/lxcfs.pid" \
		/var/lib/lxcfs >/dev/null 2>&1 3>&- 4>&-) &
	LXCFS_PID=$!
	within 10 host test -e /var/lib/lxcfs/proc/meminfo
}

teardown() {
	common_teardown
	[[ -z ${LXCFS_PID:-} ]] || stop_lxcfs
}

stop_lxcfs() {
	kill "$LXCFS_PID"
	wait "$LXCFS_PID" || :
	LXCFS_PID=
}

mem_total() {
	shell 101 'sed -n "s/^MemTotal: *\([0-9]*\) kB/\1/p" /proc/meminfo'
}

@test "free: shows the VE's memory, and follows set while it runs" {
	run_ve 101 --ram 512M
	equal "$(mem_total)" $((512 << 10))
	berth set 101 --ram 256M
	equal "$(mem_total)" $((256 << 10))
	berth set 101 --ram 1G
	equal "$(mem_total)" $((1 << 20))
}

@test "start: works with a lxcfs that has died" {
	stop_lxcfs
	run_ve 101 --ram 64M
	shell 101 'cat /proc/meminfo' >/dev/null
}
