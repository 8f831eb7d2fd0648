#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Roots of VEs on the host, where vzctl's clients look for them, and the scripts that mount there.
# bats file_tags=root

load helpers/load

setup() {
	common_setup
	mkdir -p "$ROOT/etc/berth/conf"
	echo 'HOST_ROOT_MOUNTS="yes"' >"$ROOT/etc/berth/berth.conf"
	view=$ROOT/var/lib/berth/root/101
}

# Mounts on the host below this root.
mounts() {
	host cat /proc/self/mountinfo | grep -cF " $ROOT/" || :
}

# script NAME: a script of the administrator from standard input.
script() {
	{
		echo '#!/bin/sh'
		cat
	} >"$ROOT/etc/berth/conf/$1"
	chmod 0755 "$ROOT/etc/berth/conf/$1"
}

@test "root on the host: of a running VE, one entry, gone with it" {
	run_ve 101
	equal "$(mounts)" 1
	contains "$(host cat "$view/etc/inittab")" getty
	[[ $(host stat -c %d:%i "$view/etc") == "$(host stat -c %d:%i "/proc/$(init_pid 101)/root/etc")" ]]
	contains "$(host grep -F " $view " /proc/self/mountinfo)" nosuid,nodev,noexec
	is_state 101 'exist mounted running'
	berth restart 101 >/dev/null
	equal "$(mounts)" 1
	berth stop 101 >/dev/null
	equal "$(mounts)" 0
	[[ ! -e $view ]]
}

@test "root on the host: only where the switch says so, and undone when it no longer does" {
	rm "$ROOT/etc/berth/berth.conf"
	run_ve 101
	equal "$(mounts)" 0
	echo 'HOST_ROOT_MOUNTS="yes"' >"$ROOT/etc/berth/berth.conf"
	berth restart 101 >/dev/null
	equal "$(mounts)" 1
	rm "$ROOT/etc/berth/berth.conf"
	berth stop 101 >/dev/null
	equal "$(mounts)" 0
}

@test "root on the host: what the host mounts there is in the VE, what the VE mounts stays in it" {
	run_ve 101
	shell 101 'mkdir -p /data /own; echo mine >/data/below'
	mkdir "$BATS_TEST_TMPDIR/src"
	echo hello >"$BATS_TEST_TMPDIR/src/file"
	host mount --bind "$BATS_TEST_TMPDIR/src" "$view/data"
	equal "$(shell 101 'cat /data/file')" hello
	host umount "$view/data"
	equal "$(shell 101 'cat /data/below')" mine
	shell 101 'mount -t tmpfs none /own && echo secret >/own/file'
	[[ ! -e /proc/$HOST_PID/root$view/own/file ]]
	equal "$(mounts)" 1
	host mount --bind "$BATS_TEST_TMPDIR/src" "$view/data"
	berth stop 101 >/dev/null
	equal "$(mounts)" 0
}

@test "root on the host: clients edit files there, and make new ones" {
	run_ve 101
	shell 101 'mkdir -p /etc/ssh; echo Port 22 >/etc/ssh/sshd_config'
	host sed -i 's/22/2222/' "$view/etc/ssh/sshd_config"
	equal "$(shell 101 'cat /etc/ssh/sshd_config; stat -c %u:%g /etc/ssh/sshd_config')" $'Port 2222\n0:0'
	host sh -c "echo fresh >$view/etc/fresh; mkdir $view/root/.ssh; echo nobody >>$view/etc/inittab"
	equal "$(shell 101 'cat /etc/fresh && tail -n 1 /etc/inittab && rm /etc/fresh && stat -c %u /etc/inittab')" \
		$'fresh\nnobody\n0'
	berth restart 101 >/dev/null
	host chown "$(conf_value 101 LOCAL_UID):$(conf_value 101 LOCAL_GID)" "$view/root/.ssh"
	equal "$(shell 101 'stat -c %u:%g /root/.ssh')" 0:0
}

@test "root on the host: scripts mount below it before init runs, and unmount it" {
	new_ve 101
	mkdir "$BATS_TEST_TMPDIR/src"
	echo hello >"$BATS_TEST_TMPDIR/src/file"
	script 101.mount <<-END
		[ "\$VE_ROOT" = "$view" ] && [ -e "\$VE_ROOT/etc/inittab" ] || exit 3
		mount --bind "$BATS_TEST_TMPDIR/src" "\$VE_ROOT/mnt"
	END
	script 101.umount <<-END
		umount "\$VE_ROOT/mnt" && echo umounted >>"$BATS_TEST_TMPDIR/log"
	END
	berth start 101 >/dev/null
	equal "$(shell 101 'cat /mnt/file')" hello
	equal "$(mounts)" 2
	berth stop 101 >/dev/null
	equal "$(mounts)" 0
	equal "$(cat "$BATS_TEST_TMPDIR/log")" umounted
	berth mount 101 >/dev/null
	equal "$(host cat "$view/mnt/file")" hello
	berth umount 101 >/dev/null
	equal "$(wc -l <"$BATS_TEST_TMPDIR/log")" 2
	equal "$(mounts)" 0
}

@test "mount, umount: the scripts in their order; one that fails is 79 and keeps it as it was" {
	local name
	new_ve 101
	for name in premount mount umount postumount; do
		script "vps.$name" <<<"echo vps.$name \$VEID >>$BATS_TEST_TMPDIR/log"
		script "101.$name" <<<"echo 101.$name \$VEID >>$BATS_TEST_TMPDIR/log"
	done
	berth mount 101 >/dev/null
	berth umount 101 >/dev/null
	equal "$(cut -d ' ' -f 1 <"$BATS_TEST_TMPDIR/log" | tr '\n' ' ')" \
		'vps.premount 101.premount vps.mount 101.mount 101.umount vps.umount 101.postumount vps.postumount '
	script 101.mount <<<'exit 1'
	refused 79 mount berth mount 101
	is_state 101 'exist unmounted down'
	equal "$(mounts)" 0
	rm "$ROOT"/etc/berth/conf/*.mount
	berth mount 101 >/dev/null
	script 101.umount <<<'exit 1'
	refused 79 umount berth umount 101
	is_state 101 'exist mounted down'
	rm "$ROOT"/etc/berth/conf/*.umount
	berth umount 101 >/dev/null
}

@test "root on the host: a start that fails or dies after it, and an init that is killed, leave nothing" {
	local at
	new_ve 101
	for at in start/show start/show+ start/mount+ start/network+ 'start/show+!' 'start/go!'; do
		run host env BERTH_FAULT="$at" "$BERTH" --root "$ROOT" start 101
		[[ $status -ne 0 ]] || fail "started with $at"
		berth stop 101 >/dev/null
		equal "$(mounts)" 0 "mounts after $at"
	done
	berth start 101 >/dev/null
	kill -9 "$(init_pid 101)"
	within 5 eval '[[ $(mounts) -eq 0 ]]'
}

@test "root on the host: a root full of links and devices leads nowhere" {
	run_ve 101
	shell 101 'rm -rf /mnt; ln -s / /mnt; ln -s /etc /data; mkdir /x; cp /bin/busybox /x/sh; chmod 4755 /x/sh'
	run ! host "$view/x/sh" -c true
	berth restart 101 >/dev/null
	equal "$(mounts)" 1
	berth stop 101 >/dev/null
	berth mount 101 >/dev/null
	equal "$(mounts)" 1
	berth umount 101 >/dev/null
}
