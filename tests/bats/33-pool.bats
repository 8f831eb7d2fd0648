#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Pools: limits that several VEs share at run time.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))
MIB=$((1 << 20))

# pool_dir ID CONTROLLER: node of the pool that the VE runs in.
pool_dir() {
	local dir
	dir=$(cg_dir "$1" "$2") && dirname "$dir"
}

# pool_has V2-FILE V1-FILE CONTROLLER: a limit of the pool of 101, as the kernel spells it.
pool_has() {
	local dir
	dir=$(pool_dir 101 "$3")
	if on_v2 "$3"; then cat "$dir/$1"; else cat "$dir/$2"; fi
}

no_pool_node() {
	! leak_cgroups | grep -q /pool-
}

@test "pool: its node holds the limits, its VEs' nodes are in it, and it goes with the last" {
	berth -q pool create gold --ram 200M --cpulimit 60 --numproc 120
	new_ve 101 --pool gold
	new_ve 102
	berth -q set 102 --pool gold --save
	no_pool_node
	berth -q start 101 102
	equal "$(basename "$(pool_dir 101 memory)")" pool-gold
	equal "$(pool_dir 101 memory)" "$(pool_dir 102 memory)"
	equal "$(pool_has memory.max memory.limit_in_bytes memory)" $((200 * MIB))
	equal "$(pool_has cpu.max cpu.cfs_quota_us cpu | cut -d' ' -f1)" 60000
	equal "$(pool_has pids.max pids.max pids)" 120
	# Each keeps what is its own.
	equal "$(limit 101 ram)" $((1024 * MIB))
	equal "$(berth list -H -o pool 101)" gold
	equal "$(berth pool show gold -j | json '[.ves, .running] | map(sort | map(tostring) | join(" ")) | join("; ")')" \
		'101 102; 101 102'
	equal "$(berth pool list -j | json '.[0] | [.name, .effective.ram, .effective.cpulimit] | join(" ")')" \
		"gold $((200 * MIB)) 60"
	contains "$(berth pool list)" gold
	equal "$(berth stat -j 101 | json .pool)" gold
	contains "$(berth top -1 -d 100ms | sed -n 2p)" ' gold '

	berth -q restart 101 --fast
	equal "$(pool_dir 101 memory)" "$(pool_dir 102 memory)"
	berth -q stop --fast 101
	contains "$(leak_cgroups)" /pool-gold
	berth -q stop --fast 102
	no_pool_node
}

# usage of the pool in us, periods of its limit, and those in which it came to it.
pool_times() {
	local v2
	v2=$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid 101)/cgroup" | sed 's|/101/payload.*||')
	awk '$1 == "usage_usec" { print $2 }' "$v2/cpu.stat"
	awk '$1 == "nr_periods" || $1 == "nr_throttled" { print $2 }' "$(pool_dir 101 cpu)/cpu.stat"
}

# Two VEs burn: percent of one CPU, by the kernel's own periods. On a host that is busy with other
# things they may not come to the limit in each; above it they never are.
pool_cpu_is() {
	local a b periods got least=95
	[[ ${BERTH_PATIENCE:-1} -eq 1 ]] || least=50    # the timer of an emulated machine misses periods
	mapfile -t a < <(pool_times)
	sleep 2
	mapfile -t b < <(pool_times)
	periods=$((b[1] - a[1]))
	got=$(((b[0] - a[0]) / 1000 / periods))
	echo "pool uses $got, may $1; at its limit in $((b[2] - a[2])) of $periods periods"
	# a measurement begins and ends within a period
	((got <= $1 + $1 / periods + 1)) && ((got >= $1 * least / 100 - $1 / periods - 1 || b[2] - a[2] < periods - 1))
}

@test "pool: CPU, memory and processes are shared, also when changed live" {
	local id
	berth -q pool create gold --ram 200M --swap 0 --cpulimit 60 --numproc 120
	for id in 101 102; do
		run_ve $id --pool gold
		put_probe $id
		shell $id '/probe cpuburn 60 </dev/null >/dev/null 2>&1 & /probe cpuburn 60 </dev/null >/dev/null 2>&1 &'
	done
	pool_cpu_is 60
	berth -q pool set gold --cpulimit 30
	pool_cpu_is 30
	berth -q pool set gold --cpulimit 80
	pool_cpu_is 80
	for id in 101 102; do shell $id 'killall probe' || :; done

	# 120 MiB fit, twice that does not.
	shell 101 "/probe memhog $((120 * MIB)) 30 </dev/null >/tmp/hog 2>&1 &"
	hog_is_there() { [[ $(shell 101 'tail -n 1 /tmp/hog') == "touched $((120 * MIB))" ]]; }
	within 10 hog_is_there
	# Whose is killed is the kernel's choice.
	# Memory is free before the process that had it is gone.
	! inside 102 /probe memhog $((120 * MIB)) >/dev/null ||
		within 10 eval '! shell 101 "pidof probe" >/dev/null'
	(($(berth pool show gold -j | json .memory.current) <= 200 * MIB))
	shell 101 'killall probe' || :

	local a b
	a=$(inside 101 /probe forkbomb 80 | awk '{ print $2 }')
	equal "$a" 80 'alone'
	shell 101 '/probe forkbomb 80 </dev/null >/tmp/bomb 2>&1' &
	local one=$!
	shell 102 '/probe forkbomb 80 </dev/null >/tmp/bomb 2>&1' &
	wait $one $!
	a=$(shell 101 'cat /tmp/bomb' | awk '{ print $2 }')
	b=$(shell 102 'cat /tmp/bomb' | awk '{ print $2 }')
	equal "$(pool_has pids.max pids.max pids)" 120
	((a <= 120 && b <= 120)) || fail "$a, $b"
}

