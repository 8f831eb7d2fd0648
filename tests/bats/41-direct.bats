#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Links past the host: macvlan, and links of the host that are moved in.
# bats file_tags=root,net

load helpers/load

# An end of a pair is the "device" of the host; the other, in a machine of its own, is the wire.
setup() {
	common_setup
	unshare --net sleep 120 3>&- 4>&- &
	WIRE=$!
	within 5 sh -c '[ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/self/ns/net)" ]' - $WIRE
	host ip link add hw0 type veth peer name far0
	host ip link set far0 netns $WIRE
	on_wire sh -c 'ip link set far0 up; ip addr add 10.60.0.1/24 dev far0
		ip -6 addr add fd60::1/64 dev far0 nodad'
}

teardown() {
	kill "$WIRE" 2>/dev/null || :
	common_teardown
	host ip link del hw0 2>/dev/null || :
	host ip link del tb0 2>/dev/null || :
	host ip link del tw0 2>/dev/null || :
}

on_wire() {
	nsenter --target "$WIRE" --net -- "$@" 3>&- 4>&-
}

net_of() {
	nsenter --target "$(init_pid "$1")" --net -- "${@:2}" 3>&- 4>&-
}

at_home() {
	host ip -o link show hw0 >/dev/null 2>&1
}

macvlan_net() {
	host ip link set hw0 up
	berth network create wan --mode macvlan --uplink hw0 --trusted yes \
		--pool '10.60.0.0/24 fd60::/64' --gateway '10.60.0.1 fd60::1' "$@"
}

@test "macvlan: VEs are on the wire, by the addresses and MACs that are theirs" {
	macvlan_net
	run_ve 101 --network wan --ipadd 10.60.0.101 --ipadd fd60::101
	run_ve 102 --network wan --ipadd auto
	on_wire ping -n -q -c 1 -W 2 10.60.0.101 >/dev/null
	on_wire ping -n -q -c 1 -W 2 fd60::101 >/dev/null
	ping_from 101 10.60.0.1
	ping_from 101 10.60.0.2
	equal "$(net_of 101 ip -o link show eth0 | sed -n 's/.*link.ether \([^ ]*\).*/\1/p')" \
		"$(on_wire ip neigh show 10.60.0.101 | awk '{ print $5 }')" MAC
	equal "$(net_of 101 ip route show default | cut -d' ' -f1-5)" 'default via 10.60.0.1 dev eth0'
	# The host and what it lists are not on it; duplicates on the wire are looked for.
	refused 78 10.60.0.1 berth set 101 --ipadd 10.60.0.1 --save
	berth set 101 --ipadd 10.60.0.111 --save
	on_wire ping -n -q -c 1 -W 2 10.60.0.111 >/dev/null
	berth restart 101
	on_wire ping -n -q -c 1 -W 2 10.60.0.111 >/dev/null
}

@test "macvlan: hot add and remove, whatever the VE calls it; isolated ones do not meet" {
	macvlan_net --isolated yes --probe no
	run_ve 101 --ipadd 10.9.0.101
	run_ve 102 --network wan --ipadd 10.60.0.102
	berth set 101 --netif_add eth1 --ifname eth1 --network wan --ipadd 10.60.0.101 --save
	on_wire ping -n -q -c 1 -W 2 10.60.0.101 >/dev/null
	run ! net_of 101 ping -n -q -c 1 -W 1 10.60.0.102
	net_of 101 sh -c 'ip link set eth1 down; ip link set eth1 name other'
	berth set 101 --netif_del eth1 --save
	run ! net_of 101 ip link show other
	reaches 10.9.0.101
}

@test "macvlan: only by who says that nothing filters it, and seen in list and show" {
	refused 20 trusted berth network create wan --mode macvlan --uplink hw0
	refused 20 trusted berth network create wan --mode macvlan --uplink hw0 --trusted no
	refused 20 uplink berth network create wan --mode macvlan --trusted yes
	refused 21 'no such link' berth network create wan --mode macvlan --uplink nolink0 --trusted yes
	refused 20 trusted berth network create wan --mode nat --trusted yes
	refused 20 vlan berth network create wan --mode macvlan --uplink hw0 --trusted yes --vlan 5
	refused 20 host-services berth network create wan --mode macvlan --uplink hw0 --trusted yes \
		--host-services all
	refused 20 uplink berth network create wan --mode nat --uplink hw0
	[[ ! -e $ROOT/etc/berth/networks/wan.conf ]]
	macvlan_net --probe no
	grep -q '^wan  *macvlan  *hw0 ' <<<"$(berth network list)"
	equal "$(berth network show wan -j | jq -r '"\(.mode) \(.trusted)"')" 'macvlan yes'
	contains "$(berth audit list)" 'trusted yes'
	# What the host could not hold is refused, on creation, live and at start.
	run --separate-stderr -5 berth create 101 --ostemplate mini --network wan --netrate-out 1mbit
	one_line_error past
	run_ve 101 --network wan --ipadd 10.60.0.101
	equal "$(berth list -H -o unfiltered 101 | tr -d ' ')" eth0:macvlan:hw0
	refused 130 past berth set 101 --netrate-out 1mbit --save
	refused 130 past berth set 101 --flow-rate 10 --save
	refused 130 past berth network mirror 101 --pcap "$BATS_TEST_TMPDIR/x" --for 1s
	run --separate-stderr -20 berth create 103 --kind vm --ostemplate mini --network wan
	one_line_error containers
}

