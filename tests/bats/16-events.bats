#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# events: what happened to VEs, told once each, in order, while it happens and afterwards.
# bats file_tags=root

load helpers/load

words() {
	jq -r .event | tr '\n' ' '
}

# The same in the order of the alphabet: a keeper may be a moment late with what it writes.
bag() {
	jq -r .event | sort | tr '\n' ' '
}

# Those of the keeper, start and exit, stand among those of the verbs.
LIFE='changed created destroyed exit start started stopped '

@test "events: a life from create to destroy, each told once" {
	run_ve 101
	new_ve 102
	berth set 101 --numproc 99
	equal "$(berth events 101 -j | bag)" 'changed created start started '
	berth stop --fast 101
	berth destroy --yes 101
	equal "$(berth events 101 -j | bag)" "$LIFE"
	equal "$(berth events 101 -j | grep -Ev '"start"|"exit"' | words)" 'created started changed stopped destroyed '
	equal "$(berth events 102 -j | words)" 'created '
	equal "$(berth events 101 -j -n 2 | words)" 'stopped destroyed '
	contains "$(berth events 101)" ' CT 101 start pid='
}

@test "events -f: tells them as they come, once" {
	local follower
	new_ve 101
	# No function: its pid must be that of berth.
	nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" events -f -j \
		>"$BATS_TEST_TMPDIR/told" 3>&- 4>&- &
	follower=$!
	within 5 grep -q created "$BATS_TEST_TMPDIR/told"
	berth start 101
	berth set 101 --numproc 99
	within 5 grep -q changed "$BATS_TEST_TMPDIR/told"
	berth stop --fast 101
	berth destroy --yes 101
	within 5 grep -q destroyed "$BATS_TEST_TMPDIR/told"
	kill "$follower"
	equal "$(bag <"$BATS_TEST_TMPDIR/told")" "$LIFE"
}

@test "events: the file keeps the newest and does not grow for ever" {
	local log=$ROOT/var/log/berth/events.jsonl
	new_ve 101
	yes '{"time":1,"veid":101,"event":"old"}' | head -c 9000000 >>"$log"
	berth destroy --yes 101
	(($(stat -c %s "$log") < 5000000))
	equal "$(berth events 101 -j -n 1 | words)" 'destroyed '
}
