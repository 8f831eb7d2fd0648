#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Copies of VEs, addresses unchanged, on a closed network beside the originals.
# bats file_tags=root,net

load helpers/load

HOST=198.51.100.1

teardown() {
	host ip link del tb0 2>/dev/null || :
	host ip link del hw0 2>/dev/null || :
	host ip link del tw0 2>/dev/null || :
	host sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
	common_teardown
}

net_of() {
	nsenter --target "$(init_pid "$1")" --net -- "${@:2}" 3>&- 4>&-
}

# says ID: its web server on port 80 answers with this.
serve() {
	shell "$1" "mkdir -p /www && echo '$2' >/www/index.html && httpd -p 80 -h /www"
}

# ask ID ADDRESS: what answers there, seen from inside.
ask() {
	net_of "$1" curl -g -s -m 3 "http://$2/" || :
}

mac_of() {
	shell "$1" "cat /sys/class/net/${2:-eth0}/address"
}

# sent ID: bytes of this month by IPv4.
sent() {
	berth traffic "$1" -j | json '.[0].out.ipv4.bytes'
}

# What the host has carried for the VE by IPv4; IPv6 is never still.
carried() {
	berth traffic "$1" -j | jq -c '.[0] | [.in.ipv4.packets, .out.ipv4.packets]'
}

# Two originals that run and answer, and their copies 103 and 104.
fenced_pair() {
	run_ve 101 --hostname one.example --name one --ipadd 10.9.0.101 --ipadd fd09::101 --ram 64M
	run_ve 102 --hostname two.example --ipadd 10.9.0.102 --ipadd fd09::102 --ram 64M
	shell 101 'echo 0123456789abcdef0123456789abcdef >/etc/machine-id; sync'
	berth fence create test 101 102 --live --start "$@" >/dev/null
	serve 101 original-101
	serve 102 original-102
	serve 103 copy-of-101
	serve 104 copy-of-102
}

@test "fence: copies with their addresses reach each other, and nobody else" {
	local id
	fenced_pair
	for id in 101 102; do
		equal "$(conf_value $((id + 2)) IP_ADDRESS)" "$(conf_value "$id" IP_ADDRESS)"
		equal "$(shell $((id + 2)) hostname)" "$(shell "$id" hostname)"
		equal "$(mac_of $((id + 2)))" "$(mac_of "$id")"
		equal "$(addresses_in $((id + 2)))" "$(addresses_in "$id")"
	done
	equal "$(shell 103 'cat /etc/machine-id')" 0123456789abcdef0123456789abcdef
	equal "$(conf_value 103 NAME)" ''
	# Each world meets its own.
	equal "$(ask 101 10.9.0.102)" original-102
	equal "$(ask 103 10.9.0.102)" copy-of-102
	equal "$(ask 104 10.9.0.101)" copy-of-101
	equal "$(ask 103 '[fd09::102]')" copy-of-102
	equal "$(host curl -s -m 3 http://10.9.0.101/)" original-101
	# Neither the host, nor what is behind it.
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	ping_from 101 $HOST
	! ping_from 103 $HOST -W 1 || fail 'the host answers'
	! ping_from 103 10.9.0.77 -W 1 || fail 'somebody answers'
	! ping_from 103 2001:db8:100::1 -W 1 || fail 'the host answers by IPv6'
	run host ip -br link
	lacks "$output" 103.0
	lacks "$output" 104.0
	# What is done to one is done in there; the copy's address is nobody's out here.
	berth set 103 --ipadd 10.9.0.50 --netrate-out 10mbit --save >/dev/null
	within 2 ping_from 104 10.9.0.50
	! reaches 10.9.0.50 || fail 'reached from the host'
	run_ve 105 --ipadd 10.9.0.50
	refused 78 '10.9.0.102: in use by VE 104' berth set 103 --ipadd 10.9.0.102 --save
	berth destroy 105 2>/dev/null || berth stop 105 --fast >/dev/null
	berth fence delete test
	equal "$(ask 101 10.9.0.102)" original-102
	run -0 berth list -a -H -o ctid
	lacks "$output" 103
	# As it was: all of it is free again.
	berth fence create test 101 --live >/dev/null
	berth fence delete test
}

