#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A limit is a fact: what set says is what the kernel's file holds, up and down, while it runs.
# bats file_tags=root

load helpers/load

MIB=$((1 << 20))

# A process inside that holds N MiB which cannot be reclaimed.
hold_memory() {
	shell "$1" "mount -t tmpfs -o size=2g hold /mnt 2>/dev/null || { mkdir -p /mnt && mount -t tmpfs -o size=2g hold /mnt; }
		dd if=/dev/urandom of=/mnt/held bs=1M count=$2 2>/dev/null"
}

oom_kills() {
	local dir
	dir=$(cg_dir "$1" memory)
	if on_v2 memory; then
		awk '$1 == "oom_kill" { print $2 }' "$dir/memory.events"
	else
		awk '$1 == "oom_kill" { print $2 }' "$dir/memory.oom_control"
	fi
}

@test "ram: is in the kernel at start, and follows set up and down" {
	run_ve 101 --ram 256M
	check_limit 101 ram $((256 * MIB))
	local v
	for v in 512 128 640 64; do
		berth set 101 --ram ${v}M --save
		check_limit 101 ram $((v * MIB))
	done
	equal "$(conf_value 101 PHYSPAGES)" "0:$((64 * MIB / 4096))"
	berth restart 101
	check_limit 101 ram $((64 * MIB))
}

@test "ram: lowering below what is in use is refused with the number, nothing is killed" {
	run_ve 101 --ram 512M
	hold_memory 101 200
	local before held
	before=$(<"$(conf_of 101)")
	run --separate-stderr -1 berth set 101 --ram 64M --save
	one_line_error 'in use'
	held=$(grep -oE '[0-9]+' <<<"${stderr##*--ram}" | sort -n | tail -n 1)
	[[ -n $held ]] || fail "no number in: $stderr"
	check_limit 101 ram $((512 * MIB))
	equal "$(<"$(conf_of 101)")" "$before" config
	equal "$(oom_kills 101)" 0 'OOM kills'
	equal "$(shell 101 'wc -c </mnt/held')" $((200 * MIB))
}

@test "ram: lowering reclaims page cache first" {
	run_ve 101 --ram 512M --diskspace 1G
	shell 101 'dd if=/dev/zero of=/cache bs=1M count=200 2>/dev/null; cat /cache >/dev/null'
	berth set 101 --ram 64M
	check_limit 101 ram $((64 * MIB))
	equal "$(oom_kills 101)" 0 'OOM kills'
}

@test "ram: a deadline is kept, and giving up names use and pressure" {
	run_ve 101 --ram 512M
	hold_memory 101 200
	local t slow=$((1200 * ${BERTH_PATIENCE:-1}))
	for deadline in 300ms 2s; do
		t=${EPOCHREALTIME/./}
		run --separate-stderr -1 berth set 101 --ram 64M --deadline $deadline
		t=$(((${EPOCHREALTIME/./} - t) / 1000))
		one_line_error 'in use'
		[[ ! -e /proc/pressure/memory ]] || contains "$stderr" 'memory pressure'
		case $deadline in
		300ms) ((t >= 300 && t < 300 + slow)) || fail "took $t ms" ;;
		2s) ((t >= 2000 && t < 2000 + slow)) || fail "took $t ms" ;;
		esac
		check_limit 101 ram $((512 * MIB))
	done
	equal "$(oom_kills 101)" 0 'OOM kills'
	refused 21 deadline berth set 101 --ram 64M --deadline 10x
	refused 21 deadline berth set 101 --ram 64M --deadline 0
}

@test "ram: a deadline waits for memory that is given back in the meantime" {
	run_ve 101 --ram 512M
	hold_memory 101 200
	shell 101 '(sleep 1.5; rm /mnt/held) </dev/null >/dev/null 2>&1 &'
	berth set 101 --ram 64M --deadline 20s --save
	check_limit 101 ram $((64 * MIB))
	equal "$(oom_kills 101)" 0 'OOM kills'
}

