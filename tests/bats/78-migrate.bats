#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A VE as a stream, and from one host to another. The other host is another root; in place of ssh
# there is a script that runs what ssh would have run there.
# bats file_tags=root

load helpers/load

setup() {
	common_setup
	OTHER=$ROOT.other
	mkdir -p "$OTHER/var/lib/berth" "$ROOT/etc/berth"
	cat >"$ROOT.ssh" <<-END
		#!/bin/sh
		echo "\$*" >>"$BATS_TEST_TMPDIR/ssh"
		while [ "\$1" != berth ]; do shift; done
		shift
		exec "$BERTH" --root "$OTHER" "\$@"
	END
	chmod 0755 "$ROOT.ssh"
	echo "SSH=\"$ROOT.ssh\"" >"$ROOT/etc/berth/berth.conf"
}

teardown() {
	local bad=0
	ROOT=$OTHER destroy_all || bad=1
	ROOT=$OTHER leak_check loops cgroups processes files || bad=1
	rm -rf --one-file-system "${OTHER:?}" "$ROOT.ssh"
	common_teardown || bad=1
	return $bad
}

# Berth on the other host.
there() {
	host "$BERTH" --root "$OTHER" "$@"
}

with_template() {
	cp -al "$SCRATCH/seed/var/lib/berth/template" "$OTHER/var/lib/berth/"
}

# Of the two hosts, who would start it? Whoever does is stopped again.
startable() {
	local who=
	! berth start "$1" &>/dev/null || { who+=here && berth stop "$1" --fast >/dev/null; }
	! there start "$1" &>/dev/null || { who+=there && there stop "$1" --fast >/dev/null; }
	echo "$who"
}

@test "send, receive: disk, config, name, addresses and template arrive" {
	run_ve 101 --name web --ipadd 10.77.0.5 --description 'a "b" $c' --ram 64M
	shell 101 'echo data >/root/file; chown 12:34 /root/file; ln -s /x /root/link'
	berth stop 101 >/dev/null
	berth send 101 >"$BATS_TEST_TMPDIR/s"
	contains "$(host "$BERTH" --root "$OTHER" receive --dry-run <"$BATS_TEST_TMPDIR/s")" 'CT 101 of'
	run ! there status web
	host "$BERTH" --root "$OTHER" receive --trust <"$BATS_TEST_TMPDIR/s" >/dev/null
	equal "$(ROOT=$OTHER conf_value 101 DESCRIPTION)" 'a "b" $c'
	equal "$(ROOT=$OTHER conf_value 101 IP_ADDRESS)" 10.77.0.5
	there start web >/dev/null
	equal "$(there exec3 101 /bin/sh -c 'cat /root/file; stat -c %u:%g /root/file; readlink /root/link')" \
		$'data\n12:34\n/x'
	equal "$(there template list -j | jq -r '.[].name')" mini
}

@test "send --live, receive under another number: the VE runs on" {
	local pid
	run_ve 101 --name web
	pid=$(init_pid 101)
	shell 101 'echo data >/root/file; sync'
	refused 32 running berth send 101
	berth send 101 --live --without-template >"$BATS_TEST_TMPDIR/s"
	equal "$(init_pid 101)" "$pid"
	host "$BERTH" --root "$ROOT" receive 201 --name copy <"$BATS_TEST_TMPDIR/s" >/dev/null
	berth start copy >/dev/null
	equal "$(shell 201 'cat /root/file')" data
	[[ ! -e $ROOT/var/lib/berth/private/101/send ]]
	# an address of the network's pool, which the config in the stream does not have
	berth network create pub --mode routed --pool 10.60.0.0/24
	berth receive 103 --name third --network pub --ipadd auto <"$BATS_TEST_TMPDIR/s"
	[[ $(berth list -aH -o ip 103) == 10.60.0.* ]]
}