@test "pool set: all or nothing, read back, saved, never lifted" {
	berth -q pool create gold --ram 200M --cpulimit 60
	run_ve 101 --pool gold --cpulimit 40
	put_probe 101
	shell 101 "/probe memhog $((60 * MIB)) 60 </dev/null >/tmp/hog 2>&1 &"
	hog_is_there() { [[ $(shell 101 'tail -n 1 /tmp/hog') == "touched $((60 * MIB))" ]]; }
	within 20 hog_is_there
	refused 1 'set memory of pool gold' berth pool set gold --cpulimit 20 --ram 20M --deadline 300ms
	BERTH_FAULT=set/cpulimit run ! berth pool set gold --ram 300M --cpulimit 20
	equal "$(pool_has memory.max memory.limit_in_bytes memory)" $((200 * MIB))
	equal "$(pool_has cpu.max cpu.cfs_quota_us cpu | cut -d' ' -f1)" 60000
	grep -qx 'CPULIMIT="60"' "$ROOT/etc/berth/pools/gold.conf"
	equal "$(berth pool set gold --cpulimit 20 --dry-run)" 'cpulimit: 60 -> 20: live'
	equal "$(berth pool set gold --numproc 50 -j | json '[.pool, .running, .saved, .changes[0].outcome] | join(" ")')" \
		'gold true true live'
	equal "$(pool_has pids.max pids.max pids)" 50
	refused 20 cpumask berth pool set gold --cpumask 0
	refused 21 from berth pool set gold --ram 1
	refused 21 nosuch berth pool set nosuch --ram 1G
}

@test "pool: a VE obeys the lower of its own limit and the pool's, in both directions" {
	berth -q pool create gold --cpulimit 60 --iolimit 10M
	run_ve 101 --pool gold --cpulimit 40 --iolimit 5M
	run_ve 102 --pool gold --cpulimit 150
	local own
	own=$(limit 101 cpulimit)
	equal "$own" 40
	# v1 takes none above the pool's; v2 keeps it and obeys the pool's all the same.
	! has_cgroup_v1 || equal "$(limit 102 cpulimit)" 60
	# Lowered without being saved: still its own when the pool's goes down and up again.
	berth -q set 101 --cpulimit 25
	berth -q pool set gold --cpulimit 30
	equal "$(limit 101 cpulimit)" 25
	! has_cgroup_v1 || equal "$(limit 102 cpulimit)" 30
	berth -q pool set gold --cpulimit 20
	! has_cgroup_v1 || equal "$(limit 101 cpulimit)" 20
	berth -q pool set gold --cpulimit 0
	equal "$(limit 102 cpulimit)" 150

	# Rates of v1 do not bind what is below: each VE has the pool's for itself.
	if ! on_v2 io; then
		equal "$(throttle 101 "$(disk_dev 101)" bps)" "$((5 * MIB)) $((5 * MIB))"
		equal "$(throttle 102 "$(disk_dev 102)" bps)" "$((10 * MIB)) $((10 * MIB))"
		berth -q pool set gold --iolimit 4M --iopslimit-write 300
		equal "$(throttle 101 "$(disk_dev 101)" bps)" "$((4 * MIB)) $((4 * MIB))"
		equal "$(throttle 102 "$(disk_dev 102)" iops)" "max 300"
		berth -q pool set gold --iolimit 20M --iopslimit-write 0
		equal "$(throttle 101 "$(disk_dev 101)" bps)" "$((5 * MIB)) $((5 * MIB))"
		equal "$(throttle 102 "$(disk_dev 102)" bps)" "$((20 * MIB)) $((20 * MIB))"
		equal "$(throttle 102 "$(disk_dev 102)" iops)" "max max"
	fi
}

