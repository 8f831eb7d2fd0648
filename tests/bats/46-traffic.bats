#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Traffic counted: against what was captured on the link, and over everything that can end.
# bats file_tags=root,net

load helpers/load

UPLINK=198.51.100.1
UPLINK6=2001:db8:100::1
VE=10.9.0.101
VE6=2001:db8::101

# counted WAY FAMILY: bytes of this month.
counted() {
	berth traffic 101 -j | json ".[0].$1.$2.bytes"
}

capture_start() {
	host "$PROBE" net-capture "$1" >"$BATS_TEST_TMPDIR/capture" 3>&- &
	capture=$!
	sleep 0.3
}

# Bytes captured: to the VE by IPv4 and IPv6, from it by both.
capture_stop() {
	sleep 0.5
	kill "$(pgrep -P "$capture" -f net-capture || echo "$capture")"
	wait "$capture" || :
	read -r in4 in6 out4 out6 missed <"$BATS_TEST_TMPDIR/capture"
	equal "$missed" 0 'packets that the capture missed'
}

# close COUNTED CAPTURED: within 0.1 %.
close() {
	(($2 > 0 && ($1 - $2) * 1000 <= $2 && ($2 - $1) * 1000 <= $2)) ||
		fail "counted $1, captured $2"
}

# Datagrams both ways, small and large pings, and a stream with segments larger than the link's.
mixed_load() {
	inside 101 /probe net-send $UPLINK 9 5 3000000 || :
	host "$PROBE" net-send $VE 9 5 2000000 || :
	ping_from 101 $UPLINK6 -6 -s 1000 || :
	host ping -q -c 20 -i 0.01 -s 900 $VE >/dev/null
	host ping -6 -q -c 300 -i 0.002 -s 1400 $VE6 >/dev/null
	shell 101 'dd if=/dev/zero bs=1k count=3000 2>/dev/null | nc -l -p 5000' 3>&- &
	within 5 host bash -c "cat </dev/tcp/$VE/5000 2>/dev/null >$BATS_TEST_TMPDIR/got"
	wait $! || :
}

@test "traffic: within 0.1 % of a capture over restarts, a crash and a dead keeper" {
	requires ipv6
	run_ve 101 --ipadd $VE --ipadd $VE6
	put_probe 101
	local link in4 in6 out4 out6 missed capture
	link=$(host_link $VE)
	# What the two ends said to each other before the capture is on the bill already.
	local had4 had6 gone4 gone6
	berth stop 101 --fast
	had4=$(counted in ipv4) had6=$(counted in ipv6)
	gone4=$(counted out ipv4) gone6=$(counted out ipv6)
	capture_start "$link"
	berth start 101
	mixed_load
	berth restart 101
	mixed_load
	kill -9 "$(keeper_pid 101)"
	mixed_load
	kill -9 "$(init_pid 101)"
	within 5 bash -c "! kill -0 $(init_pid 101) 2>/dev/null"
	berth start 101
	mixed_load
	capture_stop
	close $(($(counted in ipv4) - had4)) "$in4"
	close $(($(counted in ipv6) - had6)) "$in6"
	close $(($(counted out ipv4) - gone4)) "$out4"
	close $(($(counted out ipv6) - gone6)) "$out6"
	((in4 > 8000000 && out4 > 12000000)) || fail "little was sent: $in4 $out4"
}

@test "traffic: bytes that are known" {
	run_ve 101 --ipadd $VE
	put_probe 101
	local before
	before=$(counted out ipv4)
	inside 101 /probe net-send $UPLINK 9 5 147200
	# 100 datagrams of 1472 bytes with headers of 28; the host's refusals go the other way.
	equal $(($(counted out ipv4) - before)) 150000
}

