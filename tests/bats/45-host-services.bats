#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What a VE reaches of the host itself: what its network lists, and answers, nothing else.
# bats file_tags=root,net

load helpers/load

SCAN=$BATS_TEST_DIRNAME/../scan.py
UP4=198.51.100.1
UP6=2001:db8:100::1

teardown() {
	host nft delete table inet berth_seen 2>/dev/null || :
	[[ ! -s $BATS_TEST_TMPDIR/echo ]] || xargs kill <"$BATS_TEST_TMPDIR/echo" || :
	host ip link del tb0 2>/dev/null || :
	common_teardown
}

net_of() {
	nsenter --target "$(init_pid "$1")" --net -- "${@:2}" 3>&- 4>&-
}

scan() {
	net_of 101 python3 "$SCAN" "$@"
}

# Every port on which something comes through to the host's sockets, behind all of our rules.
watch() {
	host nft -f - <<-'END'
		table inet berth_seen {
			set seen { type inet_proto . inet_service; flags dynamic; size 200000; }
			chain in {
				type filter hook input priority 300;
				meta nfproto ipv6 frag frag-off > 0 accept	# nothing without the first
				iifname != "lo" tcp flags & (syn | ack) == syn update @seen { meta l4proto . th dport }
				iifname != "lo" meta l4proto udp update @seen { meta l4proto . th dport }
			}
		}
	END
}

seen() {
	host nft -j list set inet berth_seen seen |
		jq -r '.nftables[] | .set? // empty | .elem // [] | .[] | .concat | join(":")' | sort | paste -sd' '
	host nft flush set inet berth_seen seen
}

# echo_on PORT CMD...: a datagram service, in the place that CMD gets into.
echo_on() {
	local port=$1
	shift
	"$@" python3 "$SCAN" echo "$port" >"$BATS_TEST_TMPDIR/echo" 3>&- 4>&- &
	within 5 test -s "$BATS_TEST_TMPDIR/echo"
}

bridged_ve() {
	host ip link add tb0 type bridge
	host ip link set tb0 up
	host ip addr add 10.70.0.1/24 dev tb0
	host ip -6 addr add fd70::1/64 dev tb0 nodad
	berth network create lan --mode bridged --bridge tb0 --pool '10.70.0.0/24 fd70::/64' \
		--gateway '10.70.0.1 fd70::1' --probe no "$@"
	run_ve 101 --network lan --ipadd 10.70.0.101 --ipadd fd70::101
}

@test "exposure, routed: of all ports of the host only those that are listed, by any address" {
	watch
	berth network set routed --host-services 'icmp tcp:53,udp:53 tcp:8065'
	run_ve 101 --ipadd 10.9.0.101 --ipadd 2001:db8::101
	scan tcp $UP4
	scan udp $UP4
	equal "$(seen)" 'tcp:53 tcp:8065 udp:53' 'IPv4'
	local gateway
	gateway=$(net_of 101 ip -6 route show default | sed 's/.* via \([^ ]*\) .*/\1/')
	scan tcp "$gateway%eth0" 64
	scan udp "$gateway%eth0" 64
	equal "$(seen)" 'tcp:53 tcp:8065 udp:53' 'link-local address'
	scan udp ff02::1%eth0 64
	scan udp 224.0.0.1 64
	scan udp 255.255.255.255 64
	equal "$(seen)" 'udp:53' 'multicast and broadcast'
	local to
	for to in $UP6 169.254.0.1; do
		scan tcp "$to" 64
		scan udp "$to" 64
	done
	equal "$(seen)" 'tcp:53 tcp:8065 udp:53' 'other addresses'
	ping_from 101 $UP4
	ping_from 101 $UP6
}

@test "exposure: nothing but a ping by default, on each kind of network, and not even that with none" {
	watch
	local mode
	for mode in nat hostonly; do
		berth network create $mode --mode $mode --pool "$([[ $mode == nat ]] && echo 10.71 || echo 10.72).0.0/24"
		run_ve 101 --network $mode --ipadd auto
		scan tcp $UP4 64
		scan udp $UP4 64
		ping_from 101 $UP4
		berth network set $mode --host-services none
		run ! ping_from 101 $UP4 -W 1
		berth stop 101 --fast; berth destroy 101
	done
	equal "$(seen)" ''
	bridged_ve
	scan tcp 10.70.0.1 64
	scan udp 10.70.0.1 64
	scan tcp fd70::1 64
	scan udp ff02::1%eth0 64
	scan udp 10.70.0.255 64
	equal "$(seen)" '' bridged
	ping_from 101 10.70.0.1
	ping_from 101 fd70::1
}

