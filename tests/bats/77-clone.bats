#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A copy has the other's data and limits, and nothing of what says which machine it is.
# bats file_tags=root

load helpers/load

# The machine that is copied: an identity as systemd, D-Bus and ssh leave it.
original() {
	run_ve 101 --diskspace 256M --ram 64M --hostname one.example --name one --ipadd 10.9.0.101
	shell 101 'echo 0123456789abcdef0123456789abcdef >/etc/machine-id
		mkdir -p /var/lib/dbus /var/lib/systemd /etc/ssh
		cp /etc/machine-id /var/lib/dbus/machine-id; echo seed >/var/lib/systemd/random-seed
		echo secret >/etc/ssh/ssh_host_ed25519_key; echo open >/etc/ssh/ssh_host_ed25519_key.pub
		echo old >/etc/ssh/ssh_host_dsa_key; echo conf >/etc/ssh/sshd_config
		dd if=/dev/urandom of=/data bs=64k count=16 2>/dev/null; sha256sum /data >/sum; sync'
}

is_another() {
	local id=$1
	shell "$id" 'sha256sum -c /sum >/dev/null' || fail "data of $id" || return
	[[ $(shell "$id" 'cat /etc/machine-id') =~ ^[0-9a-f]{32}$ ]] || fail 'no machine-id' || return
	[[ $(shell "$id" 'cat /etc/machine-id') != 0123456789abcdef* ]] || fail 'the same machine-id' || return
	equal "$(shell "$id" 'cat /var/lib/dbus/machine-id')" "$(shell "$id" 'cat /etc/machine-id')" || return
	equal "$(shell "$id" 'cat /etc/ssh/sshd_config')" conf || return
	shell "$id" '! grep -qs secret /etc/ssh/ssh_host_ed25519_key && test ! -e /etc/ssh/ssh_host_dsa_key &&
		test ! -e /var/lib/systemd/random-seed' || fail "keys or seeds of $id" || return
	equal "$(shell "$id" hostname)" "ct$id" || return
	check_limit "$id" ram $((64 << 20))
}

uuid_of() {
	blkid -p -o value -s UUID "$ROOT/var/lib/berth/private/$1/disk.img"
}

mac_of() {
	shell "$1" 'cat /sys/class/net/eth0/address'
}

@test "clone: of a running VE, with an identity of its own" {
	original
	refused 32 '--live' berth clone 101 102
	is_state 102 'deleted unmounted down'
	berth clone 101 102 --live --ipadd 10.9.0.102 >/dev/null
	inside 101 /bin/true
	berth start 102 >/dev/null
	is_another 102
	[[ $(uuid_of 101) != "$(uuid_of 102)" ]] || fail 'one UUID for both'
	[[ $(mac_of 101) != "$(mac_of 102)" ]] || fail 'one MAC for both'
	equal "$(conf_value 102 NAME)" ''
	equal "$(conf_value 102 IP_ADDRESS)" 10.9.0.102
	equal "$(conf_value 102 TEMPLATE_VERSION)" "$(conf_value 101 TEMPLATE_VERSION)"
	[[ $(conf_value 102 LOCAL_UID) != "$(conf_value 101 LOCAL_UID)" ]]
	if command -v ssh-keygen >/dev/null; then
		shell 102 'grep -q "PRIVATE KEY" /etc/ssh/ssh_host_ed25519_key && grep -q ct102 /etc/ssh/ssh_host_ed25519_key.pub'
		equal "$(shell 102 'stat -c %a:%u /etc/ssh/ssh_host_ed25519_key')" 600:0
	fi
	# The original is what it was.
	equal "$(shell 101 'cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key')" \
		"$(printf '0123456789abcdef0123456789abcdef\nsecret')"
	berth stop 102 --fast
	run -0 e2fsck -f -n "$ROOT/var/lib/berth/private/102/disk.img"
}

@test "clone: --count makes several of a stopped VE, each another" {
	original
	berth stop 101 --fast
	equal "$(berth clone 101 201 --count 3 -j | json -c .)" '[201,202,203]'
	berth start 201-203 >/dev/null
	local id
	for id in 201 202 203; do is_another "$id"; done
	equal "$(for id in 201 202 203; do shell "$id" 'cat /etc/machine-id'; done | sort -u | wc -l)" 3
}

