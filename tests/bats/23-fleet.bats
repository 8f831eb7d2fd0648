#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# apply: VEs become what a file says, once; before that it says what would change.
# bats file_tags=root

load helpers/load

fleet() {
	cat >"$BATS_TEST_TMPDIR/fleet.json"
}

apply() {
	berth apply "$BATS_TEST_TMPDIR/fleet.json" "$@"
}

@test "apply: makes, changes, starts, stops and removes; a second time nothing" {
	run_ve 103 --ram 128M
	new_ve 105
	fleet <<-'EOF'
		{ "ves": [
		  { "id": 101, "state": "running", "ostemplate": "mini", "name": "web", "ram": "64M",
		    "ip": ["10.96.0.1", "10.96.0.2"], "onboot": true },
		  { "id": 103, "state": "running", "ram": 268435456, "cpulimit": 50 },
		  { "id": 105, "state": "absent" } ] }
	EOF
	contains "$(apply --plan)" '+ CT 101: create from mini'
	contains "$(apply --plan)" 'ram: 128M -> 256M: live'
	contains "$(apply --plan)" '- CT 105: destroy'
	[[ ! -e $(conf_of 101) && -e $(conf_of 105) ]]
	check_limit 103 ram $((128 << 20))
	apply --yes
	is_state 101 'exist mounted running'
	equal "$(conf_value 101 ONBOOT)" yes
	reaches 10.96.0.2
	check_limit 103 ram $((256 << 20))
	check_limit 103 cpulimit 50
	equal "$(conf_value 103 PHYSPAGES)" 0:65536
	[[ ! -e $(conf_of 105) ]]
	contains "$(apply --yes)" 'Nothing to do'
	equal "$(apply --plan -j | jq -c .)" '[]'
}

@test "apply: addresses are the whole list; stopped stops" {
	run_ve 101 --ipadd 10.96.1.1 --ipadd 10.96.1.2
	fleet <<<'{ "ves": [ { "id": 101, "state": "stopped", "ip": ["10.96.1.2", "10.96.1.3"] } ] }'
	apply --yes
	is_state 101 'exist unmounted down'
	equal "$(conf_value 101 IP_ADDRESS)" '10.96.1.2 10.96.1.3'
}

@test "apply: a file that is no good changes nothing" {
	new_ve 101 --ram 64M
	local bad
	for bad in '{' '{}' '{ "ves": {} }' '{ "ves": [ { "id": 7 } ] }' '{ "ves": [ { "id": 101, "colour": "red" } ] }' \
		'{ "ves": [ { "id": 101, "ram": "much" } ] }' '{ "ves": [ { "id": 101, "ram": {} } ] }' \
		'{ "ves": [ { "id": 101, "state": "gone" } ] }' '{ "ves": [ { "id": 101 }, { "id": 101 } ] }'; do
		fleet <<<"$bad"
		refused 21 fleet.json berth apply "$BATS_TEST_TMPDIR/fleet.json" --yes
	done
	fleet <<<'{ "ves": [ { "id": 101, "ram": "96M", "ostemplate": "other" } ] }'
	run -21 berth apply "$BATS_TEST_TMPDIR/fleet.json" --yes
	contains "$output" 'ostemplate'
	fleet <<<'{ "ves": [ { "id": 101, "ram": "96M" } ] }'
	run -3 berth apply "$BATS_TEST_TMPDIR/fleet.json" </dev/null
	contains "$output" '--yes does it'
	equal "$(conf_value 101 PHYSPAGES)" 0:16384
}
