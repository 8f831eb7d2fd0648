#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The disk follows --diskspace up and down while it is written to.
# bats file_tags=root

load helpers/load

# Size the VE sees: used + available, in MiB (df's Size may be the filesystem's).
room() {
	echo $((($(disk_field "$1" 2) + $(disk_field "$1" 3)) / 1024))
}

near() {
	(($1 >= $2 * 92 / 100 && $1 <= $2 * 104 / 100)) || fail "$1 is not about $2"
}

# e2fsck of every disk image of a stopped VE, without changing it.
fsck_clean() {
	local image found=0
	while IFS= read -r image; do
		blkid -p -o value -s TYPE "$image" | grep -q ext4 || continue
		found=1
		run -0 e2fsck -f -n "$image"
	done < <(find "$ROOT/var/lib/berth/private/$1" -type f -size +1M)
	[[ $found -eq 1 ]] || fail "no disk image of $1"
}

@test "diskspace: a new VE has what its plan says" {
	run_ve 101 --diskspace 1G
	near "$(room 101)" 1024
	equal "$(conf_value 101 DISKSPACE)" 1048576:1048576
}

@test "diskspace: 4G to 8G to 2G live, under writes: df and ENOSPC follow, data is intact" {
	run_ve 101 --diskspace 4G
	shell 101 'dd if=/dev/urandom of=/data bs=1M count=64 2>/dev/null; sha256sum /data >/data.sum'
	shell 101 '(while :; do dd if=/dev/urandom of=/churn bs=64k count=64 conv=fsync 2>/dev/null; done) \
		</dev/null >/dev/null 2>&1 &'
	near "$(room 101)" 4096
	berth set 101 --diskspace 8G --save
	near "$(room 101)" 8192
	berth set 101 --diskspace 2G --save
	near "$(room 101)" 2048
	shell 101 'sha256sum -c /data.sum'
	run shell 101 'killall dd sh 2>/dev/null'	# between two files there is no dd
	# fallocate takes blocks without writing them: the edge is found at once.
	run ! shell 101 'fallocate -l 2100m /over 2>/dev/null || dd if=/dev/zero of=/over bs=1M count=2100 2>&1'
	shell 101 'rm -f /over /churn; sync'
	shell 101 'sha256sum -c /data.sum'
	equal "$(conf_value 101 DISKSPACE)" 2097152:2097152
	berth stop 101
	fsck_clean 101
	berth start 101
	near "$(room 101)" 2048
	shell 101 'sha256sum -c /data.sum'
}

@test "diskspace: root inside cannot write past the cap" {
	run_ve 101 --diskspace 256M
	run ! shell 101 'dd if=/dev/zero of=/fill bs=1M count=400 2>&1'
	local used
	used=$(shell 101 'du -m /fill' | cut -f1)
	((used <= 260)) || fail "wrote $used MiB"
	shell 101 'rm /fill'
	shell 101 'dd if=/dev/zero of=/fill bs=1M count=150 2>/dev/null'
}

@test "diskspace: growing gives room to a VE whose disk is full" {
	run_ve 101 --diskspace 128M
	run ! shell 101 'dd if=/dev/zero of=/fill bs=1M count=200 2>&1'
	berth set 101 --diskspace 512M --save
	shell 101 'dd if=/dev/zero of=/more bs=1M count=200 2>/dev/null'
}

@test "diskspace: below what is used is refused with the number and nothing changes" {
	run_ve 101 --diskspace 1G
	shell 101 'dd if=/dev/zero of=/fill bs=1M count=300 2>/dev/null; sync'
	local before
	before=$(<"$(conf_of 101)")
	run --separate-stderr berth set 101 --diskspace 100M --save
	[[ $status -ne 0 ]]
	one_line_error 'in use'
	[[ $stderr =~ 3[0-9]{2}\ MiB ]] || fail "not the number in use: $stderr"
	near "$(room 101)" 1024
	equal "$(<"$(conf_of 101)")" "$before" config
	berth stop 101
	run --separate-stderr berth set 101 --diskspace 100M --save
	[[ $status -ne 0 ]]
	one_line_error 'in use'
	equal "$(<"$(conf_of 101)")" "$before" config
}

@test "diskspace: set on a stopped VE takes effect at the next start" {
	new_ve 101 --diskspace 256M
	berth set 101 --diskspace 1G --save
	berth start 101
	near "$(room 101)" 1024
	berth stop 101
	berth set 101 --diskspace 300M --save
	berth start 101
	near "$(room 101)" 300
	berth stop 101
	fsck_clean 101
}