@test "ram: while it is lowered the limit is never above the old one" {
	run_ve 101 --ram 512M --diskspace 2G
	shell 101 'dd if=/dev/zero of=/cache bs=1M count=400 2>/dev/null; cat /cache >/dev/null'
	local dir file=memory.limit_in_bytes seen
	dir=$(cg_dir 101 memory)
	! on_v2 memory || file=memory.max
	( while :; do echo "$(<"$dir/$file")"; done ) >"$BATS_TEST_TMPDIR/seen" 3>&- &
	local watcher=$!
	berth set 101 --ram 64M --deadline 10s
	kill $watcher
	seen=$(sort -nu "$BATS_TEST_TMPDIR/seen" | tail -n 1)
	equal "$seen" $((512 * MIB)) 'highest limit seen'
	check_limit 101 ram $((64 * MIB))
	equal "$(oom_kills 101)" 0 'OOM kills'
}

@test "ram: a VE over its limit is killed, its neighbour is not" {
	run_ve 101 --ram 48M --swap 0
	run_ve 102 --ram 256M
	shell 102 'sleep 600 </dev/null >/dev/null 2>&1 &'
	shell 101 'mkdir -p /mnt; mount -t tmpfs -o size=1g x /mnt; dd if=/dev/zero of=/mnt/f bs=1M count=200' || :
	shell 102 'ps | grep -v grep | grep "sleep 600"'
}

@test "swap: is on top of memory, up and down, and independent of it" {
	run_ve 101 --ram 256M --swap 128M
	check_limit 101 swap $((128 * MIB))
	berth set 101 --swap 512M
	check_limit 101 swap $((512 * MIB))
	check_limit 101 ram $((256 * MIB))
	berth set 101 --ram 512M
	check_limit 101 swap $((512 * MIB))
	check_limit 101 ram $((512 * MIB))
	berth set 101 --swap 0
	check_limit 101 swap 0
	berth set 101 --ram 128M
	check_limit 101 swap 0
	check_limit 101 ram $((128 * MIB))
	berth set 101 --ram 192M --swap 64M
	check_limit 101 ram $((192 * MIB))
	check_limit 101 swap $((64 * MIB))
}

@test "cpulimit: percent of one CPU, up, down and off" {
	run_ve 101 --cpulimit 50
	check_limit 101 cpulimit 50
	local v
	for v in 25 150 5; do
		berth set 101 --cpulimit $v
		check_limit 101 cpulimit $v
	done
	berth set 101 --cpulimit 0
	check_limit 101 cpulimit none
}

@test "cpulimit: N% is of the whole node" {
	run_ve 101
	berth set 101 --cpulimit 50%
	check_limit 101 cpulimit $((50 * $(nproc)))
	run --separate-stderr -21 berth set 101 --cpulimit 101%
}

@test "cpulimit: binds: 20 percent for a second uses about 0.2 s" {
	run_ve 101 --cpulimit 20
	local before after used wall
	usage() { awk '$1 == "usage_usec" { print $2 }' "$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid 101)/cgroup" | sed 's|/payload.*||')/cpu.stat"; }
	shell 101 '(while :; do :; done) </dev/null >/dev/null 2>&1 &'
	sleep 0.3
	before=$(usage) wall=${EPOCHREALTIME/./}
	sleep 2
	after=$(usage) wall=$((${EPOCHREALTIME/./} - wall))
	used=$(((after - before) * 100 / wall))
	((used >= 14 && used <= 26)) || fail "used $used percent"
}

@test "cpus: caps like a limit, and the smaller of the two counts" {
	run_ve 101 --cpus 1
	check_limit 101 cpulimit 100
	berth set 101 --cpulimit 50
	check_limit 101 cpulimit 50
	berth set 101 --cpulimit 0
	check_limit 101 cpulimit 100
	berth set 101 --cpus 0
	check_limit 101 cpulimit none
}