@test "netdev: a link of the host moves in and back, live and by stop, name and MAC restored" {
	local mac
	mac=$(host ip -o link show hw0 | sed -n 's/.*link.ether \([^ ]*\).*/\1/p')
	run_ve 101 --ipadd 10.9.0.101
	contains "$(berth set 101 --netdev_add hw0 --save)" 'past all filters'
	run ! at_home
	net_of 101 sh -c 'ip link set hw0 up; ip addr add 10.60.0.9/24 dev hw0'
	net_of 101 ping -n -q -c 1 -W 2 10.60.0.1 >/dev/null
	contains "$(conf_value 101 NETIF)" device=hw0
	equal "$(berth list -j 101 | jq -r '.[].unfiltered')" hw0:device:hw0
	new_ve 102
	refused 104 101 berth set 102 --netdev_add hw0 --save
	berth set 101 --netdev_del hw0 --save
	at_home
	lacks "$(conf_value 101 NETIF)" device
	berth set 102 --netdev_add hw0 --save
	berth start 102
	run ! at_home
	net_of 102 sh -c 'ip link set hw0 name eth7; ip link set eth7 address 02:00:00:00:66:66 mtu 1400'
	berth stop 102
	at_home
	run -0 host ip -o link show hw0
	contains "$output" "$mac"
	contains "$output" 'mtu 1500'
	# Once more, with an address of Berth's on it and another name inside.
	sed -i 's/ifname=hw0/ifname=eth1/' "$(conf_of 102)"
	berth set 102 --ifname eth1 --ipadd 10.60.0.8/24 --save
	berth start 102
	on_wire ping -n -q -c 1 -W 2 10.60.0.8 >/dev/null
	berth stop 102 --fast
	berth set 102 --netdev_del hw0 --save
	berth set 101 --netdev_add hw0 --save
	berth destroy 102
}

@test "netdev: is back after init, keeper and command have been killed" {
	run_ve 101 --netdev_add hw0
	run ! at_home
	kill -9 "$(init_pid 101)"
	wait_down 101
	within 5 at_home
	berth start 101
	run ! at_home
	local init keeper
	init=$(init_pid 101) keeper=$(keeper_pid 101)
	kill -9 "$keeper"
	kill -9 "$init"
	within 5 bash -c "! kill -0 $init 2>/dev/null"
	berth start 101
	run ! at_home
	berth stop 101 --fast
	at_home
	# A start that is killed with the link inside, and one that fails.
	BERTH_FAULT=start/device+! run berth start 101
	BERTH_FAULT=start/go run ! berth start 101
	at_home
	berth start 101
	# Its name has been taken meanwhile.
	host ip link add hw0 type veth peer name far1
	berth stop 101 --fast
	host ip link del hw0
	host ip -o link | grep -q ' dev[0-9]*@'
	host ip link set "$(host ip -o link | sed -n 's/.* \(dev[0-9]*\)@.*/\1/p')" name hw0
}

@test "netdev: what cannot be moved is refused, nothing changed" {
	new_ve 101
	local before
	before=$(<"$(conf_of 101)")
	host ip link add tb0 type bridge
	host ip link add tw0 type veth peer name tw1
	host ip link set tw0 master tb0
	refused 104 'no such link' berth set 101 --netdev_add nolink0 --save
	refused 130 ifname berth set 101 --netdev_add lo --save
	refused 104 moved berth set 101 --netdev_add tb0 --save
	refused 104 moved berth set 101 --netdev_add tw0 --save
	refused 21 'no name' berth set 101 --netdev_add 'a,bridge=b' --save
	refused 21 'no name' berth set 101 --netdev_add interface-name-long --save
	refused 104 nolink0 berth set 101 --netdev_del nolink0 --save
	host ip link set tw1 up
	host ip addr add 192.0.2.5/24 dev tw1
	host ip route add default via 192.0.2.6
	refused 104 route berth set 101 --netdev_add tw1 --save
	host ip route del default
	refused 130 past berth set 101 --netdev_add hw0 --netrate-out 1mbit --save
	equal "$(<"$(conf_of 101)")" "$before" config
	host ip link del tw0
	host ip link del tb0
	at_home
}
