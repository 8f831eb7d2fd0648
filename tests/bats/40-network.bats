#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The routed link, its addresses and its filters.
# bats file_tags=root,net

load helpers/load

UPLINK=198.51.100.1

@test "network: a VE answers on its address and reaches the host" {
	run_ve 101 --ipadd 10.9.0.101
	reaches 10.9.0.101
	ping_from 101 $UPLINK
	run -0 host ip route show 10.9.0.101
	contains "$output" 'dev '
}

@test "network: IPv6 too" {
	requires ipv6
	run_ve 101 --ipadd 2001:db8::101
	within 5 reaches 2001:db8::101
	ping_from 101 2001:db8:100::1
}

@test "network: two VEs reach each other through the host when it forwards" {
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	run_ve 101 --ipadd 10.9.0.101
	run_ve 102 --ipadd 10.9.0.102
	ping_from 101 10.9.0.102
	host sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
}

@test "network: inside there are lo and eth0, nothing else, and a default route" {
	run_ve 101 --ipadd 10.9.0.101
	run -0 shell 101 'ip -o link'
	equal "${#lines[@]}" 2 'links inside'
	contains "$output" eth0
	run -0 shell 101 'ip route'
	grep -q '^default via 169.254.0.1 dev eth0' <<<"$output"
}

@test "network: a VE without an address still has its link" {
	run_ve 101
	run -0 shell 101 'ip -o link show eth0'
	run ! ping_from 101 $UPLINK
}

@test "ipadd: live, several at once, seen inside, answered" {
	run_ve 101
	berth set 101 --ipadd 10.9.0.1 --ipadd 10.9.0.2 --save
	berth set 101 --ipadd '10.9.0.3 10.9.0.4' --save
	equal "$(addresses_in 101 | grep -F 10.9 | sort | paste -sd,)" 10.9.0.1,10.9.0.2,10.9.0.3,10.9.0.4
	local n
	for n in 1 2 3 4; do
		reaches 10.9.0.$n || fail "10.9.0.$n"
	done
	berth restart 101
	equal "$(addresses_in 101 | grep -cF 10.9)" 4 addresses
}

@test "ipdel: live; the address is gone inside, from the host's routes and from the filter" {
	run_ve 101 --ipadd 10.9.0.1 --ipadd 10.9.0.2
	berth set 101 --ipdel 10.9.0.1 --save
	equal "$(addresses_in 101 | grep -F 10.9)" 10.9.0.2
	run ! reaches 10.9.0.1
	reaches 10.9.0.2
	equal "$(host ip route show 10.9.0.1)" ''
	lacks "$(host nft list ruleset)" 10.9.0.1
	berth set 101 --ipdel all --save
	run ! reaches 10.9.0.2
	equal "$(conf_value 101 IP_ADDRESS)" ''
}

@test "ipdel all with ipadd in one call: deletions first" {
	run_ve 101 --ipadd 10.9.0.1 --ipadd 10.9.0.2
	berth set 101 --ipadd 10.9.0.2 --ipadd 10.9.0.3 --ipdel all --save
	equal "$(addresses_in 101 | grep -F 10.9 | sort | paste -sd,)" 10.9.0.2,10.9.0.3
	equal "$(conf_value 101 IP_ADDRESS | tr ' ' '\n' | sort | paste -sd,)" 10.9.0.2,10.9.0.3
}

@test "ipadd: an address of another VE is refused with 78 and the owner's number" {
	new_ve 101 --ipadd 10.9.0.1
	run_ve 102
	local before
	before=$(<"$(conf_of 102)")
	refused 78 101 berth set 102 --ipadd 10.9.0.2 --ipadd 10.9.0.1 --save
	contains "$stderr" 10.9.0.1
	equal "$(<"$(conf_of 102)")" "$before" config
	equal "$(addresses_in 102 | grep -F 10.9)" '' 'addresses of 102'
	# What the failed call had claimed is free again.
	new_ve 103 --ipadd 10.9.0.2
	run --separate-stderr -78 berth create 104 --ostemplate mini --ipadd 10.9.0.1
	one_line_error 101
	equal "$(status_of 104)" 'CTID 104 deleted unmounted down'
}

@test "ipadd: an address of the host is refused with 78" {
	new_ve 101
	refused 78 $UPLINK berth set 101 --ipadd $UPLINK --save
}

