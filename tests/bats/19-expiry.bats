#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Whose a VE is, until which day, and what happens afterwards.
# bats file_tags=root

load helpers/load

@test "expires: dates, never, and nothing else" {
	local bad
	new_ve 101 --owner 'Acme, Inc.' --expires 2027-01-31
	equal "$(conf_value 101 OWNER)" 'Acme, Inc.'
	equal "$(conf_value 101 EXPIRES)" 2027-01-31
	berth set 101 --expires 2028-02-29 --save
	for bad in 2027-02-29 2027-13-01 27-01-31 2027-1-31 tomorrow 2027-01-31x; do
		refused 21 never berth set 101 --expires "$bad" --save
	done
	equal "$(conf_value 101 EXPIRES)" 2028-02-29
	berth set 101 --expires never --save
	equal "$(conf_value 101 EXPIRES)" ''
	refused 21 'warn or stop' berth set 101 --expire-action burn --save
}

@test "list --expired: those whose last day is over; today still counts" {
	new_ve 101 --expires 2020-01-01 --owner acme
	new_ve 102 --expires "$(date +%F)"
	new_ve 103 --expires 2999-01-01 --owner acme
	new_ve 104
	equal "$(berth list --expired -1)" '       101'
	equal "$(berth list -a owner=acme -1 | tr -d ' \n')" 101103
	equal "$(berth list -a 'expires>2027-01-01' -j -o ctid | jq -c '[.[].ctid]')" '[103]'
}

@test "expire: stops what says so, warns of the others, leaves who has paid" {
	run_ve 101 --expires 2020-01-01 --expire-action stop
	run_ve 102 --expires 2020-01-01
	run_ve 103 --expires 2999-01-01 --expire-action stop
	equal "$(berth expire --dry-run)" "CT 101: expired, would be stopped
CT 102: expired, would be warned"
	is_state 101 'exist mounted running'
	equal "$(berth expire -j | jq -c '[.[] | [.ctid, .done]]')" '[[101,"stopped"],[102,"warned"]]'
	is_state 101 'exist unmounted down'
	is_state 102 'exist mounted running'
	is_state 103 'exist mounted running'
	equal "$(berth events 101 -j -n 1 | jq -r .event)" expired
	equal "$(berth expire)" 'CT 102: expired, warned'
}
