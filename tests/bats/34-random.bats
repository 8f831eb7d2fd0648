#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A thousand random changes on a running VE. While one is made no limit is above the larger of
# old and new, none is ever lifted, and afterwards the kernel holds what was asked for.
# bats file_tags=root,slow

load helpers/load

export BATS_TEST_TIMEOUT=$((300 * ${BERTH_PATIENCE:-1}))
MIB=$((1 << 20))

# Memory, CPU quota and processes as the kernel has them, between the times before and after
# they were read; over and over.
watch_limits() {
	local mem cpu pids rest t
	while :; do
		t=${EPOCHREALTIME/./}
		read -r mem <"$1" && read -r cpu rest <"$2" && read -r pids <"$3" || return
		echo "$t $mem $cpu $pids ${EPOCHREALTIME/./}"
	done
}

# One random change: sets $args and the new values in $ram, $quota (per 100 ms), $pids.
choose() {
	args=()
	((RANDOM % 2)) && ram=$(((64 + RANDOM % 449) * MIB)) && args+=(--ram "$ram")
	((RANDOM % 3 == 0)) && args+=(--swap "$((RANDOM % 256))M")
	((RANDOM % 2)) && quota=$(((1 + RANDOM % 200) * 1000)) && args+=(--cpulimit $((quota / 1000)))
	((RANDOM % 2)) && pids=$((20 + RANDOM % 500)) && args+=(--numproc "$pids")
	((RANDOM % 4 == 0)) && args+=(--cpuunits $((8 + RANDOM)))
	((RANDOM % 4 == 0)) && args+=(--iolimit $((1 + RANDOM % 100)) --iopslimit $((100 + RANDOM)))
	[[ ${#args[@]} -gt 0 ]] || args=(--cpulimit $((quota / 1000)))
}

@test "set: a thousand random changes" {
	local seed=${BERTH_SEED:-$$} n=${BERTH_SETS:-1000} i args
	local ram=$((256 * MIB)) quota=50000 pids=100 old kernel
	RANDOM=$seed
	echo "BERTH_SEED=$seed"
	run_ve 101 --ram 256M --swap 64M --cpulimit 50 --numproc 100 --diskspace 1G
	# Something to reclaim, so that lowering is more than a write.
	shell 101 'dd if=/dev/zero of=/cache bs=1M count=200 2>/dev/null; cat /cache >/dev/null'
	local mem cpu proc
	mem=$(cg_dir 101 memory)/memory.limit_in_bytes
	cpu=$(cg_dir 101 cpu)/cpu.cfs_quota_us
	proc=$(cg_dir 101 pids)/pids.max
	! on_v2 memory || mem=${mem/limit_in_bytes/max}
	! on_v2 cpu || cpu=${cpu/cfs_quota_us/max}
	watch_limits "$mem" "$cpu" "$proc" >"$BATS_TEST_TMPDIR/seen" 2>/dev/null 3>&- &
	local watcher=$!
	for ((i = 0; i < n; i++)); do
		old="$ram $quota $pids"
		choose
		printf '%s ' "${EPOCHREALTIME/./}" "$old" "$ram $quota $pids" >>"$BATS_TEST_TMPDIR/asked"
		berth -q set 101 "${args[@]}" >/dev/null || fail "$i: set ${args[*]}"
		echo "${EPOCHREALTIME/./}" >>"$BATS_TEST_TMPDIR/asked"
		kernel="$(<"$mem") $(cut -d' ' -f1 "$cpu") $(<"$proc")"
		equal "$kernel" "$ram $quota $pids" "after $i: set ${args[*]}: kernel" || break
	done
	kill "$watcher"
	[[ $i -eq $n ]]
	# asked: start, old x3, new x3, end. A sample counts that was read wholly within a change.
	awk 'NR == FNR { start[NR] = $1; end[NR] = $8
			for (k = 0; k < 3; k++) {
				o = $(2 + k); w = $(5 + k); top[NR, k] = o > w ? o : w
			}
			n = NR; next }
		{ while (i < n && start[i + 1] <= $1) i++
			if (!i || $5 > end[i]) next
			seen++
			for (k = 0; k < 3; k++)
				if ($(2 + k) !~ /^[0-9]+$/ || $(2 + k) + 0 > top[i, k]) {
					print "change " i ": " $0; bad++
				} }
		END { print seen " samples while changing, " bad + 0 " too high"
			exit bad > 0 || seen < n }' \
		"$BATS_TEST_TMPDIR/asked" "$BATS_TEST_TMPDIR/seen"
}
