#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# create --count and --from: many VEs, checked before the first is made, resumed after a kill.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((${BERTH_LONG:-0} * 1800 + 300 * ${BERTH_PATIENCE:-1}))

ids() {
	berth list -a -H -o ctid 2>/dev/null | tr -d ' ' | tr '\n' ' '
}

@test "create --count: numbered names and addresses, started, each answers" {
	local id
	berth create --count 12 --start --ostemplate mini --ram 32M --diskspace 64M --name 'web-{n}' \
		--ipadd '10.91.0.{n}'
	equal "$(berth list -H -o ctid | wc -l)" 12
	equal "$(conf_value 101 NAME)" web-1
	equal "$(conf_value 112 NAME)" web-12
	for id in 1 5 12; do
		reaches "10.91.0.$id"
	done
	# The next ones come behind them, and a number that is taken is passed over.
	berth create 105 --count 2 --ostemplate mini --hostname 'h{id}.example.com'
	equal "$(conf_value 113 HOSTNAME)" h113.example.com
	equal "$(conf_value 114 HOSTNAME)" h114.example.com
}

@test "create --from: a row is a VE, empty fields are what the command line says" {
	cat >"$BATS_TEST_TMPDIR/rows.csv" <<-'EOF'
		id,name,ipadd,ram,description
		201,alpha,10.92.0.1,64M,"first, with a comma"
		205,beta,10.92.0.2 10.92.0.3,,"says ""hi"""
	EOF
	berth create --from "$BATS_TEST_TMPDIR/rows.csv" --ostemplate mini --ram 48M
	equal "$(ids)" '201 205 '
	equal "$(conf_value 201 PHYSPAGES)" 0:16384
	equal "$(conf_value 205 PHYSPAGES)" 0:12288
	equal "$(berth list -a -j -o description 205 | jq -r '.[0].description')" 'says "hi"'
	equal "$(berth list -a -H -o description 201)" 'first, with a comma'
}

@test "create --count: everything is checked before anything is made" {
	new_ve 150 --name taken --ipadd 10.93.0.5
	refused 21 'name same is wanted twice, by CT 101 and CT 102' \
		berth create --count 3 --ostemplate mini --name same
	refused 131 'name taken' berth create --count 1 --ostemplate mini --name taken
	refused 78 '10.93.0.5 is in use by CT 150' berth create --count 9 --ostemplate mini --ipadd '10.93.0.{n}'
	refused 21 'ram' berth create --count 2 --ostemplate mini --ram '{n}Q'
	refused 91 none-such berth create --count 2 --ostemplate none-such
	refused 20 'want --count' berth create 101 --ostemplate mini --name 'x-{n}'
	printf 'id,ram\n201,64M\n201,64M\n' >"$BATS_TEST_TMPDIR/rows.csv"
	refused 21 'number 201 is wanted twice' berth create --from "$BATS_TEST_TMPDIR/rows.csv" --ostemplate mini
	printf 'id,colour\n201,red\n' >"$BATS_TEST_TMPDIR/rows.csv"
	refused 20 'column "colour"' berth create --from "$BATS_TEST_TMPDIR/rows.csv" --ostemplate mini
	printf 'id,ram\n201\n' >"$BATS_TEST_TMPDIR/rows.csv"
	refused 21 'line 2' berth create --from "$BATS_TEST_TMPDIR/rows.csv" --ostemplate mini
	equal "$(ids)" '150 '
}

@test "create --count: killed anywhere, the same command ends in the same state" {
	local try cmd=(create --count 8 --start --ostemplate mini --ram 32M --diskspace 64M --name 'r-{n}'
		--ipadd '10.94.0.{n}' --parallel 2)
	for try in 1 2 3 4 5 6; do
		nsenter --target "$HOST_PID" --net --mount -- timeout -s KILL "0.0$((try * 3))" \
			"$BERTH" --root "$ROOT" "${cmd[@]}" >/dev/null 2>&1 3>&- 4>&- || :
	done
	within 20 berth "${cmd[@]}"
	equal "$(ids)" '101 102 103 104 105 106 107 108 '
	equal "$(berth list -H -o name | tr -d ' ' | sort | tr '\n' ' ')" 'r-1 r-2 r-3 r-4 r-5 r-6 r-7 r-8 '
	reaches 10.94.0.8
	[[ -z $(ls "$ROOT/var/lib/berth/batch") ]]
}

@test "create --count: killed when a VE was whole, nothing of it is left to be done" {
	local cmd=(create --count 2 --ostemplate mini --diskspace 64M)
	! BERTH_FAULT='create/owner+!' berth "${cmd[@]}" >/dev/null 2>&1 || fail 'not killed'
	equal "$(find "$ROOT/var/lib/berth/half" -type l | wc -l)" 2
	berth "${cmd[@]}"
	equal "$(ids)" '101 102 '
	equal "$(find "$ROOT/var/lib/berth/half" -type l)" ''
}

# Kill `create` of eight VEs on the network "auto" after as many milliseconds as the arguments say;
# then let it end, unless one of them was through before.
kill_auto() {
	local ms
	for ms in "$@"; do
		nsenter --target "$HOST_PID" --net --mount -- timeout -s KILL "$(printf '0.%03d' "$ms")" \
			"$BERTH" --root "$ROOT" "${auto[@]}" >/dev/null 2>&1 3>&- 4>&- && return
		kills=$((kills + 1))
	done
	within 30 berth "${auto[@]}"
}

