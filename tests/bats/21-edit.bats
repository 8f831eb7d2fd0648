#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# edit: what an editor leaves is set as a whole, or kept aside.
# bats file_tags=root

load helpers/load

# edited SED-SCRIPT ID: with sed as the editor.
edited() {
	printf '#!/bin/sh\nexec sed -i -f %s "$2"\n' "$BATS_TEST_TMPDIR/script" >"$BATS_TEST_TMPDIR/editor"
	chmod +x "$BATS_TEST_TMPDIR/editor"
	printf '%s\n' "$1" >"$BATS_TEST_TMPDIR/script"
	EDITOR="$BATS_TEST_TMPDIR/editor --wait" VISUAL='' berth edit "$2"
}

@test "edit: changes are live, comments and order stay as written" {
	run_ve 101 --ram 256M
	edited '/^PHYSPAGES/s/".*"/"0:98304"/
		1i # by hand' 101
	check_limit 101 ram $((384 << 20))
	equal "$(head -n 1 "$(conf_of 101)")" '# by hand'
	equal "$(conf_value 101 PHYSPAGES)" 0:98304
	equal "$(grep -c '^PHYSPAGES=' "$(conf_of 101)")" 1
}

@test "edit: addresses come and go" {
	run_ve 101 --ipadd 10.90.1.1
	edited '/^IP_ADDRESS/s/".*"/"10.90.1.2"/' 101
	equal "$(addresses_in 101 | grep -c '^10\.90\.')" 1
	contains "$(addresses_in 101)" 10.90.1.2
	new_ve 102 --ipadd 10.90.1.1
}

@test "edit: nonsense is refused, changes nothing and is kept" {
	local kept before
	run_ve 101 --ram 256M
	before=$(<"$(conf_of 101)")
	run --separate-stderr -85 edited '/^PHYSPAGES/s/".*"/"0:many"/' 101
	kept=$(grep -o '/tmp/berth-101-[A-Za-z0-9]*.conf' <<<"$stderr")
	grep -q many "$kept"
	rm "$kept"
	run --separate-stderr -21 edited '/^LOCAL_UID/s/".*"/"65536"/' 101
	contains "$stderr" LOCAL_UID
	rm "$(grep -o '/tmp/berth-101-[A-Za-z0-9]*.conf' <<<"$stderr")"
	equal "$(<"$(conf_of 101)")" "$before"
	check_limit 101 ram $((256 << 20))
}

@test "edit: an editor that fails, or changes nothing, changes nothing" {
	new_ve 101
	EDITOR=false VISUAL='' refused 3 'false ended with 1' berth edit 101
	EDITOR=true VISUAL='' run -0 berth edit 101
	contains "$output" 'No changes'
	refused 14 4711 berth edit 4711
	[[ -z $(compgen -G '/tmp/berth-101-*.conf') ]]
}
