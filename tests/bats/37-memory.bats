#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Memory: the soft limit, and what happens when there is none left.
# bats file_tags=root

load helpers/load

MIB=$((1 << 20))

# soft_of ID: the soft limit in the kernel.
soft_of() {
	local v dir
	dir=$(cg_dir "$1" memory)
	if on_v2 memory; then v=$(<"$dir/memory.high"); else v=$(<"$dir/memory.soft_limit_in_bytes"); fi
	[[ $v == max || $v -ge 9223372036854767616 ]] && v=none
	echo "$v"
}

@test "ram-soft: in the kernel, up and down, and after a restart" {
	run_ve 101 --ram 256M --ram-soft 128M
	equal "$(soft_of 101)" $((128 * MIB))
	berth set 101 --ram-soft 200M
	equal "$(soft_of 101)" $((200 * MIB))
	equal "$(berth status -j 101 | jq -c .differs)" '["ram_soft"]'
	berth set 101 --ram-soft 64M --save
	equal "$(soft_of 101)" $((64 * MIB))
	berth restart 101
	equal "$(soft_of 101)" $((64 * MIB))
	berth set 101 --ram-soft unlimited
	equal "$(soft_of 101)" none
}

@test "ram-soft: cache above it is reclaimed while the VE writes" {
	requires cgroup_v2
	run_ve 101 --ram 256M --ram-soft 64M --diskspace 1G
	shell 101 'dd if=/dev/zero of=/f bs=1M count=150 conv=fsync 2>/dev/null'
	local used
	used=$(<"$(cg_dir 101 memory)/memory.current")
	((used < 80 * MIB)) || fail "$used bytes in use"
}

# hog ID MIB [SECONDS]: in the background.
hog() {
	shell "$1" "/probe memhog $(($2 * MIB)) ${3:-0} >/hog 2>&1 </dev/null & echo \$!"
}

event_count() {
	grep -c "\"event\":\"$2\"" "$ROOT/run/berth/$1/events.jsonl" || :
}

happened() {
	[[ $(event_count "$1" "$2") -gt 0 ]]
}

@test "oom-policy kill-largest: the hog dies, the VE lives" {
	run_ve 101 --ram 64M --swap 0 --oom-policy kill-largest
	put_probe 101
	run inside 101 /probe memhog $((200 * MIB))
	[[ $status -ne 0 ]]
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
	within 5 happened 101 oom
	[[ $(berth stat -j 101 | jq '(if type == "array" then .[0] else . end).memory.oom') -ge 1 ]]
}

@test "oom-policy kill-ve: all of it dies, whatever process was too large, also when set live" {
	run_ve 101 --ram 64M --swap 0
	berth set 101 --oom-policy kill-ve
	put_probe 101
	hog 101 200 >/dev/null
	wait_down 101
	equal "$(conf_value 101 OOM_POLICY)" ''
	berth set 101 --oom-policy kill-ve --save
	berth start 101 >/dev/null
	shell 101 'sleep 1000 >/dev/null 2>&1 </dev/null &'
	hog 101 200 >/dev/null
	wait_down 101
}

@test "oom-policy kill-ve: a VE dies for its own processes, not for those of others in its pool" {
	berth -q pool create gold --ram 96M --swap 0
	run_ve 101 --pool gold --ram 512M --oom-policy kill-largest
	run_ve 102 --pool gold --ram 512M --oom-policy kill-ve
	local init
	init=$(init_pid 102)
	put_probe 101
	run inside 101 /probe memhog $((200 * MIB))
	[[ $status -ne 0 ]]
	within 5 happened 101 oom
	sleep 2
	equal "$(status_of 102)" 'CTID 102 exist mounted running'
	equal "$(init_pid 102)" "$init"
	equal "$(event_count 102 oom-killed)" 0
	put_probe 102
	hog 102 200 >/dev/null
	wait_down 102
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
}

# What a systemd inside does for a unit with MemoryMax=.
@test "oom-policy kill-ve: a limit that the VE has set itself is its own affair" {
	requires cgroup_v2
	run_ve 101 --ram 256M --swap 0 --oom-policy kill-ve
	put_probe 101
	shell 101 'cd /sys/fs/cgroup && mkdir own unit &&
		for p in $(cat cgroup.procs); do echo $p >own/cgroup.procs; done
		echo +memory >cgroup.subtree_control && echo 32M >unit/memory.max'
	run shell 101 "echo \$\$ >/sys/fs/cgroup/unit/cgroup.procs && exec /probe memhog $((100 * MIB))"
	[[ $status -ne 0 ]]
	shell 101 'grep -q "^oom_kill 1" /sys/fs/cgroup/unit/memory.events'
	within 5 happened 101 oom
	sleep 2
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
	equal "$(event_count 101 oom-killed)" 0
}

# Everybody but who sleeps in a page fault stands still.
frozen() {
	local v2
	v2=$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid "$1")/cgroup" | sed 's|/payload.*||')
	[[ $(<"$v2/cgroup.freeze") -eq 1 ]]
}

finished() {
	shell 101 'tail -n 1 /hog' | grep -q "touched $((200 * MIB))"
}

