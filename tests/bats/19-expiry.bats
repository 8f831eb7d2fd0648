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
	refused 21 'warn, stop or archive' berth set 101 --expire-action burn --save
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

@test "expire: archive stops, packs and removes; one command brings it back" {
	berth pool create gold --ram 1G
	run_ve 101 --name web --ipadd 10.77.0.5 --owner acme --pool gold --expires 2020-01-01 --expire-action archive
	shell 101 'echo data >/root/file; sync'
	equal "$(berth expire --dry-run)" 'CT 101: expired, would be archived'
	is_state 101 'exist mounted running'
	equal "$(berth expire)" 'CT 101: expired, archived'
	equal "$(berth status 101)" 'CTID 101 deleted unmounted down'
	[[ ! -e $ROOT/var/lib/berth/private/101 && ! -e $ROOT/var/lib/berth/ip/10.77.0.5 ]]
	equal "$(berth archive list -j | jq -c '.[] | [.ctid, .name, .owner]')" '[101,"web","acme"]'
	refused 14 'archive restore 101' berth start 101
	refused 3 archived berth template remove "$(berth archive list -j | jq -r '.[0].template')"
	equal "$(berth expire)" ''
	berth archive restore 101 --expires never >/dev/null
	equal "$(berth archive list -j | jq length)" 0
	berth start web >/dev/null
	equal "$(shell 101 'cat /root/file')" data
	equal "$(conf_value 101 IP_ADDRESS)" 10.77.0.5
	equal "$(conf_value 101 POOL)" gold
}

@test "archive: what cannot be put away whole stays; restoring what is taken is refused" {
	local file
	run_ve 101 --name web
	refused 32 running berth archive 101
	berth stop 101 >/dev/null
	berth snapshot create 101 --name a >/dev/null
	refused 20 snapshots berth archive 101
	berth -q snapshot delete 101 --id a
	refused 3 'injected' host env BERTH_FAULT=archive/remove "$BERTH" --root "$ROOT" -q archive 101
	is_state 101 'exist unmounted down'
	sleep 1
	berth -q archive 101
	equal "$(berth archive list -j | jq length)" 1
	new_ve 102 --name web
	refused 131 'name "web"' berth -q archive restore 101
	file=$(berth archive list -j | jq -r '.[0].file')
	printf 'x' | dd of="$ROOT/var/lib/berth/archive/$file" bs=1 seek=5000 conv=notrunc status=none
	run -21 berth -q archive restore "$file" --name web2
	equal "$(berth list -a -1)" '       102'
	refused 20 '--yes' berth archive delete 101
	berth archive delete "$file" --yes
	refused 14 'no archive' berth archive restore 101
}
