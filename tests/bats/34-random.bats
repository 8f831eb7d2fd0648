#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Random changes of every numeric row that takes effect live, on a running VE and on a pool that
# one runs in. While one is made no limit is above the larger of old and new, none is ever
# lifted, and afterwards the kernel holds what was asked for. 40 and 30 of them; with BERTH_LONG
# a thousand of each. BERTH_SEED repeats a run.
# bats file_tags=root,slow

# shellcheck disable=SC2046,SC2086 # words of options
load helpers/load

export BATS_TEST_TIMEOUT=$((900 * ${BERTH_PATIENCE:-1}))
MIB=$((1 << 20))

# Where the limits of the target are: set by `files`.
declare -gA at

# files DIR-FUNCTION: of the VE's node, or of its pool's.
files() {
	local dir=$1 io
	if on_v2 memory; then
		at[mem]=$($dir memory)/memory.max at[soft]=$($dir memory)/memory.high
		at[swap]=$($dir memory)/memory.swap.max
	else
		at[mem]=$($dir memory)/memory.limit_in_bytes
		at[soft]=$($dir memory)/memory.soft_limit_in_bytes
		at[swap]=$($dir memory)/memory.memsw.limit_in_bytes
	fi
	if on_v2 cpu; then
		at[cpu]=$($dir cpu)/cpu.max at[burst]=$($dir cpu)/cpu.max.burst
		at[units]=$($dir cpu)/cpu.weight
	else
		at[cpu]=$($dir cpu)/cpu.cfs_quota_us at[burst]=$($dir cpu)/cpu.cfs_burst_us
		at[units]=$($dir cpu)/cpu.shares
	fi
	at[pids]=$($dir pids)/pids.max
	# On v1 the rates of a pool are on the nodes of its VEs.
	io=$($dir blkio) || return
	on_v2 io || io=$(cg_dir 101 blkio)
	at[io]=$io
}