@test "exposure, bridged: the list is the VE's, also where any MAC may send" {
	watch
	bridged_ve --host-services 'tcp:53 udp:53'
	scan tcp 10.70.0.1 64
	scan udp fd70::1 64
	equal "$(seen)" 'tcp:53 udp:53'
	run ! ping_from 101 10.70.0.1 -W 1
	# The same bridge, but another network: with the list of berth.conf.
	echo 'HOST_SERVICES="tcp:1023"' >"$ROOT/etc/berth/berth.conf"
	run_ve 102 --netif_add eth1,,,,tb0 --ipadd 10.9.0.102
	berth set 102 --ifname eth1 --ipadd 10.70.0.102/24 --save
	net_of 102 python3 "$SCAN" tcp 10.70.0.1 64
	equal "$(seen)" 'tcp:1023' 'of a bridge without a network'
	berth set 101 --ifname eth0 --mac_filter off --save
	scan tcp 10.70.0.1 64
	equal "$(seen)" 'tcp:53' 'any MAC may send'
	net_of 101 ip link set eth0 down
	net_of 101 ip link set eth0 address "$(net_of 102 ip -o link show eth1 | sed -n 's/.*link.ether \([^ ]*\).*/\1/p')"
	net_of 101 ip link set eth0 up
	net_of 101 ip addr add 10.70.0.101/24 dev eth0 2>/dev/null || :
	net_of 101 ip neigh replace 10.70.0.1 dev eth0 lladdr \
		"$(host ip -o link show tb0 | sed -n 's/.*link.ether \([^ ]*\).*/\1/p')"
	scan tcp 10.70.0.1 64
	equal "$(seen)" '' "another VE's MAC"
}

@test "host services: what the host opens and asks is answered, TCP and UDP, in fragments too" {
	run_ve 101 --ipadd 10.9.0.101 --ipadd 2001:db8::101
	shell 101 'echo hello >/answer; nc -l -p 80 </answer >/dev/null 2>&1 &' 3>&-
	within 5 host bash -c 'exec 9<>/dev/tcp/10.9.0.101/80; read -r -t 1 x <&9; [[ $x == hello ]]' 2>/dev/null
	reaches 10.9.0.101
	echo_on 5353 net_of 101
	host python3 "$SCAN" ask 10.9.0.101 5353 4430 10
	equal "$(host python3 "$SCAN" ask 10.9.0.101 5353 4445 1000)" 4000
	equal "$(host python3 "$SCAN" ask 2001:db8::101 5353 4446 1000)" 4000
	# Only to the port that has asked, and only the VE that was asked.
	watch
	run_ve 102 --ipadd 10.9.0.102
	scan udp $UP4 15
	net_of 102 python3 "$SCAN" udp $UP4 15
	equal "$(seen)" 'udp:4430 udp:4445'
}

@test "host services, bridged: what the host asks is answered" {
	bridged_ve
	echo_on 5353 net_of 101
	equal "$(host python3 "$SCAN" ask 10.70.0.101 5353 4430 1000)" 4000
	equal "$(host python3 "$SCAN" ask fd70::101 5353 4445 1000)" 4000
	watch
	scan udp 10.70.0.1 15
	# Fragments hide neither port nor sender.
	run ! scan ask 10.70.0.1 9 1234 3000
	run ! scan ask fd70::1 9 1234 3000
	equal "$(seen)" udp:4430
}

@test "host services: the list changes live, also for who is just talking to one" {
	run_ve 101 --ipadd 10.9.0.101
	echo_on 5300 host
	run ! scan ask $UP4 5300 1234 10
	berth network set routed --host-services 'icmp udp:5300'
	equal "$(scan ask $UP4 5300 1234 10)" 40
	scan flood $UP4 5300 1.2 >"$BATS_TEST_TMPDIR/flood" &
	sleep 0.4
	berth network set routed --host-services icmp
	wait $!
	equal "$(<"$BATS_TEST_TMPDIR/flood")" 0 'answers after the change'
	berth network set routed --host-services all
	equal "$(scan ask $UP4 5300 1234 10)" 40
	equal "$(berth network show routed -j | jq -r .host_services)" all
	# An empty list is the default's.
	berth network set routed --host-services ''
	equal "$(berth network show routed -j | jq -r .host_services)" icmp
	run ! scan ask $UP4 5300 1234 10
	# A new default counts from the next start on the network.
	echo 'HOST_SERVICES="udp:5300"' >"$ROOT/etc/berth/berth.conf"
	run_ve 102 --ipadd 10.9.0.102
	equal "$(scan ask $UP4 5300 1234 10)" 40
	berth stop 102 --fast
	equal "$(scan ask $UP4 5300 1234 10)" 40
}

@test "host services: what is no list is refused, nothing changed" {
	local v
	for v in ftp tcp tcp:0 tcp:65536 tcp:1-9 'none tcp:53' "," "$(echo tcp:{1..70})"; do
		refused 21 host-services berth network set routed --host-services "$v"
	done
	[[ ! -e $ROOT/etc/berth/networks/routed.conf ]]
	echo 'HOST_SERVICES="everything"' >"$ROOT/etc/berth/berth.conf"
	run --separate-stderr ! berth list
	contains "$stderr" berth.conf
	rm "$ROOT/etc/berth/berth.conf"
}
