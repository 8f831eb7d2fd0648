#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Each limit is exceeded on purpose from inside, and what came through is measured: at start,
# raised live, lowered live, and after a restart. What 33-inside.bats measures is exact.
# A host that is busy with other things gives less than a limit allows for a while, so a
# measurement may be taken three times.
# bats file_tags=root,slow,timing

load helpers/load

export BATS_TEST_TIMEOUT=$((300 * ${BERTH_PATIENCE:-1}))
MIB=$((1 << 20))
VE=10.9.0.101
export UPLINK=198.51.100.1  # of floods (helpers/net.bash)

# near GOT WANT PERCENT
near() {
	awk -v got="$1" -v want="$2" -v most="$3" 'BEGIN {
		off = (got / want - 1) * 100
		printf "measured %s for %s (%+.1f %%)\n", got, want, off
		exit !(off <= most && off >= -most) }'
}

# measured MEASURE WANT PERCENT: in at most three goes.
measured() {
	local try got
	for try in 1 2 3; do
		got=$("$1" "$2") || return
		near "$got" "$2" "$3" && SEEN+=" $got/$2" && return
	done
	fail "$1: $got, want $2 within $3 percent (try $try)"
}

# at_all_times MEASURE PERCENT OPTION FIRST HIGH LOW [SUFFIX]
at_all_times() {
	local SEEN=""
	put_probe 101
	measured "$1" "$4" "$2"
	berth set 101 "$3" "$5$7"
	measured "$1" "$5" "$2"
	berth set 101 "$3" "$6$7" --save
	measured "$1" "$6" "$2"
	berth restart 101 >/dev/null
	measured "$1" "$6" "$2"
	echo "# $1:$SEEN" >&3
}

# ---- CPU, memory, processes ----

# Percent of one CPU. That others on the host keep the VE from coming to its cap is not what is
# measured, so all VEs of this instance are made to weigh more than they do.
cpu() {
	local dir usage
	dir=$(cg_dir 101 cpu)
	usage=$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid 101)/cgroup" | sed 's|/payload.*||')/cpu.stat
	if on_v2 cpu; then echo 10000 >"$dir/../cpu.weight"; else echo 262144 >"$dir/../cpu.shares"; fi
	shell 101 '/probe cpuburn 200 </dev/null >/dev/null 2>&1 &'
	nice -n -20 "$PROBE" cpushare 60 "$dir/cpu.stat" "$usage" || return
	shell 101 'killall probe' || :
}

@test "cpulimit: what a burner gets" {
	run_ve 101 --cpulimit 40
	at_all_times cpu 2 --cpulimit 40 80 25
}

# MiB in use at most, of a hog that wants more than there is.
memory_peak() {
	local dir
	dir=$(cg_dir 101 memory)
	on_v2 memory || echo 0 >"$dir/memory.max_usage_in_bytes"
	shell 101 "/probe memhog $((2 * $1 * MIB))" >"$BATS_TEST_TMPDIR/hog" || :
	if on_v2 memory; then
		awk -v m=$MIB '{ v = $2 } END { print int(v / m) }' "$BATS_TEST_TMPDIR/hog"
	else
		echo $(($(<"$dir/memory.max_usage_in_bytes") / MIB))
	fi
}

@test "ram: what a hog gets" {
	run_ve 101 --ram 256M --swap 0
	at_all_times memory_peak 2 --ram 256 400 128 M
}

# MiB that a hog gets beside 64 of memory.
swapped() {
	shell 101 "/probe memhog $((($1 + 128) * MIB))" >"$BATS_TEST_TMPDIR/hog" || :
	awk -v m=$MIB '{ v = $2 } END { print int(v / m) - 64 }' "$BATS_TEST_TMPDIR/hog"
}

@test "swap: what a hog gets" {
	swap_for_a_while
	run_ve 101 --ram 64M --swap 256M
	at_all_times swapped 2 --swap 256 400 192 M
}

# Swap is the whole host's: one is switched on only where BERTH_SWAP=1 says that it may be.
swap_for_a_while() {
	has_swap && return
	[[ -n ${BERTH_SWAP:-} ]] || requires swap
	fallocate -l 800M "$SCRATCH/swap" && chmod 0600 "$SCRATCH/swap" && mkswap -q "$SCRATCH/swap" &&
		swapon "$SCRATCH/swap"
}

teardown() {
	local bad=0
	common_teardown || bad=1
	[[ ! -e $SCRATCH/swap ]] || { swapoff "$SCRATCH/swap" && rm "$SCRATCH/swap"; } || bad=1
	return $bad
}

few_processes() {
	(($(<"$(cg_dir 101 pids)/pids.current") < 20))
}

# Processes of a fork bomb, with those that were there.
processes() {
	local before made
	# Those of the bomb before are still ending.
	within 10 few_processes
	before=$(<"$(cg_dir 101 pids)/pids.current")
	made=$(inside 101 /probe forkbomb 4000 | awk '{ print $2 }')
	echo $((made + before + 1))
}

