#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# One VE, many commands. BERTH_LONG=1: ten minutes of them.
# bats file_tags=root

load helpers/load
export BATS_TEST_TIMEOUT=$((${BERTH_LONG:-0} * 1500 + 120 * ${BERTH_PATIENCE:-1}))

# holder ID: a command that holds the lock for long, by a script of the administrator.
holder() {
	printf '#!/bin/sh\nsleep %s\n' "$2" >"$ROOT/etc/berth/conf/$1.premount"
	chmod 0755 "$ROOT/etc/berth/conf/$1.premount"
	berth start "$1" >/dev/null 2>&1 &
	HOLDER=$!
	within 5 grep -q ' start ' "$ROOT/run/berth/lock/$1.lck"
	within 5 test -e "$ROOT/run/berth/$1/state.json"
}

@test "lock: says who holds it, with which verb, since when, and waits no longer than its limit" {
	new_ve 101
	holder 101 14
	sleep 1
	local before=$SECONDS
	run --separate-stderr -9 berth set 101 --ram 64M --save
	[[ $stderr =~ 'VE 101 is locked by start (pid '([0-9]+)') for '([0-9]+)' s' ]] || fail "$stderr"
	((BASH_REMATCH[2] >= 10 && BASH_REMATCH[2] <= 14)) || fail "since ${BASH_REMATCH[2]} s"
	((SECONDS - before <= 12 * ${BERTH_PATIENCE:-1})) || fail "waited $((SECONDS - before)) s"
	# Who only looks does not wait.
	run -0 timeout 5 nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" list -a
	wait "$HOLDER"
}

@test "lock: goes with a holder that is killed" {
	new_ve 101
	holder 101 30
	local pid p
	read -r pid _ <"$ROOT/run/berth/lock/101.lck"
	# The command, its worker and the script it waits for.
	for p in $(pgrep -P "$pid") $pid; do
		kill -9 "$(pgrep -P "$p" | head -n 1)" "$p" 2>/dev/null || :
	done
	rm "$ROOT/etc/berth/conf/101.premount"
	berth start 101
	is_state 101 'exist mounted running'
	wait "$HOLDER" || :
}

# A snapshot or a compact of a large disk takes long, and the tenant may reboot meanwhile.
@test "lock: a reboot from inside waits for whoever holds it, for as long as that takes" {
	run_ve 101
	local before
	before=$(init_pid 101)
	exec 8<>"$ROOT/run/berth/lock/101.lck"
	flock 8
	shell 101 'reboot' 8>&- || :
	within 5 eval '! kill -0 "$before" 2>/dev/null'
	sleep 11
	exec 8>&-
	within 10 eval '[[ $(init_pid 101 2>/dev/null) =~ ^[0-9]+$ && $(init_pid 101) != "$before" ]]'
	wait_running 101
}

# Nor does it start again what was stopped or destroyed meanwhile.
@test "lock: an end from inside that waits finds what was done before it" {
	run_ve 101
	exec 8<>"$ROOT/run/berth/lock/101.lck"
	flock 8
	berth stop --fast 101 8>&- &
	within 5 waiting 1
	shell 101 'reboot' 8>&- || :
	within 5 waiting 2
	exec 8>&-
	wait $!
	sleep 3
	is_state 101 'exist unmounted down'
	leak_check processes
}

# Each waits its turn: those that came first are first, although all look again and again. A
# script that runs under the lock writes down whose it is, and fails, so that the next one starts.
@test "lock: is given in the order in which it was asked for" {
	new_ve 101
	local i pids=() came=$BATS_TEST_TMPDIR/came served=$BATS_TEST_TMPDIR/served
	printf '#!/bin/sh\nread pid verb </%s; echo "$pid" >>%s; exit 1\n' \
		"$ROOT/run/berth/lock/101.lck" "$served" >"$ROOT/etc/berth/conf/101.premount"
	chmod 0755 "$ROOT/etc/berth/conf/101.premount"
	exec 8>"$ROOT/run/berth/lock/101.lck"
	flock 8
	for i in 1 2 3 4 5 6 7 8; do
		(
			exec 8>&- 2>/dev/null
			echo "$BASHPID" >>"$came"
			exec nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" start 101
		) >/dev/null 2>&1 3>&- &
		pids+=($!)
		# It has come when it holds its place: a lock of another kind on the same file.
		within 5 waiting "$i"
	done
	exec 8>&-
	wait "${pids[@]}" || :
	equal "$(<"$served")" "$(<"$came")"
}