@test "traffic: the ledger lasts when the host's counters go" {
	run_ve 101 --ipadd $VE
	host ping -q -c 10 -i 0.01 -s 972 $VE >/dev/null
	equal "$(counted in ipv4)" 10000
	host nft delete table inet "berth-$(root_tag)-traffic"
	equal "$(counted in ipv4)" 10000 'after the table was removed'
	host ping -q -c 5 -i 0.01 -s 972 $VE >/dev/null
	equal "$(counted in ipv4)" 15000 'counted on in a new table'
	berth stop 101 --fast
	# As after a reboot: another boot id, and counters from zero.
	host nft delete table inet "berth-$(root_tag)-traffic"
	sed -i 's/"boot_id":"[^"]*"/"boot_id":"00000000-0000-0000-0000-000000000000"/' \
		"$ROOT/var/lib/berth/traffic/101.json"
	berth start 101
	host ping -q -c 1 -s 972 $VE >/dev/null
	equal "$(counted in ipv4)" 16000
}

@test "traffic: days and months" {
	run_ve 101 --ipadd $VE
	host ping -q -c 10 -i 0.01 -s 972 $VE >/dev/null
	berth traffic 101 --fold
	sed -i 's/"day":"[^"]*"/"day":"2026-02-28"/' "$ROOT/var/lib/berth/traffic/101.json"
	host ping -q -c 3 -i 0.01 -s 972 $VE >/dev/null
	equal "$(counted in ipv4)" 3000 'this month'
	run -0 berth traffic 101 --month 2026-02 -j
	equal "$(json '.[0].in.ipv4.bytes' <<<"$output")" 10000
	equal "$(json '.[0].days | length' <<<"$output")" 1
	equal "$(json -r '.[0].days[0].day' <<<"$output")" 2026-02-28
	equal "$(json '.[0].in.ipv4.packets' <<<"$output")" 10
	# A torn line and a line twice, as a power cut at the end of a day leaves them.
	printf '\n2026-02-28 99' >>"$ROOT/var/lib/berth/traffic/101.days"
	run -0 berth traffic 101 --month 2026-02 -j
	equal "$(json '.[0].in.ipv4.bytes' <<<"$output")" 10000
	tail -n +2 "$ROOT/var/lib/berth/traffic/101.days" | head -n 1 >"$BATS_TEST_TMPDIR/line"
	{ echo; cat "$BATS_TEST_TMPDIR/line"; } >>"$ROOT/var/lib/berth/traffic/101.days"
	run -0 berth traffic 101 --month 2026-02 -j
	equal "$(json '.[0].in.ipv4.bytes' <<<"$output")" 10000
}

@test "traffic: a destroyed VE's ledger is kept, a new VE of its number begins at zero" {
	run_ve 101 --ipadd $VE
	host ping -q -c 10 -i 0.01 -s 972 $VE >/dev/null
	berth stop 101 --fast
	berth destroy 101
	run ! grep -q 101.0 <(host nft list table inet "berth-$(root_tag)-traffic")
	equal "$(json .today.in4_bytes <"$ROOT/var/lib/berth/traffic/101.json.destroyed")" 10000
	new_ve 101
	run -0 berth traffic 101 -j
	equal "$(json '.[0].in.bytes, .[0].out.bytes' <<<"$output")" $'0\n0'
}

# counts NAME: how many counters the host has for a link.
counts() {
	host nft list ruleset | grep -c "\"$1\" \." || :
}

pings() {
	host ping -q -c "$1" -i 0.01 -s 972 "$2" >/dev/null
}

@test "traffic: the counters of a link that goes, or gets another name, go with it" {
	local odd=10.9.0.111 other=10.9.0.112
	run_ve 101 --ipadd $VE
	berth set 101 --netif_add eth1,,odd1 --ifname eth1 --ipadd $odd --save
	pings 10 $odd
	# The next who has the name pays for himself.
	berth set 101 --netif_del eth1 --save
	equal "$(counts odd1)" 0
	equal "$(counted in ipv4)" 10000
	run_ve 102 --ipadd 10.9.0.102
	berth set 102 --netif_add eth1,,odd1 --ifname eth1 --ipadd $odd --save
	pings 3 $odd
	equal "$(berth traffic 102 -j | json '.[0].in.ipv4.bytes')" 3000
	# Another name, and two that have exchanged theirs.
	berth set 101 --netif_add eth1,,odd2 --ifname eth1 --ipadd $other --save
	berth set 101 --netif_add eth2,,odd3 --save
	pings 5 $other
	berth set 101 --ifname eth1 --host_ifname odd4 --save
	pings 5 $other
	equal "$(counted in ipv4)" 20000
	equal "$(counts odd2)" 0
	berth stop 101 102 --fast
	sed -i '/^NETIF/{ s/odd3/odd0/; s/odd4/odd3/; s/odd0/odd4/; }' "$(conf_of 101)"
	berth start 101 >/dev/null
	pings 2 $other
	equal "$(counted in ipv4)" 22000
	pings 2 $other
	equal "$(counted in ipv4)" 24000
	# Stopped, killed half way through, and destroyed.
	! BERTH_FAULT='set/links!' berth set 101 --netif_del eth1 2>/dev/null || fail 'not killed'
	berth traffic 101 --fold
	berth set 101 --netif_del eth1 --save
	equal "$(counts odd3)" 0
	equal "$(counted in ipv4)" 24000
	berth stop 101 --fast
	berth set 101 --netif_del eth2 --save
	equal "$(counts odd4)" 0
	berth destroy 102
	equal "$(counts odd1)" 0
}

