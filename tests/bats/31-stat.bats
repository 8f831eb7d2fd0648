#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# stat says what a VE uses and what held it back, as the kernel's own files have it.
# bats file_tags=root

load helpers/load

MIB=$((1 << 20))

# stat_of ID JQ-PATH
stat_of() {
	berth stat -j "$1" | json "$2"
}

@test "stat -j: the object has every group, whether or not anything was used" {
	run_ve 101 --ram 256M --numproc 100 --ipadd 10.88.0.1
	local path
	for path in .cpu.usage_usec .cpu.throttled_usec .cpu.nr_throttled .memory.current \
		.memory.oom .io.rbytes .io.wbytes .io.rios .io.wios .pids.current \
		'.network[0].rx_bytes' '.network[0].tx_bytes'; do
		berth stat -j 101 | json "$path | type == \"number\"" >/dev/null ||
			fail "$path is no number: $(berth stat -j 101)"
	done
	equal "$(stat_of 101 .ctid)" 101
	equal "$(stat_of 101 .status)" running
	equal "$(stat_of 101 .memory.max)" $((256 * MIB))
	equal "$(stat_of 101 .pids.max)" 100
	equal "$(stat_of 101 '.network[0].name')" eth0
	[[ $(stat_of 101 '.memory | has("swap_current")') == true ]]
}

@test "stat: a limit that is not there is null" {
	run_ve 101 --ram unlimited --swap unlimited
	equal "$(berth stat -j 101 | jq .memory.max)" null
}

@test "stat: a throttled VE's owner is told why" {
	run_ve 101 --cpulimit 20
	put_probe 101
	local before
	before=$(stat_of 101 .cpu.throttled_usec)
	throttled() {
		inside 101 /probe cpuburn 1
		(($(stat_of 101 .cpu.throttled_usec) > before + 400000))
	}
	# A busy host may give less than the limit for a while.
	within 30 throttled
	(($(stat_of 101 .cpu.nr_throttled) >= 5))
	berth stat 101 | grep -q 'held back by its limit for .* s in .* periods (limit: 20 % of one CPU)'
	local seen kernel
	seen=$(stat_of 101 .cpu.usage_usec)
	kernel=$(awk '$1 == "usage_usec" { print $2 }' "$(cg_mount 0:)$(sed -n 's/^0:://p' \
		"/proc/$(init_pid 101)/cgroup" | sed 's|/payload.*||')/cpu.stat")
	((kernel >= seen && kernel - seen < 1000000)) || fail "$seen, the kernel has $kernel"
}

@test "stat: memory in use, and kills for lack of it" {
	run_ve 101 --ram 64M --swap 0
	put_probe 101
	equal "$(stat_of 101 .memory.oom)" 0
	run ! inside 101 /probe memhog $((200 * MIB))
	(($(stat_of 101 .memory.oom) >= 1))
	berth stat 101 | grep -q 'killed for lack of it'
}

@test "stat: what was written, and what the link carried" {
	run_ve 101 --ipadd 10.88.0.1 --diskspace 1G
	local w tx
	w=$(stat_of 101 .io.wbytes)
	tx=$(stat_of 101 '.network[0].tx_bytes')
	shell 101 'dd if=/dev/zero of=/f bs=1M count=20 conv=fsync 2>/dev/null'
	host ping -q -c 3 -i 0.2 -s 1000 10.88.0.1 >/dev/null
	w=$(($(stat_of 101 .io.wbytes) - w))
	((w >= 20 * MIB && w < 40 * MIB)) || fail "20 MiB written, told $w"
	tx=$(($(stat_of 101 '.network[0].tx_bytes') - tx))
	((tx >= 3000 && tx < 10000)) || fail "3 answers of 1000 bytes, told $tx"
}

@test "stat: pressure is there where the kernel has it" {
	requires psi
	run_ve 101 --cpulimit 10
	put_probe 101
	local before what
	before=$(stat_of 101 .pressure.cpu.some.total)
	stalled() {
		inside 101 /probe cpuburn 1
		(($(stat_of 101 .pressure.cpu.some.total) > before + 400000))
	}
	within 30 stalled
	for what in cpu memory io; do
		equal "$(stat_of 101 ".pressure.$what.some | keys | join(\" \")")" \
			'avg10 avg300 avg60 total'
	done
}

