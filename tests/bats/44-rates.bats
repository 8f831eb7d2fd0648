#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Network rates: what a VE can send and receive is measured at the other end.
# bats file_tags=root,net,timing

load helpers/load

UPLINK=198.51.100.1
VE=10.9.0.101
export BATS_TEST_TIMEOUT=$((180 * ${BERTH_PATIENCE:-1}))

# about MEASURED RATE: within 5 %. An emulated processor is too slow to fill every rate.
about() {
	local off=$((($1 - $2) * 1000 / $2)) below=50
	[[ ${BERTH_PATIENCE:-1} -eq 1 ]] || below=1000
	((off <= 50 && off >= -below)) || fail "measured $1 bit/s at a rate of $2: off by $off/1000"
}

# held ID in|out RATE SECONDS: in one of three tries, because on a busy machine the kernel's
# timers may come later than the burst lasts, which only ever costs the VE.
held() {
	local try
	# shellcheck disable=SC2034
	for try in 1 2; do
		about "$(flood "$1" "$2" "$4")" "$3" 2>/dev/null && return
	done
	about "$(flood "$1" "$2" "$4")" "$3"
}

shaped_ve() {
	host_takes_all
	run_ve 101 --ipadd $VE "$@"
	put_probe 101
}

teardown() {
	host ip link del tb0 2>/dev/null || :
	host ip link del "${taken:-none}" 2>/dev/null || :
	common_teardown
}

kernel_rates() {
	berth status -j "${1:-101}" | jq -r '[.. | .effective? // empty] | first | "\(.netrate_in) \(.netrate_out)"'
}

# ifb_of LINK: where what the link receives is sent to.
ifb_of() {
	host tc filter show dev "$1" ingress | sed -n 's/.*Egress Redirect to device \([^)]*\)).*/\1/p'
}

@test "rates: 10 Mbit/s both ways, from the start on, live down and up, and none" {
	shaped_ve --netrate-in 10mbit --netrate-out 10mbit
	held 101 out 10000000 1
	held 101 in 10000000 1
	berth set 101 --netrate-out 4mbit --netrate-in 6mbit
	held 101 out 4000000 1
	held 101 in 6000000 1
	berth set 101 --netrate-out 20mbit --netrate-in 30mbit
	held 101 out 20000000 1
	held 101 in 30000000 1
	berth set 101 --netrate-out 0 --netrate-in 0
	(($(flood 101 out 1) > 100000000)) || fail 'still slow out'
	(($(flood 101 in 1) > 100000000)) || fail 'still slow in'
	run -0 host ip link show type ifb
	equal "$output" '' 'ifb links without a rate'
}

# Large packets that wait for a small bucket would wait for ever, and all behind them.
@test "rates: lowered in a flood of large packets" {
	local way
	shaped_ve --netrate-in 20mbit --netrate-out 20mbit
	for way in in out; do
		flood 101 $way 2 >/dev/null 3>&- &
		sleep 1
		berth set 101 --netrate-$way 2mbit
		wait $!
		held 101 $way 2000000 1
	done
}

@test "rates: 10 Mbit/s both ways on a bridged link" {
	local UPLINK=10.70.0.1 VE=10.70.0.101
	host ip link add tb0 type bridge
	host ip link set tb0 up
	host ip addr add 10.70.0.1/24 dev tb0
	berth network create lan --mode bridged --bridge tb0 --probe no --pool 10.70.0.0/24 >/dev/null
	shaped_ve --network lan --netrate-in 10mbit --netrate-out 10mbit
	reaches $VE
	held 101 out 10000000 1
	held 101 in 10000000 1
}

@test "rates: 100 Mbit/s within 5 % both ways" {
	shaped_ve --netrate-in 100mbit --netrate-out 100mbit
	held 101 out 100000000 1
	held 101 in 100000000 1
}

@test "rates: 1 Mbit/s and 1 Gbit/s (BERTH_LONG=1)" {
	[[ -n ${BERTH_LONG:-} ]] || skip 'takes long, and 10 and 100 Mbit/s are always measured; BERTH_LONG=1 runs it'
	shaped_ve --netrate-in 1mbit --netrate-out 1mbit
	held 101 out 1000000 6
	held 101 in 1000000 6
	# Which a host with other work does not always reach without a rate.
	local way free
	for way in out in; do
		berth set 101 --netrate-in 0 --netrate-out 0
		free=$(flood 101 $way 2)
		berth set 101 --netrate-in 1gbit --netrate-out 1gbit
		if ((free > 2000000000)); then
			held 101 $way 1000000000 3 || held 101 $way 1000000000 3
		else
			(($(flood 101 $way 3) < 1050000000)) || fail "faster than its rate $way"
			echo "# $free bit/s $way without a rate: not shown at 1 Gbit/s" >&3
		fi
	done
}

@test "rates: a restart keeps what was saved, and forgets what was not" {
	shaped_ve --netrate-out 10mbit
	berth set 101 --netrate-in 5mbit --save
	berth set 101 --netrate-out 3mbit
	equal "$(kernel_rates)" '5000000 3000000'
	equal "$(berth list -H -o netrate_out)" '10mbit(3mbit)'
	berth restart 101
	equal "$(kernel_rates)" '5000000 10000000'
	equal "$(conf_value 101 NETRATE_IN)" 5mbit
}