@test "ipadd: an address is free again after ipdel and after destroy" {
	new_ve 101 --ipadd 10.9.0.1 --ipadd 10.9.0.2
	berth set 101 --ipdel 10.9.0.1 --save
	new_ve 102 --ipadd 10.9.0.1
	berth destroy 101
	berth set 102 --ipadd 10.9.0.2 --save
}

@test "ipadd, netif_add: what was not saved is free again after it was taken away" {
	run_ve 101 --ipadd 10.9.0.1
	berth set 101 --netif_add eth1 --ifname eth1 --ipadd 10.9.0.7
	refused 78 101 berth -q create 102 --ostemplate mini --ipadd 10.9.0.7
	berth set 101 --netif_del eth1
	berth set 101 --ipadd 10.9.0.8
	berth set 101 --ipdel 10.9.0.8
	# Saved and given up for now: it stays the VE's.
	berth set 101 --ipdel 10.9.0.1
	refused 78 101 berth -q create 102 --ostemplate mini --ipadd 10.9.0.1
	new_ve 102 --ipadd 10.9.0.7 --ipadd 10.9.0.8
}

@test "netif_add: a link that was not saved survives a change of another" {
	run_ve 101 --ipadd 10.9.0.1
	berth set 101 --netif_add eth1 --ifname eth1 --ipadd 10.9.0.7
	berth set 101 --ipadd 10.9.0.8 --save
	reaches 10.9.0.7
	reaches 10.9.0.8
	run ! grep 10.9.0.7 "$(conf_of 101)"
	berth restart 101
	run ! reaches 10.9.0.7
	new_ve 102 --ipadd 10.9.0.7
}

@test "ipadd: twice the same is no error and no second address" {
	run_ve 101 --ipadd 10.9.0.1
	berth set 101 --ipadd 10.9.0.1 --save
	equal "$(addresses_in 101 | grep -cF 10.9.0.1)" 1 addresses
}

@test "ipadd: what is no address is refused with 71 or 21 and changes nothing" {
	new_ve 101
	local ip before
	before=$(<"$(conf_of 101)")
	for ip in 10.9.0 10.9.0.256 10.9.0.1/33 10.9.0.1/x 010.9.0.1 ::g host.example '10.9.0.1;id' \
		0.0.0.0 255.255.255.255 224.0.0.1 127.0.0.1 ::1 ::; do
		run --separate-stderr berth set 101 --ipadd "$ip" --save
		[[ $status -eq 71 || $status -eq 21 ]] || fail "$ip: exit $status ($stderr)"
		one_line_error "${ip%%/*}"
	done
	equal "$(<"$(conf_of 101)")" "$before" config
}

@test "ipdel: of an address the VE does not have changes nothing, even if another VE has it" {
	new_ve 101 --ipadd 10.9.0.1
	new_ve 102 --ipadd 10.9.0.2
	berth set 101 --ipdel 10.9.0.2 --save
	equal "$(conf_value 101 IP_ADDRESS)/$(conf_value 102 IP_ADDRESS)" 10.9.0.1/10.9.0.2
	refused 78 102 berth set 101 --ipadd 10.9.0.2 --save
}

@test "hostname: inside, in /etc/hostname and /etc/hosts, live" {
	run_ve 101 --hostname one.example --ipadd 10.9.0.1
	equal "$(shell 101 hostname)" one.example
	berth set 101 --hostname two.example --save
	equal "$(shell 101 hostname)" two.example
	equal "$(shell 101 'cat /etc/hostname')" two.example
	shell 101 'grep -w two.example /etc/hosts'
	run ! shell 101 'grep -w one.example /etc/hosts'
}

@test "ifupdown: busybox's own ifup reads what is written" {
	run_ve 101 --ipadd 10.9.0.1
	shell 101 'ip addr flush dev eth0'
	equal "$(addresses_in 101)" ''
	shell 101 'ifup -f eth0'
	equal "$(addresses_in 101)" 10.9.0.1
	reaches 10.9.0.1
}

@test "hostname: without one the guest has the VE's own name" {
	run_ve 101
	equal "$(shell 101 'hostname; cat /etc/hostname 2>/dev/null')" ct101
}