@test "oom-policy freeze: nothing is killed, it is told, and more memory lets it go on" {
	requires cgroup_v1
	run_ve 101 --ram 64M --swap 0 --oom-policy freeze
	put_probe 101
	hog 101 200 30 >/dev/null
	within 10 happened 101 oom-frozen
	frozen 101
	equal "$(awk '$1 == "oom_kill" { print $2 }' "$(cg_dir 101 memory)/memory.oom_control")" 0
	# not enough: it runs into the limit again
	berth set 101 --ram 128M
	within 10 eval '(($(event_count 101 oom-frozen) == 2))'
	frozen 101
	refused 31 'out of memory' berth exec2 101 /bin/true
	berth set 101 --ram 300M
	within 10 finished
	run ! frozen 101
	equal "$(awk '$1 == "oom_kill" { print $2 }' "$(cg_dir 101 memory)/memory.oom_control")" 0
}

@test "oom-policy freeze: another policy lets it go on, and a frozen VE can be stopped" {
	requires cgroup_v1
	run_ve 101 --ram 64M --swap 0 --oom-policy freeze
	put_probe 101
	hog 101 200 30 >/dev/null
	within 10 happened 101 oom-frozen
	berth set 101 --oom-policy kill-largest
	within 10 eval '[[ $(shell 101 "pidof probe") == "" ]]'
	run ! frozen 101
	berth set 101 --oom-policy freeze
	hog 101 200 30 >/dev/null
	within 10 frozen 101
	berth stop 101 --fast
}

@test "oom-policy freeze: a snapshot of a frozen VE does not wait for who cannot be parked, and leaves it frozen" {
	requires cgroup_v1
	run_ve 101 --ram 64M --swap 0 --oom-policy freeze
	put_probe 101
	hog 101 200 30 >/dev/null
	within 10 happened 101 oom-frozen
	local start=$SECONDS
	berth snapshot create 101 >/dev/null
	((SECONDS - start < 8)) || fail "took $((SECONDS - start)) s"
	frozen 101
	berth set 101 --ram 300M
	within 10 finished
}

@test "oom-policy freeze: a frozen VE cannot be paused, which is told at once, and stays frozen" {
	requires cgroup_v1
	run_ve 101 --ram 64M --swap 0 --oom-policy freeze
	put_probe 101
	hog 101 200 30 >/dev/null
	within 10 happened 101 oom-frozen
	refused 31 'out of memory' berth pause 101
	frozen 101
	berth set 101 --ram 300M
	within 10 finished
}

# slow_keeper: that of 101 is held up for 3 seconds before it marks that it has frozen, and so
# between its look at the policy and the freeze. A hog waits for memory then.
slow_keeper() {
	host timeout 30 strace -p "$(keeper_pid 101)" -o "$BATS_TEST_TMPDIR/trace" -e trace=fsetxattr \
		-e inject=fsetxattr:delay_enter=3000000 2>"$BATS_TEST_TMPDIR/strace" 3>&- 4>&- &
	strace=$!
	sleep 0.1
	within 5 grep -q attached "$BATS_TEST_TMPDIR/strace"
	hog 101 200 30 >/dev/null
	within 10 grep -q 'under_oom 1' "$(cg_dir 101 memory)/memory.oom_control"
}

# It has frozen by then, and not for long.
goes_on() {
	within 10 grep -q 'oom.*= 0' "$BATS_TEST_TMPDIR/trace"
	sleep 0.2
	within 5 eval '! frozen 101'
	timeout 5 "$BERTH" --root "$ROOT" exec2 101 /bin/true
}

@test "oom-policy freeze: a policy that is set while the keeper is at it is the one that counts" {
	requires cgroup_v1 strace
	local strace
	run_ve 101 --ram 64M --swap 0 --oom-policy freeze
	put_probe 101
	slow_keeper
	berth set 101 --oom-policy kill-largest
	goes_on
	berth stop 101 --fast
	wait $strace
}

@test "oom-policy freeze: an event of before a raise freezes nothing after it" {
	requires cgroup_v1 strace
	local strace
	run_ve 101 --ram 64M --swap 0 --oom-policy freeze
	put_probe 101
	slow_keeper
	berth set 101 --ram 300M
	goes_on
	within 5 finished
	berth stop 101 --fast
	wait $strace
}

# Whoever gives it memory, and whatever the keeper knows of it.
@test "oom-policy freeze: lets it go on when nobody waits for memory any more" {
	requires cgroup_v1
	run_ve 101 --ram 64M --swap 0 --oom-policy freeze
	put_probe 101
	hog 101 200 30 >/dev/null
	within 10 happened 101 oom-frozen
	# the keeper has looked again
	sleep 1.5
	frozen 101
	# no `set` that looks for the mark, and another keeper
	kill -9 "$(keeper_pid 101)"
	berth exec2 101 /bin/true >/dev/null 2>&1 || :
	echo 300M >"$(cg_dir 101 memory)/memory.memsw.limit_in_bytes"
	echo 300M >"$(cg_dir 101 memory)/memory.limit_in_bytes"
	within 5 eval '! frozen 101'
	within 10 finished
}

@test "oom-policy freeze: refused where the kernel cannot promise it" {
	requires cgroup_v2
	new_ve 101
	refused 5 'cgroup v2' berth set 101 --oom-policy freeze --save
	refused 5 'cgroup v2' berth create 102 --ostemplate mini --oom-policy freeze
}

@test "swap without ram: refused when it is asked for, where cgroup v1 cannot have it" {
	requires cgroup_v1
	refused 5 'beside a memory limit' berth create 101 --ostemplate mini --ram unlimited --swap 0
	new_ve 101 --ram 256M --swap 64M
	refused 5 'beside a memory limit' berth set 101 --ram unlimited --save
	berth set 101 --ram unlimited --swap unlimited --save
	berth start 101
	check_limit 101 ram none
}
