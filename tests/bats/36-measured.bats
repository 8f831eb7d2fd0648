#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Each limit is exceeded on purpose from inside, and what came through is measured: at start,
# raised live, lowered live, and after a restart. A host that is busy with other things gives
# less than a limit allows for a while, so a measurement may be taken three times.
# bats file_tags=root,slow,timing

load helpers/load

export BATS_TEST_TIMEOUT=300
MIB=$((1 << 20))

# near GOT WANT PERCENT: too little is no fault of the limit where the host was too busy to
# reach it, as the measurement says by making the file `busy`.
near() {
	local off=$((($1 - $2) * 1000 / $2))
	echo "measured $1 for $2 ($off per mille)"
	((off <= $3 * 10)) || return
	((off >= -$3 * 10)) || [[ -e $BATS_TEST_TMPDIR/busy ]]
}

# measured MEASURE WANT PERCENT: in at most three goes.
measured() {
	local try got
	for try in 1 2 3; do
		rm -f "$BATS_TEST_TMPDIR/busy"
		got=$("$1" "$2") || return
		near "$got" "$2" "$3" || continue
		[[ $try -eq 3 || ! -e $BATS_TEST_TMPDIR/busy ]] && return
	done
	fail "$1: $got, want $2 within $3 percent (try $try)"
}

# at_all_times MEASURE PERCENT OPTION FIRST HIGH LOW [SUFFIX]
at_all_times() {
	put_probe 101
	measured "$1" "$4" "$2"
	berth set 101 "$3" "$5$7"
	measured "$1" "$5" "$2"
	berth set 101 "$3" "$6$7" --save
	measured "$1" "$6" "$2"
	berth restart 101 >/dev/null
	measured "$1" "$6" "$2"
}

# Usage (microseconds), periods and throttled periods of 101 now, into `now`; starts no process.
read_cpu() {
	local line lines
	mapfile -t lines <"$CPU_STAT"
	for line in "${lines[@]}"; do
		now[${line% *}]=${line#* }
	done
	[[ $CPU_STAT == "$USAGE_STAT" ]] || { read -r line <"$USAGE_STAT" && now[usage_usec]=${line#* }; }
}

# Tenths of a percent of one CPU, by the CPU time between the edges of periods. A period counts
# when the burner came to its limit in it, however busy the host is, and when the edges before and
# after it were seen as they passed. What it had at an edge is what it had just before: it was
# held then. Called in a subshell, which is made to see the edges first.
cpu_tenths() {
	local -A now was
	local spent=0 counted=0 at=${EPOCHREALTIME/./} seen=0 first="" end wake t
	USAGE_STAT=$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid 101)/cgroup" | sed 's|/payload.*||')/cpu.stat
	CPU_STAT=$(cg_dir 101 cpu)/cpu.stat
	shell 101 '/probe cpuburn 30 </dev/null >/dev/null 2>&1 &'
	renice -n -20 -p "$BASHPID" >/dev/null || :
	exec {wake}<> <(:)
	read_cpu
	end=$((${EPOCHREALTIME/./} + 20000000))
	while ((counted < 30 && seen < end)); do
		for t in "${!now[@]}"; do was[$t]=${now[$t]}; done
		at=$seen
		read -r -t 0.001 -u "$wake" || :
		seen=${EPOCHREALTIME/./}
		read_cpu
		((now[nr_periods] > was[nr_periods])) || continue
		if ((now[nr_periods] - was[nr_periods] > 1 || seen - at > 10000)); then
			first=
			continue
		fi
		[[ -z $first || ${now[nr_throttled]} == "${was[nr_throttled]}" ]] ||
			spent=$((spent + was[usage_usec] - first)) counted=$((counted + 1))
		first=${was[usage_usec]}
	done
	exec {wake}>&-
	shell 101 'killall probe' || :
	((counted >= 10)) || fail "only $counted periods with a held burner" || return
	echo $((spent / 100 / counted))
}

@test "cpulimit: what a burner gets" {
	run_ve 101 --cpulimit 40
	put_probe 101
	measured cpu_tenths 400 1
	berth set 101 --cpulimit 80
	measured cpu_tenths 800 1
	berth set 101 --cpulimit 25 --save
	measured cpu_tenths 250 1
	berth restart 101 >/dev/null
	measured cpu_tenths 250 1
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

# timed DD...: microseconds, by a clock inside: on a slow host an exec takes a while, too.
timed() {
	shell 101 "time -p dd $* 2>&1" | awk '$1 == "real" { printf "%d", $2 * 1000000 }'
}

# KiB per second of three seconds' worth, written and on the disk.
writing() {
	local count=$(($1 * 3 / 64)) t
	shell 101 sync
	t=$(timed if=/dev/zero of=/f bs=64k count=$count conv=fsync)
	shell 101 'rm /f; sync'
	echo $((count * 64 * 1000000 / t))
}

@test "iolimit: what buffered writing gets" {
	run_ve 101 --iolimit 20480K --diskspace 1G
	at_all_times writing 5 --iolimit 20480 40960 10240 K
}

# blocks N SIZE ARGUMENTS: how many of three seconds' worth of direct blocks come through a second.
blocks() {
	local count=$(($1 * 3)) t
	t=$(timed bs="$2" count=$count "$3")
	echo $(((count * 1000000 + t / 2) / t))
}

direct_mib() { blocks "$1" 1M 'if=/dev/zero of=/f conv=notrunc oflag=direct'; }
read_mib() { blocks "$1" 1M 'if=/f of=/dev/null iflag=direct'; }
# Reads: what is written makes the journal of the filesystem write as well.
read_ops() { blocks "$1" 4k 'if=/f of=/dev/null iflag=direct'; }

# As much as three seconds of the highest rate read.
with_file() {
	run_ve 101 --diskspace 1G
	shell 101 'dd if=/dev/zero of=/f bs=1M count=250 conv=fsync 2>/dev/null'
	berth set 101 "$@" --save
}

@test "iolimit: what a direct writer gets" {
	with_file --iolimit-write 20M
	at_all_times direct_mib 5 --iolimit-write 20 40 10 M
}

@test "iolimit: what a reader gets" {
	with_file --iolimit-read 40M
	at_all_times read_mib 5 --iolimit-read 40 80 20 M
}

@test "iopslimit: what a reader of small blocks gets" {
	with_file --iopslimit 100
	at_all_times read_ops 5 --iopslimit 100 200 60
}