@test "hostname: what is none is refused with 70" {
	new_ve 101
	local name
	for name in -x a_b 'a b' $'a\nb' "$(printf 'a%.0s' {1..65})" a..b; do
		run --separate-stderr -70 berth set 101 --hostname "$name" --save
	done
}

@test "nameserver and searchdomain: in resolv.conf, live, what the tenant added elsewhere stays" {
	run_ve 101 --nameserver 192.0.2.53 --searchdomain one.example
	run -0 shell 101 'cat /etc/resolv.conf'
	contains "$output" 'nameserver 192.0.2.53'
	contains "$output" one.example
	berth set 101 --nameserver '192.0.2.54 2001:db8::53' --searchdomain two.example --save
	run -0 shell 101 'cat /etc/resolv.conf'
	contains "$output" 'nameserver 192.0.2.54'
	contains "$output" 'nameserver 2001:db8::53'
	lacks "$output" 192.0.2.53
	lacks "$output" one.example
	refused 72 no-address berth set 101 --nameserver no-address --save
}

@test "hosts: lines of the tenant survive" {
	run_ve 101 --hostname one.example
	shell 101 'echo "203.0.113.9 db" >>/etc/hosts'
	berth set 101 --hostname two.example --save
	berth restart 101
	shell 101 'grep -F "203.0.113.9 db" /etc/hosts'
}

@test "filter: packets from an address that is not the VE's are dropped" {
	host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'
	run_ve 101 --ipadd 10.9.0.1
	run_ve 102 --ipadd 10.9.0.2
	ping_from 101 $UPLINK
	shell 101 'ip addr add 10.9.0.2/32 dev eth0; ip addr add 10.9.0.77/32 dev eth0'
	# Count what arrives behind the filter: the right address does, the others do not.
	host nft -f - <<-'END'
		table inet berth_test {
			counter good { }
			counter stolen { }
			counter foreign { }
			chain in {
				type filter hook input priority 300;
				icmp type echo-request ip saddr 10.9.0.1 counter name good
				icmp type echo-request ip saddr 10.9.0.2 counter name stolen
				icmp type echo-request ip saddr 10.9.0.77 counter name foreign
			}
		}
	END
	ping_from 101 $UPLINK -I 10.9.0.1
	run ! ping_from 101 $UPLINK -I 10.9.0.2
	run ! ping_from 101 $UPLINK -I 10.9.0.77
	packets() { host nft -j list counter inet berth_test "$1" | json '.nftables[] | .counter? | select(. != null) | .packets'; }
	equal "$(packets good)/$(packets stolen)/$(packets foreign)" 1/0/0 'packets good/stolen/foreign'
	host nft delete table inet berth_test
	host sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
}

@test "filter: a changed MAC address is dropped" {
	run_ve 101 --ipadd 10.9.0.1
	ping_from 101 $UPLINK
	shell 101 'ip link set eth0 down; ip link set eth0 address 02:11:22:33:44:55; ip link set eth0 up;
		ip addr add 10.9.0.1/32 dev eth0 2>/dev/null; ip route add 169.254.0.1 dev eth0;
		ip route add default via 169.254.0.1 dev eth0' || :
	run ! ping_from 101 $UPLINK
}