@test "send --live: killed while it copies, the next command on the VE removes the copy" {
	run_ve 101 --diskspace 64M
	local at copy=$ROOT/var/lib/berth/private/101/send
	for at in snapshot/hold! snapshot/hold+!; do
		run ! host env BERTH_FAULT="$at" "$BERTH" --root "$ROOT" send 101 --live --without-template
		[[ -e $copy ]] || fail "$at: was not killed in between"
		berth set 101 --numproc 90
		[[ ! -e $copy ]] || fail "$at: is still there"
	done
	shell 101 'echo >/root/file; sync'
	berth send 101 --live --without-template >"$BATS_TEST_TMPDIR/s"
}

# What a config of another host may not choose of this one.
host_choices() {
	{
		echo 'POOL="gold"'
		echo 'NETIF="ifname=eth1,device=victim0;ifname=eth2,host_ifname=web9,ip_filter=off,index=5;ifname=eth3,bridge=br7,index=6"'
	} >>"$ROOT/etc/berth/conf/$1.conf"
}

@test "receive: pool, devices and names on the host do not come along; filters that are off are told" {
	local told
	berth create 101 --name web --ostemplate mini >/dev/null
	berth pool create gold --ram 1G >/dev/null
	there pool create gold --ram 1G >/dev/null
	host_choices 101
	berth send 101 >"$BATS_TEST_TMPDIR/s"
	told=$(host "$BERTH" --root "$OTHER" receive --trust <"$BATS_TEST_TMPDIR/s" 2>&1 >/dev/null)
	equal "$(ROOT=$OTHER conf_value 101 POOL)" ''
	equal "$(ROOT=$OTHER conf_value 101 NETIF)" 'ifname=eth2,ip_filter=off,index=5;ifname=eth3,bridge=br7,index=6'
	contains "$told" 'berth: receive: pool gold '
	contains "$told" 'victim0 of its old host'
	contains "$told" 'web9, is not kept'
	contains "$told" 'eth2 arrives with its IP filter off'
	contains "$told" 'eth3 will be on bridge br7'
	there set 101 --netif_del eth3 --save >/dev/null
	there start 101 >/dev/null
	there stop 101 --fast >/dev/null
	# What the administrator says here counts.
	there destroy --yes 101 >/dev/null
	host "$BERTH" --root "$OTHER" receive --pool gold <"$BATS_TEST_TMPDIR/s" &>/dev/null
	equal "$(ROOT=$OTHER conf_value 101 POOL)" gold
	# A fence of that name may be another's.
	echo 'FENCE="lab"' >>"$ROOT/etc/berth/conf/101.conf"
	berth send 101 >"$BATS_TEST_TMPDIR/s"
	sed -i '/^FENCE=/d' "$ROOT/etc/berth/conf/101.conf"
	run -21 --separate-stderr host "$BERTH" --root "$OTHER" receive 102 --name other <"$BATS_TEST_TMPDIR/s"
	one_line_error 'in fence lab'
}

@test "receive: what is cut, changed or no stream leaves nothing" {
	local n size bent
	new_ve 101 --diskspace 64M
	berth send 101 >"$BATS_TEST_TMPDIR/s"
	size=$(stat -c %s "$BATS_TEST_TMPDIR/s")
	run -47 --separate-stderr host "$BERTH" --root "$OTHER" receive <"$BATS_TEST_TMPDIR/s"
	one_line_error signature
	for n in 5 11 40 1000 $((size / 2)) $((size - 1)); do
		head -c "$n" "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/cut"
		run -21 --separate-stderr host "$BERTH" --root "$OTHER" receive --trust <"$BATS_TEST_TMPDIR/cut"
		one_line_error stream
		equal "$(there list -a -1)" ''
	done
	for n in $((size / 2)) $((size - 10)); do
		bent=$BATS_TEST_TMPDIR/bent.$n
		cp "$BATS_TEST_TMPDIR/s" "$bent"
		printf '\x5a\xa5' | dd of="$bent" bs=1 seek="$n" conv=notrunc status=none
		run ! host "$BERTH" --root "$OTHER" receive --trust <"$bent"
		equal "$(there list -a -1)" ''
	done
	run -21 --separate-stderr host "$BERTH" --root "$OTHER" receive </bin/true
	one_line_error 'berth send'
	ROOT=$OTHER leak_check files
}