@test "fence: the originals notice nothing" {
	local before
	fenced_pair
	ask 101 10.9.0.102 >/dev/null
	before="$(carried 101) $(carried 102)"
	[[ $before =~ [1-9].*[1-9] ]] || fail "nothing counted: $before"
	for _ in 1 2 3; do
		ask 103 10.9.0.102 >/dev/null
		ask 104 10.9.0.101 >/dev/null
	done
	# All the copies can send, to whomever: everybody they could know of.
	net_of 103 python3 - <<-'END'
		import socket
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
		for to in "10.9.0.101", "10.9.0.102", "169.254.0.1", "198.51.100.1", "255.255.255.255":
		    for _ in range(20):
		        s.sendto(b"x", (to, 9))
	END
	berth stop 103 --fast >/dev/null
	berth start 103 >/dev/null
	equal "$(carried 101) $(carried 102)" "$before"
	run -0 host ip neigh show
	lacks "$output" FAILED
	equal "$(ask 102 10.9.0.101)" original-101
}

@test "fence: a forward leads in, and nothing out" {
	fenced_pair --forward 'tcp:8080=10.9.0.101:80'
	equal "$(host curl -s -m 3 http://$HOST:8080/)" copy-of-101
	equal "$(host curl -s -m 3 http://10.9.0.101/)" original-101
	# From an original, as from anybody who can reach the host.
	equal "$(ask 102 $HOST:8080)" copy-of-101
	# The copies know of the door, and cannot use it.
	local door
	door=$(berth fence list -j | jq -r '.[0].address')
	equal "$(host curl -s -m 3 "http://$door:8080/")" copy-of-101
	! ping_from 103 "${door%.*}.$((${door##*.} - 1))" -W 1 || fail 'the host answers at the door'
	! ping_from 103 $HOST -W 1 || fail 'the host answers'
	# shellcheck disable=SC2016  # the shell's, there
	host sh -c 'echo $$ >"$1"; exec timeout 120 python3 -m http.server --bind 0.0.0.0 8099' - \
		"$BATS_TEST_TMPDIR/server" >/dev/null 2>&1 3>&- &
	within 20 host curl -s -o /dev/null http://$HOST:8099/
	run ask 103 "${door%.*}.$((${door##*.} - 1)):8099"
	equal "$output" ''
	run ask 103 $HOST:8099
	equal "$output" ''
	kill "$(<"$BATS_TEST_TMPDIR/server")"
	# Other ports while all of it runs, none, and one again.
	berth fence set test --forward 'tcp:8081=10.9.0.102:80'
	equal "$(host curl -s -m 3 http://$HOST:8081/)" copy-of-102
	! host curl -s -m 1 http://$HOST:8080/ || fail 'the old port still leads in'
	berth fence set test --forward ''
	! host curl -s -m 1 http://$HOST:8081/ || fail 'a port still leads in'
	run host ip -br link
	lacks "$output" '.1.0@'
	berth fence set test --forward 'tcp:8080=10.9.0.102:80'
	equal "$(host curl -s -m 3 http://$HOST:8080/)" copy-of-102
	# It comes back with the first that starts, and is not there when none runs.
	berth stop 103 104 --fast >/dev/null
	! host curl -s -m 1 http://$HOST:8080/ || fail 'a port leads in without a VE'
	berth start 104 >/dev/null
	serve 104 again
	equal "$(host curl -s -m 3 http://$HOST:8080/)" again
	refused 21 'port 8080 is forwarded by fence test' berth network create n --mode nat \
		--pool 10.55.0.0/24 --forward tcp:8080=10.55.0.5:80
}

