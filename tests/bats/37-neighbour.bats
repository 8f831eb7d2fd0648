#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A neighbour that does its worst on all fronts at once, within the limits that a VE has when
# nobody says anything else: what another VE notices of it. Each figure is a ratio: the neighbour
# is frozen and let go by turns, so that what else the machine does falls on both alike. One go.
# bats file_tags=root,slow,timing

load helpers/load

export BATS_TEST_TIMEOUT=$((240 * ${BERTH_PATIENCE:-1}))
MIB=$((1 << 20))

# Fork bomb, memory hog, write storm and packet flood, until the VE is stopped.
rage() {
	shell "$1" '(while :; do dd if=/dev/zero of=/storm bs=1M count=100; sync; done) </dev/null >/dev/null 2>&1 &
		(while :; do /probe net-send 198.51.100.1 9 60; done) </dev/null >/dev/null 2>&1 &
		(while :; do /probe memhog 2G; done) </dev/null >/dev/null 2>&1 &'
	sleep 2
	shell "$1" '(bomb() { bomb | bomb & }; while :; do bomb; sleep 1; done) </dev/null >/dev/null 2>&1 &'
}

# neighbour frozen|raging
neighbour() {
	local v2 on=0
	[[ $1 == raging ]] || on=1
	v2=$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid 102)/cgroup" | sed 's|/payload.*||')
	echo $on >"$v2/cgroup.freeze"
	sleep 0.3
}

# It did rage: was full of processes, and has written.
has_raged() {
	(($(<"$(cg_dir 102 pids)/pids.peak") > 50)) || return
	(($(berth stat -j 102 | json .io.wbytes) > 20 * MIB))
}

# raging_neighbour [OPTION...]: 102, with more memory than its bomb takes, which would end itself.
raging_neighbour() {
	run_ve 102 --ram 512M --ipadd 10.9.0.102 "$@"
	put_probe 102
	rage 102
	within 30 has_raged
}

# Microseconds of each of 25 runs of `exec true`.
execs() {
	local i t
	for ((i = 0; i < 25; i++)); do
		t=${EPOCHREALTIME/./}
		inside 101 /bin/true
		echo $((${EPOCHREALTIME/./} - t))
	done
}

# While a fork bomb explodes the kernel holds up all forks (docs/SUPPORT.md), and each thaw here brings one
# about: the 99th percentile is asked for with BERTH_LONG=1, the median always.
@test "neighbour: exec true keeps its median within 3 times, with BERTH_LONG=1 its p99" {
	local alone=$BATS_TEST_TMPDIR/alone beside=$BATS_TEST_TMPDIR/beside i
	run_ve 101 --cpulimit $(($(nproc) * 50)) --ram 256M
	raging_neighbour
	for ((i = 0; i < 8; i++)); do
		neighbour frozen
		execs >>"$alone"
		neighbour raging
		execs >>"$beside"
	done
	# 99th percentile of 200
	i=$(sort -n "$alone" | sed -n 198p)
	echo "p99 $i us alone, $(sort -n "$beside" | sed -n 198p) us beside it" | tee -a /dev/fd/3
	(($(sort -n "$beside" | sed -n 100p) <= 3 * $(sort -n "$alone" | sed -n 100p)))
	[[ -z ${BERTH_LONG:-} ]] || (($(sort -n "$beside" | sed -n 198p) <= 3 * i))
}

# Transactions of a database with a client for each CPU, in two seconds.
transactions() {
	shell 101 "for d in $(seq -s ' ' "$(nproc)"); do (mkdir -p /db\$d; cd /db\$d; /probe database 2 $1) & done; wait" |
		awk '{ n += $2 } END { print n }'
}

# keeps_nine_tenths cpu|'' [OPTION...]: a database in 101 beside 102 with these options, of what it
# does alone with its share: half of the machine. The host's own work, which counts beside that of
# all VEs, is out of the way.
keeps_nine_tenths() {
	local how=$1 alone=0 beside=0 i dir rounds=8
	# On an emulated machine each of them takes a minute.
	[[ ${BERTH_PATIENCE:-1} -eq 1 ]] || rounds=3
	shift
	run_ve 101 --cpulimit $(($(nproc) * 50)) --ram 256M
	put_probe 101
	raging_neighbour "$@"
	dir=$(dirname "$(cg_dir 101 cpu)")
	if on_v2 cpu; then echo 10000 >"$dir/cpu.weight"; else echo 262144 >"$dir/cpu.shares"; fi
	neighbour frozen
	transactions "$how"
	for ((i = 0; i < rounds; i++)); do
		neighbour frozen
		alone=$((alone + $(transactions "$how")))
		neighbour raging
		beside=$((beside + $(transactions "$how")))
	done
	echo "# $alone transactions alone, $beside beside it" >&3
	((beside * 10 >= alone * 9))
}

@test "neighbour: a database in memory keeps nine tenths of what it does with half of the machine" {
	keeps_nine_tenths cpu
}

# What the kernel has no shares of is divided by limits (docs/SUPPORT.md).
@test "neighbour: a database that syncs keeps them beside one with limits" {
	[[ ${BERTH_PATIENCE:-1} -eq 1 ]] || skip "does not hold in an emulated machine (docs/SUPPORT.md)"
	keeps_nine_tenths '' --iolimit 10 --numproc 200 --netrate-out 100mbit
}
