#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Caps on flows, entries of connection tracking and the mail port, counted from outside.
# bats file_tags=root,net

load helpers/load

HOST_IP=198.51.100.1

# flows ID N [PORT] [PROTO]: N flows at once from inside; how many packets the host has got of them.
flows() {
	local id=$1 n=$2 port=${3:-9} proto=${4:-udp} before
	before=$(seen "$port" "$proto")
	nsenter --target "$(init_pid "$id")" --net -- python3 - "$HOST_IP" "$port" "$n" "$proto" 3>&- 4>&- <<'PY'
import socket, sys
ip, port, n, proto = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
keep = []
for i in range(n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if proto == 'udp' else socket.SOCK_STREAM)
    s.setblocking(False)
    keep.append(s)
    if proto == 'udp':
        s.sendto(b'x', (ip, port))
    else:
        s.connect_ex((ip, port))
PY
	echo $(($(seen "$port" "$proto") - before))
}

# What came through to the host, by a table of the test's own behind everything of ours.
watch_host() {
	host_takes_all
	host nft -f - <<'NFT'
table inet berth_seen {
	counter udp9 { }
	counter tcp25 { }
	counter tcp26 { }
	chain in { type filter hook input priority 300;
		udp dport 9 counter name udp9
		tcp dport 25 tcp flags syn counter name tcp25
		tcp dport 26 tcp flags syn counter name tcp26
	}
}
NFT
}

seen() {
	host nft -j list counter inet berth_seen "$2$1" | jq '.nftables[] | .counter? // empty | .packets'
}

teardown() {
	host nft delete table inet berth_seen 2>/dev/null || :
	host ip link del tb0 2>/dev/null || :
	common_teardown
}

effective() {
	berth status -j 101 | jq -r '[.. | .effective? // empty] | first | "\(.flow_rate) \(.conntrack) \(.mail_rate)"'
}

@test "caps: flows in a second, of one VE and not of its neighbour, live" {
	watch_host
	run_ve 101 --ipadd 10.9.0.101 --flow-rate 20
	run_ve 102 --ipadd 10.9.0.102
	local n
	n=$(flows 101 100)
	((n >= 20 && n <= 30)) || fail "of 100 flows $n got through a cap of 20"
	equal "$(flows 102 100)" 100 'of the neighbour'
	berth set 101 --flow-rate 50
	n=$(flows 101 100)
	((n >= 50 && n <= 65)) || fail "of 100 flows $n got through a cap of 50"
	berth set 101 --flow-rate 0
	equal "$(flows 101 100)" 100 'without a cap'
}

@test "caps: entries of connection tracking, from inside and outside" {
	watch_host
	run_ve 101 --ipadd 10.9.0.101 --conntrack 30
	sleep 2.5       # an idle VE keeps its cap: the kernel collects garbage every second
	equal "$(flows 101 100)" 30
	run ! reaches 10.9.0.101
	berth set 101 --conntrack 0
	reaches 10.9.0.101
	equal "$(flows 101 100)" 100
}

@test "caps: the mail port, and no other" {
	watch_host
	run_ve 101 --ipadd 10.9.0.101 --mail-rate 5
	local n
	n=$(flows 101 40 25 tcp)
	((n >= 5 && n <= 6)) || fail "of 40 connections $n got through a cap of 5"
	equal "$(flows 101 40 26 tcp)" 40
}

@test "caps: kept by restart when saved, put back when a set fails, and gone with the VE" {
	run_ve 101 --ipadd 10.9.0.101 --conntrack 500
	berth set 101 --flow-rate 40 --mail-rate 7
	equal "$(effective)" '40 500 7'
	equal "$(berth list -H -o flow_rate,mail_rate | xargs)" '-(40) -(7)'
	BERTH_FAULT=set/netburst run ! berth set 101 --conntrack 9 --flow-rate 0 --netburst 64K
	equal "$(effective)" '40 500 7'
	berth restart 101
	equal "$(effective)" '0 500 0'
	berth set 101 --flow-rate 40
	berth set 101 --netif_add eth1
	equal "$(host nft -j list set inet "berth-$(root_tag)-caps" entries | jq '[.nftables[].set? // empty | .elem[]] | length')" 2 'links with a cap'
	berth stop 101 --fast
	equal "$(host nft -j list table inet "berth-$(root_tag)-caps" | jq '[.nftables[].set? // empty | .elem // [] | .[]] | length')" 0
}

@test "caps: a bridged link refuses them, at start and live" {
	host ip link add tb0 type bridge
	host ip link set tb0 up
	berth network create lan --mode bridged --bridge tb0 --pool 10.70.0.0/24 >/dev/null
	run_ve 101 --network lan --ipadd 10.70.0.101
	refused 5 'bridged link' berth set 101 --flow-rate 10
	refused 5 'bridged link' berth set 101 --conntrack 10 --save
	run ! grep -E 'FLOW_RATE|CONNTRACK' "$(conf_of 101)"
	new_ve 102 --network lan --ipadd 10.70.0.102 --mail-rate 10
	run ! berth start 102
	contains "$output" 'bridged link'
	berth destroy 102
	berth destroy 101 2>/dev/null || { berth stop 101 --fast && berth destroy 101; }
	berth network delete lan
}

@test "caps: no VE with one, no table; one rule set for any number" {
	run_ve 101 --ipadd 10.9.0.101
	run -0 host nft list tables
	lacks "$output" -caps
	berth set 101 --flow-rate 10
	local rules
	rules=$(host nft -j list table inet "berth-$(root_tag)-caps" | jq '[.nftables[].rule? // empty] | length')
	run_ve 102 --ipadd 10.9.0.102 --flow-rate 10 --conntrack 10 --mail-rate 10
	equal "$(host nft -j list table inet "berth-$(root_tag)-caps" | jq '[.nftables[].rule? // empty] | length')" "$rules"
}

@test "caps: bad input" {
	new_ve 101
	local v
	for v in -1 1x 1000001 99999999999999999999 ''; do
		refused 21 flow-rate berth set 101 --flow-rate "$v" --save
		refused 21 conntrack berth set 101 --conntrack "$v" --save
		refused 21 mail-rate berth set 101 --mail-rate "$v" --save
	done
}