@test "fence: bridged, nat and hostonly networks, and several links" {
	host ip link add tb0 type bridge
	host ip link set tb0 up
	host ip addr add 10.70.0.1/24 dev tb0
	berth network create lan --mode bridged --bridge tb0 --pool 10.70.0.0/24 --gateway 10.70.0.1 --probe no
	berth network create back --mode hostonly --pool 10.71.0.0/24
	berth network create out --mode nat --pool 10.72.0.0/24 --forward tcp:8070=10.72.0.102:80
	run_ve 101 --network lan --ipadd 10.70.0.101
	berth set 101 --netif_add eth1 --ifname eth1 --network back --ipadd 10.71.0.101 --save >/dev/null
	run_ve 102 --network lan --ipadd 10.70.0.102
	new_ve 103 --network back --ipadd 10.71.0.103
	new_ve 104 --network out --ipadd 10.72.0.102
	berth fence create test 101-104 --live --first 201 --start --forward tcp:8080=10.70.0.101:80 >/dev/null
	serve 201 copy-of-101
	serve 102 original-102
	ping_from 202 10.70.0.101
	ping_from 201 10.70.0.102
	ping_from 203 10.71.0.101
	ping_from 201 10.71.0.103
	equal "$(mac_of 201 eth1)" "$(mac_of 101 eth1)"
	equal "$(ask 202 10.70.0.101)" copy-of-101
	# The gateway of the bridge is the fence's own.
	ping_from 202 10.70.0.1
	! ping_from 202 $HOST -W 1 || fail 'the host answers'
	! ping_from 204 $HOST -W 1 || fail 'the host answers the nat copy'
	equal "$(host curl -s -m 3 http://$HOST:8080/)" copy-of-101
	equal "$(host curl -s -m 3 http://10.70.0.102/)" original-102
	run -0 host ip -br link show master tb0
	equal "${#lines[@]}" 2
	berth fence delete test
}

@test "fence: what goes past the host outside meets in there, and a device stays where it is" {
	host ip link add hw0 type veth peer name hw1
	host ip link set hw0 up
	berth network create wan --mode macvlan --uplink hw0 --trusted yes --probe no \
		--pool 10.73.0.0/24 --gateway 10.73.0.1 >/dev/null
	new_ve 101 --network wan --ipadd 10.73.0.101
	new_ve 102 --network wan --ipadd 10.73.0.102
	berth fence create test 101 102 --start >/dev/null
	ping_from 103 10.73.0.102
	ping_from 103 10.73.0.1
	run -0 host ip -br link show type macvlan
	equal "$output" ''
	berth fence delete test
	berth -q set 102 --netdev_add hw0 --save 2>/dev/null
	refused 130 'device hw0' berth -q fence create test 101 102
	equal "$(berth fence list -j | jq length)" 0
}

@test "fence: the gateway of a network with a VLAN is in that VLAN, and so is a forward" {
	requires vlan_filtering
	host ip link add tw0 type veth peer name tw1
	berth network create red --mode bridged --uplink tw0 --vlan 10 --pool 10.76.0.0/24 \
		--gateway 10.76.0.1 --probe no >/dev/null
	new_ve 101 --network red --ipadd 10.76.0.101
	new_ve 102 --network red --ipadd 10.76.0.102
	berth fence create test 101 102 --start --forward tcp:8080=10.76.0.101:80 >/dev/null
	serve 103 copy-of-101
	ping_from 104 10.76.0.101
	ping_from 104 10.76.0.1
	equal "$(host curl -s -m 3 http://$HOST:8080/)" copy-of-101
	berth stop 103 104 --fast
	berth start 103 104 >/dev/null
	ping_from 104 10.76.0.1
	berth fence delete test
}