@test "clone: what makes it another one is on the disk before it is anybody's" {
	requires strace
	original
	berth stop 101 --fast
	host strace -f -qq -o "$BATS_TEST_TMPDIR/calls" -e trace=renameat,syncfs "$BERTH" --root "$ROOT" -q clone 101 102
	contains "$(grep -A 20 machine-id "$BATS_TEST_TMPDIR/calls")" syncfs
	lacks "$(sed '0,/syncfs/d' "$BATS_TEST_TMPDIR/calls")" '.berth"'
}

@test "clone: a tenant's links and pipes in the way of its identity lead nowhere" {
	run_ve 101 --diskspace 256M
	shell 101 'ln -s /../../../../../../etc/passwd /etc/machine-id; mkdir -p /var/lib; rm -rf /etc/ssh
		ln -s /../../../../../..'"$ROOT"' /etc/ssh; mkdir -p /var/lib/dbus; mkfifo /var/lib/dbus/machine-id; sync'
	local before
	before=$(sha256sum </etc/passwd)
	: >"$ROOT/ssh_host_x_key"
	berth stop 101 --fast
	timeout 20 nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" clone 101 102 >/dev/null
	equal "$(sha256sum </etc/passwd)" "$before"
	[[ -e $ROOT/ssh_host_x_key ]] || fail 'a file of the host is gone'
	rm "$ROOT/ssh_host_x_key"
	berth start 102 >/dev/null
}

@test "clone: bad input is one line, and nothing is made" {
	new_ve 101 --name one
	new_ve 103
	refused 14 'does not exist' berth clone 999 102
	refused 21 'not a number' berth clone 101 copy
	refused 44 'VE 103 already exists' berth clone 101 103
	refused 44 'VE 103 already exists' berth clone 101 102 --count 5
	refused 20 'cannot share' berth clone 101 110 --count 2 --name web
	refused 131 'taken' berth --quiet clone 101 102 --name one
	equal "$(berth list -a -H -o ctid | tr -d ' ' | paste -sd' ')" '101 103'
}

@test "clone: killed at random moments, the next try or destroy works" {
	original
	for _ in {1..6}; do
		kill_soon 120 clone 101 102 --live
		inside 101 /bin/true
		if is_state 102 'deleted unmounted down'; then
			berth recover >/dev/null
			continue
		fi
		berth destroy 102 --yes >/dev/null
	done
	berth clone 101 102 --live >/dev/null
	berth start 102 >/dev/null
	is_another 102
}

# The clone looks at the config and waits for the lock, which somebody has who goes back to another version.
@test "clone: of a VE that is made of something else by the time it has its lock" {
	run_ve 101 --diskspace 512M
	local tree=$BATS_TEST_TMPDIR/tree store=$ROOT/var/lib/berth/template/store a switch clone
	shell 101 'dd if=/dev/urandom of=/data bs=1M count=100 2>/dev/null'
	berth stop 101 --fast
	berth snapshot create 101 --name one >/dev/null
	a=$(conf_value 101 TEMPLATE_VERSION)
	fsck.erofs --extract="$tree" "$store/$a.erofs" >/dev/null
	echo other >"$tree/etc/other"
	berth template import "$tree" other >/dev/null
	berth upgrade 101 --to other >/dev/null
	in_back snapshot switch 101 --id one
	switch=$!
	within 5 test -e "$ROOT/var/lib/berth/private/101/snapshots/.new/disk.img"
	kill -STOP "$switch"
	[[ $(conf_value 101 TEMPLATE_VERSION) != "$a" ]] || fail 'the switch is over already'
	in_back clone 101 102
	clone=$!
	within 5 waiting
	kill -CONT "$switch"
	wait "$switch"
	status=0
	wait "$clone" || status=$?
	[[ $status -eq 9 ]] || equal "$(conf_value 102 TEMPLATE_VERSION)" "$a" "exit $status"
	equal "$(conf_value 101 TEMPLATE_VERSION)" "$a"
	berth clone 101 103 >/dev/null
	equal "$(conf_value 103 TEMPLATE_VERSION)" "$a"
}

# in_back CMD...: berth itself is $!.
in_back() {
	nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" "$@" >/dev/null 2>&1 3>&- &
}

waiting() {
	local inode
	inode=$(stat -c %i "$ROOT/run/berth/lock/101.lck")
	grep -qE "OFDLCK .*:$inode " /proc/locks
}

# ---- reinstall ----

messed_up() {
	run_ve 101 --diskspace 256M --hostname keep.example
	shell 101 'echo data >/srv-data; mkdir -p /home/me; echo mine >/home/me/file; rm -rf /bin/ls /etc/issue /usr/lib
		mkdir -p /usr/lib; echo broken >/etc/profile; sync'
}