@test "receive: a template is not taken by a host whose disk is all but full" {
	local lib=$OTHER/var/lib/berth
	berth create 101 --ostemplate mini >/dev/null
	berth send 101 >"$BATS_TEST_TMPDIR/s"
	host mount -t tmpfs -o size=800m none "$lib"
	host fallocate -l 788m "$lib/fill"
	run -46 --separate-stderr host "$BERTH" --root "$OTHER" receive --trust <"$BATS_TEST_TMPDIR/s"
	one_line_error 'receive the template: less than 2 %'
	equal "$(there template list -j)" '[]'
	host umount "$lib"
}

@test "migrate: a running VE stops here and runs there, with its addresses" {
	with_template
	run_ve 101 --name web --ipadd 10.77.0.5
	shell 101 'echo data >/root/file; sync'
	berth migrate host2 101 --ssh '-p 2222' >/dev/null
	contains "$(cat "$BATS_TEST_TMPDIR/ssh")" '-p 2222 host2 berth receive --session'
	equal "$(there status 101)" 'CTID 101 exist mounted running'
	equal "$(there exec3 web /bin/cat /root/file)" data
	equal "$(berth status 101)" 'CTID 101 deleted unmounted down'
	[[ ! -e $ROOT/var/lib/berth/ip/10.77.0.5 ]]
	there stop 101 >/dev/null
	equal "$(startable 101)" there
}

@test "migrate: what the other host refuses is told before anything is stopped" {
	local pid
	with_template
	run_ve 101 --name web --ipadd 10.77.0.5
	pid=$(init_pid 101)
	berth migrate host2 101 --dry-run
	equal "$(there list -a -1)" ''
	there create 102 --ostemplate mini --ipadd 10.77.0.5 >/dev/null
	refused 78 10.77.0.5 berth migrate host2 101
	there set 102 --ipdel all --name web --save >/dev/null
	refused 131 'name "web"' berth migrate host2 101
	there destroy 102 --yes >/dev/null
	there create 101 --ostemplate mini >/dev/null
	refused 44 101 berth migrate host2 101
	refused 21 'no name of a host' berth migrate 'x;reboot' 101
	printf '#!/bin/sh\necho "ssh: no route to host" >&2\nexit 255\n' >"$ROOT.ssh"
	refused 3 'no route' berth migrate host2 101
	berth snapshot create 101 >/dev/null
	refused 20 snapshots berth migrate host2 101
	equal "$(init_pid 101)" "$pid"
}

@test "migrate: killed anywhere, one host at most can start it, and again it goes on" {
	local at
	with_template
	for at in migrate/left '!migrate/left' '!migrate/left+' '!migrate/done'; do
		new_ve 101 --diskspace 64M --name web
		[[ $at != '!'* ]] || at=${at#!}!
		run host env BERTH_FAULT="$at" "$BERTH" --root "$ROOT" migrate host2 101
		[[ $status -ne 0 ]] || fail "$at: moved"
		case $at in
		migrate/left | migrate/left!) equal "$(startable 101)" here "$at" ;;
		migrate/left+!) equal "$(startable 101)" '' "$at" ;;
		migrate/done!) equal "$(startable 101)" there "$at" ;;
		esac
		berth migrate host2 101 >/dev/null || fail "$at: does not go on"
		equal "$(startable 101)" there "$at, afterwards"
		there destroy 101 --yes >/dev/null
	done
}

@test "migrate: of a VE that ran, killed anywhere, the one that goes on has it run there" {
	with_template
	local at
	for at in migrate/left! migrate/left+! migrate/done!; do
		run_ve 101 --diskspace 64M
		run ! host env BERTH_FAULT="$at" "$BERTH" --root "$ROOT" migrate host2 101
		berth migrate host2 101 >/dev/null || fail "$at: does not go on"
		within 5 eval '[[ $(there status 101) == "CTID 101 exist mounted running" ]]' ||
			fail "$at: $(there status 101)"
		there stop 101 --fast >/dev/null
		there destroy 101 --yes >/dev/null
	done
	run_ve 101 --diskspace 64M
	run ! host env BERTH_FAULT=migrate/left! "$BERTH" --root "$ROOT" migrate host2 101
	printf '#!/bin/sh\nexit 255\n' >"$ROOT.ssh"
	run ! berth migrate host2 101
	is_state 101 'exist mounted running'
}