@test "stat: several are an array, a stopped one says so, an unknown one is refused" {
	run_ve 101
	new_ve 102 --name web
	equal "$(berth stat -j 101 102 | json 'map(.status) | join(" ")')" 'running stopped'
	equal "$(berth stat -j --all | json length)" 2
	equal "$(berth stat -j web | json .ctid)" 102
	equal "$(berth stat 102)" 'CT 102 web: stopped'
	run --separate-stderr ! berth stat 199
	one_line_error 199
}

@test "node: promises are summed, and the plan that fits is ended by the resource that is short" {
	new_ve 101 --ram 1G --cpulimit 50 --numproc 100 --diskspace 2G
	run_ve 102 --ram 512M --cpus 1 --cpulimit 0 --numproc 200 --diskspace 1G
	new_ve 103 --ram unlimited --swap unlimited --numproc 300 --diskspace 1G
	local out total
	out=$(berth node --config light -j)
	equal "$(json '[.ves, .running] | join(" ")' <<<"$out")" '3 1'
	equal "$(json .memory.promised <<<"$out")" $((1536 * MIB))
	equal "$(json '[.memory.unlimited, .cpu.unlimited] | join(" ")' <<<"$out")" '1 1'
	equal "$(json .cpu.promised <<<"$out")" 150
	equal "$(json .processes.promised <<<"$out")" 600
	equal "$(json .disk.promised <<<"$out")" $((4096 * MIB))
	total=$(($(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo) * 1024))
	equal "$(json .memory.has <<<"$out")" "$total"
	equal "$(json .memory.fits <<<"$out")" $(((total - 1536 * MIB) / (256 * MIB)))
	equal "$(json .fits <<<"$out")" \
		"$(json '[.memory, .cpu, .disk, .processes] | map(.fits // infinite) | min' <<<"$out")"
	contains 'memory cpu disk processes' "$(json .ends_it <<<"$out")"
	# A plan that needs more CPU than the host has.
	equal "$(berth node --config vswap-16g -j | json '.cpu.fits' || :)" \
		$((($(nproc) * 100 - 150) / 800))
	berth node --config light | grep -q '^Plan light: [0-9]* more fit; .* ends it'
	refused 109 nosuch berth node --config nosuch
}

# top_of ID COLUMN <TABLE: by the header's name.
top_of() {
	awk -v id="$1" -v col="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == col) c = i }
		$1 == id { print $c }'
}

@test "top -1: the busy VE is first, with what its limit gives it and holds back" {
	run_ve 101 --ram 128M
	run_ve 102 --cpulimit 30 --name busy --ram 64M
	put_probe 102
	shell 102 '/probe cpuburn 20 </dev/null >/dev/null 2>&1 &'
	local out cpu held
	out=$(berth top -1 -d 2s)
	equal "$(sed -n 2p <<<"$out" | awk '{ print $1, $NF }')" '102 busy'
	cpu=$(top_of 102 CPU% <<<"$out")
	held=$(top_of 102 HELD% <<<"$out")
	# A busy host gives less than the limit, and then holds less back; never more.
	((${cpu%.*} >= 5 && ${cpu%.*} <= 32)) || fail "$out"
	((${held%.*} >= 3)) || fail "$out"
	equal "$(top_of 102 OF-MiB <<<"$out")" 64
	out=$(berth top -1 -s limit -d 200ms)
	equal "$(awk 'NR > 1 { print $1 }' <<<"$out" | tr '\n' ' ')" '101 102 '
	refused 21 nosuch berth top -1 -s nosuch
	refused 21 delay berth top -1 -d 1x
}

@test "top: live on a terminal, q ends it and gives the terminal back" {
	run_ve 101
	local out
	out=$( (sleep $((1 + ${BERTH_PATIENCE:-1})); printf q) | host timeout 30 script -qec \
		"stty -a >$BATS_TEST_TMPDIR/before; '$BERTH' --root '$ROOT' top -d 300ms; stty -a >$BATS_TEST_TMPDIR/after" \
		/dev/null)
	(($(grep -c CTID <<<"$out") >= 2)) || fail "$out"
	cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}