# One state, however often it was begun: eight VEs, running, with names and addresses of their own.
check_auto() {
	equal "$(ids)" '101 102 103 104 105 106 107 108 '
	equal "$(berth list -H -o name | tr -d ' ' | sort | tr '\n' ' ')" 'a-1 a-2 a-3 a-4 a-5 a-6 a-7 a-8 '
	equal "$(berth list -j | jq '[.[].ip[]] | unique | length')" 8
	# No address is held for nobody.
	equal "$(find "$ROOT/var/lib/berth/ip" -name '10.97.*' | wc -l)" 8
	equal "$(find "$ROOT/var/lib/berth/batch" "$ROOT/var/lib/berth/half" -name '[0-9a-f]*' -not -name batch 2>/dev/null | wc -l)" 0
}

@test "create --count --ipadd auto: addresses of the pool, each once, however often it was killed" {
	local addr kills=0 auto=(create --count 8 --start --ostemplate mini --ram 32M --diskspace 64M --name 'a-{n}'
		--network auto --ipadd auto --parallel 2)
	berth network create auto --mode hostonly --pool 10.97.0.0/24
	kill_auto 15 40 70 110 160
	check_auto
	for addr in $(berth list -j | jq -r '.[].ip[]'); do
		reaches "$addr"
	done
	[[ -n ${BERTH_LONG:-} ]] || return 0
	# Fifty random instants, in rounds that begin with nothing.
	while ((kills < 55)); do
		berth stop --fast --all
		berth destroy --yes --all
		kill_auto $((RANDOM % 30 + 1)) $((RANDOM % 60 + 1)) $((RANDOM % 120 + 1)) $((RANDOM % 240 + 1)) \
			$((RANDOM % 300 + 1))
		check_auto
	done
}

@test "create --count: all run, all answer, nothing is left (500 with BERTH_LONG)" {
	local count=24
	[[ -z ${BERTH_LONG:-} ]] || count=500
	run "$BATS_TEST_DIRNAME/../../bench/mass" --count "$count" --build "$BERTH_BUILD" --dir "$SCRATCH"
	((status == 0)) || fail "$output"
	[[ $output == *"$count run, with $count addresses, $count answer"* ]]
	[[ $output == *'nothing is left'* ]]
}

# Numbers of the page frames that hold the text of process $1's program (proc_pid_pagemap(5)).
text_frames() {
	python3 - "$1" <<-'EOF'
		import struct, sys
		pid, frames = sys.argv[1], []
		with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb") as pagemap:
		    for line in maps:
		        area, mode = line.split()[:2]
		        if "x" not in mode or "/busybox" not in line:
		            continue
		        start, end = (int(x, 16) // 4096 for x in area.split("-"))
		        pagemap.seek(start * 8)
		        for i in range(end - start):
		            entry, = struct.unpack("Q", pagemap.read(8))
		            if entry >> 63:
		                frames.append((i, entry & (1 << 55) - 1))
		print("\n".join(f"{i} {frame}" for i, frame in frames))
	EOF
}

@test "page cache: the text of a program lies in memory once, for all VEs of a version" {
	local pids a b same
	berth create --count 2 --start --ostemplate mini --ram 32M --diskspace 64M
	mapfile -t pids < <(berth list -j | jq -r '.[].pid')
	a=$(text_frames "${pids[0]}") b=$(text_frames "${pids[1]}")
	same=$(comm -12 <(sort <<<"$a") <(sort <<<"$b") | wc -l)
	# Pages that both have touched are the same frames; each has touched more than a few.
	((same > 10)) || fail "$same common of $(wc -l <<<"$a") and $(wc -l <<<"$b")"
	equal "$(join -j 1 <(sort -k1,1 <<<"$a") <(sort -k1,1 <<<"$b") | awk '$2 != $3' | wc -l)" 0
}

@test "create --count -j: a result for each" {
	equal "$(berth create --count 3 --ostemplate mini -j | jq -c '[.[] | [.ctid, .ok]]')" \
		'[[101,true],[102,true],[103,true]]'
	equal "$(berth create --count 3 --ostemplate mini --dry-run)" '3 VEs would be created, 104 to 106'
}

# cpu_ms CMD...: its time on a CPU, for others use the machine too; the best of five, for caches.
cpu_ms() {
	local best=1000000 ms TIMEFORMAT='%3U %3S'
	for _ in 1 2 3 4 5; do
		ms=$({ time "$@" >"$BATS_TEST_TMPDIR/out"; } 2>&1 | tail -n 1 | awk '{ print int(($1 + $2) * 1000) }')
		((ms >= best)) || best=$ms
	done
	echo "$best"
}

# Or in no more than three times what a slow machine needs for reading their files.
# bats test_tags=timing
@test "many: 2,000 VEs are listed within 50 ms" {
	local id took read
	berth list >/dev/null
	for ((id = 101; id <= 2100; id++)); do
		printf 'NAME="ve%d"\nOSTEMPLATE="mini"\nPHYSPAGES="0:65536"\nCPULIMIT="50"\nHOSTNAME="ve%d.example"\n' \
			"$id" "$id" >"$ROOT/etc/berth/conf/$id.conf"
	done
	read=$(cpu_ms host cat "$ROOT"/etc/berth/conf/*.conf)
	took=$(cpu_ms berth list -a)
	find "$ROOT/etc/berth/conf" -name '*.conf' -delete      # they were never more than that
	equal "$(wc -l <"$BATS_TEST_TMPDIR/out")" 2001
	echo "# 2,000 VEs: $took ms, their files: $read ms" >&3
	((took <= 50 * ${BERTH_PATIENCE:-1} || took <= 3 * read)) || fail "2,000 VEs took $took ms, their files $read ms"
}
