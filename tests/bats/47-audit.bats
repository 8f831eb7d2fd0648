#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The audit log: complete, without secrets, and a change to it is seen.
# bats file_tags=root

load helpers/load

log() {
	echo "$ROOT/var/log/berth/audit.jsonl"
}

verbs() {
	jq -r .verb "$(log)" | paste -sd' '
}

# broken LINE: verify names it.
broken() {
	refused 35 "line $1 " berth audit verify
}

@test "audit: every verb that changes something, with its exit number, and no other" {
	new_ve 101
	berth start 101
	run -0 berth list -a
	run -0 berth status 101
	run -0 berth traffic 101
	inside 101 /bin/true
	berth set 101 --ram 300M --save
	run -32 berth start 101
	berth stop 101 --fast
	berth destroy 101
	equal "$(verbs)" 'create start exec3 set start stop destroy'
	equal "$(jq -r .exit "$(log)" | paste -sd' ')" '0 0 0 0 32 0 0'
	equal "$(jq -c 'select(.verb == "set") | .args[-4:]' "$(log)")" '["101","--ram","300M","--save"]'
	run -0 berth audit verify
	contains "$output" '7 lines, 0 torn, chain whole'
	run -0 berth audit list -j
	equal "$(json length <<<"$output")" 7
	run -0 berth audit list
	contains "${lines[4]}" 'exit 32'
}

@test "audit: no passwords, and nothing of what runs inside" {
	run_ve 101
	berth set 101 --userpasswd root:sesame-1
	berth set 101 --userpasswd=root:sesame-2
	berth set 101 --userp root:sesame-3
	berth exec 101 'echo sesame-4'
	berth enter 101 --exec echo sesame-5
	run ! grep sesame "$(log)"
	run -0 berth audit verify
}

@test "audit: a line changed, removed, moved or put in is found" {
	local i
	for i in 1 2 3 4 5; do
		berth set 999 --ram 1G 2>/dev/null || :
		new_ve 10$i
	done
	cp "$(log)" "$BATS_TEST_TMPDIR/good"
	local n
	n=$(wc -l <"$(log)")
	((n >= 5)) || fail "only $n lines"
	sed -i '3s/"uid":0/"uid":7/' "$(log)"
	broken 3
	sed 2d "$BATS_TEST_TMPDIR/good" >"$(log)"
	broken 2
	sed '4{h;d};5G' "$BATS_TEST_TMPDIR/good" >"$(log)"
	broken 4
	sed '1p' "$BATS_TEST_TMPDIR/good" >"$(log)"
	broken 2
	sed '1s/"hash":"./"hash":"g/' "$BATS_TEST_TMPDIR/good" >"$(log)"
	broken 2
	cp "$BATS_TEST_TMPDIR/good" "$(log)"
	run -0 berth audit verify
}

@test "audit: an end that was cut off is found by the hash noted before" {
	new_ve 101
	new_ve 102
	local hash
	hash=$(berth audit verify -j | json -r .hash)
	run -0 berth audit verify "$hash"
	new_ve 103
	run -0 berth audit verify "$hash"
	sed -i '2,$d' "$(log)"
	run -0 berth audit verify
	refused 35 'cut off' berth audit verify "$hash"
	refused 21 'hex' berth audit verify 123
}

@test "audit: a torn line does not break the chain" {
	new_ve 101
	printf '{"time":17,"verb":"sta' >>"$(log)"
	new_ve 102
	run -0 berth audit verify -j
	equal "$(json '.whole, .lines, .torn' <<<"$output")" $'true\n3\n1'
}

@test "audit: twenty at once make one chain" {
	local i pids=()
	for i in $(seq 101 120); do
		new_ve "$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	run -0 berth audit verify
	contains "$output" '20 lines, 0 torn'
}
