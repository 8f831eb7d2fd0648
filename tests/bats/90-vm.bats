#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Virtual machines: the same verbs as for containers, on a kernel of their own. Starts are slow
# under emulation, so that a test asks one machine many things.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

setup_file() {
	vm_setup_file
}

setup() {
	vm_setup
}

# What the process that is the machine may do, from the kernel.
qemu_field() {
	sed -n "s/^$2:\s*//p" "/proc/$(init_pid "$1")/status"
}

@test "kernel: that of the VE, else of its template, else of the host" {
	local name other=6.0-other dir=$ROOT/var/lib/berth/kernel
	name=$(berth -j kernel list | json -r '.[0].name')
	cp -al "$dir/$name" "$dir/$other"
	refused 91 'not in the store' berth kernel default --template nothing "$other"
	refused 21 'there is none' berth kernel default --template mini 1.0
	refused 21 'for --template' berth kernel default none
	berth kernel default --template mini "$other"
	equal "$(berth -j template show mini | json -r .kernel)" "$other"
	equal "$(berth -j kernel list | json -c "map(select(.name == \"$other\"))[0].templates")" '["mini"]'
	run_vm 201
	equal "$(json -r .kernel <"$ROOT/run/berth/201/state.json")" "$other"
	berth stop 201 --fast >/dev/null
	berth set 201 --kernel "$name" --save >/dev/null
	start_vm 201
	equal "$(json -r .kernel <"$ROOT/run/berth/201/state.json")" "$name"
	berth kernel remove "$other"
	contains "$(berth template show mini)" 'kernel:       -'
}

@test "lifecycle: the verbs mean what they mean for a container" {
	new_vm 201 --ipadd 10.5.0.201 --hostname mach
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
	start_vm 201
	equal "$(status_of 201)" 'CTID 201 exist mounted running'
	run -32 berth start 201 "${VM_START[@]}"
	contains "$(inside 201 /bin/uname -r)" cloud
	equal "$(berth -j status 201 | json -r '.. | .accel? // empty')" tcg
	lacks "$(inside 201 /bin/uname -r)" "$(uname -r)"
	equal "$(inside 201 /bin/hostname)" mach
	equal "$(berth list -H -o ctid,status,ip | xargs)" '201 running 10.5.0.201'
	reaches 10.5.0.201
	ping_from 201 198.51.100.1

	run -7 shell 201 'exit 7'
	run -8 berth exec 201 false
	run -143 shell 201 'kill -TERM $$'
	refused 8 '/no/such' berth exec3 201 /no/such
	equal "$(head -c 300000 /dev/zero | berth exec3 201 /bin/cat | wc -c)" 300000
	equal "$(echo 'echo from-$((1+1))' | berth exec 201 -)" from-2
	equal "$(berth exec3 201 /bin/sh -c 'echo err >&2; echo out' 2>/dev/null)" out

	shell 201 'echo kept >/root/mark'
	run -32 berth destroy 201 --yes
	berth stop 201
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
	start_vm 201
	equal "$(inside 201 /bin/cat /root/mark)" kept
}

# Those behind init wait for a kernel that boots, which takes seconds each under emulation.
vm_steps() {
	local steps
	steps=$(berth --dump-steps | sed -n 's|^start-vm/||p')
	if [[ -n ${BERTH_LONG:-} ]]; then
		echo "$steps"
	else
		sed '/^init$/,$d' <<<"$steps"
	fi
}

@test "faults: a start that fails or is killed at a step leaves nothing, and the next one can" {
	local step mark
	new_vm 201 --ipadd 10.5.0.201
	for mark in '' '+' '+!'; do
		for step in $(vm_steps); do
			run --separate-stderr host env BERTH_FAULT="start-vm/$step$mark" "$BERTH" --root "$ROOT" \
				start 201 "${VM_START[@]}"
			((status != 0)) || fail "started in spite of $step$mark" || return
			[[ $mark == *! ]] || one_line_error 'injected fault' || return
			berth stop 201 --fast >/dev/null 2>&1 || :
			equal "$(status_of 201)" 'CTID 201 exist unmounted down' "after $step$mark" || return
			leak_check mounts loops cgroups links rules processes || fail "after $step$mark" || return
		done
	done
	start_vm 201
	inside 201 /bin/true
}

@test "jail: QEMU is nobody, holds nothing, and has no name to open" {
	run_vm 201
	local pid field
	pid=$(init_pid 201)
	for field in CapInh CapPrm CapEff CapBnd CapAmb; do
		equal "$(qemu_field 201 "$field")" 0000000000000000 "$field"
	done
	equal "$(qemu_field 201 NoNewPrivs)" 1
	equal "$(qemu_field 201 Seccomp)" 2
	[[ $(qemu_field 201 Uid | cut -f1) -ge 100000 ]]
	equal "$(qemu_field 201 Uid | cut -f1)" "$(conf_value 201 LOCAL_UID)"
	equal "$(qemu_field 201 Groups | xargs)" ''
	for field in mnt pid ipc net uts; do
		[[ $(readlink "/proc/$pid/ns/$field") != "$(readlink "/proc/$HOST_PID/ns/$field")" ]] ||
			fail "shares $field"
	done
	# Only lo, and that down: the link is a descriptor.
	equal "$(nsenter -t "$pid" -n ip -o link | wc -l)" 1
	# One mount: an empty root that cannot be written.
	equal "$(wc -l <"/proc/$pid/mounts")" 1
	contains "$(cat "/proc/$pid/mounts")" 'tmpfs / tmpfs ro,'
	equal "$(find "/proc/$pid/root/" -type f -size +0 | wc -l)" 0
	# No descriptor on a file of the host but its log, the two disks and the tap.
	run -1 grep -vE '^(/dev/null|/dev/net/tun|/dev/loop[0-9]+|.*/qemu.log|socket:.*|anon_inode:.*|pipe:.*)$' \
		<(find "/proc/$pid/fd" -printf '%l\n' | grep .)
	lacks "$(tr '\0' ' ' <"/proc/$pid/cmdline")" "$ROOT"
}

@test "jail: capabilities that the caller hands on to what it runs are not QEMU's" {
	new_vm 201
	host setpriv --inh-caps=+sys_admin --ambient-caps=+sys_admin --securebits=+no_setuid_fixup \
		"$BERTH" --root "$ROOT" start 201 "${VM_START[@]}" >/dev/null
	equal "$(sed -n 's/^Cap...:\t//p' "/proc/$(init_pid 201)/status" | sort -u)" 0000000000000000
}

@test "ct, vm, ct, vm: one VE, its files, address and limits" {
	new_ve 201 --ipadd 10.5.0.201 --ram 160M --diskspace 256M --hostname same
	local kind size other turn=0
	for kind in ct vm ct vm; do
		berth set 201 --kind "$kind" --save >/dev/null
		if [[ $kind == vm ]]; then start_vm 201; else berth start 201 >/dev/null; fi
		equal "$(berth list -H -o kind 201 | xargs)" "$kind"
		((turn == 0)) || equal "$(shell 201 'cat /root/list; stat -c %u:%g:%a /root/list')" \
			"$(seq "$turn")"$'\n'"0:0:640"
		shell 201 "echo $((++turn)) >>/root/list; chmod 640 /root/list; rm -f /root/gone$turn.old"
		equal "$(inside 201 /bin/hostname)" same
		reaches 10.5.0.201
		# The plan, as far as whole block groups can say it.
		size=$(disk_field 201 1)
		((size >= 250 * 1024 && size <= 430 * 1024)) || [[ $kind == ct ]] || fail "size $size in $kind"
		if [[ $kind == vm ]]; then other=ct; else other=vm; fi
		refused 32 '--kind: VE 201 is running' berth set 201 --kind "$other" --save
		if [[ $kind == vm ]]; then berth stop 201 >/dev/null; else berth stop 201 --fast >/dev/null; fi
	done
}

@test "full: a machine boots a disk with the whole root, of which the container made all" {
	new_ve 201 --layout full --ram 160M --diskspace 300M
	berth start 201
	shell 201 'echo of-the-container >/root/mark; sync'
	berth stop 201 --fast
	berth set 201 --kind vm --save
	start_vm 201
	equal "$(inside 201 /bin/cat /root/mark)" of-the-container
	# The one disk, on which the root is; no template beside it.
	equal "$(shell 201 'ls /sys/block | grep -c ^vd; grep -c " / ext4 " /proc/mounts')" '1
1'
	shell 201 'echo of-the-machine >/root/mark; sync'
	berth stop 201 --fast
	berth set 201 --kind ct --save
	berth start 201
	equal "$(inside 201 /bin/cat /root/mark)" of-the-machine
}

@test "start: what cannot be a machine is refused in one line" {
	new_vm 201
	refused 5 '--force' berth start 201 --accel tcg
	refused 21 'want kvm or tcg' berth start 201 --accel xen
	berth set 201 --ram 32M --save >/dev/null
	refused 21 'a VM needs' berth start 201 "${VM_START[@]}"
	berth set 201 --ram 160M --kernel 9.9-none --save >/dev/null
	refused 21 'kernel 9.9-none' berth start 201 "${VM_START[@]}"
	rm -rf "$ROOT/var/lib/berth/kernel"
	berth set 201 --kernel '' --save >/dev/null 2>&1 || sed -i /KERNEL=/d "$(conf_of 201)"
	refused 5 'berth kernel import' berth start 201 "${VM_START[@]}"
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
	new_ve 202
	refused 20 '--accel' berth start 202 --accel tcg --force
}

# What the guest's kernel has, in MiB.
ram_inside() {
	shell "$1" "awk '/^MemTotal/ { print int(\$2 / 1024) }' /proc/meminfo"
}

@test "live: memory down and up, the disk up, names and addresses, from inside" {
	new_vm 201 --ram 224M --diskspace 256M --ipadd 10.5.0.201
	start_vm 201
	local full size
	full=$(ram_inside 201)
	berth set 201 --ram 160M --save >/dev/null
	((full - $(ram_inside 201) >= 60)) || fail "still $(ram_inside 201) of $full"
	check_limit 201 ram $(((160 + 160) * 1048576 + 160 * 1048576 / 128))
	berth set 201 --ram 224M --save >/dev/null
	within 5 eval '(($(ram_inside 201) >= full - 2))'
	refused 1 'started with 224M' berth set 201 --ram 512M --save
	# What the guest cannot spare it keeps; nothing inside is killed for it.
	shell 201 'head -c 80000000 /dev/zero >/dev/shm/full'
	refused 1 'the guest can spare' berth set 201 --ram 100M
	shell 201 'rm /dev/shm/full'
	refused 21 'a VM needs' berth set 201 --ram 8M
	check_limit 201 ram $(((160 + 224) * 1048576 + 224 * 1048576 / 128))

	size=$(disk_field 201 1)
	shell 201 'head -c 100000000 /dev/zero >/root/a'
	# As a whole or again: one that QEMU did not answer has made the file larger by then.
	kill -STOP "$(init_pid 201)"
	run ! berth set 201 --diskspace 768M --save
	kill -CONT "$(init_pid 201)"
	berth set 201 --diskspace 768M --save >/dev/null
	(($(disk_field 201 1) >= size + 400000)) || fail "$(disk_field 201 1) of $size KiB"
	refused 154 'while it is stopped' berth set 201 --diskspace 300M --save
	refused 41 'a virtual machine has it' berth compact 201

	berth set 201 --hostname other --ipadd 10.5.0.202 --ipdel 10.5.0.201 --nameserver 192.0.2.53 --save >/dev/null
	equal "$(inside 201 /bin/hostname)" other
	equal "$(addresses_in 201 | grep -v :)" 10.5.0.202
	contains "$(inside 201 /bin/cat /etc/resolv.conf)" 192.0.2.53
	reaches 10.5.0.202
	run ! reaches 10.5.0.201
	berth set 201 --userpasswd 'bob:s3cret' >/dev/null
	contains "$(inside 201 /bin/cat /etc/shadow)" 'bob:$'
	refused 1 'a virtual machine has no such setting' berth set 201 --numproc 100 --save
}

@test "end: a reboot inside starts it again, a poweroff does not, a crash is told and restarted by policy" {
	new_vm 201 --onexit restart
	start_vm 201
	local pid
	pid=$(init_pid 201)
	berth exec 201 reboot >/dev/null
	within 30 eval '[[ $(init_pid 201 2>/dev/null) != "$pid" ]]'
	wait_running 201 30
	equal "$(json .accel <"$ROOT/run/berth/201/state.json")" tcg
	pid=$(init_pid 201)
	kill -KILL "$pid"
	within 30 eval '[[ $(init_pid 201 2>/dev/null) != "$pid" ]]'
	wait_running 201 30
	contains "$(berth events 2>/dev/null || cat "$ROOT/var/log/berth/events.jsonl")" crashed
	# The keeper is only a convenience: a machine goes on without it, the next command has another.
	kill -KILL "$(keeper_pid 201)"
	equal "$(berth exec 201 echo on)" on
	within 5 eval 'berth logs 201 >/dev/null'
	berth exec 201 poweroff >/dev/null
	wait_down 201 20
	run -1 compgen -G "/sys/class/net/b*.201.0"
}

@test "hostile: a QEMU that stands still holds nobody up for longer than told" {
	run_vm 201
	local pid start
	pid=$(init_pid 201)
	kill -STOP "$pid"
	start=$EPOCHREALTIME
	run -3 berth exec 201 true
	(((${EPOCHREALTIME/./} - ${start/./}) / 1000000 < 20 * ${BERTH_PATIENCE:-1})) || fail 'too long'
	equal "$(status_of 201)" 'CTID 201 exist mounted running'
	berth list -a >/dev/null
	kill -CONT "$pid"
	within 10 berth exec 201 true
}

@test "hostile: an agent that says anything holds nobody up for longer than told (BERTH_LONG=1)" {
	[[ -n ${BERTH_LONG:-} ]] || skip 'BERTH_LONG=1; the fuzz target replays what such an agent may say'
	run_vm 201
	local start
	# The tenant puts another program in its place, which answers with noise.
	put 201 /noise <<-'END'
		#!/bin/sh
		sleep 1
		for p in /proc/[0-9]*; do
			[ "$(cat $p/comm)" != berth-agent ] || kill -9 ${p#/proc/}
		done
		for p in /dev/vport*; do
			cat $p >/dev/null &
			cat /dev/urandom >$p &
		done
	END
	shell 201 'setsid /noise >/dev/null 2>&1 </dev/null &'
	sleep 4
	start=$EPOCHREALTIME
	run -3 berth exec 201 true
	berth stop 201 --timeout 3 >/dev/null
	(((${EPOCHREALTIME/./} - ${start/./}) / 1000000 < 40)) || fail 'too long'
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
}

# used_us ID: CPU time of all that is in the VE's node.
used_us() {
	if on_v2 cpu; then
		awk '/^usage_usec/ { print $2 }' "$(cg_dir "$1" cpu)/cpu.stat"
	else
		echo $(($(<"$(cg_dir "$1" cpuacct)/cpuacct.usage") / 1000))
	fi
}

@test "caps: CPU, disk and network of a machine are held by the same settings" {
	host_takes_all
	run_vm 201 --ipadd 10.5.0.201 --diskspace 256M
	local a b t port=40123
	berth set 201 --cpulimit 50 >/dev/null
	shell 201 'while :; do :; done >/dev/null 2>&1 & echo $! >/tmp/pid'
	sleep 0.5
	t=$EPOCHREALTIME a=$(used_us 201)
	sleep 4
	b=$(used_us 201) t=$((${EPOCHREALTIME/./} - ${t/./}))
	((b - a <= t * 525 / 1000)) || fail "used $(((b - a) * 100 / t)) % of a CPU"
	# A busy host may give it less, never more.
	((b - a >= t * 50 / 1000)) || fail "used only $(((b - a) * 100 / t)) % of a CPU"
	shell 201 'kill $(cat /tmp/pid)'
	berth set 201 --cpulimit 0 >/dev/null

	berth set 201 --iolimit 8M >/dev/null
	equal "$(throttle 201 "$(disk_dev 201)" bps)" '8388608 8388608'
	t=$EPOCHREALTIME
	shell 201 'dd if=/dev/zero of=/root/io bs=1M count=24 conv=fsync 2>/dev/null'
	t=$(((${EPOCHREALTIME/./} - ${t/./}) / 1000))
	((t >= 2700)) || fail "24 MiB at 8 MiB/s took $t ms"
	berth set 201 --iolimit 0 >/dev/null

	put_probe 201
	berth set 201 --netrate-out 4mbit >/dev/null
	host timeout 15 "$PROBE" net-recv 198.51.100.1 $port 2 >"$BATS_TEST_TMPDIR/rate" 3>&- &
	t=$!
	inside 201 /probe net-send 198.51.100.1 $port 3
	wait "$t"
	a=$(<"$BATS_TEST_TMPDIR/rate")
	((a <= 4200000 && a >= 2000000)) || fail "$a bit/s at 4 Mbit/s"
}

@test "spoof: what a machine forges goes nowhere, what is its own does" {
	run_vm 201 --ipadd 10.5.0.201 --ipadd fd05::201
	local link
	link=$(host_link 10.5.0.201)
	host nft -f - <<-END
		table inet berth_tap {
			counter seen { }
			chain in { type filter hook prerouting priority -290; iifname "$link" ip protocol icmp counter name seen
				iifname "$link" icmpv6 type echo-request counter name seen; }
		}
		table arp berth_tap {
			counter seen { }
			chain in { type filter hook input priority 10
				iifname "$link" arp saddr ip 10.5.0.99 counter name seen
				iifname "$link" arp saddr ether 02:00:00:00:00:99 counter name seen; }
		}
	END
	group_of() { host ip -o link show dev "$1" | sed -n 's/.* group \([^ ]*\) .*/\1/p'; }
	seen() {
		host nft -j list counter "$1" berth_tap seen | json '.nftables[] | .counter? | select(. != null) | .packets'
	}
	ping_from 201 198.51.100.1
	(($(seen inet) >= 1)) || fail 'its own packets do not arrive either'
	# Of the host a ping and no more, unless it is listed; and its link is its network's.
	host nft add chain inet berth_tap late '{ type filter hook input priority 300; }'
	host nft add rule inet berth_tap late iifname "$link" tcp flags syn counter
	syns() { host nft list chain inet berth_tap late | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'; }
	shell 201 'nc -w 1 198.51.100.1 9 </dev/null' 2>/dev/null || :
	equal "$(syns)" 0 'connections to the host'
	berth network set routed --host-services 'icmp tcp:9'
	shell 201 'nc -w 1 198.51.100.1 9 </dev/null' 2>/dev/null || :
	(($(syns) >= 1)) || fail 'not what is listed either'
	run_ve 202 --ipadd 10.5.0.202
	equal "$(group_of "$link")" "$(group_of "$(host_link 10.5.0.202)")" 'group of the link'
	host nft reset counters table inet berth_tap >/dev/null
	host nft reset counters table arp berth_tap >/dev/null
	# A foreign source address, IPv4 and IPv6; another's ARP; then a foreign MAC under its own address.
	shell 201 'ip addr add 10.5.0.99/32 dev eth0; ping -c 3 -W 1 -I 10.5.0.99 198.51.100.1
		ip -6 addr add fd05::99/128 dev eth0 nodad; ping -6 -c 2 -W 1 -I fd05::99 2001:db8:100::1
		arping -U -c 2 -I eth0 10.5.0.99
		true' >/dev/null 2>&1
	equal "$(seen inet)/$(seen arp)" 0/0 'forged packets in the host'
	shell 201 'ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:99; ip link set eth0 up
		ip route add 169.254.0.1 dev eth0; ip route add default via 169.254.0.1
		ping -c 2 -W 1 -I 10.5.0.201 198.51.100.1; true' >/dev/null 2>&1
	equal "$(seen inet)/$(seen arp)" 0/0 'packets of a foreign MAC in the host'
	host nft delete table inet berth_tap
	host nft delete table arp berth_tap
}

@test "Debian 12: reaches its ready state, obeys live, and stops in order" {
	requires debian_template
	cp -a --reflink=auto "$BERTH_TEMPLATES/." "$ROOT/var/lib/berth/template/"
	berth create 201 --kind vm --ostemplate debian-12 --ram 512M --ipadd 10.5.0.201 --hostname deb >/dev/null
	start_vm 201 --wait=100
	equal "$(berth exec 201 systemctl is-system-running)" running
	equal "$(berth exec 201 systemctl is-active console-getty)" active
	equal "$(berth exec 201 hostname)" deb
	reaches 10.5.0.201
	local full
	full=$(ram_inside 201)
	berth set 201 --ram 320M --diskspace 6G --save >/dev/null
	((full - $(ram_inside 201) >= 180)) || fail "still $(ram_inside 201) of $full"
	(($(disk_field 201 1) > 5 * 1024 * 1024))
	lacks "$(berth stop 201)" Killing
}

@test "fence: a machine's copy has its address, among copies only" {
	new_vm 201 --ipadd 10.5.0.201 --hostname mach
	run_ve 202 --ipadd 10.5.0.202
	berth fence create test 201 202 --live --first 301 >/dev/null
	equal "$(conf_value 301 KIND)" vm
	start_vm 301
	berth start 302 >/dev/null
	equal "$(inside 301 /bin/hostname)" mach
	ping_from 302 10.5.0.201
	ping_from 301 10.5.0.202
	! reaches 10.5.0.201 || fail 'the copy is reached from the host'
	! ping_from 301 198.51.100.1 -W 1 || fail 'the copy reaches the host'
	berth fence delete test
	reaches 10.5.0.202
}