@test "fence: whoever is killed leaves what can be gone on with, or removed" {
	local at
	new_ve 101 --ipadd 10.9.0.101
	new_ve 102 --ipadd 10.9.0.102
	for at in create/config create/ips+ create/disk create/owner create/owner+; do
		! BERTH_FAULT="$at!" berth fence create test 101 102 >/dev/null 2>&1 || fail "not killed at $at"
		berth fence create test 101 102 >/dev/null || fail "not gone on with after $at"
		equal "$(conf_value 104 FENCE)" test
		refused 131 'already exists' berth fence create test 101 102
		berth fence delete test
	done
	! BERTH_FAULT='create/disk!' berth fence create test 101 102 >/dev/null 2>&1 || fail 'not killed'
	berth fence delete test
	berth fence create test 101 102 --forward tcp:8080=10.9.0.101:80 >/dev/null
	for at in fence fence+ network network+ state; do
		! BERTH_FAULT="start/$at!" berth start 103 >/dev/null 2>&1 || fail "not killed at $at"
		berth start 103 104 >/dev/null
		ping_from 103 10.9.0.102
		berth stop 103 104 --fast >/dev/null
		leak_check mounts links
	done
	# A failure is undone as a whole.
	! BERTH_FAULT=create/disk berth fence create more 101 102 >/dev/null 2>&1 || fail 'did not fail'
	run -0 berth fence list
	lacks "$output" more
}

@test "fence: traffic is counted over restarts, limits hold, a mirror sees" {
	fenced_pair
	berth set 103 --netrate-out 20mbit --flow-rate 100 --save >/dev/null
	equal "$(berth status -j 103 | jq -r '[.. | .effective? // empty] | first | .netrate_out')" 20000000
	shell 103 'ping -q -c 50 -i 0.01 -s 1000 10.9.0.102' >/dev/null
	(($(sent 103) >= 50 * 1028)) || fail "only $(sent 103) bytes counted"
	berth stop 103 104 --fast >/dev/null
	berth start 103 104 >/dev/null
	shell 103 'ping -q -c 50 -i 0.01 -s 1000 10.9.0.102' >/dev/null
	(($(sent 103) >= 100 * 1028)) || fail "only $(sent 103) bytes counted after a restart"
	berth network mirror 103 --pcap "$BATS_TEST_TMPDIR/m.pcap" --for 2s -j >"$BATS_TEST_TMPDIR/seen" &
	within 5 grep -qs started "$ROOT/var/log/berth/audit.jsonl"
	sleep 0.2
	shell 103 'ping -q -c 5 -i 0.05 -s 700 10.9.0.102' >/dev/null
	wait $!
	(($(json .frames <"$BATS_TEST_TMPDIR/seen") >= 10)) || fail "$(cat "$BATS_TEST_TMPDIR/seen")"
	refused 20 'behind fence test' berth network mirror 103 --to up0
}

@test "fence: bad input is refused, and nothing is made" {
	new_ve 101 --ipadd 10.9.0.101
	run_ve 102 --ipadd 10.9.0.102
	refused 21 'want a name' berth fence create ../x 101
	refused 14 'does not exist' berth fence create test 101 199
	refused 44 'VE 102 already exists' berth fence create test 101 --first 102
	refused 32 '--live' berth fence create test 101 102
	refused 21 'no VE of fence test has 10.9.0.7' berth fence create test 101 --forward tcp:80=10.9.0.7:80
	refused 21 'no VE of fence test has 10.9.0.102' berth fence create test 101 --forward tcp:80=10.9.0.102:80
	refused 21 'each port once' berth fence create test 101 --forward tcp:99999=10.9.0.101:80
	refused 21 'does not exist' berth fence delete test
	refused 21 'does not exist' berth fence set test --forward ''
	equal "$(berth fence list -j | jq length)" 0
	berth fence create test 101 >/dev/null
	refused 21 'is itself a copy' berth fence create two 103
	refused 71 'name the address' berth set 103 --ipadd auto --save
	equal "$(berth fence list -j | jq -c '.[0].ves')" '[{"original":101,"copy":103}]'
	# A config that names a fence nobody made starts nowhere.
	sed -i 's/FENCE="test"/FENCE="lost"/' "$(conf_of 103)"
	run ! berth start 103
	contains "$output" 'fence lost does not exist'
	sed -i 's/FENCE="lost"/FENCE="test"/' "$(conf_of 103)"
}
