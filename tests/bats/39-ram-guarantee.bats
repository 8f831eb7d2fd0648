#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Guaranteed memory: what a neighbour that wants all of it leaves to whom.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))
MIB=$((1 << 20))

# least ID: what the kernel keeps for it; and what it keeps for all nodes beside it together.
least() {
	cat "$(cg_dir "$1" memory)/memory.min"
}

least_of_all() {
	cat "$(dirname "$(cg_dir "$1" memory)")/memory.min"
}

# cached ID: MiB of files in the VE's memory, all that is below its node included.
cached() {
	awk '$1 == "file" { print int($2 / 1048576) }' "$(cg_dir "$1" memory)/memory.stat"
}

# cache ID MIB: read a file that is one hole: pages without a disk.
cache() {
	shell "$1" "truncate -s $2M /hole && cat /hole >/dev/null"
}

@test "ram-guarantee: what it covers stays when a neighbour fills the host, the rest goes" {
	requires cgroup_v2
	local total
	total=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
	((total <= 6000)) || [[ -n ${BERTH_LONG:-} ]] || skip 'takes too long to fill this host'
	run_ve 101 --ram-guarantee 200M
	run_ve 102
	run_ve 103 --ram unlimited --diskspace 1G
	cache 101 150
	cache 102 150
	(($(cached 101) >= 145 && $(cached 102) >= 145)) || fail "$(cached 101) $(cached 102)"
	# 1 GiB at a time: a file of a small disk, new each time. What is old goes when the room is needed twice.
	local i
	for ((i = 0; i <= 2 * total / 1000 + 1 && $(cached 102) >= 75; i++)); do
		shell 103 "truncate -s 1000M /hole$i && cat /hole$i >/dev/null"
	done
	echo "left: $(cached 101) of the guaranteed, $(cached 102) of the other"
	(($(cached 101) >= 145)) || fail "only $(cached 101) MiB left of what is guaranteed"
	(($(cached 102) < 75)) || fail "the neighbour did not fill the host: $(cached 102) MiB left"
}

@test "ram-guarantee: live up and down, summed above, and after a restart" {
	requires cgroup_v2
	run_ve 101 --ram-guarantee 200M
	run_ve 102 --ram-guarantee 50M
	equal "$(least 101) $(least 102) $(least_of_all 101)" \
		"$((200 * MIB)) $((50 * MIB)) $((250 * MIB))"
	berth -q set 101 --ram-guarantee 300M
	equal "$(least 101) $(least_of_all 101)" "$((300 * MIB)) $((350 * MIB))"
	equal "$(berth status -j 101 | jq -c .differs)" '["ram_guarantee"]'
	berth -q set 101 --ram-guarantee 10M --save
	equal "$(least 101) $(least_of_all 101)" "$((10 * MIB)) $((60 * MIB))"
	berth -q restart --fast 101
	equal "$(least 101) $(least_of_all 101)" "$((10 * MIB)) $((60 * MIB))"
	equal "$(berth node -j | json .memory.guaranteed)" $((60 * MIB))
	berth -q stop --fast 101
	equal "$(least_of_all 102)" $((50 * MIB))
	berth -q set 102 --ram-guarantee 0
	equal "$(least 102) $(least_of_all 102)" '0 0'
}

@test "ram-guarantee: a pool's node and that of guaranteed CPU carry it too" {
	requires cgroup_v2
	berth -q pool create gold --ram 1G
	run_ve 101 --ram-guarantee 64M --pool gold
	run_ve 102 --ram-guarantee 32M --cpuguarantee 10
	equal "$(least 101) $(least_of_all 101)" "$((64 * MIB)) $((64 * MIB))"
	equal "$(cat "$(dirname "$(dirname "$(cg_dir 101 memory)")")/memory.min")" $((64 * MIB))
	equal "$(least_of_all 102)" $((32 * MIB))
}

@test "ram-guarantee: refused beyond what the host has, and a crash leaves no promise behind" {
	requires cgroup_v2
	local most
	new_ve 101 --ram unlimited
	most=$(berth node -j | json .memory.can_guarantee)
	run ! berth set 101 --ram-guarantee $((most + 4096)) --save
	contains "$output" 'above what this host has'
	refused 21 'above the limit (--ram)' berth set 101 --ram 64M --ram-guarantee 65M --save ||
		refused 8 'above the limit (--ram)' berth set 101 --ram 64M --ram-guarantee 65M --save
	berth -q set 101 --ram-guarantee $((most - 100 * MIB)) --save
	berth -q start 101
	new_ve 102 --ram-guarantee 150M
	run ! berth start 102
	contains "$output" 'is left'
	lacks "$(leak_cgroups)" /102
	run_ve 103 --ram-guarantee 50M
	run ! berth set 103 --ram-guarantee 150M
	contains "$output" 'is left'
	equal "$(least 103)" $((50 * MIB))
	# As a command leaves it that is killed between the sum and the VE's own node.
	echo $((most * 2)) >"$(dirname "$(cg_dir 103 memory)")/memory.min"
	berth -q set 103 --ram-guarantee 90M
	equal "$(least_of_all 103)" $((most - 10 * MIB - most % 4096))
}

@test "ram-guarantee: refused on cgroup v1, which keeps nothing; vmguarpages is stored" {
	requires cgroup_v1
	new_ve 101
	refused 1 'cgroup v1 has nothing' berth set 101 --ram-guarantee 64M --save
	[[ -z $(conf_value 101 RAM_GUARANTEE) ]]
	berth -q set 101 --vmguarpages 1024:9223372036854775807 --save
	equal "$(conf_value 101 VMGUARPAGES)" 1024:9223372036854775807
	# From elsewhere: not started with a promise that is void.
	echo 'RAM_GUARANTEE="64M"' >>"$(conf_of 101)"
	run ! berth start 101
	contains "$output" 'cgroup v1 has nothing'
}