# Limits as the kernel has them: memory, soft limit, quota, processes, and the four rates.
now() {
	local mem soft cpu pids a rest rates=()
	read -r mem <"${at[mem]}" && read -r soft <"${at[soft]}" && read -r cpu rest <"${at[cpu]}" &&
		read -r pids <"${at[pids]}" || return
	if [[ -e ${at[io]}/io.max ]]; then
		read -r rest <"${at[io]}/io.max" || rest=''
		for a in rbps wbps riops wiops; do
			a=${rest#*"$a="}
			rates+=("${a%% *}")
		done
	else
		for a in read_bps write_bps read_iops write_iops; do
			read -r _ rest <"${at[io]}/blkio.throttle.${a}_device" || rest=none
			rates+=("${rest:-none}")
		done
	fi
	seen="$mem $soft $cpu $pids ${rates[*]}"
}

# Between the times before and after they were read; over and over.
watch_limits() {
	local t seen
	while :; do
		t=${EPOCHREALTIME/./}
		now || return
		echo "$t $seen ${EPOCHREALTIME/./}"
	done
}

# maybe ROW VALUE: a third of the time.
maybe() {
	((RANDOM % 3)) || { v[$1]=$2 && args+=("--$1" "$2"); }
}

# One random change of rows that VEs and pools have: $args, and what they are to be in v.
choose_shared() {
	local cap
	maybe ram $(((64 + RANDOM % 449) * MIB))
	maybe swap $((RANDOM % 256 * MIB))
	maybe numproc $((20 + RANDOM % 500))
	maybe cpulimit $((10 + RANDOM % 190))
	cap=${v[cpulimit]}
	((v[cpus] == 0 || v[cpus] * 100 >= cap)) || cap=$((v[cpus] * 100))
	maybe cpuburst $((RANDOM % (cap + 1)))
	((v[cpuburst] <= cap)) || { v[cpuburst]=0 && args+=(--cpuburst 0); }
	maybe cpuunits $(((1 + RANDOM % 100) * 250))
	maybe iolimit $((1 + RANDOM % 100))
	maybe iolimit-read $((1 + RANDOM % 100))
	maybe iolimit-write $((1 + RANDOM % 100))
	maybe iopslimit $((100 + RANDOM))
	maybe iopslimit-read $((100 + RANDOM))
	maybe iopslimit-write $((100 + RANDOM))
}

choose_own() {
	maybe ram-soft $(((32 + RANDOM % 400) * MIB))
	maybe cpus $((RANDOM % ($(nproc) + 1)))
	maybe shm $(((16 + RANDOM % 250) * 4))K
	maybe numpty $((10 + RANDOM % 500))
	maybe inotify-instances $((10 + RANDOM % 100))
	maybe inotify-watches $((1000 + RANDOM % 7000))
	maybe netrate-in $((1 + RANDOM % 900))mbit
	maybe netrate-out $((1 + RANDOM % 900))mbit
	# Who may not raise a hard limit can lower it.
	maybe numfile $((v[numfile] - 1 - RANDOM % 2))
	maybe memlock $((v[memlock] - 4096))
	maybe numsiginfo $((v[numsiginfo] - 1))
	((v[cpus] == 0 || v[cpuburst] <= v[cpus] * 100)) || { v[cpuburst]=0 && args+=(--cpuburst 0); }
	! on_v2 memory || maybe ram-guarantee $((RANDOM % 64 * MIB))
}

# The line of `now` that the values in v make.
wanted() {
	local cap=${v[cpulimit]}
	((v[cpus] == 0 || v[cpus] * 100 >= cap)) || cap=$((v[cpus] * 100))
	echo "${v[ram]} ${v[ram-soft]} $((cap * 1000)) ${v[numproc]}" \
		"$((v[iolimit-read] * MIB)) $((v[iolimit-write] * MIB)) ${v[iopslimit-read]} ${v[iopslimit-write]}"
}

# Rows that are no ceiling, or none that can be read in a moment.
others() {
	local swap units=${v[cpuunits]}
	swap=$(<"${at[swap]}")
	on_v2 memory || swap=$((swap - $(<"${at[mem]}")))
	if on_v2 cpu; then units=$((units / 10)); else units=$((units * 1024 / 1000)); fi
	equal "$swap $(<"${at[burst]}") $(<"${at[units]}")" \
		"${v[swap]} $((v[cpuburst] * 1000)) $units" 'swap, burst, weight'
}

own_others() {
	local pid=$1 l
	others || return
	mapfile -t l < <(awk '/^Max (open files|locked memory|pending signals)/ { print $(NF - 1) }' \
		"/proc/$pid/limits")
	equal "${l[*]}" "${v[numfile]} ${v[memlock]} ${v[numsiginfo]}" 'hard limits' || return
	equal "$(($(stat -f -c '%b * %S' "/proc/$pid/root/dev/shm") / 1024))K" "${v[shm]}" shm || return
	equal "$(awk '$5 == "/dev/pts" { print $NF }' "/proc/$pid/mountinfo" | grep -o 'max=[0-9]*')" \
		"max=${v[numpty]}" numpty || return
	equal "$(shell 101 'cat /proc/sys/user/max_inotify_instances /proc/sys/user/max_inotify_watches' | xargs)" \
		"${v[inotify-instances]} ${v[inotify-watches]}" inotify || return
	equal "$(host tc -j qdisc show | jq -r '.[] | select(.kind == "tbf") | .options.rate * 8' | sort -n | xargs)" \
		"$(printf '%s000000\n' "${v[netrate-in]%mbit}" "${v[netrate-out]%mbit}" | sort -n | xargs)" 'rates of links' ||
		return
	! on_v2 memory || equal "$(<"$(cg_dir 101 memory)/memory.min")" "${v[ram-guarantee]}" ram-guarantee
}

# judge: asked has the start, 8 old, 8 new, the end; a sample counts that lies within a change; on a busy machine not each has one.
samples_in_bounds() {
	awk 'NR == FNR { start[NR] = $1; end[NR] = $18
			for (k = 0; k < 8; k++) {
				o = $(2 + k); w = $(10 + k); top[NR, k] = o > w ? o : w
			}
			n = NR; next }
		{ while (i < n && start[i + 1] <= $1) i++
			if (!i || $10 > end[i]) next
			seen++
			for (k = 0; k < 8; k++)
				if ($(2 + k) !~ /^[0-9]+$/ || $(2 + k) + 0 > top[i, k]) {
					print "change " i ", limit " k ": " $0; bad++
				} }
		END { print n " changes, " seen " samples while changing, " bad + 0 " too high"
			exit bad > 0 || seen < n / 2 }' \
		"$BATS_TEST_TMPDIR/asked" "$BATS_TEST_TMPDIR/seen"
}

