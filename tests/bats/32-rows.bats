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
	run_ve 102 --cpus 1 --cpulimit 50
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

@test "physpages, swappages: in pages, the limit of barrier:limit counts" {
	run_ve 101 --physpages 0:65536 --swappages 16384
	check_limit 101 ram $((256 * MIB))
	check_limit 101 swap $((64 * MIB))
	berth set 101 --physpages 32768:49152 --save
	check_limit 101 ram $((192 * MIB))
	berth set 101 --physpages 128M
	check_limit 101 ram $((128 * MIB))
	berth set 101 --ram 65536p
	check_limit 101 ram $((256 * MIB))
	equal "$(conf_value 101 PHYSPAGES)" 0:49152
}

# rates ID: bytes and operations per second, reading and writing.
rates() {
	local dev
	dev=$(disk_dev "$1")
	echo "$(throttle "$1" "$dev" bps) $(throttle "$1" "$dev" iops)"
}

@test "iolimit, iopslimit: reading and writing apart, live and after a restart" {
	run_ve 101 --iolimit 10M --iolimit-write 4M --iopslimit-read 300
	equal "$(rates 101)" "$((10 * MIB)) $((4 * MIB)) 300 max"
	berth set 101 --iolimit 20M --save
	equal "$(rates 101)" "$((20 * MIB)) $((4 * MIB)) 300 max"
	berth set 101 --iolimit-write 0 --iopslimit 1000 --save
	equal "$(rates 101)" "$((20 * MIB)) $((20 * MIB)) 300 1000"
	equal "$(berth status -j 101 | jq -c .differs)" '[]'
	berth restart 101
	equal "$(rates 101)" "$((20 * MIB)) $((20 * MIB)) 300 1000"
}

@test "iolimit: a direction that was set without being saved survives the next change" {
	run_ve 101
	berth set 101 --iolimit 10M
	berth set 101 --iolimit-write 5M
	equal "$(rates 101)" "$((10 * MIB)) $((5 * MIB)) max max"
	equal "$(berth status -j 101 | jq -c .differs)" '["iolimit","iolimit_write"]'
	berth set 101 --iolimit-read 7M
	equal "$(rates 101)" "$((7 * MIB)) $((5 * MIB)) max max"
	berth set 101 --iopslimit 50
	equal "$(rates 101)" "$((7 * MIB)) $((5 * MIB)) 50 50"
	refused 21 iolimit-read berth set 101 --iolimit-read -1
	equal "$(rates 101)" "$((7 * MIB)) $((5 * MIB)) 50 50"
}

@test "iolimit-write: binds writing and leaves reading alone" {
	run_ve 101 --iolimit-write 10M --diskspace 1G
	local t
	t=${EPOCHREALTIME/./}
	shell 101 'dd if=/dev/zero of=/f bs=1M count=30 conv=fsync 2>/dev/null'
	t=$(((${EPOCHREALTIME/./} - t) / 1000))
	((t >= 2500 && t <= 6000)) || fail "30 MiB written at 10 MiB/s took $t ms"
	t=${EPOCHREALTIME/./}
	shell 101 'sync; dd if=/f of=/dev/null bs=1M iflag=direct 2>/dev/null'
	t=$(((${EPOCHREALTIME/./} - t) / 1000))
	((t <= 1500)) || fail "30 MiB read without a limit took $t ms"
}

# cpu_file ID NAME-ON-V1 NAME-ON-V2
cpu_file() {
	if on_v2 cpu; then cat "$(cg_dir "$1" cpu)/$3"; else cat "$(cg_dir "$1" cpu)/$2"; fi
}

burst_of() {
	cpu_file "$1" cpu.cfs_burst_us cpu.max.burst
}

@test "cpuburst: in the kernel, up and down together with the limit it must not exceed" {
	run_ve 101 --cpulimit 40 --cpuburst 20
	equal "$(burst_of 101)" 20000
	berth set 101 --cpulimit 10 --cpuburst 10
	check_limit 101 cpulimit 10
	equal "$(burst_of 101)" 10000
	berth set 101 --cpulimit 60 --cpuburst 50
	check_limit 101 cpulimit 60
	equal "$(burst_of 101)" 50000
	# a burst that was not saved is not forgotten by the next change
	run --separate-stderr -21 berth set 101 --cpuburst 1x
	refused 2 'burst of 50 is above the limit of 30' berth set 101 --cpulimit 30
	check_limit 101 cpulimit 60
	equal "$(burst_of 101)" 50000
	berth set 101 --cpuburst 0
	equal "$(burst_of 101)" 0
	berth restart 101
	check_limit 101 cpulimit 40
	equal "$(burst_of 101)" 20000
}

@test "cpuburst: what was left unused may be used later, and only that" {
	run_ve 101 --cpulimit 20 --cpuburst 20
	put_probe 101
	sleep 1
	inside 101 /probe cpuburn 1
	local bursts
	bursts=$(cpu_file 101 cpu.stat cpu.stat | awk '$1 == "nr_bursts" { print $2 }')
	((bursts >= 1)) || fail "$(cpu_file 101 cpu.stat cpu.stat)"
}

