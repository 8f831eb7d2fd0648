#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Networks as objects, their addresses, several links, and what gets through the filters.
# bats file_tags=root,net

load helpers/load

# Under BERTH_LONG there are 500 VEs to make and to destroy.
[[ -z ${BERTH_LONG:-} ]] || BATS_TEST_TIMEOUT=$((15 * BATS_TEST_TIMEOUT))
FRAMES=$BATS_TEST_DIRNAME/../frames.py
TIMES=5

# A bridge of the "host" with a gateway on it and a wire that leads out.
host_bridge() {
	host ip link add tb0 type bridge
	host ip link add tw0 type veth peer name tw1
	host ip link set tw0 master tb0
	host sh -c 'for l in tb0 tw0 tw1; do
		echo 1 >/proc/sys/net/ipv6/conf/$l/disable_ipv6; ip link set $l up; done'
	host ip addr add 10.70.0.1/24 dev tb0
	# br_netfilter cuts off what is behind an IP packet, and with it the frames' marks.
	host sh -c 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do
		[ ! -e $f ] || echo 0 >$f; done'
}

teardown() {
	[[ ${#CATCHERS[@]} -eq 0 ]] || kill "${CATCHERS[@]}" 2>/dev/null || :
	host umount "$ROOT/etc/berth/networks" 2>/dev/null || :
	host ip link del tb0 2>/dev/null || :
	host ip link del tw0 2>/dev/null || :
	host nft delete table inet berth_tap 2>/dev/null || :
	host nft delete table arp berth_tap 2>/dev/null || :
	host sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
	common_teardown
}

net_of() {
	nsenter --target "$(init_pid "$1")" --net -- "${@:2}" 3>&- 4>&-
}

mac_of() {
	net_of "$1" ip -o link show "${2:-eth0}" | sed -n 's/.*link.ether \([^ ]*\).*/\1/p'
}

# catch NAME CMD...: what arrives at a link, into $BATS_TEST_TMPDIR/NAME; CMD gets into the place.
CATCHERS=()
catch() {
	local name=$1
	shift
	mkfifo "$BATS_TEST_TMPDIR/$name.stop"
	"$@" <"$BATS_TEST_TMPDIR/$name.stop" >"$BATS_TEST_TMPDIR/$name" 3>&- 4>&- &
	CATCHERS+=($!)
	exec {fd}>"$BATS_TEST_TMPDIR/$name.stop"
	STOP+=("$fd")
	within 5 grep -q ready "$BATS_TEST_TMPDIR/$name"
}

stop_catching() {
	local fd
	sleep 0.2
	for fd in "${STOP[@]}"; do
		exec {fd}>&-
	done
	wait "${CATCHERS[@]}"
	CATCHERS=() STOP=()
}

caught() {
	grep -v ready "$BATS_TEST_TMPDIR/$1" || :
}

# send ID legal|forged VICTIM [MORE...]
send() {
	local id=$1 kind=$2 victim=$3
	shift 3
	net_of "$id" python3 "$FRAMES" send eth0 "$kind" "$TIMES" mac="$(mac_of "$id")" \
		ip4="10.70.0.$id" ip6="fd70::$id" vmac="${VMAC:-$(mac_of "$victim")}" vip4="10.70.0.$victim" \
		vip6="fd70::$victim" "$@"
}

bridged_pair() {
	host_bridge
	berth network create lan --mode bridged --bridge tb0 --pool '10.70.0.0/24 fd70::/64' \
		--gateway 10.70.0.1 --probe no
	run_ve 101 --network lan --ipadd 10.70.0.101 --ipadd fd70::101
	run_ve 102 --network lan --ipadd 10.70.0.102 --ipadd fd70::102
}

@test "spoof, bridged: nothing forged reaches neighbour, host or wire" {
	bridged_pair
	catch neighbour net_of 102 python3 "$FRAMES" catch eth0
	catch bridge host python3 "$FRAMES" catch tb0
	catch wire host python3 "$FRAMES" catch tw1
	run -0 send 101 forged 102 wire=bridged
	[[ $output -ge 200 ]] || fail "only $output frames sent"
	stop_catching
	equal "$(caught neighbour)" '' 'forged frames at the neighbour'
	equal "$(caught bridge)" '' 'forged frames at the host'
	equal "$(caught wire)" '' 'forged frames on the wire'
}

@test "spoof, bridged: everything legal reaches the neighbour" {
	bridged_pair
	catch neighbour net_of 102 python3 "$FRAMES" catch eth0
	run -0 send 101 legal 102 wire=bridged
	stop_catching
	equal "$(caught neighbour | awk '{ n += $2 } END { print n }')" "$output" 'legal frames'
	equal "$(caught neighbour | awk -v t=$TIMES '$2 != t')" '' 'cases not complete'
	ping_from 101 10.70.0.1
	ping_from 101 10.70.0.102
	ping_from 101 fd70::102
}

# Count what the host's stack gets from the link behind the filter, less what the VE's kernel asks
# for by itself; the frames of the tests speak to all nodes where that asks one.
tap() {
	host nft -f - <<-END
		table inet berth_tap {
			counter packets_ip { }
			chain in {
				type filter hook prerouting priority -290;
				iifname "$1" ip protocol { tcp, udp } counter name packets_ip
				iifname "$1" meta l4proto { tcp, udp } ip6 version 6 counter name packets_ip
				iifname "$1" icmpv6 type { 133, 143 } accept
				iifname "$1" icmpv6 type { 135, 136 } ip6 daddr != ff02::1 accept
				iifname "$1" meta l4proto ipv6-icmp counter name packets_ip
				iifname "$1" ip protocol icmp counter name packets_ip
			}
		}
		table arp berth_tap {
			counter packets_arp { }
			chain in { type filter hook input priority 10; iifname "$1" counter name packets_arp; }
		}
	END
}

tapped() {
	host nft -j list counter "$1" berth_tap "$2" |
		json '.nftables[] | .counter? | select(. != null) | .packets'
}

routed_pair() {
	run_ve 101 "$@" --ipadd 10.70.0.101 --ipadd fd70::101
	run_ve 102 "$@" --ipadd 10.70.0.102 --ipadd fd70::102
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	tap "$(host_link 10.70.0.101)"
}

spoof_routed() {
	routed_pair "$@"
	# What is meant for others goes to the host's end of the link, as a VE would send it.
	local VMAC
	VMAC=$(host ip -o link show "$(host_link 10.70.0.101)" | sed -n 's/.*link.ether \([^ ]*\).*/\1/p')
	catch neighbour net_of 102 python3 "$FRAMES" catch eth0
	run -0 send 101 forged 102
	stop_catching
	equal "$(tapped inet packets_ip)/$(tapped arp packets_arp)" 0/0 'forged packets in the host'
	equal "$(caught neighbour)" '' 'forged frames at the neighbour'
	run -0 send 101 legal 102
	# Its own ARP may come on top.
	equal "$(tapped inet packets_ip)" "$((${CASES:-9} * TIMES))" 'legal packets in the host'
	[[ $(tapped arp packets_arp) -ge $((3 * TIMES)) ]]
	ping_from 101 10.70.0.102
}

@test "spoof, routed: nothing forged reaches host or neighbour, everything legal does" {
	spoof_routed
}

@test "spoof, hostonly: nothing forged, everything legal" {
	berth network create back --mode hostonly --pool '10.70.0.0/24 fd70::/64'
	spoof_routed --network back
}

@test "spoof, nat: nothing forged, everything legal" {
	berth network create nat --mode nat --pool '10.70.0.0/24 fd70::/64'
	CASES=7 spoof_routed --network nat	# lone fragments wait for the rest to be translated
}

# Beside 101, which forges, and 102, its victim: 103 starts, forges from its first moment on, and
# stops or crashes in the middle of it; links, addresses and switches come and go in the tables.
churn() {
	local n pid
	for n in 1 2 3; do
		berth start 103 >/dev/null
		pid=$(init_pid 103)
		(TIMES=40 send 103 forged 102 "$@" >>"$BATS_TEST_TMPDIR/sent" 2>/dev/null) 3>&- 4>&- &
		berth -q set 101 --netif_add eth1 --ifname eth1 --network "$NETWORK" --ipadd 10.70.0.111 --save
		berth -q set 102 --ipadd 10.70.0.112 --save
		berth -q set 104 --ifname eth0 --ip_filter off --save
		berth -q set 104 --ifname eth0 --ip_filter on --save
		berth -q set 102 --ipdel 10.70.0.112 --save
		berth -q set 101 --netif_del eth1 --save
		if ((n == 2)); then berth stop 103 --fast >/dev/null; else kill -9 "$pid"; fi
		wait_down 103
		wait $! || :
	done
}

# More than this must have been sent, or nothing was shown.
sent_at_least() {
	local sent
	sent=$(awk '{ n += $1 } END { print n + 0 }' "$BATS_TEST_TMPDIR/sent")
	((sent >= $1)) || fail "only $sent forged frames sent"
}

@test "spoof, bridged: nothing forged, all that is legal, while links and VEs come and go" {
	local NETWORK=lan n forged=(wire=bridged)
	# Where the kernel cannot follow a flood it drops what else comes.
	[[ ${BERTH_PATIENCE:-1} -eq 1 ]] || forged+=(pause=0.05)
	bridged_pair
	for n in 103 104; do
		new_ve $n --network lan --ipadd 10.70.0.$n --ipadd fd70::$n
	done
	berth start 104 >/dev/null
	catch neighbour net_of 102 python3 "$FRAMES" catch eth0
	catch wire host python3 "$FRAMES" catch tw1
	(TIMES=400 send 101 forged 102 "${forged[@]}" >"$BATS_TEST_TMPDIR/sent") 3>&- 4>&- &
	local forger=$!
	(TIMES=150 send 104 legal 102 wire=bridged pause=0.01 >"$BATS_TEST_TMPDIR/legal") 3>&- 4>&- &
	local sender=$!
	churn "${forged[@]}"
	wait $forger $sender
	stop_catching
	sent_at_least 10000
	equal "$(caught neighbour | awk '{ n += $2 } END { print n }')" "$(<"$BATS_TEST_TMPDIR/legal")" 'legal frames'
	equal "$(caught neighbour | awk '$2 != 150')" '' 'at the neighbour besides'
	equal "$(caught wire | grep -vFf <(caught neighbour | sed 's/ .*/ /') || :)" '' 'on the wire besides'
}

@test "spoof, routed: nothing forged, all that is legal, while links and VEs come and go" {
	local NETWORK=routed n VMAC
	routed_pair
	for n in 103 104; do
		new_ve $n --ipadd 10.70.0.$n --ipadd fd70::$n
	done
	berth start 104 >/dev/null
	host sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	VMAC=$(host ip -o link show "$(host_link 10.70.0.101)" | sed -n 's/.*link.ether \([^ ]*\).*/\1/p')
	(TIMES=400 send 101 forged 102 >"$BATS_TEST_TMPDIR/sent") 3>&- 4>&- &
	local forger=$! pings=()
	for n in 10.70.0.102 fd70::102 169.254.0.1; do
		net_of 104 ping -n -q -c 150 -i 0.02 -W 5 $n >"$BATS_TEST_TMPDIR/ping-$n" &
		pings+=($!)
	done
	churn
	wait $forger "${pings[@]}"
	sent_at_least 10000
	equal "$(tapped inet packets_ip)/$(tapped arp packets_arp)" 0/0 'forged packets in the host'
	equal "$(grep -h '0% packet loss' "$BATS_TEST_TMPDIR"/ping-* | grep -c ' 150 received')" 3 'legal pings'
	host sh -c 'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'
}

@test "filter: switches and allowed networks of a link, live" {
	bridged_pair
	from() { net_of 101 ping -n -q -c 1 -W 1 -I "$1" 10.70.0.102 >/dev/null; }
	net_of 101 ip addr add 10.88.0.1/32 dev eth0
	net_of 102 ip route add 10.88.0.0/16 dev eth0
	run ! from 10.88.0.1
	berth set 101 --ifname eth0 --allow 10.88.0.0/24 --save
	from 10.88.0.1
	net_of 101 ip addr add 10.88.1.1/32 dev eth0
	run ! from 10.88.1.1
	berth set 101 --ifname eth0 --ip_filter off --save
	from 10.88.1.1
	berth set 101 --ifname eth0 --ip_filter on --save
	run ! from 10.88.1.1
	contains "$(conf_value 101 NETIF)" allow=10.88.0.0/24
	# A set that fails leaves nothing open, and nothing closed.
	BERTH_FAULT=set/links run ! berth set 101 --ifname eth0 --ip_filter off --allow 10.88.8.0/24 --netif_add eth2
	run ! from 10.88.1.1
	from 10.88.0.1
}

@test "pool: auto takes the next free address, what comes back is handed out again" {
	berth network create small --mode nat --pool 10.71.0.0/29
	local n
	for n in 1 2 3 4 5 6; do
		new_ve "10$n" --network small --ipadd auto
		equal "$(conf_value "10$n" IP_ADDRESS)" "10.71.0.$n"
	done
	new_ve 107 --network small
	refused 78 small berth set 107 --ipadd auto --save
	berth destroy 103
	new_ve 108 --network small --ipadd auto
	equal "$(conf_value 108 IP_ADDRESS)" 10.71.0.3
	berth set 104 --ipdel all --save
	run_ve 109 --network small
	berth set 109 --ipadd auto --save
	equal "$(addresses_in 109 | grep -F 10.71)" 10.71.0.4
}

@test "network: what is wrong is refused, one line, nothing changed" {
	host_bridge
	berth network create lan --mode bridged --bridge tb0 --pool 10.70.0.0/24 --gateway 10.70.0.1 \
		--probe no
	new_ve 101 --network lan --ipadd 10.70.0.101
	local before
	before=$(berth network list -j; cat "$ROOT"/etc/berth/networks/* "$(conf_of 101)")
	refused 21 overlaps berth network create other --mode nat --pool 10.70.0.128/25
	refused 21 overlap berth network create other --mode nat --pool '10.72.0.0/24 10.72.0.7-10.72.0.9'
	refused 21 'no such link' berth network create other --mode bridged --bridge nobr0
	refused 21 'not a bridge' berth network create other --mode bridged --bridge tw0
	refused 21 'no such link' berth network create other --mode bridged --uplink nolink0
	refused 21 4094 berth network create other --mode bridged --vlan 4095
	refused 21 4094 berth network create other --mode bridged --trunk 10,20-9
	refused 21 want berth network create other --mode weird
	refused 21 want berth network create other --pool 10.0.0.1/24
	refused 21 15 berth network create other --mode bridged --bridge bridge-name-too-long
	refused 21 15 berth network create other --mode bridged --uplink uplink-name-too-long
	refused 21 4094 berth network create other --mode bridged --vlan 0
	refused 21 4094 berth network create other --mode bridged --trunk 4095
	berth network create free --mode nat --pool 10.73.0.0/30
	refused 21 overlaps berth network set free --pool 10.70.0.0/16
	refused 21 overlaps berth network set routed --pool 10.73.0.2-10.73.0.3/24
	new_ve 105 --network free --ipadd auto --ipadd auto
	new_ve 106 --network free
	refused 78 'no free' berth set 106 --ipadd auto --save
	refused 71 'not in the pool' berth set 106 --ipadd 10.73.0.4 --save
	refused 78 105 berth set 106 --ipadd 10.73.0.1 --save
	berth destroy 105
	berth destroy 106
	berth network delete free
	refused 20 bridged berth network create other --mode nat --vlan 10
	refused 21 name berth network create ../x --mode nat
	refused 131 exists berth network create lan --mode nat
	refused 32 101 berth network delete lan
	refused 21 exist berth network delete nothere
	refused 71 'not in the pool' berth set 101 --ipadd 10.99.0.1 --save
	new_ve 104
	refused 71 'network lan' berth set 104 --ipadd 10.70.0.9 --save
	refused 78 10.70.0.1 berth set 101 --ipadd 10.70.0.1 --save
	refused 21 exist berth set 101 --network nothere --save
	refused 130 15 berth set 101 --netif_add interface-name-long --save
	refused 130 mac berth set 101 --ifname eth0 --mac 01:00:00:00:00:01 --save
	refused 130 mac berth set 101 --ifname eth0 --mac 00:00:00:00:00:00 --save
	refused 130 15 berth set 101 --ifname eth0 --host_ifname host-name-too-long --save
	refused 130 15 berth set 101 --netif_add eth1,,,,bridge-name-too-long --save
	refused 130 'same' berth set 101 --netif_add 'eth1,02:00:00:00:77:09 eth2,02:00:00:00:77:09' --save
	refused 130 'no such link' berth set 101 --netif_del eth7 --save
	refused 20 ifname berth set 101 --mac 02:00:00:00:00:01 --save
	equal "$(berth network list -j; cat "$ROOT"/etc/berth/networks/* "$(conf_of 101)")" "$before"
	new_ve 103 --netif_add eth1,02:00:00:00:77:01
	refused 130 103 berth set 101 --netif_add eth1,02:00:00:00:77:01 --save
}

@test "netif: vzctl's grammar, hot add and remove, unknown sub-keys stay" {
	host_bridge
	run_ve 101 --ipadd 10.9.0.101
	berth set 101 --netif_add eth1,02:00:00:00:99:01,tv1.,,tb0 --save
	equal "$(net_of 101 cat /proc/net/dev | grep -c eth)" 2 'links inside'
	equal "$(mac_of 101 eth1)" 02:00:00:00:99:01
	refused 130 nobr0 berth set 101 --netif_add eth5,,,,nobr0 --save
	lacks "$(conf_value 101 NETIF)" nobr0
	host ip -o link show tv1 | grep -q 'master tb0'
	berth set 101 --ifname eth1 --ipadd 10.70.0.5/24 --save
	net_of 101 ping -n -q -c 1 -W 1 10.70.0.1 >/dev/null
	berth stop 101 --fast
	sed -i 's/ifname=eth1,/ifname=eth1,vport=ovs,/' "$(conf_of 101)"
	berth start 101
	berth set 101 --ifname eth1 --ip_filter off --save
	contains "$(conf_value 101 NETIF)" vport=ovs
	net_of 101 ping -n -q -c 1 -W 1 10.70.0.1 >/dev/null
	reaches 10.9.0.101
	berth set 101 --netif_del all --netif_add eth2,,,,tb0 --save
	run ! host ip link show tv1
	equal "$(net_of 101 cat /proc/net/dev | grep -c eth)" 2 'links inside'
	lacks "$(host nft list set bridge "berth-$(root_tag)" links)" tv1
}

@test "links: a name that the host's own link has is refused, and that link stays" {
	run_ve 101
	new_ve 102 --netif_add eth1,,own0
	host ip link add own0 type veth peer name own1
	refused 130 'own0' berth set 101 --netif_add eth1,,own0 --save
	refused 130 'own0' berth start 102
	host ip link show own0 >/dev/null
	host ip link del own0
	berth start 102 >/dev/null
	host ip link show own0 >/dev/null
	berth set 102 --ipadd 10.9.0.77 >/dev/null
}

@test "several links: what comes in by one leaves by it" {
	berth network create back --mode hostonly --pool 10.73.0.0/24
	run_ve 101 --ipadd 10.9.0.101
	berth set 101 --netif_add eth1 --ifname eth1 --network back --ipadd auto --save
	run_ve 102 --network back --ipadd auto
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	reaches 10.73.0.1
	ping_from 102 10.73.0.1
	ping_from 101 10.73.0.2
	ping_from 101 "$UPLINK_ADDR"
}
UPLINK_ADDR=198.51.100.1

@test "several links: the default route goes to another link with the last address, live, and back" {
	berth network create back --mode nat --pool '10.73.0.0/24 fd73::/64'
	run_ve 101
	berth set 101 --netif_add eth1 --ifname eth1 --network back --ipadd 10.73.0.1 --ipadd fd73::1 --save
	local way
	by() { net_of 101 ip "${@:2}" -o route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | grep -qx "$1"; }
	for way in set-fails works; do
		by eth1
		by eth1 -6
		reaches 10.73.0.1
		reaches fd73::1
		ping_from 101 "$UPLINK_ADDR"
		[[ $way == works ]] ||
			BERTH_FAULT=set/links run ! berth set 101 --ipadd 10.9.0.101 --ipadd fd09::101 --netif_add eth2
	done
	berth set 101 --ipadd 10.9.0.101 --ipadd fd09::101 --save
	by eth0
	by eth0 -6
	for way in 10.73.0.1 fd73::1 10.9.0.101 fd09::101; do
		reaches $way
	done
	ping_from 101 "$UPLINK_ADDR"
	berth set 101 --ipdel all --save
	by eth1
	by eth1 -6
	reaches 10.73.0.1
	reaches fd73::1
	ping_from 101 "$UPLINK_ADDR"
	equal "$(net_of 101 ip rule | grep -c 'lookup 101')" 0
}

@test "several links: an address that was another link's leaves by the one that has it now" {
	run_ve 101 --ipadd 10.9.0.101
	berth set 101 --netif_add eth1 --ifname eth1 --ipadd 10.9.0.111 --ipadd fd09::111 --save
	berth set 101 --netif_del eth1 --save
	equal "$(net_of 101 sh -c 'ip rule; ip -6 rule' | grep -c 'lookup 101')" 0
	berth set 101 --ipadd 10.9.0.111 --save
	berth set 101 --netif_add eth1 --ifname eth1 --ipadd 10.9.0.112 --save
	reaches 10.9.0.101
	reaches 10.9.0.111
	reaches 10.9.0.112
}

is_dead() { ! kill -0 "$(init_pid 101)" 2>/dev/null; }

@test "links: a change that is killed is undone by the next command, and leaves nothing" {
	local name
	for name in odd1 ''; do
		run_ve 101 --ipadd 10.9.0.101 --netrate-out 5mbit
		! BERTH_FAULT='set/links!' berth set 101 --netif_add eth1,,$name --ifname eth1 --ipadd 10.9.0.111 \
			--save 2>/dev/null || fail 'not killed'
		# The same again.
		berth set 101 --netif_add eth1,,$name --ifname eth1 --ipadd 10.9.0.111 --save
		reaches 10.9.0.111
		reaches 10.9.0.101
		# What went is there for whatever else is set.
		! BERTH_FAULT='set/links!' berth set 101 --netif_del eth1 --save 2>/dev/null || fail 'not killed'
		! reaches 10.9.0.111 || fail 'was not killed after it went'
		berth set 101 --ifname eth1 --ipadd 10.9.0.112 --save
		reaches 10.9.0.111
		reaches 10.9.0.112
		berth set 101 --netif_del eth1 --save
		# Another command, and one that finds the VE dead.
		! BERTH_FAULT='set/links!' berth set 101 --netif_add eth1,,$name --ifname eth1 --ipadd 10.9.0.111 \
			--ipadd 10.9.0.113 --save 2>/dev/null || fail 'not killed'
		if [[ -n $name ]]; then
			berth stop 101 --fast
		else
			kill -9 "$(keeper_pid 101)" "$(init_pid 101)"
			within 5 is_dead
			berth stop 101
		fi
		berth recover >/dev/null
		berth destroy 101
		leak_check
	done
}

@test "modes: hostonly reaches its own and the host, nat what it asks for, routed each other" {
	berth network create back --mode hostonly --pool 10.74.0.0/24
	berth network create nat --mode nat --pool 10.75.0.0/24
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	run_ve 101 --network back --ipadd 10.74.0.1
	run_ve 102 --network back --ipadd 10.74.0.2
	run_ve 103 --network nat --ipadd 10.75.0.3
	run_ve 104 --ipadd 10.9.0.104
	run_ve 105 --ipadd 10.9.0.105
	run_ve 106 --network nat --ipadd 10.75.0.6
	local from to want
	while read -r from to want; do
		run ping_from "$from" "$to"
		[[ $status -eq 0 ]] && got=yes || got=no
		equal "$got" "$want" "$from to $to"
	done <<-END
		101 10.74.0.2 yes
		101 $UPLINK_ADDR yes
		101 10.75.0.3 no
		101 10.9.0.104 no
		104 10.74.0.1 no
		103 10.75.0.6 yes
		103 10.74.0.1 no
		103 10.9.0.104 yes
		104 10.75.0.3 no
		104 10.9.0.105 yes
	END
	# Hidden: the address that 104 saw was the host's.
	reaches 10.75.0.3
	reaches 10.74.0.1
}

@test "nat: a forwarded port leads to the VE, live, and no other does" {
	berth network create nat --mode nat --pool 10.79.0.0/24 --forward 'tcp:8080=10.79.0.1:80'
	refused 21 8080 berth network create other --mode nat --forward tcp:8080=10.80.0.1:80
	refused 21 forward berth network set nat --forward tcp:99999=10.79.0.1:80
	refused 21 forward berth network set nat --forward tcp:81=10.99.0.1:80
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	run_ve 101 --network nat --ipadd 10.79.0.1
	# Another machine on the uplink's wire.
	unshare --net sleep 60 3>&- 4>&- &
	local other=$!
	within 5 sh -c '[ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/self/ns/net)" ]' - $other
	host ip link add tw0 type veth peer name tw1
	host ip link set tw1 netns $other
	host sh -c 'ip link set tw0 up; ip addr add 192.0.2.1/24 dev tw0'
	nsenter --target $other --net sh -c 'ip link set tw1 up; ip addr add 192.0.2.2/24 dev tw1
		ip route add 10.79.0.0/24 via 192.0.2.1'
	from_outside() { nsenter --target $other --net timeout 2 bash -c 'exec 9<>/dev/tcp/$0/$1; head -c 5 <&9' "$@" 2>/dev/null; }
	serve() { (inside 101 /bin/sh -c 'echo hello | nc -l -p 80' >/dev/null 2>&1 3>&- 4>&- &); sleep 0.5; }
	serve
	equal "$(from_outside 192.0.2.1 8080)" hello 'through the forward'
	serve
	run ! from_outside 10.79.0.1 80
	berth network set nat --forward 'tcp:8081=10.79.0.1:80'
	run ! from_outside 192.0.2.1 8080
	equal "$(from_outside 192.0.2.1 8081)" hello 'through the other'
	kill $other
}

@test "nat: a change of the forwards that could not be saved or died leaves nothing in the way" {
	local dir=$ROOT/etc/berth/networks set
	berth network create nat --mode nat --pool 10.79.0.0/24 --forward 'tcp:8080=10.79.0.1:80 udp:53=10.79.0.1:53'
	run_ve 101 --network nat --ipadd 10.79.0.1
	new_ve 102 --network nat --ipadd 10.79.0.2
	forwards() { host nft list map inet "berth-$(root_tag)" forwards | tr -d '\n\t '; }
	set=$(forwards)
	contains "$set" 'tcp.8080:10.79.0.1'
	# A full filesystem.
	host sh -c "mount -t tmpfs -o size=4k none '$dir'"
	host sh -c "cat >'$dir/nat.conf'" <<-END
		MODE="nat"
		POOL="10.79.0.0/24"
		FORWARD="tcp:8080=10.79.0.1:80 udp:53=10.79.0.1:53"
		NUMBER="2"
	END
	refused 139 space berth network set nat --forward 'tcp:8080=10.79.0.2:80 tcp:81=10.79.0.2:81'
	host umount "$dir"
	equal "$(forwards)" "$set"
	# What one leaves that is killed before it saves.
	host nft delete element inet "berth-$(root_tag)" forwards '{ tcp . 8080 }'
	host nft add element inet "berth-$(root_tag)" forwards '{ tcp . 8080 : 10.79.0.9 . 80 }'
	berth start 102
	equal "$(forwards)" "$set"
	host nft delete element inet "berth-$(root_tag)" forwards '{ tcp . 8080, udp . 53 }'
	host nft add element inet "berth-$(root_tag)" forwards '{ tcp . 8080 : 10.79.0.9 . 80 }'
	berth network set nat --forward tcp:8080=10.79.0.2:80
	contains "$(forwards)" 'tcp.8080:10.79.0.2'
	lacks "$(forwards)" 10.79.0.9
	berth network set nat --forward ''
	lacks "$(forwards)" 10.79.0
}

@test "duplicate: an address that somebody on the wire has is refused, unless not asked" {
	host_bridge
	# The holder answers from a namespace of its own, as another machine would.
	unshare --net sleep 60 3>&- 4>&- &
	local other=$!
	within 5 sh -c '[ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/self/ns/net)" ]' - $other
	host ip link set tw1 netns $other
	nsenter --target $other --net sh -c 'ip link set tw1 up; ip addr add 10.70.0.50/24 dev tw1
		ip -6 addr add fd70::50/64 dev tw1 nodad'
	berth network create lan --mode bridged --bridge tb0 --pool '10.70.0.0/24 fd70::/64'
	run_ve 101 --network lan
	refused 78 10.70.0.50 berth set 101 --ipadd 10.70.0.50 --save
	refused 78 fd70::50 berth set 101 --ipadd fd70::50 --save
	berth set 101 --ipadd 10.70.0.51 --save
	# Who was away is told where the address is now.
	nsenter --target $other --net ping -n -q -c 1 -W 1 10.70.0.51 >/dev/null
	berth network set lan --probe no
	berth set 101 --ipadd 10.70.0.50 --save
	kill $other
}

@test "bridged: the wire is told where a container is, at start, restart, with an address, with a link" {
	host_bridge
	unshare --net sleep 60 3>&- 4>&- &
	local other=$! a
	within 5 sh -c '[ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/self/ns/net)" ]' - $other
	host ip link set tw1 netns $other
	neighbour() { nsenter --target $other --net -- "$@"; }
	neighbour sh -c 'ip link set tw1 up; ip addr add 10.70.0.1/24 dev tw1; ip addr add fd70::1/64 dev tw1 nodad'
	forget() {
		for a; do neighbour ip neigh replace "$a" dev tw1 lladdr 02:00:00:00:00:99 nud stale; done
	}
	# knows ADDR [LINK]
	knows() { [[ $(neighbour ip neigh show "$1") == *"lladdr $(mac_of 101 "${2:-eth0}") "* ]]; }
	berth network create lan --mode bridged --bridge tb0 --pool '10.70.0.0/24 fd70::/64' --probe no
	forget 10.70.0.101 fd70::101 10.70.0.102 fd70::103
	run_ve 101 --network lan --ipadd 10.70.0.101 --ipadd fd70::101
	within 3 knows 10.70.0.101
	within 3 knows fd70::101
	berth set 101 --ipadd 10.70.0.102 --save
	within 3 knows 10.70.0.102
	berth set 101 --netif_add eth1 --ifname eth1 --network lan --ipadd fd70::103 --save
	within 3 knows fd70::103 eth1
	forget 10.70.0.101 fd70::101
	berth restart 101
	within 3 knows 10.70.0.101
	within 3 knows fd70::101
	kill $other
}

@test "routed: the uplink's wire is asked for an address when told to, and told where it is" {
	unshare --net sleep 60 3>&- 4>&- &
	local other=$!
	within 5 sh -c '[ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/self/ns/net)" ]' - $other
	host ip link add tw0 type veth peer name tw1
	host ip link set tw1 netns $other
	host sh -c 'ip link set tw0 up; ip addr add 10.61.0.1/24 dev tw0; ip addr add fd61::1/64 dev tw0 nodad'
	# What it knows is of a host that the VE has left.
	nsenter --target $other --net sh -c 'ip link set tw1 up; ip addr add 10.61.0.50/24 dev tw1
		ip -6 addr add fd61::50/64 dev tw1 nodad
		for a in 10.61.0.5 10.61.0.6 fd61::5; do
			ip neigh replace $a dev tw1 lladdr 02:00:00:00:00:99 nud stale; done'
	known() {
		nsenter --target $other --net ip neigh show "$1" | sed -n 's/.*lladdr \([^ ]*\).*/\1/p'
	}
	local mac
	mac=$(host ip -o link show tw0 | sed -n 's/.*link.ether \([^ ]*\).*/\1/p')
	run_ve 101 --ipadd 10.61.0.5 --ipadd fd61::5
	now_known() { [[ $(known "$1") == "$mac" ]]; }
	within 3 now_known 10.61.0.5
	within 3 now_known fd61::5
	berth set 101 --ipadd 10.61.0.6 --save
	within 3 now_known 10.61.0.6
	nsenter --target $other --net ip neigh replace 10.61.0.7 dev tw1 lladdr 02:00:00:00:00:99 nud stale
	berth set 101 --netif_add eth1 --ifname eth1 --ipadd 10.61.0.7
	within 3 now_known 10.61.0.7
	berth network set routed --probe yes
	refused 78 10.61.0.50 berth set 101 --ipadd 10.61.0.50 --save
	refused 78 fd61::50 berth set 101 --ipadd fd61::50 --save
	berth network set routed --probe no
	berth set 101 --ipadd 10.61.0.50
	kill $other
}

@test "routed: an uplink that was down answers again after a minute's fold, for what is here only" {
	host ip link add tw0 type veth peer name tw1
	host sh -c 'ip link set tw1 up; ip link set tw0 up
		ip addr add 10.61.0.1/24 dev tw0; ip addr add fd61::1/64 dev tw0 nodad'
	run_ve 101 --ipadd 10.61.0.5 --ipadd fd61::5
	proxies() { host ip neigh show proxy dev tw0 | awk '{ print $1 }' | sort | paste -sd' '; }
	equal "$(proxies)" '10.61.0.5 fd61::5'
	host sh -c 'ip link set tw0 down; ip link set tw0 up; ip addr add fd61::1/64 dev tw0 nodad'
	equal "$(proxies)" ''
	berth traffic --all --fold
	equal "$(proxies)" '10.61.0.5 fd61::5'
	berth set 101 --ipdel fd61::5
	host sh -c 'ip link set tw0 down; ip link set tw0 up'
	berth traffic 101 --fold
	equal "$(proxies)" 10.61.0.5
	berth stop 101 --fast
	berth traffic --all --fold
	equal "$(proxies)" ''
}

@test "ptr: records of the reverse zones, of all links of all VEs or of one network's" {
	berth network create back --mode hostonly --pool '10.71.0.0/24 fd71::/64'
	new_ve 101 --ipadd 10.70.0.7 --ipadd fd70::ab --hostname web.example.org
	berth set 101 --netif_add eth1 --ifname eth1 --network back --ipadd 10.71.0.1 --save
	new_ve 102 --network back --ipadd 10.71.0.2 --hostname short
	run -0 --separate-stderr berth network ptr
	local want="7.0.70.10.in-addr.arpa. PTR web.example.org.
b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.d.f.ip6.arpa. PTR web.example.org.
1.0.71.10.in-addr.arpa. PTR web.example.org.
; 2.0.71.10.in-addr.arpa. VE 102 has no full host name"
	equal "$output" "$want"
	equal "$(berth network ptr back | grep -c 71.10)" 2
	equal "$(berth network ptr back | wc -l)" 2
	equal "$(berth network ptr routed -j | jq -r '.[0] | "\(.ctid) \(.ip) \(.ptr) \(.hostname)"')" \
		'101 10.70.0.7 7.0.70.10.in-addr.arpa. web.example.org'
	equal "$(berth network ptr -j back | jq -r '.[1].hostname')" null
	refused 21 nowhere berth network ptr nowhere
	echo 'IP_ADDRESS="what"' >>"$(conf_of 102)"
	run ! --separate-stderr berth network ptr
	equal "$output" '' 'half a zone'
	contains "$stderr" 102
	sed -i '$d' "$(conf_of 102)"
}

@test "vlan: ports of one bridge reach only their own VLAN; a trunk tags its own" {
	requires vlan_filtering
	host ip link add tw0 type veth peer name tw1
	host ip link set tw1 up
	berth network create red --mode bridged --uplink tw0 --vlan 10 --pool 10.76.0.0/24 --probe no
	berth network set red --trunk 30-31
	run_ve 101 --network red --ipadd 10.76.0.1
	run_ve 102 --network red --ipadd 10.76.0.2
	ping_from 101 10.76.0.2
	local port
	port=$(host bridge link show | sed -n 's/^[0-9]*: \([^@]*101[^@]*\)@.*/\1/p')
	run -0 host bridge vlan show dev "$port"
	contains "$output" '10 PVID Egress Untagged'
	contains "$output" 31
	grep -qw 1 <<<"$output" && fail "still in VLAN 1"
	# Tags of its trunk pass the filter, others do not.
	catch neighbour net_of 102 python3 "$FRAMES" catch eth0
	net_of 101 python3 "$FRAMES" tag eth0 30 mac="$(mac_of 101)" ip4=10.76.0.1 vip4=10.76.0.2 \
		vmac="$(mac_of 102)"
	net_of 101 python3 "$FRAMES" tag eth0 77 mac="$(mac_of 101)" ip4=10.76.0.1 vip4=10.76.0.2 \
		vmac="$(mac_of 102)"
	stop_catching
	equal "$(caught neighbour)" 'tag-30 1'
	# On the wire its frames bear its number.
	run -0 host bridge vlan show dev tw0
	contains "$output" 31
	host ip link add link tw1 name tw1.10 type vlan id 10
	host sh -c 'ip link set tw1.10 up; ip addr add 10.76.0.9/24 dev tw1.10'
	ping_from 101 10.76.0.9
	host ip link del tw1.10
	# None, and one, and none.
	berth stop 101 --fast
	berth stop 102 --fast
	berth network set red --vlan '' --trunk ''
	host ip addr add 10.76.0.9/24 dev tw1
	berth start 101
	ping_from 101 10.76.0.9
	berth stop 101 --fast
	berth network set red --vlan 10
	berth start 101
	run ! ping_from 101 10.76.0.9
}

# Without VLANs in the kernel the start fails after the filter was made, which has to go all the same.
@test "vlan: a trunk of all numbers, in the filter and out of it" {
	host_bridge
	berth network create all --mode bridged --bridge tb0 --trunk '1-4094 10-20' --pool 10.76.0.0/24 --probe no
	new_ve 101 --network all --ipadd 10.76.0.1
	run --separate-stderr berth start 101
	lacks "$stderr" filter
	if [[ $status -eq 0 ]]; then
		equal "$(host nft list set bridge "berth-$(root_tag)" trunk | grep -o '" \. ' | wc -l)" 4094
		berth stop 101 --fast
	fi
	lacks "$(host nft list table bridge "berth-$(root_tag)")" '101.0'
}

@test "network set: a bridge of its own follows it, and one that was left without its uplink gets it" {
	host ip link add tw0 type veth peer name tw1
	host sh -c 'ip link set tw1 up; ip addr add 10.76.0.9/24 dev tw1'
	berth network create red --mode bridged --pool 10.76.0.0/24 --probe no
	run_ve 101 --network red --ipadd 10.76.0.1
	refused 32 101 berth network set red --uplink tw0
	berth stop 101 --fast
	berth network set red --uplink tw0
	berth start 101
	ping_from 101 10.76.0.9
	host ip link set tw0 nomaster
	run_ve 102 --network red --ipadd 10.76.0.2
	ping_from 101 10.76.0.9
	ping_from 102 10.76.0.9
	berth stop 101 --fast
	berth stop 102 --fast
	berth network set red --uplink ''
	berth start 101
	run ! ping_from 101 10.76.0.9
	lacks "$(host ip -o link show tw0)" master
}

@test "20 VEs with IPv4 and IPv6 reach each other exactly when their networks allow it" {
	local n=20 i from to want got
	[[ -z ${BERTH_LONG:-} ]] || n=500
	berth network create one --mode hostonly --pool '10.77.0.0/20 fd77::/64'
	berth network create two --mode hostonly --pool '10.78.0.0/20 fd78::/64'
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	for ((i = 0; i < n; i++)); do
		new_ve $((200 + i)) --network "$( ((i % 2)) && echo one || echo two)" --ipadd auto
	done
	berth start 200-$((199 + n)) >/dev/null
	for ((i = 0; i < (n > 40 ? 100 : 12); i++)); do
		from=$((200 + RANDOM % n)) to=$((200 + RANDOM % n))
		[[ $from -ne $to ]] || continue
		(((from ^ to) & 1)) && want=no || want=yes
		for to in $(conf_value $to IP_ADDRESS); do
			run ping_from $from "$to" -W 1
			[[ $status -eq 0 ]] && got=yes || got=no
			equal "$got" "$want" "$from to $to"
		done
	done
	host sh -c 'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'
}
