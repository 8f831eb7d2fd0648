#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# --layout quota: the disk as a directory of the host's own filesystem with a project quota. What
# needs one runs where the directory of the tests has it, as in the second kernel.
# bats file_tags=root

load helpers/load

# The kernel's own list of projects that somebody is in or that are limited, but for project 0.
projects() {
	host xfs_quota -f -x -c 'report -p -n -b -N' "$(host findmnt -no TARGET -T "$1")" | awk '$1 != "#0" && NF && $1 ~ /^#/'
}

# Disks of VEs on an xfs of their own.
on_xfs() {
	truncate -s 1G "$BATS_TEST_TMPDIR/xfs.img"
	mkfs.xfs -q "$BATS_TEST_TMPDIR/xfs.img"
	host mkdir -p "$ROOT/var/lib/berth/private"
	host mount -o loop,prjquota "$BATS_TEST_TMPDIR/xfs.img" "$ROOT/var/lib/berth/private"
}

teardown() {
	local bad=0
	destroy_all || bad=1
	! host mountpoint -q "$ROOT/var/lib/berth/private" || host umount "$ROOT/var/lib/berth/private"
	common_teardown || bad=1
	return $bad
}

total() { disk_field "$1" 1; }

inodes() {
	shell "$1" 'df -i /' | awk 'END { print $(NF - 4) }'
}

@test "quota: is refused with the reason where the filesystem keeps none, and leaves nothing" {
	if ! has_prjquota; then
		refused 5 'no project quotas here: ' berth create 101 --ostemplate mini --layout quota
		[[ $stderr =~ (built without|does not enforce) ]] || fail "no cause: $stderr"
		[[ $stderr =~ (QFMT_V2|XFS_QUOTA|prjquota) ]] || fail "no fix: $stderr"
		contains "$(berth host check)" "--layout quota): ${stderr##*--layout quota: }"
	else
		contains "$(berth host check)" 'OK       directories as disks (--layout quota)'
	fi
	host mkdir -p "$ROOT/var/lib/berth/private"
	host mount -t tmpfs tmpfs "$ROOT/var/lib/berth/private"
	refused 5 'want ext4 or xfs' berth create 101 --ostemplate mini --layout quota
	refused 21 'want image, full or quota' berth create 101 --ostemplate mini --layout simfs
	equal "$(berth list -a -H -o ctid)" ''
	equal "$(ls "$ROOT/var/lib/berth/ids" "$ROOT/var/lib/berth/half")" "$ROOT/var/lib/berth/half:

$ROOT/var/lib/berth/ids:"
}

@test "quota: is what df shows, and goes with the VE" {
	requires prjquota
	local before
	before=$(projects "$SCRATCH")
	run_ve 101 --layout quota --diskspace 300M --diskinodes 5000
	equal "$(total 101)" $((300 * 1024)) 'size inside'
	equal "$(inodes 101)" 5000 'inodes inside'
	shell 101 'dd if=/dev/zero of=/fill bs=1M count=100 2>/dev/null; sync'
	local had
	had=$(berth list -H -o diskspace,diskinodes,diskinodes.h 101)
	[[ $had =~ ^\ *(10[2-4][0-9]{3})\ +([0-9]+)\ +5000$ ]] || fail "list says: $had"
	equal "${BASH_REMATCH[1]}" "$(disk_field 101 2)" 'use'
	berth stop 101 --fast
	berth destroy 101
	equal "$(projects "$SCRATCH")" "$before" 'projects left'
}

@test "quota: is live both ways, binds root inside, and is never set below use" {
	requires prjquota
	run_ve 101 --layout quota --diskspace 100M
	run ! shell 101 'dd if=/dev/zero of=/fill bs=1M count=150 2>&1'
	[[ $output =~ (quota\ exceeded|No\ space) ]] || fail "$output"
	berth set 101 --diskspace 300M --save
	equal "$(total 101)" $((300 * 1024))
	shell 101 'dd if=/dev/zero of=/more bs=1M count=100 2>/dev/null'
	refused 154 'MiB are in use' berth set 101 --diskspace 150M --save
	[[ $stderr =~ (19[0-9]|20[0-9])\ MiB ]] || fail "not the number in use: $stderr"
	equal "$(total 101)" $((300 * 1024))
	equal "$(conf_value 101 DISKSPACE)" 307200:307200
	shell 101 'rm /fill'
	berth set 101 --diskspace 150M --save
	equal "$(total 101)" $((150 * 1024))
	berth stop 101 --fast
	refused 154 'MiB are in use' berth set 101 --diskspace 50M --save
	berth set 101 --diskspace 200M --save
	berth start 101
	equal "$(total 101)" $((200 * 1024))
}

