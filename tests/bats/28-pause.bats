#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# pause and unpause: the kernel parks a VE's tasks, and every verb knows.
# bats file_tags=root

load helpers/load

# What the kernel says of the VE whose init has this number.
frozen() {
	local path
	path=$(sed -n 's/^0:://p' "/proc/$1/cgroup")
	grep -qx 'frozen 1' "$(cg_mount 0:)${path%/*}/cgroup.events" 2>/dev/null ||
		grep -qx 'frozen 1' "$(cg_mount 0:)$path/cgroup.events"
}

# By a file that grows: one that is written anew is empty for a moment.
counting() {
	shell 101 'while :; do echo >>/n; usleep 10000; done >/dev/null 2>&1 &'
	within 5 shell 101 'test -s /n'
}

@test "pause: nothing runs until unpause, and then goes on" {
	run_ve 101
	local pid a b
	pid=$(init_pid 101)
	counting
	berth pause 101
	frozen "$pid"
	a=$(stat -c %s "/proc/$pid/root/n")
	sleep 0.3
	b=$(stat -c %s "/proc/$pid/root/n")
	equal "$a" "$b" counter
	equal "$(berth list -H -o ctid,status | awk '{ print $2 }')" paused
	equal "$(berth status 101)" 'CTID 101 exist mounted running'
	refused 31 'berth unpause 101' timeout 5 nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" \
		exec 101 true
	berth pause 101
	berth unpause 101
	run -1 frozen "$pid"
	within 5 shell 101 "test \$(stat -c %s /n) -gt $b"
	equal "$(berth list -H -o status)" running
	contains "$(berth events 101)" unpaused
}

@test "pause: a paused VE stops in an orderly way, and is not paused afterwards" {
	run_ve 101
	berth pause 101
	berth stop 101
	equal "$(berth status 101)" 'CTID 101 exist unmounted down'
	berth start 101
	equal "$(berth list -H -o status)" running
	berth pause 101
	run -32 berth destroy 101
	berth stop --fast 101
}

@test "pause: a snapshot leaves it paused; limits change meanwhile" {
	run_ve 101
	local pid
	pid=$(init_pid 101)
	berth pause 101
	berth snapshot 101 >/dev/null
	frozen "$pid"
	berth set 101 --numproc 77
	equal "$(limit 101 numproc)" 77
	frozen "$pid"
}

@test "pause: what the kernel says counts" {
	run_ve 101
	local pid path
	pid=$(init_pid 101)
	berth pause 101
	path=$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
	until [[ $(<"$path/cgroup.freeze") == 1 ]]; do
		[[ $path == */* ]]
		path=${path%/*}
	done
	echo 0 >"$path/cgroup.freeze"
	equal "$(berth list -H -o status)" running
	shell 101 true
	refused 14 'does not exist' berth pause 102
	new_ve 102
	refused 31 'not running' berth pause 102
}