@test "filter: TCP and UDP with a VE's own addresses need one look-up, which goes with the address" {
	local table mac at
	run_ve 101 --ipadd 10.9.0.1 --ipadd 10.9.0.3 --ipadd fd09::1
	table=berth-$(root_tag)
	mac=$(nsenter --target "$(init_pid 101)" --net ip -j link show eth0 | json '.[0].address')
	contains "$(host nft list set inet "$table" quick4)" ". $mac . 10.9.0.1"
	contains "$(host nft list set inet "$table" quick6)" ". $mac . fd09::1"
	# Behind the rules that look them up, in front of all others.
	at=$(host nft -a list chain inet "$table" from_ve | sed -n '/@links/s/.*# handle //p')
	host nft insert rule inet "$table" from_ve position "$at" meta l4proto '{' tcp, udp '}' counter comment '"slow"'
	host nft insert rule inet "$table" from_ve meta l4proto '{' tcp, udp '}' counter comment '"all"'
	speak() { nsenter --target "$(init_pid 101)" --net python3 - "$@" <<-'END'
		import socket, sys
		for address, source in (("10.9.0.200", sys.argv[1]), ("fd09::200", sys.argv[2])):
		    family = socket.AF_INET6 if ":" in address else socket.AF_INET
		    for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
		        s = socket.socket(family, kind)
		        s.bind((source, 0))
		        s.setblocking(False)
		        try:
		            s.connect((address, 9))
		            s.send(b"x")
		        except OSError:
		            pass
	END
	}
	packets() { host nft list chain inet "$table" from_ve | sed -n "s/.* packets \([0-9]*\) .* comment \"$1\"/\1/p"; }
	speak 10.9.0.1 fd09::1
	[[ $(packets all) -ge 4 ]] || fail "$(packets all) packets sent"
	equal "$(packets slow)" 0 'packets that went by all rules'
	berth set 101 --ipdel 10.9.0.1 --ipdel fd09::1 --save
	lacks "$(host nft list set inet "$table" quick4)" 10.9.0.1
	lacks "$(host nft list set inet "$table" quick6)" fd09::1
	contains "$(host nft list set inet "$table" quick4)" ". $mac . 10.9.0.3"
	nsenter --target "$(init_pid 101)" --net sh -c 'ip addr add 10.9.0.1/32 dev eth0; ip addr add fd09::1/128 dev eth0 nodad'
	speak 10.9.0.1 fd09::1
	[[ $(packets slow) -ge 2 ]] || fail "$(packets slow) packets went by all rules"
}

@test "filter: a table without the first look-up, as older ones are, does" {
	local table h
	run_ve 101 --ipadd 10.9.0.1
	table=berth-$(root_tag)
	for h in $(host nft -a list chain inet "$table" from_ve | sed -n 's/.*@quick[46] .*# handle //p'); do
		host nft delete rule inet "$table" from_ve handle "$h"
	done
	host nft delete set inet "$table" quick4
	host nft delete set inet "$table" quick6
	run_ve 102 --ipadd 10.9.0.2
	berth set 101 --ipadd 10.9.0.3 --save
	berth set 101 --ipdel 10.9.0.1 --save
	reaches 10.9.0.2
	reaches 10.9.0.3
	run ! reaches 10.9.0.1
	berth stop 101 --fast
	lacks "$(host nft list ruleset)" 10.9.0.3
	contains "$(host nft list ruleset)" 10.9.0.2
}

@test "network: the host end takes no router advertisements" {
	requires ipv6
	run_ve 101 --ipadd 2001:db8::101
	local link
	link=$(host_link 2001:db8::101 -6)
	[[ -n $link ]]
	equal "$(host sysctl -n "net.ipv6.conf.${link//./\/}.accept_ra")" 0 accept_ra
}

@test "network: 30 addresses on one VE" {
	local n opts=()
	for n in $(seq 1 30); do
		opts+=(--ipadd "10.9.3.$n")
	done
	run_ve 101 "${opts[@]}"
	equal "$(addresses_in 101 | grep -cF 10.9.3)" 30 addresses
	reaches 10.9.3.30
}

@test "network: links of two instances with the same VE number do not meet" {
	run_ve 101 --ipadd 10.9.0.1
	local other=$ROOT/other
	mkdir -p "$other/var/lib/berth"
	cp -al "$SCRATCH/seed/var/lib/berth/template" "$other/var/lib/berth/"
	host "$BERTH" --root "$other" create 101 --ostemplate mini --ipadd 10.9.0.9
	host "$BERTH" --root "$other" start 101
	reaches 10.9.0.1
	reaches 10.9.0.9
	berth stop 101 --fast
	reaches 10.9.0.9
	host "$BERTH" --root "$other" stop 101 --fast
	host "$BERTH" --root "$other" destroy 101
	rm -rf --one-file-system "$other"
}

@test "set: what fails after the links have changed takes all of it back" {
	run_ve 101 --ipadd 10.9.0.101 --numproc 100
	shell 101 'rm -f /etc/shadow; mkdir /etc/shadow'
	run ! berth set 101 --ipadd 10.9.0.102 --numproc 200 --userpasswd root:secret --save
	equal "$(addresses_in 101 | grep -F 10.9)" 10.9.0.101
	check_limit 101 numproc 100
	lacks "$(conf_value 101 IP_ADDRESS)" 10.9.0.102
	new_ve 102 --ipadd 10.9.0.102
	berth start 102 >/dev/null
	reaches 10.9.0.102
}