@test "rates: a rate in force without being saved survives a change of another" {
	shaped_ve
	berth set 101 --netrate-out 3mbit
	berth set 101 --netrate-in 7mbit
	equal "$(kernel_rates)" '7000000 3000000'
	# Nor has a link that comes later a way past it.
	berth set 101 --netif_add eth1,,late101
	contains "$(host tc qdisc show dev late101)" 'rate 7Mbit'
	contains "$(host tc qdisc show dev "$(ifb_of late101)")" 'rate 3Mbit'
	berth set 101 --netif_add eth2,,later101 --netrate-in 6mbit
	contains "$(host tc qdisc show dev later101)" 'rate 6Mbit'
	berth set 101 --netrate-in 0 --netrate-out 0 --netif_add eth3,,last101
	lacks "$(host tc qdisc show dev last101)" rate
}

@test "rates: a link of another's with the name of an ifb link stays" {
	host_takes_all
	run_ve 101 --ipadd $VE --netif_add eth1,,wuplink
	put_probe 101
	berth set 101 --netrate-out 5mbit
	taken=$(ifb_of wuplink)
	berth set 101 --netrate-out 0
	host ip link add "$taken" type bridge
	run ! --separate-stderr berth set 101 --netrate-out 5mbit
	one_line_error "$taken"
	host ip link show "$taken" >/dev/null
	berth set 101 --netif_del eth1
	berth set 101 --netrate-out 5mbit
	held 101 out 5000000 1
	berth stop 101 --fast
	host ip link show "$taken" >/dev/null
	run -0 host ip link show type ifb
	equal "$output" ''
}

@test "rates: links whose names differ in the first letter only have each its own" {
	local link
	run_ve 101 --ipadd $VE --netif_add eth1,,alan101
	run_ve 102 --ipadd 10.9.0.102 --netif_add eth1,,blan101
	berth set 101 --netrate-out 5mbit
	berth set 102 --netrate-out 7mbit --save
	equal "$(kernel_rates 101)" '0 5000000'
	equal "$(kernel_rates 102)" '0 7000000'
	berth set 102 --netif_add 'eth2,,rlan101 eth3,,qlan101'
	for link in alan101 blan101 rlan101 qlan101; do
		[[ -n $(ifb_of $link) ]] || fail "$link sends past its rate"
	done
	berth stop 102 --fast
	equal "$(kernel_rates 101)" '0 5000000' 'after the other has gone'
}

@test "rates: the tenant cannot take them away" {
	shaped_ve --netrate-out 5mbit --netrate-in 5mbit
	shell 101 'ip link set eth0 mtu 1400; ip link set eth0 down
		ip link set eth0 up; ip route add 169.254.0.1 dev eth0
		ip route add default via 169.254.0.1 dev eth0 src 10.9.0.101' || :
	equal "$(kernel_rates)" '5000000 5000000'
	(($(flood 101 out 1) < 5400000)) || fail 'faster than its rate out'
	(($(flood 101 in 1) < 5400000)) || fail 'faster than its rate in'
}

@test "rates: forged packets are dropped behind the rate too" {
	shaped_ve --netrate-out 5mbit
	run_ve 102 --ipadd 10.9.0.102
	ping_from 101 $UPLINK
	shell 101 'ip addr add 10.9.0.77/32 dev eth0'
	run ! ping_from 101 $UPLINK -I 10.9.0.77
}

@test "rates: RATE and RATEBOUND of vz" {
	shaped_ve --rate eth0:1:8000
	equal "$(kernel_rates)" '0 0' 'without RATEBOUND'
	berth set 101 --ratebound yes --save
	equal "$(kernel_rates)" '0 8000000'
	berth set 101 --rate '*:1:6000,*:0:100' --save
	equal "$(kernel_rates)" '0 6000000'
	equal "$(conf_value 101 RATE)" '*:1:6000,*:0:100'
	berth set 101 --netrate-out 4mbit
	equal "$(kernel_rates)" '0 4000000' 'netrate-out goes before'
	berth restart 101
	equal "$(kernel_rates)" '0 6000000'
}

@test "rates: a crash leaves nothing of them" {
	shaped_ve --netrate-out 5mbit --netrate-in 5mbit
	local init keeper
	init=$(init_pid 101)
	keeper=$(keeper_pid 101)
	kill -9 "$keeper" "$init"
	within 5 bash -c "! kill -0 $init 2>/dev/null"
	berth stop 101
	run -0 host ip link show type ifb
	equal "$output" ''
}

@test "rates: a set that fails puts them back" {
	shaped_ve --netrate-out 5mbit --netrate-in 5mbit
	BERTH_FAULT=set/netburst run ! berth set 101 --netrate-out 9mbit --netrate-in 0 --netburst 64K
	equal "$(kernel_rates)" '5000000 5000000'
}

@test "rates: bad input" {
	new_ve 101
	local v
	for v in -1 1x 7kbit 7 101gbit 10mbps 1..5m .5m 5.m 10.0000001m 99999999999999999999g ' 5m' ''; do
		refused 21 'netrate-out' berth set 101 --netrate-out "$v" --save
	done
	for v in eth0 eth0:1 :1:800 eth0:1: eth0:16:800 eth0:1:8x 'e/0:1:800' eth0:1:4 12345678901234567:1:800; do
		refused 21 'rate' berth set 101 --rate "$v" --save
	done
	refused 21 netburst berth set 101 --netburst 65M --save
	refused 21 ratebound berth set 101 --ratebound maybe --save
	run ! grep RATE "$(conf_of 101)"
}