# waiting N [NAME]: so many stand in the queue of a lock.
waiting() {
	local inode
	inode=$(stat -c %i "$ROOT/run/berth/lock/${2:-101}.lck")
	[[ $(grep -cE "OFDLCK .*:$inode " /proc/locks) -eq $1 ]]
}

# A stream of starts would keep out who wants the network for himself.
@test "lock: those that share one stand behind who asked for it alone" {
	berth network create lan --mode routed --pool 10.75.0.0/24 >/dev/null
	new_ve 101
	exec 8<>"$ROOT/run/berth/lock/net.lck"
	flock -s 8
	berth -q network set lan --mode hostonly 8>&- 3>&- &
	within 5 waiting 1 net
	berth -q set 101 --ipadd 10.9.0.101 --save 8>&- 3>&- &
	within 5 waiting 2 net
	exec 8>&-
	wait -n
	wait -n
	equal "$(conf_value 101 IP_ADDRESS)" 10.9.0.101
}

# hung FILE EXIT TEXT COMMAND...: what a command says after it has waited for a lock of somebody else.
hung() {
	local file=$1 want=$2 text=$3 status=0 said holder
	shift 3
	flock ${SHARED:+"$SHARED"} "$file" sleep 60 3>&- 4>&- &
	holder=$!
	within 5 eval '! flock -n "$file" true'
	said=$("$@" 2>&1 >/dev/null) || status=$?
	pkill -P "$holder" sleep
	[[ $status -eq $want ]] || fail "$* gave $status: $said"
	contains "$said" "${text//PID/$holder}"
}

@test "lock: one that is held for too long is given up, and its holder named" {
	local names=$ROOT/etc/berth/names run=$ROOT/run/berth/lock pids=() pid SHARED=
	berth network create lan --mode routed --pool 10.75.0.0/24 >/dev/null
	new_ve 101
	hung "$names" 9 'the names of VEs: locked by "flock '"$names"' sleep 60" (pid PID) for more than 30 s' berth set 101 --name web --save &
	pids+=($!)
	hung "$run/101.traffic" 9 'traffic of VE 101: its ledger: locked by' berth traffic 101 &
	pids+=($!)
	SHARED=-s hung "$run/net.lck" 9 'the network of all VEs: in use by other commands' \
		berth network set lan --mode hostonly &
	pids+=($!)
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	equal "$(conf_value 101 NAME)" ''
}

# client N SECONDS: random verbs; a line for each, as tests/history reads them.
client() {
	local n=$1 end=$((${EPOCHREALTIME/./} + $2 * 1000000)) begin op arg result verbs
	RANDOM=$((n * 7919 + begin_of_round))
	while ((${EPOCHREALTIME/./} < end)); do
		verbs=(create destroy start stop set read start stop set read)
		op=${verbs[RANDOM % ${#verbs[@]}]}
		arg=$((64 + RANDOM % 64))M result=0
		begin=${EPOCHREALTIME/./}
		case $op in
		create) set -- create 101 --ostemplate mini --ram 64M ;;
		stop) set -- stop 101 --fast ;;
		set) set -- set 101 --ram "$arg" --save ;;
		*) set -- "$op" 101 ;;
		esac
		if [[ $op == read ]]; then
			result=$(sed -n 's/^PHYSPAGES="0:\([0-9]*\)"/\1/p' "$(conf_of 101)" 2>/dev/null) || :
			result=${result:+$((result / 256))M}
			result=${result:-none}
		else
			berth "$@" >/dev/null 2>"$BATS_TEST_TMPDIR/err.$n" || result=$?
		fi
		echo "$begin ${EPOCHREALTIME/./} $op $arg $result" >>"$BATS_TEST_TMPDIR/client.$n"
		[[ $result =~ ^(0|14|32|44|none|[0-9]+M)$ ]] || cat "$BATS_TEST_TMPDIR/err.$n" >&2
	done || :
}