# random_sets N "SET COMMAND" CHOOSE... -- CHECK...
random_sets() {
	local n=$1 cmd=$2 seed=${BERTH_SEED:-$$} i old seen args fn choose=() watcher
	shift 2
	while [[ $1 != -- ]]; do choose+=("$1") && shift; done
	shift
	RANDOM=$seed
	echo "BERTH_SEED=$seed"
	watch_limits >"$BATS_TEST_TMPDIR/seen" 2>/dev/null 3>&- &
	watcher=$!
	for ((i = 0; i < n; i++)); do
		old=$(wanted) args=()
		while [[ ${#args[@]} -eq 0 ]]; do
			for fn in "${choose[@]}"; do $fn; done
		done
		printf '%s ' "${EPOCHREALTIME/./}" "$old" "$(wanted)" >>"$BATS_TEST_TMPDIR/asked"
		berth -q $cmd "${args[@]}" >/dev/null || break
		echo "${EPOCHREALTIME/./}" >>"$BATS_TEST_TMPDIR/asked"
		now
		equal "$seen" "$(wanted)" kernel && "$@" || break
	done
	kill "$watcher"
	[[ $i -eq $n ]] || fail "$i: ${args[*]}" || return
	samples_in_bounds | tee -a /dev/fd/3
	return "${PIPESTATUS[0]}"
}

initial() {
	printf -- '--%s %s ' ram $((256 * MIB)) swap $((64 * MIB)) numproc 100 cpulimit 50 cpuburst 10 \
		cpuunits 1000 iolimit 50 iolimit-read 50 iolimit-write 50 iopslimit 500 \
		iopslimit-read 500 iopslimit-write 500
}

# Each row that a VE can change live and that is a number, of the tool's own table, is in the
# test, or here with what stands in the way.
@test "random: no numeric row is left out" {
	local row rest
	# stored only: bootorder stop-timeout traffic-*; its node is chosen at start: cpuguarantee;
	# a filesystem's cap, with data: 35-disk; where there is BFQ: 38-guarantee; huge pages: 39;
	# a bucket, no limit: netburst; in rules of the filter: 48-caps
	rest=" bootorder stop-timeout traffic-limit traffic-reset-day cpuguarantee diskspace ioprio hugepages netburst flow-rate conntrack mail-rate "
	while read -r row; do
		[[ $rest == *" $row "* ]] || grep -q "maybe $row " "$BATS_TEST_FILENAME" ||
			fail "row $row is not in this test"
	done < <("$BERTH" --dump-tables | jq -r '.params[] | select(.effect == "live" and .ct and
		(.type | IN("size", "count", "number", "percent", "rate"))) | .option')
	while read -r row; do
		[[ $row == ioprio ]] || sed -n '/^choose_shared/,/^}/p' "$BATS_TEST_FILENAME" | grep -q "maybe $row " ||
			fail "row $row of pools is not in this test"
	done < <("$BERTH" --dump-tables | jq -r '.params[] | select(.effect == "live" and .pool and .ct and
		(.type | IN("size", "count", "number", "percent", "rate"))) | .option')
}

values() {
	declare -gA v=([cpus]=0)
	while [[ $# -gt 0 ]]; do
		v[${1#--}]=$2
		shift 2
	done
}

@test "random: changes of a running VE" {
	local own='--ram-soft 134217728 --shm 512K --numpty 64 --inotify-instances 20 --inotify-watches 2000
		--netrate-in 100mbit --netrate-out 100mbit --numfile 4000 --memlock 8192000 --numsiginfo 2000'
	! on_v2 memory || own+=' --ram-guarantee 0'
	values $(initial) $own
	run_ve 101 $(initial) $own --diskspace 1G --ipadd 10.9.0.101
	# Something to reclaim, so that lowering is more than a write.
	shell 101 'dd if=/dev/zero of=/cache bs=1M count=200 2>/dev/null; cat /cache >/dev/null'
	files 'cg_dir 101'
	# Saved: cpus and cpulimit are one number of the kernel's, which cannot tell them apart again.
	random_sets "$([[ -n ${BERTH_LONG:-} ]] && echo 1000 || echo 40)" 'set 101 --save' choose_shared choose_own -- \
		own_others "$(init_pid 101)"
}

pool_dir() {
	dirname "$(cg_dir 101 "$1")"
}

@test "random: changes of a pool" {
	berth -q pool create gold $(initial)
	values $(initial)
	run_ve 101 --pool gold --ram unlimited --swap unlimited --diskspace 1G
	shell 101 'dd if=/dev/zero of=/cache bs=1M count=200 2>/dev/null; cat /cache >/dev/null'
	files pool_dir
	at[soft]=${at[mem]}             # a pool has none
	wanted() {
		echo "${v[ram]} ${v[ram]} $((v[cpulimit] * 1000)) ${v[numproc]}" \
			"$((v[iolimit-read] * MIB)) $((v[iolimit-write] * MIB)) ${v[iopslimit-read]} ${v[iopslimit-write]}"
	}
	random_sets "$([[ -n ${BERTH_LONG:-} ]] && echo 1000 || echo 30)" 'pool set gold' choose_shared -- others
}
