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
	nothing_more mounts || fail "mounts of the host: $(what_more mounts)"
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
	nothing_more mounts || fail "a mount inside shows on the host: $(what_more mounts)"

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

# of_all FILE-OF-V2 FILE-OF-V1 CONTROLLER: what the kernel has, of 101 to 120, each value once.
of_all() {
	local id dir
	for id in "${ids[@]}"; do
		dir=$(cg_dir "$id" "$3")
		if on_v2 "$3"; then cat "$dir/$1"; else cat "$dir/$2"; fi
	done | sort -u
}

@test "set: one limit of many by one command, reported one by one, and fast" {
	local id t best=999999 value
	for id in "${ids[@]}"; do new_ve "$id"; done
	berth -q start 101-119
	equal "$(berth set 101-120 --numproc 300 --save | grep -c 'configuration saved')" 20
	ids=({101..119})
	equal "$(of_all pids.max pids.max pids)" 300
	equal "$(grep -l 'NUMPROC="300:300"' "$ROOT"/etc/berth/conf/1*.conf | wc -l)" 20
	berth -q set --all --cpuunits 2000
	equal "$(of_all cpu.weight cpu.shares cpu)" "$(on_v2 cpu && echo 200 || echo 2048)"

	# One that refuses keeps no other from changing.
	run --separate-stderr -14 berth set 101 102 199 --numproc 310 -j
	equal "$(json '[.[] | .error // .changes[0].outcome] | join(" ")' <<<"$output")" \
		'live live VE 199 does not exist'
	ids=(101 102)
	equal "$(of_all pids.max pids.max pids)" 310
	refused 20 '--ipadd: takes one VE' berth set 101 102 --ipadd 10.9.1.1 --save
	equal "$(berth set 101-103 --numproc 320 --dry-run | sort | head -1)" \
		'CT 101: numproc: 310 -> 320: live'

	has_plain_build || return 0
	# Far above what it takes (bench/set), far below what one process for each would.
	for value in 500 600 700 800 900; do
		t=${EPOCHREALTIME/./}
		berth -q set 101-119 --cpuunits $value
		t=$((${EPOCHREALTIME/./} - t))
		((t >= best)) || best=$t
	done
	((best < 50000 * ${BERTH_PATIENCE:-1})) || fail "19 VEs took $best us"
}

median() {
	sort -n | sed -n "$((($1 + 1) / 2))p"
}

@test "set: one limit of one VE costs no more than a few processes that do nothing" {
	requires plain_build
	run_ve 101
	local i t one two ones=() twos=()
	for i in {1..21}; do
		t=${EPOCHREALTIME/./}
		host /bin/true
		ones+=($((${EPOCHREALTIME/./} - t)))
		t=${EPOCHREALTIME/./}
		berth -q set 101 --cpulimit $((20 + i))
		twos+=($((${EPOCHREALTIME/./} - t)))
	done
	one=$(printf '%s\n' "${ones[@]}" | median 21)
	two=$(printf '%s\n' "${twos[@]}" | median 21)
	echo "/bin/true: $one us, set: $two us"
	((two < 5 * one)) || fail "set takes $two us, /bin/true $one us"
}

# So that what they collide in is there in the same moment.
at_once() {
	local i pids=() pid
	good=0
	for i in "${ids[@]}"; do
		"$@" "$i" >/dev/null 2>"$BATS_TEST_TMPDIR/$i.err" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		! wait "$pid" || good=$((good + 1))
	done
}

named_web() {
	berth create "$1" --ostemplate mini --name web
}

@test "create: of twenty that want one name at once one has it" {
	local good
	at_once named_web
	equal "$good" 1
	equal "$(cd "$ROOT/etc/berth/names" && echo *)" web
	equal "$(berth list -a -H -o name | xargs)" web
}

mini() {
	berth create "$1" --ostemplate mini
}

@test "create: twenty at once whose numbers stand for the same ids have ids of their own each" {
	local good i ids=()
	for ((i = 0; i < 20; i++)); do
		ids+=($((101 + i * 2048)))
	done
	at_once mini
	equal "$good" 20
	equal "$(for i in "${ids[@]}"; do conf_value "$i" LOCAL_UID; echo; done | sort -u | wc -l)" 20
}