@test "cpuunits: follow set, and two VEs get CPU by them" {
	requires two_cpus
	local dir file=cpu.shares
	run_ve 101 --cpuunits 1000 --cpumask 0
	run_ve 102 --cpuunits 4000 --cpumask 0
	on_v2 cpu && file=cpu.weight
	local a b
	a=$(<"$(cg_dir 101 cpu)/$file")
	b=$(<"$(cg_dir 102 cpu)/$file")
	((b >= 3 * a && b <= 5 * a)) || fail "weights $a and $b"
	berth set 102 --cpuunits 1000
	equal "$(<"$(cg_dir 102 cpu)/$file")" "$a"
	berth set 102 --cpuunits 500000
	berth set 102 --cpuunits 8
	refused 21 7 berth set 102 --cpuunits 7
}

@test "cpumask: a VE without one keeps every CPU when an absent one is refused" {
	run_ve 101
	local all
	all=$(shell 101 'sed -n "s/^Cpus_allowed_list:\t//p" /proc/self/status')
	run berth set 101 --cpumask 0,1023
	[[ $status -ne 0 ]]
	equal "$(shell 101 'sed -n "s/^Cpus_allowed_list:\t//p" /proc/self/status')" "$all"
}

@test "cpumask: is in the kernel and seen inside; an absent CPU is refused" {
	requires two_cpus
	run_ve 101 --cpumask 1
	equal "$(<"$(cg_dir 101 cpuset)/cpuset.cpus")" 1
	equal "$(shell 101 'sed -n "s/^Cpus_allowed_list:\t//p" /proc/self/status')" 1
	berth set 101 --cpumask 0
	equal "$(<"$(cg_dir 101 cpuset)/cpuset.cpus")" 0
	equal "$(shell 101 'sed -n "s/^Cpus_allowed_list:\t//p" /proc/self/status')" 0
	run --separate-stderr berth set 101 --cpumask 1023
	[[ $status -ne 0 ]]
	one_line_error cpumask
	equal "$(<"$(cg_dir 101 cpuset)/cpuset.cpus")" 0
	berth set 101 --cpumask all
	equal "$(shell 101 'sed -n "s/^Cpus_allowed_list:\t//p" /proc/self/status')" "0-$(($(nproc) - 1))"
}

@test "numproc: binds, up and down" {
	run_ve 101 --numproc 40
	check_limit 101 numproc 40
	run ! shell 101 'for i in $(seq 60); do sleep 5 & done'
	shell 101 'killall sleep' || :
	berth set 101 --numproc 200
	check_limit 101 numproc 200
	within 5 shell 101 'for i in $(seq 60); do sleep 0.1 & done; wait'
	berth set 101 --numproc 30
	check_limit 101 numproc 30
}

@test "iolimit: is on the VE's own disk, both directions, up, down and off" {
	run_ve 101 --iolimit 10M
	local dev
	dev=$(disk_dev 101)
	equal "$(throttle 101 "$dev" bps)" "$((10 * MIB)) $((10 * MIB))"
	berth set 101 --iolimit 40M
	equal "$(throttle 101 "$dev" bps)" "$((40 * MIB)) $((40 * MIB))"
	berth set 101 --iolimit 5
	equal "$(throttle 101 "$dev" bps)" "$((5 * MIB)) $((5 * MIB))"
	berth set 101 --iolimit 0
	equal "$(throttle 101 "$dev" bps)" 'max max'
}

@test "iolimit: binds buffered writes too" {
	run_ve 101 --iolimit 20M --diskspace 1G
	local t=${EPOCHREALTIME/./}
	shell 101 'dd if=/dev/zero of=/big bs=1M count=60 conv=fsync 2>/dev/null'
	t=$(((${EPOCHREALTIME/./} - t) / 1000))
	((t >= 2000 && t <= 6000 * ${BERTH_PATIENCE:-1})) || fail "60 MiB at 20 MiB/s took $t ms"
}