@test "migrate: of a VE that ran, the link lost when the other host has it: it runs there" {
	with_template
	run_ve 101 --diskspace 64M
	cp "$ROOT.ssh" "$BATS_TEST_TMPDIR/whole"
	# HAVE and HELD come through, DONE does not.
	sed -i 's/^exec \(.*\)/\1 | dd bs=1 count=10 status=none/' "$ROOT.ssh"
	run ! berth migrate host2 101
	within 5 eval '[[ $(there status 101) == "CTID 101 exist mounted running" ]]'
	cp "$BATS_TEST_TMPDIR/whole" "$ROOT.ssh"
	berth migrate host2 101 >/dev/null
	equal "$(there status 101)" 'CTID 101 exist mounted running'
	equal "$(berth status 101)" 'CTID 101 deleted unmounted down'
}

# Killed when it has noted that the VE is its own: what follows starts it.
kill_arrival() {
	run_ve 101 --diskspace 64M
	cp "$ROOT.ssh" "$BATS_TEST_TMPDIR/whole"
	sed -i 's/^exec /BERTH_FAULT=receive\/arrived+! exec /' "$ROOT.ssh"
	run ! berth migrate host2 101
	cp "$BATS_TEST_TMPDIR/whole" "$ROOT.ssh"
	equal "$(there status 101)" 'CTID 101 exist unmounted down'
}

@test "migrate: of a VE that ran, killed there between its arrival and its start" {
	with_template
	kill_arrival
	berth migrate host2 101 >/dev/null
	equal "$(there status 101)" 'CTID 101 exist mounted running'
	equal "$(berth status 101)" 'CTID 101 deleted unmounted down'
	there stop 101 --fast >/dev/null
	there destroy 101 --yes >/dev/null
	kill_arrival
	there boot >/dev/null
	equal "$(there status 101)" 'CTID 101 exist mounted running'
	berth migrate host2 101 >/dev/null
	equal "$(there status 101)" 'CTID 101 exist mounted running'
}

@test "migrate: with the other host lost in the middle, its way out on each side" {
	with_template
	new_ve 101 --diskspace 64M
	run ! host env BERTH_FAULT=migrate/left+! "$BERTH" --root "$ROOT" migrate host2 101
	refused 105 'has moved to host2' berth start 101
	run -105 --separate-stderr there start 101
	one_line_error 'has not let go'
	there receive --release 101
	equal "$(startable 101)" there
	there destroy 101 --yes >/dev/null
	berth migrate --take-back 101
	equal "$(startable 101)" here
	refused 21 here berth migrate --take-back 101
	berth migrate host2 101 --remove-area no >/dev/null
	equal "$(startable 101)" there
	refused 105 moved berth mount 101
}

@test "vzmigrate: argv of its clients, its exit numbers" {
	with_template
	ln -s "$BERTH" "$ROOT/vzmigrate"
	run_ve 101 --diskspace 64M
	new_ve 102 --diskspace 64M
	host env BERTH_ROOT="$ROOT" "$ROOT/vzmigrate" --remove-area yes --online --rsync=-az host2 101 >/dev/null
	equal "$(there status 101)" 'CTID 101 exist mounted running'
	host env BERTH_ROOT="$ROOT" "$ROOT/vzmigrate" -r no --keep-dst host2 102 >/dev/null
	equal "$(berth status 102)" 'CTID 102 exist unmounted down'
	equal "$(startable 102)" there
	run -10 host env BERTH_ROOT="$ROOT" "$ROOT/vzmigrate" --live host2 104
	new_ve 101 --diskspace 64M
	run -9 host env BERTH_ROOT="$ROOT" "$ROOT/vzmigrate" host2 101
	rm "$ROOT/vzmigrate"
}
