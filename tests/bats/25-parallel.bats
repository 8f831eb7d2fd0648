#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Many VEs at once.
# bats file_tags=root,slow

load helpers/load
export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

ids=({101..120})

# all CMD...: the command with each number as last word, at the same time; all must succeed.
all() {
	local id pids=() pid
	for id in "${ids[@]}"; do
		"$@" "$id" >"$BATS_TEST_TMPDIR/$id.out" 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "$* of one VE: $(cat "$BATS_TEST_TMPDIR"/*.out)" || return
	done
}

create_one() {
	berth create "$1" --ostemplate mini --ipadd "10.9.1.$1" --hostname "ve$1.example"
}

start_one() {
	berth start "$1"
}

end_one() {
	berth stop "$1" --fast && berth destroy "$1"
}

@test "start: 20 at once are 20 separate machines, and the host's mounts do not change" {
	all create_one
	all start_one
	no_more mounts || fail "mounts of the host: $(what_more mounts)"
	local id inits=''
	for id in "${ids[@]}"; do
		equal "$(shell "$id" hostname)" "ve$id.example"
		equal "$(addresses_in "$id" | grep -F 10.9)" "10.9.1.$id"
		reaches "10.9.1.$id" || fail "$id does not answer"
		inits+="$(init_pid "$id") "
	done
	equal "$(tr ' ' '\n' <<<"$inits" | sed /^$/d | sort -u | wc -l)" 20 'different inits'
	equal "$(berth list -H -1 | wc -l)" 20 'running VEs'

	# What one has, no other sees.
	shell 101 'mkdir -p /mnt; mount -t tmpfs only-in-101 /mnt'
	shell 101 'sleep 4711 </dev/null >/dev/null 2>&1 &'
	for id in 102 111 120; do
		run ! shell "$id" 'grep only-in-101 /proc/mounts'
		run ! shell "$id" 'ps | grep -v grep | grep 4711'
		equal "$(shell "$id" 'ls /sys/class/net 2>/dev/null || ip -o link | wc -l' |
			tr '\n' ' ')" 'eth0 lo '
	done
	no_more mounts || fail "a mount inside shows on the host: $(what_more mounts)"

	all end_one
	leak_check
}

@test "start: the same VE twenty times at once starts once" {
	new_ve 101
	local i pids=() good=0
	for i in $(seq 20); do
		berth start 101 >/dev/null 2>"$BATS_TEST_TMPDIR/$i.err" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		if wait "$i"; then good=$((good + 1)); fi
	done
	equal "$good" 1 'starts that succeeded'
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
	grep -qvE 'running|lock|busy|start' "$BATS_TEST_TMPDIR"/*.err && fail "$(cat "$BATS_TEST_TMPDIR"/*.err)"
	berth stop 101 --fast
	leak_check mounts loops cgroups links processes
}

@test "create: twenty claims of one address leave one owner" {
	local i pids=() good=0
	for i in "${ids[@]}"; do
		berth create "$i" --ostemplate mini --ipadd 10.9.2.1 >/dev/null 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		if wait "$i"; then good=$((good + 1)); fi
	done
	equal "$good" 1 'creates that succeeded'
	equal "$(berth list -a -1 | wc -l)" 1 'VEs that exist'
}