@test "diskspace: the image is sparse and gives freed blocks back" {
	run_ve 101 --diskspace 1G
	local before full
	blocks() { du -sk "$ROOT/var/lib/berth/private/101" | cut -f1; }
	sync_ve() { shell 101 'sync; sleep 0.1'; }
	before=$(blocks)
	((before < 100 * 1024)) || fail "a fresh disk takes $before KiB"
	shell 101 'dd if=/dev/urandom of=/fill bs=1M count=200 2>/dev/null; sync'
	full=$(blocks)
	((full > before + 150 * 1024)) || fail "200 MiB written take $((full - before)) KiB"
	shell 101 'rm /fill; sync'
	shell 101 'fstrim / 2>/dev/null' || :
	shrunk() { (($(blocks) < before + 60 * 1024)); }
	within 15 shrunk
}

# Of 20 GiB they would be 9 MiB of the host's memory, for each VE that does nothing.
@test "diskspace: the bitmaps of a large disk are not read because it is mounted" {
	run_ve 101 --diskspace 20G
	local loop
	loop=$(json .loop <"$ROOT/run/berth/101/state.json")
	equal "$(grep prefetch_block_bitmaps "/proc/fs/ext4/loop$((loop - 1))/options")" no_prefetch_block_bitmaps
}

@test "diskspace: killed in the middle of writes, the disk is repaired at the next start" {
	run_ve 101 --diskspace 512M
	shell 101 '(while :; do for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/f$i bs=16k count=20 2>/dev/null; rm -f /f$i; done; done) \
		</dev/null >/dev/null 2>&1 &'
	sleep 0.5
	berth stop 101 --fast
	berth start 101
	shell 101 'echo ok >/after'
	berth stop 101
	fsck_clean 101
}

@test "diskinodes: given at creation, binds" {
	run_ve 101 --diskspace 256M --diskinodes 2048
	run ! shell 101 'mkdir /many; i=0; while [ $i -lt 2500 ]; do : >/many/$i || exit 1; i=$((i+1)); done'
}

@test "create: a host without room is refused, with one line, and nothing is left" {
	truncate -s 12M "$BATS_TEST_TMPDIR/disk"
	mke2fs -q -t ext4 -F "$BATS_TEST_TMPDIR/disk"
	mkdir -p "$ROOT/small"
	host mount -o loop "$BATS_TEST_TMPDIR/disk" "$ROOT/small"
	host mkdir -p "$ROOT/small/var/lib/berth"
	host cp -a "$SCRATCH/seed/var/lib/berth/template" "$ROOT/small/var/lib/berth/"
	host dd if=/dev/zero of="$ROOT/small/fill" bs=64k status=none || :
	run --separate-stderr host "$BERTH" --root "$ROOT/small" create 101 --ostemplate mini
	local code=$status said=$stderr
	run -0 host find "$ROOT/small" -name '101*' ! -path '*/lock/*'
	local left=$output
	host umount "$ROOT/small"
	[[ $code -ne 0 ]]
	contains "$said" 'No space left'
	equal "$left" '' 'left behind'
}

@test "disk: the VE's root shows no path of the host" {
	run_ve 101
	run -0 shell 101 'cat /proc/self/mountinfo /proc/mounts /proc/self/mountstats 2>/dev/null'
	lacks "$output" "$ROOT"
	lacks "$output" /var/lib/berth
}

@test "disk: what e2fsprogs may take for a disk has an end" {
	requires strace
	new_ve 101 --diskspace 64M
	printf '#!/bin/sh\n%s\n' 'echo "memory $(ulimit -v)" >&2; exit 8' >"$BATS_TEST_TMPDIR/e2fsck"
	chmod 755 "$BATS_TEST_TMPDIR/e2fsck"
	debugfs -w -R 'set_super_value state 0' "$ROOT/var/lib/berth/private/101/disk.img" 2>/dev/null
	# shellcheck disable=SC2016  # the shell's, there
	run ! --separate-stderr host unshare --mount sh -c 'mount --bind "$1" "$(readlink -f /sbin/e2fsck)" && shift && exec "$@"' - \
		"$BATS_TEST_TMPDIR/e2fsck" strace -qq -o "$BATS_TEST_TMPDIR/calls" -e trace=poll "$BERTH" --root "$ROOT" mount 101
	one_line_error 'run /sbin/e2fsck: exit code 8: memory 1'
	[[ $stderr =~ memory\ ([0-9]+)$ ]] && ((BASH_REMATCH[1] > 1000000 && BASH_REMATCH[1] < 4000000))
	grep -qE 'POLLIN.*, 1, [0-9]{6}' "$BATS_TEST_TMPDIR/calls"
	berth mount 101 >/dev/null
}