@test "iolimit: nobody waits for it when the VE is killed" {
	run_ve 101 --iolimit 2M --diskspace 1G --ram 512M
	shell 101 'dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null; sync </dev/null >/dev/null 2>&1 &'
	sleep 1
	within 8 berth stop 101 --fast
}

@test "iopslimit: is on the VE's own disk, both directions, up, down and off" {
	run_ve 101 --iopslimit 100
	local dev
	dev=$(disk_dev 101)
	equal "$(throttle 101 "$dev" iops)" '100 100'
	berth set 101 --iopslimit 1000
	equal "$(throttle 101 "$dev" iops)" '1000 1000'
	berth set 101 --iopslimit 0
	equal "$(throttle 101 "$dev" iops)" 'max max'
}

@test "iolimit: nothing stays in the root group after stop" {
	run_ve 101 --iolimit 10M --iopslimit 100
	local dev mount
	dev=$(disk_dev 101)
	berth stop 101 --fast
	on_v2 io && return
	mount=$(cg_mount x:blkio)
	run ! grep -h "^$dev " "$mount"/blkio.throttle.{read,write}_{bps,iops}_device
}

@test "ioprio: refused, with what would help, where the disk's scheduler keeps no weights" {
	run_ve 101
	local before
	before=$(<"$(conf_of 101)")
	grep -qs '\[bfq\]' "/sys/dev/block/$(mountpoint -d "$(stat -c %m "$ROOT")")/queue/scheduler" &&
		skip 'this disk has BFQ; 38-guarantee.bats measures it'
	run --separate-stderr berth set 101 --ioprio 7 --save
	[[ $status -ne 0 ]]
	one_line_error 'echo bfq >/sys/block/DISK/queue/scheduler'
	equal "$(<"$(conf_of 101)")" "$before" config
	# In a config it keeps no VE from running.
	berth stop 101 --fast
	echo 'IOPRIO="7"' >>"$(conf_of 101)"
	berth start 101
}

@test "set: several limits are rolled back together when one cannot be had" {
	run_ve 101 --ram 512M --cpulimit 50 --numproc 100 --cpuunits 1000
	hold_memory 101 200
	local before
	before=$(<"$(conf_of 101)")
	run --separate-stderr berth set 101 --cpulimit 20 --numproc 60 --cpuunits 500 --ram 64M --save
	[[ $status -ne 0 ]]
	one_line_error 'in use'
	check_limit 101 cpulimit 50
	check_limit 101 numproc 100
	check_limit 101 ram $((512 * MIB))
	equal "$(<"$(conf_of 101)")" "$before" config
}

@test "set --dry-run: says for each key what would happen, and does nothing" {
	run_ve 101 --ram 512M
	local before
	before=$(<"$(conf_of 101)")
	run --separate-stderr -0 berth set 101 --ram 256M --cpulimit 20 --skip-guest-config yes \
		--dry-run --save
	grep -qi 'ram.*live\|live.*ram' <<<"$output"
	grep -qi 'restart' <<<"$output"
	check_limit 101 ram $((512 * MIB))
	check_limit 101 cpulimit none
	equal "$(<"$(conf_of 101)")" "$before" config
}

@test "set: a limit given without --save is gone after a restart" {
	run_ve 101 --ram 256M
	berth set 101 --ram 128M
	check_limit 101 ram $((128 * MIB))
	berth restart 101
	check_limit 101 ram $((256 * MIB))
}

@test "list: shows the limits of a running VE as the kernel has them" {
	run_ve 101 --ram 256M --cpulimit 50 --numproc 77
	equal "$(berth list -H -o physpages.l,cpulimit,numproc.l 101 | tr -s ' ' | sed 's/^ //')" \
		"$((256 * MIB / 4096)) 50 77"
}
