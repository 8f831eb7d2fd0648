#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What a VE is given at creation and for its first boot: keys, passwords, a script, cloud-init's seed.
# bats file_tags=root

load helpers/load

KEY='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAf7to2hqxe6SlHId23TJ6phZjH/eymfORyCoK4WxdPS a@b'
OTHER='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBf7to2hqxe6SlHId23TJ6phZjH/eymfORyCoK4WxdPS c@d'

script() {
	printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/script"
}

has_event() {
	berth events 101 | grep -q "$1"
}

# Does the guest's shadow hold this password of root?
password_is() {
	local hash
	hash=$(shell 101 'sed -n "s/^root:\([^:]*\):.*/\1/p" /etc/shadow')
	equal "$(perl -e 'print crypt($ARGV[0], $ARGV[1])' "$1" "$hash")" "$hash"
}

@test "first boot: a script runs once, its output inside, its exit code an event" {
	script '#!/bin/sh' 'echo "out of $(hostname)"; echo err >&2; id -u; exit 7'
	berth create 101 --ostemplate mini --ram 32M --diskspace 64M --hostname one --user-script "$BATS_TEST_TMPDIR/script"
	berth start 101
	within 10 has_event 'user-script status=7'
	equal "$(shell 101 'cat /var/log/berth-user-script.log' | tr '\n' ' ')" 'out of one err 0 '
	host test ! -e "$ROOT/var/lib/berth/private/101/first"
	shell 101 'rm /var/log/berth-user-script.log'
	berth restart 101
	sleep 0.5
	shell 101 'test ! -e /var/log/berth-user-script.log'
	equal "$(berth events 101 | grep -c user-script)" 1
}

@test "first boot: keys are added once, and the tenant's own stay" {
	printf '# comment\n%s\n' "$OTHER" >"$BATS_TEST_TMPDIR/keys.pub"
	berth create 101 --ostemplate mini --ram 32M --diskspace 64M --ssh-key "$KEY" --ssh-key "$BATS_TEST_TMPDIR/keys.pub"
	berth start 101
	equal "$(shell 101 'cat /root/.ssh/authorized_keys')" "$KEY"$'\n'"$OTHER"
	equal "$(shell 101 'stat -c %a:%u /root/.ssh /root/.ssh/authorized_keys' | tr '\n' ' ')" '700:0 600:0 '
	shell 101 'echo mine >/root/.ssh/authorized_keys'
	berth restart 101
	equal "$(shell 101 'cat /root/.ssh/authorized_keys')" mine
}

@test "first boot: --skip-guest-config writes nothing inside" {
	berth create 101 --ostemplate mini --ram 32M --diskspace 64M --skip-guest-config yes --ssh-key "$KEY"
	berth start 101
	shell 101 'test ! -e /root/.ssh'
}

@test "first boot: what is no key and no script is refused" {
	script 'echo no interpreter'
	refused 21 'begins neither' berth create 101 --ostemplate mini --user-script "$BATS_TEST_TMPDIR/script"
	refused 21 'not a public key' berth create 101 --ostemplate mini --ssh-key "$BATS_TEST_TMPDIR/script"
	refused 21 'neither a public key' berth create 101 --ostemplate mini --ssh-key "ssh-ed25519 AAAA"
	refused 20 'for containers' berth create 101 --kind vm --ostemplate mini --ssh-key "$KEY"
	equal "$(berth list -a -H)" ''
}

@test "userpasswd: at creation and of a stopped VE, without a start" {
	berth create 101 --ostemplate mini --ram 32M --diskspace 64M --userpasswd root:first
	berth start 101
	password_is first
	berth stop --fast 101
	berth set 101 --userpasswd root:second
	equal "$(berth list -H -o status -a 101 | tr -d ' ')" stopped
	berth start 101
	password_is second
	berth stop --fast 101
	berth mount 101
	run -41 berth set 101 --userpasswd root:third
	berth umount 101
}

@test "userpasswd: a link in place of a stopped VE's shadow leads nowhere" {
	berth create 101 --ostemplate mini --ram 32M --diskspace 64M
	berth start 101
	shell 101 'rm -f /etc/shadow; ln -s ../../../../../../../../../../../../../../tmp/berth-canary /etc/shadow'
	berth stop --fast 101
	run ! berth set 101 --userpasswd root:second
	host test ! -e /tmp/berth-canary
}

@test "cloud-init: a guest that has it gets a NoCloud seed" {
	script '#cloud-config' 'runcmd: []'
	berth create 101 --ostemplate mini --ram 32M --diskspace 64M --hostname ci --ipadd 10.95.0.1 --ssh-key "$KEY" \
		--user-script "$BATS_TEST_TMPDIR/script"
	berth mount 101
	host mkdir -p "$ROOT/var/lib/berth/root/101/usr/bin"
	host touch "$ROOT/var/lib/berth/root/101/usr/bin/cloud-init"
	berth umount 101
	berth start 101
	equal "$(shell 101 'cd /var/lib/cloud/seed/nocloud; grep -v "^#" meta-data')" \
		"$(printf 'instance-id: "berth-101"\nlocal-hostname: "ci"\npublic-keys:\n  - "%s"' "$KEY")"
	equal "$(shell 101 'cat /var/lib/cloud/seed/nocloud/user-data')" "$(cat "$BATS_TEST_TMPDIR/script")"
	shell 101 'grep -q 10.95.0.1/32 /var/lib/cloud/seed/nocloud/network-config'
	shell 101 'grep -q "config: disabled" /etc/cloud/cloud.cfg.d/99-berth.cfg'
}

@test "userpasswd: on the disk before it is acknowledged, and never an empty file there" {
	requires strace
	new_ve 101 --ram 32M --diskspace 64M
	host strace -f -qq -y -o "$BATS_TEST_TMPDIR/calls" -e trace=fsync,renameat \
		"$BERTH" --root "$ROOT" set 101 --userpasswd new:secret
	local file
	for file in group shadow passwd; do
		equal "$(grep -oE "fsync\([0-9]+<[^>]*/etc/[.]${file}[.]berth>|renameat.*\"[.]${file}.berth\"|fsync\([0-9]+<[^>]*/etc>" \
			"$BATS_TEST_TMPDIR/calls" | grep -A 1 -B 1 "renameat.*$file" | cut -d '(' -f 1 | xargs)" \
			'fsync renameat fsync' "etc/$file"
	done
}