@test "pool: on v2 two writers share its rate" {
	requires cgroup_v2
	local t
	berth -q pool create gold --iolimit 10M
	run_ve 101 --pool gold
	run_ve 102 --pool gold
	t=${EPOCHREALTIME/./}
	shell 101 'dd if=/dev/zero of=/f bs=64k count=320 conv=fsync 2>/dev/null' &
	local one=$!
	shell 102 'dd if=/dev/zero of=/f bs=64k count=320 conv=fsync 2>/dev/null' &
	wait $one $!
	t=$((${EPOCHREALTIME/./} - t))
	# 40 MiB at 10 MiB/s
	((t > 3600000 && t < 4000000 + 2000000 * ${BERTH_PATIENCE:-1})) || fail "40 MiB took $t us"
}

@test "pool: full, unknown, in use, restart needed: said and refused, nothing changed" {
	berth -q pool create gold --max-ves 2
	refused 21 'already exists' berth pool create gold
	refused 21 'not starting with a digit' berth pool create 1gold
	run_ve 101
	new_ve 102 --pool gold
	new_ve 103
	equal "$(berth set 101 --pool gold --dry-run)" \
		'pool: - -> gold: at restart (takes effect at the next start)'
	refused 20 'add --save' berth set 101 --pool gold
	berth -q set 101 --pool gold --save
	equal "$(basename "$(pool_dir 101 memory)")" "berth-$(root_tag)"
	refused 21 'pool gold is full: 2 VEs are in it (max-ves 2)' berth set 103 --pool gold --save
	refused 21 'does not exist' berth set 103 --pool nosuch --save
	run -0 berth set 103 --pool nosuch --dry-run
	contains "$output" impossible
	[[ -z $(conf_value 103 POOL) ]]
	run ! berth create 104 --ostemplate mini --pool gold
	[[ ! -e $(conf_of 104) ]]
	refused 3 'VE 101, 102 are in it' berth pool delete gold
	berth -q restart 101 --fast
	equal "$(basename "$(pool_dir 101 memory)")" pool-gold

	# Out of it by its config, in it as long as it runs.
	berth -q set 101 102 --pool none --save
	refused 3 'VE 101 is in it' berth pool delete gold
	berth -q stop --fast 101
	berth -q pool delete gold
	[[ ! -e $ROOT/etc/berth/pools/gold.conf && ! -e $ROOT/var/lib/berth/pool/gold ]]
	equal "$(berth pool list -j)" '[]'
	# Named by hand.
	echo 'POOL="gold"' >>"$(conf_of 103)"
	run ! berth start 103
	contains "$output" 'pool gold does not exist'
	no_pool_node
}

@test "pool: destroy leaves it, and gives the place to another" {
	berth -q pool create gold --max-ves 1
	new_ve 101 --pool gold
	berth -q destroy --yes 101
	new_ve 102 --pool gold
	equal "$(berth pool show gold -j | json '.ves | map(tostring) | join(" ")')" 102
	berth -q destroy --yes 102
	berth -q pool delete gold
}

@test "pool: starts and stops at once never leave the node without its limits" {
	local id _
	berth -q pool create gold --numproc 77
	for id in 101 102 103 104; do new_ve $id --pool gold; done
	for _ in 1 2 3; do
		berth -q start 101-104
		equal "$(pool_has pids.max pids.max pids)" 77
		berth -q stop --fast 101 102 &
		local stop=$!
		berth -q restart --fast 103 104
		wait $stop
		equal "$(cat "$(pool_dir 103 pids)/pids.max")" 77
		berth -q stop --fast 103 104
		no_pool_node
	done
	# Killed between the pool's node and its limits: the next start fills it in.
	BERTH_FAULT=start/limits! run ! berth start 101
	berth -q start 102
	equal "$(cat "$(pool_dir 102 pids)/pids.max")" 77
	berth -q start 101
}

@test "node: a pool's promise counts once" {
	berth -q pool create gold --ram 3G --cpulimit 150
	new_ve 101 --pool gold --ram 2G --cpulimit 100 --numproc 100
	new_ve 102 --pool gold --ram 2G --numproc 100
	new_ve 103 --ram 1G --cpulimit 50 --numproc 100
	local out
	out=$(berth node -j)
	equal "$(json .memory.promised <<<"$out")" $((4096 * MIB))
	equal "$(json '[.cpu.promised, .cpu.unlimited, .processes.promised] | join(" ")' <<<"$out")" '200 0 300'
	equal "$(json '.pools[0] | [.name, .ves, .memory, .cpu] | join(" ")' <<<"$out")" \
		"gold 2 $((3072 * MIB)) 150"
	contains "$(berth node)" 'pool gold: 2 VEs'
}

@test "pool: out of it and into it again while it runs there" {
	berth -q pool create gold --numproc 77
	run_ve 101 --pool gold
	berth -q set 101 --pool none --save
	within 5 berth -q set 101 --pool gold --save
	equal "$(conf_value 101 POOL)" gold
	berth -q stop --fast 101
	berth -q destroy --yes 101
	berth -q pool delete gold
}