@test "numproc: what a fork bomb gets" {
	run_ve 101 --numproc 200
	at_all_times processes 1 --numproc 200 500 100
}

# ---- the disk ----

# moved FIELD WANT COMMAND [SECONDS]: by how much a field of the kernel's statistics of the VE's disk
# grows in a second (Documentation/block/stat.rst, from 0), in the middle of a command inside that
# has twice as many seconds to do (of 3).
moved() {
	local stat a b t load
	stat=/sys/dev/block/$(disk_dev 101)/stat
	read -ra a <"$stat"
	shell 101 "$3 2>/dev/null" 3>&- &
	load=$!
	until read -ra b <"$stat" && ((b[$1] - a[$1] >= $2 / 2)); do
		sleep 0.05
		kill -0 $load 2>/dev/null || fail "the load has ended" || return
	done
	t=${EPOCHREALTIME/./}
	sleep "${4:-3}"
	read -ra a <"$stat"
	t=$((${EPOCHREALTIME/./} - t))
	wait $load
	awk -v n=$((a[$1] - b[$1])) -v us=$t 'BEGIN { printf "%.2f", n * 1000000 / us }'
}

# The same in MiB, of sectors.
moved_mib() {
	awk -v n="$(moved "$1" $(($2 * 2048)) "$3" "${4:-3}")" 'BEGIN { printf "%.2f", n / 2048 }'
}

# As much as six seconds of the highest rate read.
with_file() {
	run_ve 101 --diskspace 1G
	shell 101 'dd if=/dev/zero of=/f bs=1M count=480 conv=fsync 2>/dev/null'
	berth set 101 "$@" --save
}

direct() { echo "dd if=/dev/zero of=/f bs=$1 count=$2 conv=notrunc oflag=direct"; }
reader() { echo "dd if=/f of=/dev/null bs=$1 count=$2 iflag=direct"; }

# A file of single pages: of a large write ext4 (6.16) makes one request, which is done as one.
written_mib() {
	local s=3
	# What an emulated machine writes at once is a good part of what comes in three seconds.
	[[ ${BERTH_PATIENCE:-1} -eq 1 ]] || s=10
	shell 101 'rm -f /g; sync'
	moved_mib 6 "$1" "dd if=/dev/zero of=/g bs=4k count=$(($1 * 2 * s * 256)) conv=fsync" "$s"
}
direct_mib() { moved_mib 6 "$1" "$(direct 1M $(($1 * 6)))"; }
read_mib() { moved_mib 2 "$1" "$(reader 1M $(($1 * 6)))"; }
read_ops() { moved 0 "$1" "$(reader 4k $(($1 * 6)))"; }
write_ops() { moved 4 "$1" "$(direct 4k $(($1 * 6)))"; }

@test "iolimit: what buffered writing gets" {
	local mib=(20 40 10)
	# An emulated machine does not come to 40 MiB/s page by page.
	[[ ${BERTH_PATIENCE:-1} -eq 1 ]] || mib=(8 16 4)
	with_file --iolimit "${mib[0]}M"
	at_all_times written_mib 5 --iolimit "${mib[@]}" M
}

@test "iolimit: what a direct writer gets" {
	with_file --iolimit-write 20M
	at_all_times direct_mib 5 --iolimit-write 20 40 10 M
}

# Past the cache and through it, by the flusher: for v1 two groups (cgroups/cg-io.c).
both_mib() {
	shell 101 "rm -f /g; dd if=/dev/zero of=/g bs=4k count=$(($1 * 3 * 256)) 2>/dev/null"
	moved_mib 6 "$1" "sync & $(direct 1M $(($1 * 3))); wait"
}

@test "iolimit: what two writers get together, past the cache and through it" {
	with_file --iolimit-write 20M
	at_all_times both_mib 5 --iolimit-write 20 40 10 M
}

@test "iolimit: what a reader gets" {
	with_file --iolimit-read 40M
	at_all_times read_mib 5 --iolimit-read 40 80 20 M
}

@test "iopslimit: what a reader of small blocks gets" {
	with_file --iopslimit 100
	at_all_times read_ops 5 --iopslimit 100 200 60
}

@test "iopslimit: what a writer of small blocks gets" {
	with_file --iopslimit-write 100
	at_all_times write_ops 5 --iopslimit-write 100 200 60
}

# ---- the network ----

# Mbit/s
rate() { awk -v bits="$(flood 101 "$1" 2)" 'BEGIN { printf "%.2f", bits / 1000000 }'; }
rate_in() { rate in; }
rate_out() { rate out; }

@test "netrate-in: what a flooded receiver gets" {
	host_takes_all
	run_ve 101 --ipadd $VE --netrate-in 10mbit
	at_all_times rate_in 5 --netrate-in 10 20 5 mbit
}

@test "netrate-out: what a flooding sender gets" {
	host_takes_all
	run_ve 101 --ipadd $VE --netrate-out 10mbit
	at_all_times rate_out 5 --netrate-out 10 20 5 mbit
}
