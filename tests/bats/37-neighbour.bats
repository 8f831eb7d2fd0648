#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A neighbour that does its worst on all fronts at once, within the limits that a VE has when
# nobody says anything else: what another VE notices of it. The figure is a ratio within one run;
# a machine that is busy with other things besides gets several goes.
# bats file_tags=root,slow

load helpers/load

export BATS_TEST_TIMEOUT=$((180 * ${BERTH_PATIENCE:-1}))
MIB=$((1 << 20))

# Fork bomb, memory hog, write storm and packet flood, until the VE is stopped.
rage() {
	shell "$1" '(while :; do dd if=/dev/zero of=/storm bs=1M count=100; sync; done) </dev/null >/dev/null 2>&1 &
		(while :; do /probe net-send 198.51.100.1 9 60; done) </dev/null >/dev/null 2>&1 &
		(while :; do /probe memhog 2G; done) </dev/null >/dev/null 2>&1 &'
	sleep 2
	shell "$1" '(bomb() { bomb | bomb & }; while :; do bomb; sleep 1; done) </dev/null >/dev/null 2>&1 &'
}

# 99th percentile of 100 runs of `exec true`, in microseconds: the second largest.
exec_p99() {
	local i t all=()
	for ((i = 0; i < 100; i++)); do
		t=${EPOCHREALTIME/./}
		inside 101 /bin/true
		all+=($((${EPOCHREALTIME/./} - t)))
	done
	printf '%s\n' "${all[@]}" | sort -n | sed -n 99p
}

calm() {
	berth -q stop --fast 102
	berth -q start 102
}

one_go() {
	local idle raging
	calm
	idle=$("$1")
	rage 102
	sleep 2
	raging=$("$1")
	# It did rage: at its limit of processes, and written.
	(($(berth stat -j 102 | json .pids.current) > 50)) || fail 'no fork bomb' || return
	(($(berth stat -j 102 | json .io.wbytes) > 20 * MIB)) || fail 'no write storm' || return
	echo "$1: $idle alone, $raging beside it"
	(("$2"))
}

@test "neighbour: exec true keeps its p99 within 3 times" {
	run_ve 101 --cpulimit $(($(nproc) * 50)) --ram 256M
	run_ve 102 --ram 256M --ipadd 10.9.0.102
	put_probe 101
	put_probe 102
	within 60 one_go exec_p99 'raging <= 3 * idle'
}