@test "quota: diskinodes is live both ways, and is never set below use" {
	requires prjquota
	run_ve 101 --layout quota --diskspace 100M --diskinodes 1024
	run ! shell 101 'mkdir /many; i=0; while [ $i -lt 1100 ]; do : >/many/$i || exit 1; i=$((i+1)); done'
	berth set 101 --diskinodes 3000 --save
	equal "$(inodes 101)" 3000
	shell 101 'i=2000; while [ $i -lt 2100 ]; do : >/many/$i || exit 1; i=$((i+1)); done'
	refused 154 'are in use' berth set 101 --diskinodes 1100 --save
	equal "$(inodes 101)" 3000
	# What is set without being saved stays when the other one is set.
	berth set 101 --diskinodes 4000
	berth set 101 --diskspace 200M --save
	equal "$(inodes 101)" 4000
	equal "$(conf_value 101 DISKINODES)" 3000:3000
	shell 101 'rm -r /many'
	berth set 101 --diskinodes 2000 --save
	equal "$(inodes 101)" 2000
}

@test "quota: a tenant's root cannot leave his project" {
	requires prjquota
	run_ve 101 --layout quota --diskspace 100M
	put_probe 101
	shell 101 'mkdir /d'
	run -0 inside 101 /probe project /d
	[[ ${lines[1]} == 'number E'* && ${lines[2]} == 'inherit E'* ]] || fail "$output"
	run -0 shell 101 'cat /proc/self/mountinfo'
	lacks "$output" "$ROOT"
}

@test "quota: snapshots and clones have projects of their own; switch goes back" {
	requires prjquota
	run_ve 101 --layout quota --diskspace 100M
	shell 101 'dd if=/dev/zero of=/fill bs=1M count=30 2>/dev/null; ln /fill /again; ln -s /fill /link
		mkfifo /pipe; rm /bin/vi; rm -rf /etc/init.d; echo one >/word; sync'
	local used uuid
	used=$(disk_field 101 2)
	uuid=$(berth -j snapshot create 101 --name first | json -r .uuid)
	shell 101 'sync'
	equal "$(disk_field 101 2)" "$used" 'use of the VE after a snapshot'
	berth snapshot list 101 -j | json '.[0].allocated > 30000000' >/dev/null
	shell 101 'echo two >/word'
	berth clone 101 102 --live
	berth start 102
	equal "$(shell 102 'cat /word; ls /etc/init.d 2>/dev/null; readlink /link; stat -c %h /fill')" "two
/fill
2"
	equal "$(total 102)" $((100 * 1024))
	mkdir "$BATS_TEST_TMPDIR/look"
	berth snapshot mount 101 --id first --target "$BATS_TEST_TMPDIR/look"
	equal "$(host cat "$BATS_TEST_TMPDIR/look/word")" one
	run ! berth snapshot delete 101 --id first
	contains "$output" 'is mounted'
	berth snapshot umount 101 --id first
	berth snapshot switch 101 --id "$uuid"
	equal "$(shell 101 'cat /word')" one
	equal "$(total 101)" $((100 * 1024))
	berth snapshot delete 101 --id first
}

@test "quota: compact, mount, reinstall and publish work; a VM is refused" {
	requires prjquota
	new_ve 101 --layout quota --diskspace 100M
	berth mount 101
	host sh -c "echo there >$ROOT/var/lib/berth/root/101/word"
	berth umount 101
	berth compact 101
	berth start 101
	equal "$(shell 101 'cat /word')" there
	berth compact 101
	refused 21 'mounts its disk itself' berth create 102 --ostemplate mini --layout quota --kind vm
	berth stop 101 --fast
	refused 21 'mounts its disk itself' berth set 101 --kind vm --save
	refused 21 'has none' berth send 101
	berth template publish 101 golden
	berth reinstall 101
	berth start 101
	equal "$(shell 101 'cat /old/word')" there
	equal "$(total 101)" $((100 * 1024))
	run_ve 103 --ostemplate golden
	equal "$(shell 103 'cat /word')" there
}

@test "quota: iolimit is on the host's disk and binds buffered writes" {
	requires prjquota cgroup_v2
	run_ve 101 --layout quota --diskspace 200M --iolimit 20M
	local t=${EPOCHREALTIME/./}
	shell 101 'dd if=/dev/zero of=/big bs=1M count=60 conv=fsync 2>/dev/null'
	t=$(((${EPOCHREALTIME/./} - t) / 1000))
	((t >= 2000 && t <= 9000 * ${BERTH_PATIENCE:-1})) || fail "60 MiB at 20 MiB/s took $t ms"
}

@test "quota: xfs: exact, live, bound, and gone with the VE" {
	requires prjquota
	on_xfs
	run_ve 101 --layout quota --diskspace 100M --diskinodes 3000
	equal "$(total 101)" $((100 * 1024))
	run ! shell 101 'dd if=/dev/zero of=/fill bs=1M count=150 2>&1'
	berth set 101 --diskspace 150M --diskinodes 4000 --save
	equal "$(total 101)" $((150 * 1024))
	equal "$(inodes 101)" 4000
	refused 154 'in use' berth set 101 --diskspace 50M --save
	# By reference: nothing is copied, and the copy has a project of its own.
	berth snapshot create 101 --name first
	berth stop 101 --fast
	berth destroy 101
	within 10 none_left
}

none_left() { [[ -z $(projects "$ROOT/var/lib/berth/private") ]]; }
