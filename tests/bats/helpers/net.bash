# SPDX-License-Identifier: GPL-2.0-or-later
# Packets between the "host" and VEs.

# Where VEs send to the host what is to be measured there.
host_takes_all() {
	mkdir -p "$ROOT/etc/berth"
	echo 'HOST_SERVICES="all"' >>"$ROOT/etc/berth/berth.conf"
}

# reaches ADDRESS: answers a ping from the host.
reaches() {
	host ping -n -q -c 1 -W 2 "$1" >/dev/null
}

# ping_from ID ADDRESS [OPTION...]: one ping from inside.
ping_from() {
	local id=$1 to=$2
	shift 2
	inside "$id" /bin/ping -c 1 -W 2 "$@" "$to" >/dev/null
}

# Addresses of the VE's link, one per line, without prefix.
addresses_in() {
	shell "$1" 'ip -o addr show dev eth0' | awk '{ sub(/\/.*/, "", $4); print $4 }'
}

# host_link ADDRESS [-6]: name of the link an address is behind.
host_link() {
	host ip ${2:+"$2"} -o route show "$1" | awk '{ print $3; exit }'
}

# flood ID in|out SECONDS: bits per second on the link of a VE with /probe, of a flood that is far
# above any rate, between $VE, its address, and $UPLINK.
flood() {
	local id=$1 way=$2 seconds=$3 port=$((40000 + RANDOM % 20000)) receiver
	if [[ $way == in ]]; then
		inside "$id" /probe net-recv "$VE" "$port" "$seconds" >"$BATS_TEST_TMPDIR/rate" 3>&- &
		receiver=$!
		host "$PROBE" net-send "$VE" "$port" $((seconds + 1))
	else
		host "$PROBE" net-recv "$UPLINK" "$port" "$seconds" >"$BATS_TEST_TMPDIR/rate" 3>&- &
		receiver=$!
		inside "$id" /probe net-send "$UPLINK" "$port" $((seconds + 1))
	fi
	wait "$receiver"
	cat "$BATS_TEST_TMPDIR/rate"
}