@test "traffic: the counters of a link that came and was taken back are gone" {
	run_ve 101 --ipadd $VE
	BERTH_FAULT=set/links run ! berth set 101 --netif_add eth1,,odd1
	equal "$(counts odd1)" 0
	! BERTH_FAULT='set/links!' berth set 101 --netif_add eth1,,odd1 2>/dev/null || fail 'not killed'
	(($(counts odd1) > 0)) || fail 'killed before'
	berth set 101 --netrate-in 10mbit
	equal "$(counts odd1)" 0
	! BERTH_FAULT='set/links!' berth set 101 --netif_add eth1,,odd1 2>/dev/null || fail 'not killed'
	kill -9 "$(keeper_pid 101)" "$(init_pid 101)"
	berth stop 101 --fast
	equal "$(counts odd1)" 0
	berth recover >/dev/null
}

# As somebody who was killed after all of it but the end of the note leaves it.
@test "traffic: a destroy that is finished twice keeps all of the ledger" {
	local lib=$ROOT/var/lib/berth
	run_ve 101 --ipadd $VE
	pings 10 $VE
	berth traffic 101 --fold
	sed -i 's/"day":"[^"]*"/"day":"2026-02-28"/' "$lib/traffic/101.json"
	pings 3 $VE
	berth stop 101 --fast
	berth destroy 101
	ln -s destroy "$lib/half/101"
	berth recover >/dev/null
	grep -q '^2026-02-28 10000 ' "$lib/traffic/101.days.destroyed"
	equal "$(json .today.in4_bytes <"$lib/traffic/101.json.destroyed")" 3000
}

@test "traffic: forged packets are on nobody's bill" {
	run_ve 101 --ipadd $VE
	ping_from 101 $UPLINK
	local before
	before=$(counted out ipv4)
	shell 101 'ip addr add 10.9.0.77/32 dev eth0'
	run ! ping_from 101 $UPLINK -I 10.9.0.77
	equal "$(counted out ipv4)" "$before"
}

kernel_rates() {
	berth status -j 101 | jq -r '[.. | .effective? // empty] | first | "\(.netrate_in) \(.netrate_out)"'
}

events_of() {
	jq -r 'select(.veid == 101) | .event' "$ROOT/var/log/berth/events.jsonl" | grep traffic | paste -sd' '
}

# use_up: some 20 KB both ways.
use_up() {
	host ping -q -c 20 -i 0.01 -s 972 $VE >/dev/null
	berth traffic 101 --fold
}

@test "allowance: notify tells once, and nothing else happens" {
	run_ve 101 --ipadd $VE --traffic-limit 10K
	berth traffic 101 --fold
	equal "$(events_of)" ''
	use_up
	use_up
	equal "$(events_of)" traffic-limit
	equal "$(kernel_rates)" '0 0'
	reaches $VE
	run -0 berth traffic 101 -j
	equal "$(json '.[0].limit | .over, .bytes' <<<"$output")" $'true\n10240'
}

