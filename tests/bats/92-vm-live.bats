#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What a virtual machine gains and loses while it runs, from inside and from the kernel's files.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

setup_file() {
	vm_setup_file
}

setup() {
	vm_setup
}

# What the guest's kernel has, in MiB.
ram_inside() {
	shell "$1" "awk '/^MemTotal/ { print int(\$2 / 1024) }' /proc/meminfo"
}

# ram_is ID BASE MIB: the guest has so much more or less than BASE in it; its group what belongs to it.
ram_is() {
	local now
	now=$(($(ram_inside 201) - $2))
	((now >= $3 - 8 && now <= $3 + 8)) || fail "$now MiB beyond the first, not $3" || return
	check_limit "$1" ram $(((160 + 160 + $3) * 1048576 + (160 + $3) * 1048576 / 128))
}

@test "memory: beyond what it was started with and back, as the guest and the control group have it" {
	new_vm 201 --ram 160M --ram-max 512M
	start_vm 201
	local base
	base=$(ram_inside 201)
	equal "$(berth -j status 201 | json '.. | .machine? // empty | strings')" q35
	berth set 201 --ram 304M >/dev/null
	ram_is 201 "$base" 144
	equal "$(berth list -H -o ram 201 | xargs)" '160M(304M)'
	refused 1 'started with --ram-max 512M' berth set 201 --ram 513M
	# What is in use the guest keeps.
	shell 201 'mkdir /full && mount -t tmpfs -o size=170M none /full && dd if=/dev/zero of=/full/x bs=1M count=165 2>/dev/null'
	refused 1 'the guest can spare' berth set 201 --ram 170M
	ram_is 201 "$base" 144
	shell 201 'umount /full'
	berth set 201 --ram 180M --save >/dev/null
	ram_is 201 "$base" 20
	berth set 201 --ram 140M >/dev/null
	ram_is 201 "$base" -20
	# From below the start's to above it, and as a whole or not at all.
	run -3 --separate-stderr host env BERTH_FAULT=set/hostname "$BERTH" --root "$ROOT" set 201 --ram 300M --hostname x
	contains "$stderr" 'injected fault'
	ram_is 201 "$base" -20
	# A guest that takes nothing is waited for as long as told, then all is as it was.
	berth set 201 --ram 160M >/dev/null
	shell 201 'cd /sys/bus/virtio/drivers/virtio_mem && echo virtio* >unbind'
	refused 1 'taken memory up to 160M in 1.5 s, not to 300M; it keeps 160M' \
		berth set 201 --ram 300M --deadline 1500ms
	ram_is 201 "$base" 0
}

# cpus_are ID N LIST: so many may be used at once, and the guest uses these.
cpus_are() {
	check_limit "$1" cpulimit "$(($2 * 100))"
	equal "$(shell "$1" 'cat /sys/devices/system/cpu/online')" "$3"
	equal "$(shell "$1" 'grep -c ^processor /proc/cpuinfo')" "$2"
}

@test "cpus: more and fewer of a machine that runs; what its machine cannot is refused and changes nothing" {
	requires two_cpus
	new_vm 201 --ram 160M --cpus 1 --cpus-max 2 --ipadd 10.5.0.201
	start_vm 201
	equal "$(berth -j status 201 | json '.. | .machine? // empty | strings')" microvm
	cpus_are 201 1 0
	berth set 201 --cpus 2 >/dev/null
	cpus_are 201 2 0-1
	equal "$(berth list -H -o cpus 201 | xargs)" '1(2)'
	refused 2 'want 1 to 2' berth set 201 --cpus 0
	cpus_are 201 2 0-1
	# Lowered first where the guest does it, and put back where it does not.
	run -3 --separate-stderr host env BERTH_FAULT=set/hostname "$BERTH" --root "$ROOT" set 201 --cpus 1 --hostname x
	contains "$stderr" 'injected fault'
	cpus_are 201 2 0-1
	berth set 201 --cpus 1 --save >/dev/null
	cpus_are 201 1 0
	shell 201 'mount -o bind /dev/null /sys/devices/system/cpu/cpu1/online'
	refused 2 'the guest has 1 CPUs in use then, not 2' berth set 201 --cpus 2
	check_limit 201 cpulimit 100

	refused 104 'a microvm gets and loses links when it starts' berth set 201 --netif_add eth1 --save
	contains "$(berth set 201 --netif_add eth1 --dry-run)" 'a microvm gets and loses'
	equal "$(host ip -o link show | grep -c '[.]201[.][0-9]*:')" 1
	refused 1 'no --ram-max above that' berth set 201 --ram 512M --save
	check_limit 201 ram $(((160 + 160) * 1048576 + 160 * 1048576 / 128))
}