@test "nodemask: in the kernel, all, and refused where there is no such node" {
	run_ve 101 --nodemask 0
	local dir
	dir=$(cg_dir 101 cpuset)
	equal "$(<"$dir/cpuset.mems")" 0
	berth set 101 --cpumask 0
	equal "$(<"$dir/cpuset.mems") $(<"$dir/cpuset.cpus")" '0 0'
	run --separate-stderr ! berth set 101 --nodemask 63
	one_line_error nodemask
	equal "$(<"$dir/cpuset.mems") $(<"$dir/cpuset.cpus")" '0 0'
	berth set 101 --nodemask all
	equal "$(<"$dir/cpuset.cpus")" 0
}

# bad_values TYPE MIN MAX: one per line, all of which a row of this type has to refuse. A new type
# has to be added here.
bad_values() {
	local nothing_like=(12x -1 99999999999999999999999999 0x10 1e3 5Q)
	case $1 in
	number | count | percent)
		printf '%s\n' "${nothing_like[@]}"
		(($3 == 0)) || echo $(($3 + 1))
		(($2 == 0)) || echo $(($2 - 1))
		;;
	size)
		printf '%s\n' "${nothing_like[@]}" 16Ei 1.2.3M
		echo $(($3 / 1024 + 1))K
		(($2 < 2048)) || echo $(($2 / 1024 - 1))K
		;;
	rate) printf '%s\n' "${nothing_like[@]}" 5parsec ;;
	b:l) printf '%s\n' 1:x :: -1:5 5:99999999999999999999999999 ;;
	*\|*) printf '%s\n' maybe 2 "${1%%|*}x" ;;
	addresses) printf '%s\n' 999.1.1.1 10.0.0.1/33 fe80::1::2 ;;
	hostname | word | domains | pool) printf '%s\n' 'a/b' '-x' $'a\001b' ;;
	text) printf '%s\n' $'a\001b' "$(head -c 2000 /dev/zero | tr '\0' x)" ;;
	marks) printf '%s\n' word :on x: $'a\001b:on' "$(printf 'a%.0s' {1..70}):on" ;;
	cpulist) printf '%s\n' 3-1 99999 0,,1 x ;;
	date) printf '%s\n' yesterwhen 2026-13-01 2026-02-30 ;;
	device:class:kbit) printf '%s\n' a:b 'x:y:z' '*:1:-1' ;;
	*) fail "no bad values known for type $1" ;;
	esac
}

@test "bad input: every row of the table refuses what it cannot be, and nothing changes" {
	run_ve 101
	local before effective option type min max rows=0 bad values said
	before=$(<"$(conf_of 101)")
	effective=$(berth status -j 101 | jq -c .effective)
	while read -r option type min max; do
		values=$(bad_values "$type" "$min" "$max")
		while read -r bad; do
			# run(1) of bats would take longer than all of it
			! said=$(berth set 101 "--$option=$bad" --save 2>&1) ||
				fail "--$option took '$bad'" || return
			[[ $said == berth:*"$option"* && $said != *$'\n'* ]] || fail "said: $said" || return
		done <<<"$values"
		equal "$(<"$(conf_of 101)")" "$before" "config after --$option"
		((++rows))
	done < <("$BERTH" --dump-tables | jq -r '.params[] |
		select(.option and .ct and (.hidden | not)) | [.option, .type, .min, .max] | join(" ")')
	((rows > 50)) || fail "only $rows rows"
	equal "$(berth status -j 101 | jq -c .effective)" "$effective"
}

@test "bad input: a limit above what the host has is refused with the range" {
	run_ve 101
	local kib
	kib=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
	refused 1 "to $((kib * 1024))" berth set 101 --ram $((kib + 1024))K --save
	refused 1 "above what this host has" berth create 102 --ostemplate mini --ram $((kib + 1024))K
	refused 1 'want 65536 to' berth set 101 --shm $((kib + 1024))K
	refused 2 "to $(($(nproc) * 100))" berth set 101 --cpulimit $(($(nproc) * 100 + 1))
	refused 2 "to $(nproc)" berth set 101 --cpus $(($(nproc) + 1))
	refused 1 "to $(</proc/sys/kernel/pid_max)" berth set 101 --numproc $(($(</proc/sys/kernel/pid_max) + 1))
	refused 1 "to $(</proc/sys/kernel/pty/max)" berth set 101 --numpty $(($(</proc/sys/kernel/pty/max) + 1))
	refused 1 'above what' berth set 101 --numfile $(($(</proc/sys/fs/nr_open) + 1))
	# a plan or a config that comes from a larger host is taken as it is
	sed -i 's/^PHYSPAGES=.*/PHYSPAGES="0:16777216"/' "$(conf_of 101)"
	berth restart 101
}