@test "allowance: throttle, from then on and over a restart, until the reset day" {
	run_ve 101 --ipadd $VE --netrate-in 100mbit --traffic-limit 10K --traffic-action throttle:1mbit
	equal "$(kernel_rates)" '100000000 0'
	use_up
	equal "$(kernel_rates)" '1000000 1000000'
	berth restart 101
	equal "$(kernel_rates)" '1000000 1000000'
	berth set 101 --netrate-out 500kbit
	equal "$(kernel_rates)" '1000000 500000' 'a lower rate stands'
	# What was used becomes that of a day before the period.
	sed -i 's/"day":"[^"]*"/"day":"2026-02-28"/' "$ROOT/var/lib/berth/traffic/101.json"
	berth traffic 101 --fold
	equal "$(kernel_rates)" '100000000 500000' 'back to what was set before, saved or not'
	berth restart 101
	equal "$(kernel_rates)" '100000000 0' 'to what is saved by a restart'
	equal "$(events_of)" 'traffic-limit traffic-reset'
}

@test "allowance: a rate set without being saved survives it, on every link" {
	run_ve 101 --ipadd $VE --netrate-in 100mbit --traffic-limit 10K --traffic-action throttle:1mbit
	berth set 101 --netif_add eth1
	berth set 101 --netrate-out 5mbit
	local eth1
	eth1=$(host ip -o link show type veth | sed -n 's/^[0-9]*: \([^@]*\.1\)@.*/\1/p')
	use_up
	equal "$(kernel_rates)" '1000000 1000000'
	contains "$(host tc qdisc show dev "$eth1")" 'rate 1Mbit'
	sed -i 's/"day":"[^"]*"/"day":"2026-02-28"/' "$ROOT/var/lib/berth/traffic/101.json"
	berth traffic 101 --fold
	equal "$(kernel_rates)" '100000000 5000000'
	contains "$(host tc qdisc show dev "$eth1")" 'rate 100Mbit'
	# What one link does not obey shows.
	host tc qdisc change dev "$eth1" root tbf rate 3mbit burst 16k limit 100k
	equal "$(kernel_rates)" '3000000 5000000'
}

@test "allowance: throttle, whatever link the tenant has deleted and whichever other VE is in the way" {
	new_ve 101
	run_ve 102 --ipadd 10.9.0.55 --traffic-limit 10K --traffic-action throttle:1mbit
	berth set 102 --netif_add eth1,,late1 --ifname eth1 --ipadd $VE
	host ping -q -c 20 -i 0.01 -s 972 $VE >/dev/null
	echo 'NETIF="what"' >>"$(conf_of 101)"
	shell 102 'ip link del eth0'
	run --separate-stderr berth traffic --all --fold
	sed -i '$d' "$(conf_of 101)"
	equal "$status" 85
	one_line_error NETIF
	contains "$(host tc qdisc show dev late1)" 'rate 1Mbit'
	berth set 102 --netrate-in 500kbit
	contains "$(host tc qdisc show dev late1)" 'rate 500Kbit'
}

# What was written down by somebody who died before the links had their rates.
@test "allowance: a throttle that was marked and not set is set by the next, and so its end" {
	local mark=$ROOT/var/lib/berth/traffic/101.over
	run_ve 101 --ipadd $VE --netrate-in 1234.567kbit --traffic-limit 10K --traffic-action throttle:1mbit
	berth set 101 --netrate-out 5mbit
	host ping -q -c 20 -i 0.01 -s 972 $VE >/dev/null
	echo 2026-12-01 >"$mark"
	equal "$(kernel_rates)" '1234560 5000000'
	berth traffic 101 --fold
	equal "$(kernel_rates)" '1000000 1000000'
	sed -i 's/"day":"[^"]*"/"day":"2026-02-28"/' "$ROOT/var/lib/berth/traffic/101.json"
	rm "$mark"
	berth traffic 101 --fold
	equal "$(kernel_rates)" '1234560 5000000'
	equal "$(events_of)" ''
	# Where nothing is to be done nobody waits for a lock.
	(
		flock 8
		berth traffic 101 --fold
	) 8>>"$ROOT/run/berth/lock/101.lck"
}