@test "lock: the search for an order finds one where there is one, and none where there is not" {
	local history=${BATS_TEST_DIRNAME%/bats}/history
	# The stop changes nothing where it could be first, and is needed between the other two.
	run -0 "$history" <<<$'1 2 create 64M 0\n3 9 stop 64M 0\n4 5 start 64M 0\n6 8 destroy 64M 0\n10 11 read 64M none'
	equal "$output" '5 commands in one order'
	run -1 "$history" <<<$'1 2 create 64M 0\n3 4 start 64M 0\n5 6 destroy 64M 0'
	contains "$output" 'no order explains 5 6 destroy'
	run -1 "$history" <<<$'1 2 create 64M 0\n3 4 set 70M 0\n5 6 read 64M 64M'
	# An older value may be read only while the command that changes it is under way.
	run -0 "$history" <<<$'1 2 create 64M 0\n3 6 set 70M 0\n4 5 read 64M 64M'
}

@test "lock: 16 clients with random verbs on one VE, their history has one order" {
	local i pids rounds=1 seconds=$((5 * ${BERTH_PATIENCE:-1})) begin_of_round clients=16
	# Each waits 10 s at most: where a start takes seconds that is no time for 16.
	[[ ${BERTH_PATIENCE:-1} -eq 1 ]] || clients=4
	[[ -z ${BERTH_LONG:-} ]] || rounds=60 seconds=10
	# Between rounds all stand still: what the search for an order has to remember ends there.
	while ((rounds-- > 0)); do
		begin_of_round=$((${EPOCHREALTIME/./} % 32768)) pids=()
		for ((i = 1; i <= clients; i++)); do
			client "$i" "$seconds" &
			pids+=($!)
		done
		wait "${pids[@]}"
	done
	run "${BATS_TEST_DIRNAME%/bats}/history" < <(cat "$BATS_TEST_TMPDIR"/client.*)
	echo "# $output" >&3
	[[ $status -eq 0 ]]
	# Nobody was turned away, and nobody did much less than the others.
	lacks "$(awk '{ print $5 }' "$BATS_TEST_TMPDIR"/client.* | sort -u | paste -sd, )," '9,'
	for ((i = 1; i <= clients; i++)); do
		[[ $(wc -l <"$BATS_TEST_TMPDIR/client.$i") -gt 1 ]] || fail "client $i did nothing"
	done
	! is_state 101 'exist mounted running' || berth stop 101 --fast
}

@test "lock: a stop while a VE that reboots at once waits for its start is not undone by it" {
	run_ve 101
	shell 101 'reboot' || :
	within 5 is_state 101 'exist unmounted down'
	berth -q stop 101
	sleep 4
	is_state 101 'exist unmounted down'
}

@test "lock: who pays while his VE is being stopped for its archive keeps it" {
	run_ve 101 --expires 2020-01-01 --expire-action archive
	cat >"$ROOT/etc/berth/conf/101.umount" <<-END
		#!/bin/sh
		"$BERTH" --root "$ROOT" set 101 --expires 2999-01-01 --save >/dev/null 2>&1 3>&- 4>&- &
		sleep 1
	END
	chmod 0755 "$ROOT/etc/berth/conf/101.umount"
	run --separate-stderr berth expire
	[[ $status -ne 0 ]]
	contains "$stderr" 'changed meanwhile'
	is_state 101 'exist unmounted down'
	equal "$(conf_value 101 EXPIRES)" 2999-01-01
}

@test "network set: a VE that is being started is on it as one that runs is" {
	berth network create lan --mode routed --pool 10.75.0.0/24 >/dev/null
	new_ve 101 --network lan
	printf '#!/bin/sh\nsleep %s\n' $((2 * ${BERTH_PATIENCE:-1})) >"$ROOT/etc/berth/conf/101.mount"
	chmod 0755 "$ROOT/etc/berth/conf/101.mount"
	berth -q start 101 &
	within 5 test -e "$ROOT/run/berth/101/state.json"
	refused 32 "VE 101" berth network set lan --mode hostonly
	wait "$!"
	is_state 101 'exist mounted running'
}
