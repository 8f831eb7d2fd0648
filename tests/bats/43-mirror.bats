#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# network mirror: the copy is what went over the link, and nothing is left however it ends.
# bats file_tags=root,net

load helpers/load

PCAP() { echo "$BATS_TEST_TMPDIR/m.pcap"; }
MONITOR=

teardown() {
	[[ -z $MONITOR ]] || kill -9 "$MONITOR" 2>/dev/null || :
	host ip addr del 10.9.9.1/32 dev lo 2>/dev/null || :
	host ip link del mon0 2>/dev/null || :
	common_teardown
}

# frames: of a pcap file, as "length ethertype icmp-type" of the IPv4 ones.
frames() {
	python3 - "$1" <<'PY'
import struct, sys
data = open(sys.argv[1], 'rb').read()
magic, major, minor, _, _, snap, kind = struct.unpack('=IHHIIII', data[:24])
assert (magic, major, minor, kind) == (0xa1b2c3d4, 2, 4, 1), 'head'
at = 24
while at < len(data):
    sec, usec, n, whole = struct.unpack('=IIII', data[at:at + 16])
    assert usec < 1000000 and sec > 1700000000 and n == whole, 'frame'
    f = data[at + 16:at + 16 + n]
    assert len(f) == n, 'torn'
    at += 16 + n
    proto = f[12:14].hex()
    print(n, proto, f[34] if proto == '0800' and f[23] == 1 else '-')
PY
}

# mirrors N: so many sockets of the host take frames of every protocol.
mirrors() {
	[[ $(host awk '$4 == "0003"' /proc/net/packet | wc -l) -eq $1 ]]
}

# mirror ARGS...: in the background, until it takes frames.
mirror() {
	nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" network mirror "$@" \
		>"$BATS_TEST_TMPDIR/out" 3>&- 4>&- &
	MONITOR=$!
	within 5 mirrors 1
}

# a pair whose other end is read: what leaves mon0 arrives at mon1.
monitor_link() {
	host ip link add mon0 type veth peer name mon1
	host sh -c 'for l in mon0 mon1; do
		echo 1 >/proc/sys/net/ipv6/conf/$l/disable_ipv6; ip link set $l up; done'
}

# Before 6.2 no virtio_net_hdr stands for large segments of UDP: such a frame is counted as dropped.
describes_udp_segments() {
	printf '6.2\n%s\n' "$(uname -r)" | sort -CV
}

received() {
	host ip -s -j link show mon1 | jq '.[0].stats64.rx.packets'
}

@test "mirror: a file has each frame once, both ways, with rates and without" {
	run_ve 101 --ipadd 10.9.0.101
	host ip addr add 10.9.9.1/32 dev lo
	ping_from 101 10.9.9.1
	local rate
	for rate in 0 5mbit; do
		rm -f "$(PCAP)" "$ROOT/var/log/berth/audit.jsonl"
		berth set 101 --netrate-in $rate --netrate-out $rate
		rm -f "$ROOT/var/log/berth/audit.jsonl"
		mirror 101 --pcap "$(PCAP)" --for 2s -j
		inside 101 /bin/ping -c 5 -i 0.05 -s 333 10.9.9.1 >/dev/null
		wait "$MONITOR"
		equal "$(frames "$(PCAP)" | grep -c '^375 0800 8$')" 5 "requests at $rate"
		equal "$(frames "$(PCAP)" | grep -c '^375 0800 0$')" 5 "replies at $rate"
		equal "$(json .end <"$BATS_TEST_TMPDIR/out")" time
		equal "$(json .frames <"$BATS_TEST_TMPDIR/out")" "$(frames "$(PCAP)" | wc -l)"
		equal "$(json .dropped <"$BATS_TEST_TMPDIR/out")" 0
	done
	equal "$(stat -c %a "$(PCAP)")" 600
}

@test "mirror: to a link, large segments too; killed it leaves nothing" {
	run_ve 101 --ipadd 10.9.0.101
	put_probe 101
	monitor_link
	mirror 101 --to mon0 --for 5m -j
	host "$PROBE" net-recv 198.51.100.1 47017 1 >/dev/null 3>&- &
	inside 101 /probe net-send 198.51.100.1 47017 1 >/dev/null
	wait $! || :
	if describes_udp_segments; then
		(($(received) > 100)) || fail "only $(received) frames arrived"
	else
		kill -TERM "$MONITOR"
		wait "$MONITOR"
		(($(json .dropped <"$BATS_TEST_TMPDIR/out") > 100)) || fail "$(<"$BATS_TEST_TMPDIR/out")"
		mirror 101 --to mon0 --for 5m -j
	fi
	kill -9 "$MONITOR"
	wait "$MONITOR" || :
	local before
	run -0 host tc qdisc show dev "$(host_link 10.9.0.101)"
	lacks "$output" clsact
	before=$(received)
	ping_from 101 198.51.100.1
	equal "$(received)" "$before" 'frames after the kill'
}