@test "allowance: suspend lets nothing through, until it is raised" {
	run_ve 101 --ipadd $VE --traffic-limit 10K --traffic-action suspend --traffic-reset-day 28
	reaches $VE
	use_up
	run ! host ping -n -q -c 1 -W 1 $VE
	run ! inside 101 /bin/ping -c 1 -W 1 $UPLINK
	inside 101 /bin/true
	berth restart 101
	run ! host ping -n -q -c 1 -W 1 $VE
	berth set 101 --traffic-limit 1G --save
	reaches $VE
	ping_from 101 $UPLINK
	run -0 host ip link show type ifb
	equal "$output" ''
	berth set 101 --traffic-limit 11K
	run ! host ping -n -q -c 1 -W 1 $VE
	berth set 101 --traffic-action notify
	reaches $VE
}

@test "traffic: bad input" {
	new_ve 101
	local v
	for v in throttle throttle: throttle:0 throttle:7kbit throttle:fast stop ''; do
		refused 21 traffic-action berth set 101 --traffic-action "$v" --save
	done
	for v in 0 29 -1 x ''; do
		refused 21 traffic-reset-day berth set 101 --traffic-reset-day "$v" --save
	done
	refused 21 traffic-limit berth set 101 --traffic-limit -1 --save
	run ! grep TRAFFIC "$(conf_of 101)"
	local m
	for m in 2026 2026-13 2026-00 2026-1 26-11 2026-11-20 'x026-11' ''; do
		refused 21 month berth traffic 101 --month "$m"
	done
	refused 14 999 berth traffic 999
	refused 27 few berth traffic
}

# A bridge of the "host" that has an address, and VEs on it.
bridged_ve() {
	host ip link add tb0 type bridge
	host sh -c 'echo 1 >/proc/sys/net/ipv6/conf/tb0/disable_ipv6; ip link set tb0 up'
	host ip addr add 10.70.0.1/24 dev tb0
	berth network create lan --mode bridged --bridge tb0 --probe no --pool 10.70.0.0/24 >/dev/null
	run_ve 101 --network lan --ipadd 10.70.0.101
	run_ve 102 --network lan --ipadd 10.70.0.102
	host ping -q -c 1 -W 2 10.70.0.101 >/dev/null
}

teardown() {
	host ip link del tb0 2>/dev/null || :
	common_teardown
}

# known BYTES WHAT: fifteen packets of 1000 bytes, and what the bridge floods (IGMP) besides.
known() {
	(($1 >= 15000 && $1 < 15400)) || fail "$2: $1 of 15000"
}

@test "traffic: of a bridged link, to the host and to a neighbour, with a rate too" {
	local rate before_in before_out
	for rate in 0 50mbit; do
		[[ $rate != 0 ]] || bridged_ve
		berth set 101 --netrate-out $rate --netrate-in $rate
		before_in=$(counted in ipv4) before_out=$(counted out ipv4)
		inside 102 /bin/ping -q -c 10 -i 0.02 -s 972 10.70.0.101 >/dev/null
		host ping -q -c 5 -i 0.02 -s 972 10.70.0.101 >/dev/null
		known $(($(counted in ipv4) - before_in)) "in at $rate"
		known $(($(counted out ipv4) - before_out)) "out at $rate"
	done
	equal "$(berth traffic 102 -j | json '.[0].out.ipv4.packets >= 10')" true
}

@test "traffic: several links add up, in stat, metrics and the ledger" {
	bridged_ve
	local before
	berth set 101 --netif_add eth9,,odd0 --ifname eth9 --ipadd 10.9.0.101
	before=$(counted in ipv4)
	host ping -q -c 5 -i 0.02 -s 972 10.9.0.101 >/dev/null || :
	host ping -q -c 5 -i 0.02 -s 972 10.70.0.101 >/dev/null
	before=$(($(counted in ipv4) - before))
	((before >= 10000 && before < 10400)) || fail "counted $before of 10000"
	run -0 berth stat -j 101
	equal "$(json -c '[.network[].name]' <<<"$output")" '["eth0","eth9"]'
	local sum told after
	sum=$(json '[.network[].rx_packets] | add' <<<"$output")
	((sum >= 10)) || fail "only $sum packets"
	told=$(berth metrics | sed -n 's/^berth_ve_network_received_packets_total{ctid="101".* //p')
	# Neighbours are looked for at any time.
	after=$(berth stat -j 101 | json '[.network[].rx_packets] | add')
	((sum <= told && told <= after)) || fail "metrics tell of $told packets, stat of $sum and $after"
}
