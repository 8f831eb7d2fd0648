#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# --layout full: the whole root in the VE's own disk, with no template below it.
# bats file_tags=root

load helpers/load

# All that a root has, but for what is mounted or written at a start.
listing() {
	shell "$1" 'cd /; find . -xdev -type d -exec stat -c "%n %f %u %g" {} +
		find . -xdev ! -type d -exec stat -c "%n %f %u %g %h %s" {} +' |
		grep -vE '^[.]/?(etc|run|dev|tmp|proc|sys)?(/(host|network|resolv|mtab|fstab)[^ ]*)? ' | sort
}

template_loop() { grep -s "^$ROOT/.*erofs" /sys/block/loop*/loop/backing_file; }
no_template_loop() { ! template_loop; }

@test "full: the root is the template's, in the disk, and nothing is shared" {
	run_ve 101
	run_ve 102 --layout full --diskspace 200M
	template_loop
	[[ $(listing 102 | wc -l) -gt 100 ]] || fail "$(listing 102)"
	equal "$(diff <(listing 101) <(listing 102))" ''
	run -0 shell 102 'grep " / / \| / " /proc/mounts'
	contains "$output" ' / ext4 '
	run -0 shell 102 'cat /proc/self/mountinfo'
	lacks "$output" overlay
	lacks "$output" "$ROOT"
	# Of a template nothing is mounted: with the last VE of the other kind its device goes.
	berth stop 101 --fast
	within 10 no_template_loop
	run ! shell 102 'dd if=/dev/zero of=/fill bs=1M count=300 2>&1'
	contains "$output" 'No space left'
	berth set 102 --diskspace 400M --save
	shell 102 'dd if=/dev/zero of=/fill bs=1M count=250 2>/dev/null && chown 7:8 /fill && chmod 4755 /fill'
	equal "$(shell 102 'stat -c "%a %u %g" /fill')" '4755 7 8'
}

@test "full: snapshots, clones, mounts, templates and a fresh root" {
	new_ve 101 --layout full --diskspace 100M
	berth mount 101
	host sh -c "echo one >$ROOT/var/lib/berth/root/101/word"
	berth umount 101
	berth snapshot create 101 --name first
	mkdir "$BATS_TEST_TMPDIR/look"
	berth snapshot mount 101 --id first --target "$BATS_TEST_TMPDIR/look"
	equal "$(host cat "$BATS_TEST_TMPDIR/look/word")" one
	run ! host touch "$BATS_TEST_TMPDIR/look/new"
	berth snapshot umount 101 --id first
	berth start 101
	shell 101 'echo two >/word'
	berth clone 101 102 --live
	berth snapshot switch 101 --id first
	equal "$(shell 101 'cat /word')" one
	berth start 102
	equal "$(shell 102 'cat /word')" two
	berth stop 101 --fast
	berth template publish 101 golden
	run_ve 103 --ostemplate golden --layout full
	equal "$(shell 103 'cat /word')" one
	berth reinstall 101
	berth start 101
	equal "$(shell 101 'cat /old/word; [ -x /old/bin/busybox ] && [ -x /bin/busybox ] && ls /word 2>&1 | wc -l')" 'one
1'
}

@test "full: what a killed reinstall has moved away is as the tenant left it" {
	run_ve 101 --layout full --diskspace 100M
	shell 101 'mkdir -p /layers; mknod /layers/gone c 0 0; sync'
	BERTH_FAULT='reinstall/exchange!' run berth reinstall 101
	[[ $status -ne 0 ]] || fail survived
	berth start 101 >/dev/null
	shell 101 'test -c /old/layers/gone && test -x /old/bin/busybox && test -x /bin/busybox && test ! -e /layers'
}

@test "full: a template that does not fit is refused in one line, and nothing is left" {
	mkdir -p "$BATS_TEST_TMPDIR/big/sbin"
	cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/big/sbin/init"
	head -c 30M /dev/urandom >"$BATS_TEST_TMPDIR/big/bulk"
	berth template import "$BATS_TEST_TMPDIR/big" big
	refused 46 'does not fit into a disk of 20 MiB' berth -q create 101 --ostemplate big --layout full \
		--diskspace 20M
	equal "$(berth list -a -H -o ctid)" ''
	equal "$(ls "$ROOT/var/lib/berth/private")" ''
	new_ve 101 --layout full --diskspace 20M
	run ! berth reinstall 101 --ostemplate big
	contains "$output" 'does not fit'
	berth start 101
	shell 101 'ls /sbin/init'
	run -0 shell 101 'ls /old /upper.fresh 2>&1 | grep -c "No such"'
	equal "$output" 2
}

@test "full: an upgrade goes by the package manager inside; without one the VE stays as it was" {
	run_ve 101 --layout full --diskspace 100M
	mkdir -p "$BATS_TEST_TMPDIR/next/sbin"
	cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/next/sbin/init"
	berth template import "$BATS_TEST_TMPDIR/next" next
	shell 101 'echo mine >/word'
	run ! berth upgrade 101 --to next
	contains "$output" 'package manager'
	wait_running 101
	equal "$(shell 101 'cat /word')" mine
}

# What docker and podman do with layers of their own.
lay_over() {
	shell "$1" 'mkdir -p /l /u /w /m && echo x >/l/f && cd / &&
		mount -t overlay overlay -o lowerdir=/l,upperdir=/u,workdir=/w,userxattr /m &&
		echo y >/m/f && cat /u/f && rm /m/f && test -c /u/f'
}

@test "full: an overlay can be laid inside, as it cannot on a root that is one" {
	run_ve 101 --layout full --diskspace 100M
	run_ve 102
	equal "$(lay_over 101)" y
	run ! lay_over 102
}