@test "reinstall: a fresh root, what was is below /old and can be removed" {
	messed_up
	berth reinstall 101 >/dev/null
	is_state 101 'exist mounted running'
	inside 101 /bin/ls / >/dev/null
	equal "$(shell 101 'cat /old/srv-data /old/home/me/file /old/etc/profile')" "$(printf 'data\nmine\nbroken')"
	[[ $(shell 101 'cat /etc/profile 2>/dev/null') != broken ]] || fail 'the old file is there'
	equal "$(shell 101 'hostname; ls /srv-data 2>/dev/null')" keep.example
	shell 101 'echo new >/second'
	berth reinstall 101 >/dev/null
	equal "$(shell 101 'cat /old/second /old/old/srv-data')" "$(printf 'new\ndata')"
	shell 101 'rm -rf /old && test ! -e /old'
	berth stop 101 --fast
	run -0 e2fsck -f -n "$ROOT/var/lib/berth/private/101/disk.img"
}

@test "reinstall: --skipbackup removes /old only when the new root has booted" {
	messed_up
	refused 91 'not in the store' berth reinstall 101 --ostemplate nothing
	is_state 101 'exist mounted running'
	berth reinstall 101 --skipbackup >/dev/null
	shell 101 'test ! -e /old && test -e /bin/ls'
	# One that cannot boot keeps it.
	shell 101 'echo data >/srv-data; sync'
	mkdir -p "$ROOT/bad/bin" "$ROOT/bad/sbin"
	cp "$(command -v busybox)" "$ROOT/bad/bin/busybox"
	ln -s /nothing "$ROOT/bad/sbin/init"
	if berth template import "$ROOT/bad" bad >/dev/null 2>&1; then
		run ! berth reinstall 101 --ostemplate bad --skipbackup
		berth reinstall 101 --ostemplate mini >/dev/null
		berth start 101 >/dev/null 2>&1 || :
		equal "$(shell 101 'cat /old/old/srv-data')" data
	fi
	rm -rf "$ROOT/bad"
}

@test "reinstall: killed with the root exchanged, the version that it is for is the VE's" {
	local point want
	mkdir -p "$BATS_TEST_TMPDIR/other/sbin"
	cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/other/sbin/init"
	berth template import "$BATS_TEST_TMPDIR/other" other >/dev/null
	want=$(berth template show other -j | json -r .digest)
	for point in exchange config; do
		new_ve 101
		BERTH_FAULT="reinstall/$point!" run berth reinstall 101 --ostemplate other
		[[ $status -ne 0 ]] || fail "survived $point"
		run --separate-stderr berth template remove "$want"
		one_line_error 'reinstalled'
		berth mount 101
		equal "$(conf_value 101 OSTEMPLATE) $(conf_value 101 TEMPLATE_VERSION)" "other $want" "after $point"
		equal "$(host ls "$ROOT/var/lib/berth/root/101" | grep -cx -e old -e sbin)" 2
		berth umount 101
		[[ ! -e $ROOT/var/lib/berth/private/101/reinstall ]] || fail 'its note is there'
		berth destroy 101 >/dev/null
	done
	# Killed before that, nothing has become of it.
	new_ve 101
	BERTH_FAULT='reinstall/fresh!' run berth reinstall 101 --ostemplate other
	[[ $status -ne 0 ]] || fail 'survived fresh'
	berth mount 101
	equal "$(conf_value 101 OSTEMPLATE)" mini
	[[ ! -e $ROOT/var/lib/berth/root/101/old ]] || fail 'it has been exchanged'
	berth umount 101
	[[ ! -e $ROOT/var/lib/berth/private/101/reinstall ]] || fail 'its note is there'
}

@test "reinstall: killed between its two renames, the next start has the fresh root" {
	messed_up
	shell 101 'mkdir /taken; mv /etc/init.d /taken/renamed; sync'
	BERTH_FAULT='reinstall/exchange!' run berth reinstall 101
	[[ $status -ne 0 ]] || fail survived
	berth start 101 >/dev/null
	inside 101 /bin/ls / >/dev/null
	equal "$(shell 101 'cat /old/srv-data')" data
	# As without a kill: nothing of the template is below /old, and nothing that cannot be removed.
	equal "$(shell 101 'ls -A /old/taken/renamed /old/bin /old/usr/lib')" \
		"$(printf '/old/bin:\n\n/old/taken/renamed:\n\n/old/usr/lib:')"
	shell 101 'rm -rf /old && test ! -e /old'
}