# links_are N WANTED: what the host has of 201's links, QEMU as taps, and the guest as names.
links_are() {
	equal "$(host ip -o link show | grep -c '[.]201[.][0-9]*:')" "$1" 'links of the host' || return
	equal "$(find "/proc/$(init_pid 201)/fd" -lname /dev/net/tun | wc -l)" "$1" 'taps of QEMU' || return
	equal "$(shell 201 'ls /sys/class/net | grep -v lo' | xargs)" "$2"
}

@test "links: come and go while a q35 runs; a guest keeps none, and what fails leaves those there were" {
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	berth network create back --mode hostonly --pool 10.70.0.0/24
	new_vm 201 --machine q35 --ipadd 10.5.0.201
	start_vm 201
	run_ve 202 --network back --ipadd 10.70.0.12
	berth set 201 --netif_add eth1 --ifname eth1 --network back --ipadd 10.70.0.11 --save >/dev/null
	links_are 2 'eth0 eth1'
	ping_from 202 10.70.0.11
	reaches 10.5.0.201

	# What went comes back when the whole fails: of a machine, and of a container.
	run -130 --separate-stderr host env BERTH_FAULT=set/links "$BERTH" --root "$ROOT" set 201 --netif_del eth1 --netif_add eth2
	contains "$stderr" 'injected fault'
	links_are 2 'eth0 eth1'
	! BERTH_FAULT='set/links!' berth set 201 --netif_del eth1 --netif_add eth2 2>/dev/null || fail 'not killed'
	berth set 201 --netrate-out 50mbit
	berth recover >/dev/null
	links_are 2 'eth0 eth1'
	run -130 host env BERTH_FAULT=set/links "$BERTH" --root "$ROOT" set 202 --network routed
	within 3 ping_from 202 10.70.0.11

	# Into another network: the same name, another device.
	berth set 201 --netif_del eth1 --network back --ipdel all --ipadd 10.70.0.13 --save >/dev/null
	links_are 1 eth0
	ping_from 202 10.70.0.13
	run ! reaches 10.70.0.11

	berth set 201 --netif_add eth1 >/dev/null
	shell 201 'echo disable >/sys/firmware/acpi/interrupts/gpe01'
	contains "$(berth set 201 --netif_del eth1 --deadline 1s)" 'has not let go of a link, which is cut off'
	links_are 1 'eth0 eth1'
	shell 201 'echo enable >/sys/firmware/acpi/interrupts/gpe01'
	berth set 201 --netif_add eth1 >/dev/null
	links_are 2 'eth0 eth1'
}

@test "machine: one that there is not is refused when it is asked for" {
	new_vm 201
	refused 21 'want auto, microvm or q35' berth set 201 --machine pc --save
	refused 21 'cannot be added to a microvm' berth set 201 --machine microvm --ram-max 512M --save
	refused 21 'is below --ram' berth set 201 --ram-max 128M --save
	refused 21 '--cpus must say' berth set 201 --cpus-max 2 --save
	requires two_cpus
	refused 21 'is below --cpus' berth set 201 --cpus 2 --cpus-max 1 --save
	lacks "$(<"$(conf_of 201)")" MAX
	echo 'RAM_MAX="134217728"' >>"$(conf_of 201)"
	refused 21 'is below --ram' berth start 201 "${VM_START[@]}"
	new_ve 202
	refused 5 'for virtual machines only' berth set 202 --ram-max 512M --save
}
