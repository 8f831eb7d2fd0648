#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# --dry-run of verbs that change a VE's state: nothing changes, and the real verb ends likewise.
# bats file_tags=root

load helpers/load

# foretold STATE VERB: dry run first, then the verb; same exit number, and nothing done before.
foretold() {
	local before want
	before=$(berth list -a -H -o ctid,status)
	run berth "$2" 101 --dry-run
	want=$status
	equal "$(berth list -a -H -o ctid,status)" "$before" "after $2 --dry-run" || return
	run berth "$2" 101
	equal "$status" "$want" "exit number of $2 of a VE that is $1"
}

@test "dry-run: each verb ends as foretold, in each state" {
	new_ve 101
	for verb in pause unpause umount stop mount mount destroy umount start start mount umount destroy pause \
		pause start unpause stop destroy; do
		foretold "$(berth list -a -H -o status)" "$verb"
	done
	equal "$(berth list -a -1)" ''
}

@test "dry-run: text and JSON say what, --all passes over the rest" {
	new_ve 101 --disabled yes
	run_ve 102
	equal "$(berth start --all --dry-run)" ''
	run -105 berth start 101 --dry-run
	contains "$output" disabled
	equal "$(berth start 101 --force --dry-run)" 'CT 101: would be started'
	equal "$(berth stop 102 --dry-run -j | jq -r '.[].would')" stop
	equal "$(berth stop 101 --dry-run)" 'CT 101: nothing to do: it is stopped'
	equal "$(berth destroy 101 --dry-run)" 'CT 101: would be removed with all its data'
	equal "$(berth list -a -H -o status | sort | tr '\n' ' ')" 'running stopped '
}
