#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What set says beforehand, and what list and status say when the kernel and the config differ.
# bats file_tags=root

load helpers/load

MIB=$((1 << 20))

# change NAME FIELD <JSON of set: a member of the entry of this parameter.
change() {
	json ".changes[] | select(.name == \"$1\") | .$2"
}

@test "set --dry-run -j: old, new, outcome and why of each key" {
	run_ve 101 --ram 512M --cpulimit 50 --diskspace 1G
	local out
	out=$(berth set 101 --ram 256M --cpulimit 50 --kmemsize 1:2 --skip-guest-config yes \
		--dry-run -j)
	equal "$(json .dry_run <<<"$out")" true
	equal "$(change ram from <<<"$out") $(change ram to <<<"$out")" \
		"$((512 * MIB)) $((256 * MIB))"
	equal "$(change ram outcome <<<"$out")" live
	equal "$(change cpulimit outcome <<<"$out")" unchanged
	equal "$(change kmemsize outcome <<<"$out")" 'without effect'
	equal "$(change skip_guest_config outcome <<<"$out")" 'at restart'
	check_limit 101 ram $((512 * MIB))
}

@test "set --dry-run: below what is in use" {
	run_ve 101 --ram 512M --diskspace 1G
	run_ve 102 --ipadd 10.88.0.2
	shell 101 'dd if=/dev/urandom of=/big bs=1M count=100 2>/dev/null; sync'
	local out
	out=$(berth set 101 --ram 16M --diskspace 64M --ipadd 10.88.0.2 --dry-run -j)
	equal "$(change ram outcome <<<"$out")" live
	contains "$(change ram why <<<"$out")" 'reclaimed first'
	equal "$(change diskspace outcome <<<"$out")" impossible
	contains "$(change diskspace why <<<"$out")" 'in use'
	equal "$(change ip outcome <<<"$out")" impossible
	contains "$(change ip why <<<"$out")" 'VE 102'
	berth set 101 --diskspace 64M --dry-run | grep -q '^diskspace: .* -> .*: impossible (in use: '
}

@test "list, status: nothing differs where nothing differs" {
	run_ve 101 --ram 256M --swap 64M --cpulimit 50 --cpuunits 1234 --numproc 100 \
		--iolimit 10M --iopslimit 100 --diskspace 1G
	run_ve 102
	local id
	for id in 101 102; do
		equal "$(berth status -j "$id" | jq -c .differs)" '[]'
		lacks "$(berth list -H -o ram,swap,cpulimit,cpuunits,iolimit,iopslimit "$id")" '('
	done
}

@test "list, status: the effective value is next to the configured one" {
	run_ve 101 --ram 256M --cpulimit 50 --iolimit 10M
	berth set 101 --ram 128M --cpulimit 0 --iolimit 20M --cpuunits 2000
	equal "$(berth list -H -o ram,cpulimit,iolimit 101 | tr -s ' ' | sed 's/^ //')" \
		"256M(128M) 50(0) $((10 * MIB))($((20 * MIB)))"
	equal "$(berth list -j -o ram,cpulimit,cpuunits 101 | jq -c '.[0]')" \
		"{\"ram\":$((256 * MIB)),\"ram_effective\":$((128 * MIB)),\"cpulimit\":50,\"cpulimit_effective\":0,\"cpuunits\":1000,\"cpuunits_effective\":2000}"
	equal "$(berth status -j 101 | jq -c '.differs | sort')" '["cpulimit","cpuunits","iolimit","ram"]'
	equal "$(berth status -j 101 | json .config.ram)" $((256 * MIB))
	equal "$(berth status -j 101 | json .effective.ram)" $((128 * MIB))
	equal "$(berth list -H -o physpages.l 101 | tr -d ' ')" $((128 * MIB / 4096))
	berth stop 101 --fast
	equal "$(berth list -H -o ram 101 | tr -d ' ')" 256M
}

@test "plans: each size is built in, and an administrator's file of the name goes before it" {
	local plan mib id=101
	for plan in 256m:256 512m:512 1g:1024 2g:2048 4g:4096 8g:8192 16g:16384; do
		mib=${plan#*:}
		new_ve $id --config "vswap-${plan%:*}"
		equal "$(berth list -a -H -o physpages.l,swappages.l $id | tr -s ' ')" \
			" $((mib * 256)) $((mib * 512))"
		equal "$(conf_value $id ORIGIN_SAMPLE)" "vswap-${plan%:*}"
		((++id))
	done
	echo 'PHYSPAGES="0:20480"' >"$ROOT/etc/berth/conf/ve-vswap-1g.conf-sample"
	new_ve 201 --config vswap-1g
	equal "$(berth list -a -H -o ram 201 | tr -d ' ')" 80M
	refused 109 'vswap-256m' berth create 202 --ostemplate mini --config vswap-3g
	berth set 101 --applyconfig vswap-2g --save
	equal "$(berth list -a -H -o ram 101 | tr -d ' ')" 2G
	rm "$ROOT/etc/berth/conf/ve-vswap-1g.conf-sample"
}