@test "mirror: two that point at each other do not fill the links" {
	run_ve 101 --ipadd 10.9.0.101
	run_ve 102 --ipadd 10.9.0.102
	local one two pid
	one=$(host_link 10.9.0.101)
	two=$(host_link 10.9.0.102)
	mirror 101 --to "$two" --for "${BERTH_PATIENCE:-1}s" -j
	pid=$MONITOR
	berth network mirror 102 --to "$one" --for "${BERTH_PATIENCE:-1}s" -j >"$BATS_TEST_TMPDIR/out2" &
	within 5 mirrors 2
	ping_from 101 198.51.100.1
	wait "$pid" "$!"
	(($(json .frames <"$BATS_TEST_TMPDIR/out") < 100)) || fail "copies of copies: $(<"$BATS_TEST_TMPDIR/out")"
	(($(json .frames <"$BATS_TEST_TMPDIR/out") >= 2))
}

@test "mirror: ends with the VE, on SIGTERM, and when the file is full" {
	run_ve 101 --ipadd 10.9.0.101
	mirror 101 --pcap "$(PCAP)" -j
	kill -TERM "$MONITOR"
	wait "$MONITOR"
	equal "$(json .end <"$BATS_TEST_TMPDIR/out")" stopped
	rm "$(PCAP)"
	mirror 101 --pcap "$(PCAP)" --max-size 4K -j
	inside 101 /bin/ping -c 5 -i 0.05 -s 1400 198.51.100.1 >/dev/null
	wait "$MONITOR"
	equal "$(json .end <"$BATS_TEST_TMPDIR/out")" full
	(($(stat -c %s "$(PCAP)") <= 4096 + 24))
	frames "$(PCAP)" >/dev/null
	rm "$(PCAP)"
	mirror 101 --pcap "$(PCAP)" -j
	berth stop 101 --fast
	wait "$MONITOR"
	equal "$(json .end <"$BATS_TEST_TMPDIR/out")" link-gone
	run -0 berth network mirror 101 --help
	contains "$output" 'max-size'
}

@test "mirror: the audit log has who began it although it was killed" {
	run_ve 101
	mirror 101 --pcap "$(PCAP)"
	kill -9 "$MONITOR"
	wait "$MONITOR" || :
	equal "$(jq -c 'select(.verb == "network mirror") | .args[-4:]' "$ROOT/var/log/berth/audit.jsonl")" \
		"[\"101\",\"--pcap\",\"$(PCAP)\",\"started\"]"
	rm "$(PCAP)"
	berth network mirror 101 --pcap - --for 100ms >"$(PCAP)"
	frames "$(PCAP)" >/dev/null
	equal "$(jq -c 'select(.verb == "network mirror") | .exit' "$ROOT/var/log/berth/audit.jsonl" | wc -l)" 3
	run -0 berth audit verify
}

@test "mirror: bad input" {
	run_ve 101
	new_ve 102
	touch "$(PCAP)"
	ln -s /etc/passwd "$BATS_TEST_TMPDIR/link"
	local own
	own=$(host ip -o link show type veth | sed -n 's/^[0-9]*: \(b[^@]*\.0\)@.*/\1/p' | head -1)
	refused 27 'one of' berth network mirror 101
	refused 20 'one of' berth network mirror 101 --to x --pcap y
	refused 104 'does not exist' berth network mirror 101 --to nothere0
	refused 104 'is the link' berth network mirror 101 --to "$own"
	refused 104 'no Ethernet' berth network mirror 101 --to lo
	host ip link add mon0 type bridge
	refused 104 bridge berth network mirror 101 --to mon0
	refused 21 'already' berth network mirror 101 --pcap "$(PCAP)"
	refused 21 'already' berth network mirror 101 --pcap "$BATS_TEST_TMPDIR/link"
	refused 3 nowhere berth network mirror 101 --pcap "$BATS_TEST_TMPDIR/nowhere/x"
	refused 21 for berth network mirror 101 --pcap x --for 25h
	refused 130 eth7 berth network mirror 101 --ifname eth7 --pcap x
	refused 31 running berth network mirror 102 --pcap x
	refused 14 103 berth network mirror 103 --pcap x
	refused 20 'both' berth network mirror 101 --pcap - -j
	refused 21 name berth network mirror 101 --to aaaaaaaaaaaaaaaaa
	run ! test -e x
}
