#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots: consistent, independent of each other, with a way back, and whole after any kill.
# bats file_tags=root

load helpers/load
export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

snaps() {
	berth snapshot list 101 -H -o "${1:-name}"
}

snap() {
	berth snapshot create 101 --name "$1" -j "${@:2}" | json -r .uuid
}

private() {
	echo "$ROOT/var/lib/berth/private/${1:-101}"
}

fs_uuid() {
	blkid -p -o value -s UUID "$(private "$1")/disk.img"
}

@test "disk: every VE's filesystem has an identity of its own and is clean" {
	new_ve 101
	new_ve 102
	[[ $(fs_uuid 101) != "$(fs_uuid 102)" ]] || fail "both are $(fs_uuid 101)"
	run -0 e2fsck -f -n "$(private 101)/disk.img"
	run_ve 103
	shell 103 'echo x >/file; sync'
	berth stop 103 --fast
	run -0 e2fsck -f -y "$(private 103)/disk.img"
}

@test "snapshot: of a running VE holds what was there, and the VE goes on" {
	run_ve 101 --diskspace 512M
	shell 101 'echo before >/file; dd if=/dev/urandom of=/data bs=1M count=8 2>/dev/null; sha256sum /data >/sum'
	local uuid
	uuid=$(snap one)
	run -0 e2fsck -f -n "$(private)/snapshots/$uuid/disk.img"
	shell 101 'echo after >/file; rm /data'
	mkdir "$ROOT/mnt"
	berth snapshot mount 101 --id one --target "$ROOT/mnt"
	run -0 host cat "$ROOT/mnt/file"
	equal "$output" before
	# shellcheck disable=SC2016
	run -0 host sh -c 'cd "$1" && sha256sum ./data' - "$ROOT/mnt"
	equal "${output%% *}" "$(shell 101 'cut -d" " -f1 /sum')"
	run ! host sh -c 'echo x >"$1"/x' - "$ROOT/mnt"
	host test -s "$ROOT/mnt/bin/busybox"
	refused 41 'is mounted' berth snapshot delete 101 --id one
	berth snapshot umount 101 --id one
	refused 161 'not mounted' berth snapshot umount 101 --id one
	leak_check mounts
	equal "$(shell 101 'cat /file')" after
	berth snapshot delete 101 --id "{${uuid^^}}"
	equal "$(snaps)" ''
}

@test "snapshot: consistent under writes: e2fsck finds nothing, a writer's file is whole" {
	run_ve 101 --diskspace 512M
	# The second file has its place only after the first is on the disk: never without it.
	shell 101 '(n=0; while :; do n=$((n + 1)); echo $n >/a.new; sync; mv /a.new /a; sync
		echo $n >/b.new; mv /b.new /b; done) \
		</dev/null >/dev/null 2>&1 &'
	local i uuid a b
	within 10 shell 101 'test -s /b'
	mkdir "$ROOT/mnt"
	for i in 1 2 3; do
		uuid=$(snap "s$i")
		run -0 e2fsck -f -n "$(private)/snapshots/$uuid/disk.img"
		berth snapshot mount 101 --id "$uuid" --target "$ROOT/mnt"
		a=$(host cat "$ROOT/mnt/a") b=$(host cat "$ROOT/mnt/b")
		berth snapshot umount 101 --id "$uuid"
		((a == b || a == b + 1)) || fail "a is $a, b is $b"
	done
	shell 101 'killall sh' || :
}

@test "snapshot: switch goes back, keeps a way back, and restores the config but not who it is" {
	run_ve 101 --diskspace 512M --ram 64M --name web --ipadd 10.9.0.101
	shell 101 'echo one >/file'
	local one back
	one=$(snap one)
	shell 101 'echo two >/file'
	berth set 101 --ram 128M --ipadd 10.9.0.102 --name shop --save >/dev/null
	back=$(berth snapshot switch 101 --id one -j | json -r .uuid)
	is_state 101 'exist mounted running'
	equal "$(shell 101 'cat /file')" one
	check_limit 101 ram $((64 << 20))
	equal "$(conf_value 101 NAME)" shop
	contains "$(conf_value 101 IP_ADDRESS)" 10.9.0.102
	equal "$(snaps current,uuid)" "$(printf '  {%s}\n* {%s}' "$back" "$one" | sort -k2 | sed 's/^ *{/  {/')" ||
		equal "$(berth snapshot list 101 -j | json -r '.[] | select(.current) | .uuid')" "$one"
	berth snapshot switch 101 --id "$back" >/dev/null
	equal "$(shell 101 'cat /file')" two
	check_limit 101 ram $((128 << 20))
	berth stop 101 --fast
	run -0 e2fsck -f -n "$(private)/disk.img"
}

@test "snapshot: switch does not bring back links that the VE has given up" {
	new_ve 101
	berth -q set 101 --netif_add eth1 --ifname eth1 --ipadd 10.9.0.50 --save
	snap one >/dev/null
	berth -q set 101 --netif_del eth1 --save
	new_ve 102 --ipadd 10.9.0.50
	berth snapshot switch 101 --id one >/dev/null
	lacks "$(conf_value 101 NETIF)" eth1
	berth start 101 102 >/dev/null
	reaches 10.9.0.50
}

@test "snapshot: switch to one whose info was lost gives its disk, and the VE starts" {
	run_ve 101
	shell 101 'echo one >/file; sync'
	local one
	one=$(snap one)
	shell 101 'echo two >/file'
	berth -q stop 101 --fast
	echo '{' >"$(private)/snapshots/$one/info.json"
	berth snapshot switch 101 --id "$one" >/dev/null
	berth start 101 >/dev/null
	equal "$(shell 101 'cat /file')" one
	[[ -n $(conf_value 101 TEMPLATE_VERSION) ]]
}

@test "snapshot: switch --skip-config and --skip-resume do that" {
	run_ve 101 --ram 64M
	snap one
	berth set 101 --ram 128M --save >/dev/null
	berth snapshot switch 101 --id one --skip-config --skip-resume >/dev/null
	is_state 101 'exist unmounted down'
	equal "$(conf_value 101 PHYSPAGES)" 0:32768
}

@test "snapshot: the tree knows parents, and loses a branch without losing leaves" {
	new_ve 101
	local a b c
	a=$(snap a) b=$(snap b) c=$(snap c)
	equal "$(berth snapshot list 101 -j | json -r '.[] | select(.name == "c") | .parent_uuid')" "$b"
	berth snapshot delete 101 --id b
	equal "$(berth snapshot list 101 -j | json -r '.[] | select(.name == "c") | .parent_uuid')" "$a"
	berth snapshot delete 101 --id c
	equal "$(berth snapshot list 101 -j | json -r '.[] | select(.current) | .uuid')" "$a"
	run -0 berth snapshot list 101 -L
	contains "$output" parent_uuid
	run -0 berth snapshot-list 101 -H -u "$a" -o uuid
	equal "$output" "{$a}"
	[[ -n $c ]]
}

@test "snapshot: bad input is one line and changes nothing" {
	new_ve 101
	refused 21 'not a UUID' berth snapshot create 101 --id 12
	refused 21 'control characters' berth snapshot create 101 --name $'a\nb'
	refused 21 'does not exist' berth snapshot switch 101 --id nothing
	refused 21 'does not exist' berth snapshot delete 101 --id ../../101
	refused 27 '--id' berth snapshot delete 101
	refused 27 '--target' berth snapshot mount 101 --id x
	refused 21 'unknown column' berth snapshot list 101 -o nonsense
	refused 14 'does not exist' berth snapshot create 999
	local uuid
	uuid=$(snap one)
	refused 156 'exists already' berth snapshot create 101 --id "$uuid"
	snap one >/dev/null
	refused 21 'give the UUID' berth snapshot delete 101 --id one
	equal "$(snaps | sort | paste -sd' ')" 'one one'
}

@test "snapshot: a version that a snapshot lies on is not removed" {
	new_ve 101
	snap one >/dev/null
	local digest
	digest=$(conf_value 101 TEMPLATE_VERSION)
	sed -i "s/$digest/${digest//[0-9]/0}/" "$(conf_of 101)"
	run --separate-stderr berth template remove "$digest"
	[[ $status -ne 0 ]]
	one_line_error 'VE 101 has a snapshot'
	sed -i "s/^TEMPLATE_VERSION=.*/TEMPLATE_VERSION=\"$digest\"/" "$(conf_of 101)"
}

@test "snapshot: without room on the host it is refused before anything is copied" {
	new_ve 101 --diskspace 1G
	fallocate -l 300M "$BATS_TEST_TMPDIR/disk" || dd if=/dev/zero of="$BATS_TEST_TMPDIR/disk" bs=1M count=300 status=none
	mke2fs -q -t ext4 -F "$BATS_TEST_TMPDIR/disk"
	mkdir "$ROOT/small"
	host mount -o loop "$BATS_TEST_TMPDIR/disk" "$ROOT/small"
	host mkdir -p "$ROOT/small/var/lib/berth"
	host cp -a "$SCRATCH/seed/var/lib/berth/template" "$ROOT/small/var/lib/berth/"
	small() { host "$BERTH" --root "$ROOT/small" "$@"; }
	small create 101 --ostemplate mini --diskspace 256M >/dev/null
	small start 101 >/dev/null
	small exec3 101 /bin/sh -c 'dd if=/dev/urandom of=/fill bs=1M count=150 2>/dev/null; sync'
	run --separate-stderr small snapshot create 101
	local code=$status said=$stderr
	run -0 small snapshot list 101 -H
	local left=$output
	small exec3 101 /bin/true
	small stop 101 --fast >/dev/null
	small destroy 101 >/dev/null
	host umount "$ROOT/small"
	equal "$code" 46 "exit ($said)"
	contains "$said" 'half of what the host has left'
	equal "$left" ''
}

@test "snapshot: instant where the host's filesystem shares blocks" {
	command -v mkfs.xfs >/dev/null && grep -qw xfs /proc/filesystems || skip 'needs xfs'
	truncate -s 2G "$BATS_TEST_TMPDIR/disk"
	mkfs.xfs -q "$BATS_TEST_TMPDIR/disk"
	mkdir "$ROOT/big"
	host mount -o loop "$BATS_TEST_TMPDIR/disk" "$ROOT/big"
	host mkdir -p "$ROOT/big/var/lib/berth"
	host cp -a "$SCRATCH/seed/var/lib/berth/template" "$ROOT/big/var/lib/berth/"
	big() { host "$BERTH" --root "$ROOT/big" "$@"; }
	big create 101 --ostemplate mini --diskspace 1G >/dev/null
	big start 101 >/dev/null
	big exec3 101 /bin/sh -c 'dd if=/dev/urandom of=/fill bs=1M count=400 2>/dev/null; sync'
	local used after code=0
	used=$(host df -k --output=used "$ROOT/big" | tail -1)
	big snapshot create 101 --name a >/dev/null || code=$?
	big snapshot create 101 --name b >/dev/null || code=$?
	after=$(host df -k --output=used "$ROOT/big" | tail -1)
	big exec3 101 /bin/sh -c 'echo x >/x'
	big snapshot switch 101 --id a >/dev/null || code=$?
	run big exec3 101 /bin/sh -c 'test ! -e /x && test -s /fill'
	local same=$status
	big stop 101 --fast >/dev/null
	big destroy 101 >/dev/null
	host umount "$ROOT/big"
	equal "$code" 0
	equal "$same" 0
	((after - used < 50 * 1024)) || fail "two snapshots of 400 MiB took $(((after - used) / 1024)) MiB"
}

# ---- kills ----

# Not frozen: inside can be written; nothing half-made is shown, every snapshot there is is whole.
sound() {
	local uuid
	within 5 shell 101 'echo alive >/alive; sync' || return
	for uuid in $(berth snapshot list 101 -H -o uuid | tr -d '{}'); do
		run -0 e2fsck -f -n "$(private)/snapshots/$uuid/disk.img" || return
	done
}

@test "snapshot: killed while the VE stands still, it goes on at once" {
	run_ve 101
	local fault
	for fault in 'snapshot/hold!' 'snapshot/hold+!' 'snapshot/name!' 'snapshot/current!'; do
		# shellcheck disable=SC2097,SC2098
		BERTH_FAULT=$fault run host "$BERTH" --root "$ROOT" snapshot create 101
		[[ $status -ne 0 ]] || fail "survived $fault"
		sound || fail "after $fault"
	done
	berth snapshot create 101 --name last >/dev/null
	contains "$(snaps)" last
	[[ ! -e $(private)/snapshots/.new ]]
}

@test "snapshot: killed together with its guard, the next verb thaws" {
	run_ve 101
	local pid
	# A guard that cannot help: stop it first, then kill both.
	BERTH_FAULT='snapshot/hold+' host "$BERTH" --root "$ROOT" snapshot create 101 2>/dev/null || :
	sound
	mkdir -p "$ROOT/hold"
	host "$BERTH" --root "$ROOT" exec3 101 /bin/true
	pid=$(init_pid 101)
	: >"$ROOT/run/berth/101/frozen"
	local at
	at=$(cg_dir_v2 101)
	echo 1 >"$at/cgroup.freeze"
	run ! timeout 1 nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" exec3 101 /bin/true
	berth set 101 --cpuunits 900 >/dev/null
	[[ ! -e $ROOT/run/berth/101/frozen ]]
	inside 101 /bin/true
	[[ -n $pid ]]
}

cg_dir_v2() {
	local path mount
	path=$(sed -n 's/^0:://p' "/proc/$(init_pid "$1")/cgroup")
	mount=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
	while [[ ${path##*/} != "$1" ]]; do path=${path%/*}; done
	echo "$mount$path"
}

@test "snapshot: switch killed at every point ends as done or not begun, and loses nothing" {
	new_ve 101
	berth start 101
	shell 101 'echo one >/file'
	snap one >/dev/null
	local fault now other
	for fault in 'snapshot-switch/exchange!' 'snapshot-switch/end!'; do
		shell 101 'echo two >/file; sync'
		# shellcheck disable=SC2097,SC2098
		BERTH_FAULT=$fault run host "$BERTH" --root "$ROOT" snapshot switch 101 --id one
		[[ $status -ne 0 ]] || fail "survived $fault"
		is_state 101 'exist mounted running' || berth start 101 >/dev/null
		now=$(shell 101 'cat /file')
		if [[ $fault == */exchange! ]]; then
			equal "$now" two "after $fault"
			equal "$(snaps | wc -l)" 1
		else
			equal "$now" one "after $fault"
			equal "$(snaps | wc -l)" 2
			other=$(berth snapshot list 101 -j | json -r '.[] | select(.current | not) | .uuid')
			berth snapshot switch 101 --id "$other" >/dev/null
			equal "$(shell 101 'cat /file')" two
		fi
	done
}

# The configs lie elsewhere than the disks, and can be full alone; here only that of 101 cannot be saved.
@test "snapshot: a switch that cannot be ended leaves no disk over the wrong version" {
	run_ve 101
	local tree=$BATS_TEST_TMPDIR/tree conf=$ROOT/etc/berth/conf a
	a=$(conf_value 101 TEMPLATE_VERSION)
	shell 101 'echo one >/file'
	snap one >/dev/null
	fsck.erofs --extract="$tree" "$ROOT/var/lib/berth/template/store/$a.erofs" >/dev/null
	echo other >"$tree/etc/other"
	berth template import "$tree" other >/dev/null
	berth upgrade 101 --to other >/dev/null
	shell 101 'echo two >/file'
	mkdir "$conf/.101.conf.tmp"
	run --separate-stderr berth snapshot switch 101 --id one
	[[ $status -ne 0 ]] || fail 'it has ended'
	equal "$(shell 101 'cat /file /etc/other' 2>/dev/null)" '' 'the disk of one over the version of two'
	run --separate-stderr -159 berth --quiet start 101
	contains "$stderr" 'its disk is that of snapshot'
	run ! berth clone 101 102
	contains "$output" 'its disk is that of snapshot'
	run ! berth send 101
	contains "$output" 'its disk is that of snapshot'
	is_state 102 'deleted unmounted down'
	rmdir "$conf/.101.conf.tmp"
	berth start 101 >/dev/null
	equal "$(shell 101 'cat /file')" one
	equal "$(conf_value 101 TEMPLATE_VERSION)" "$a"
}

@test "snapshot: of a disk that lost its power shows what its journal has, and stays as it is" {
	run_ve 101 --diskspace 256M
	local uuid was
	shell 101 'mkdir /dir; for i in 1 2 3 4 5 6 7 8; do echo $i | dd of=/dir/$i conv=fsync 2>/dev/null; done'
	# As it lies there now, its journal not empty.
	cp --sparse=always "$(private)/disk.img" "$BATS_TEST_TMPDIR/cut"
	berth stop 101 --fast
	cp --sparse=always "$BATS_TEST_TMPDIR/cut" "$(private)/disk.img"
	dumpe2fs -h "$(private)/disk.img" 2>/dev/null | grep -q needs_recovery
	uuid=$(snap one)
	was=$(stat -c '%y %b' "$(private)/snapshots/$uuid/disk.img")
	mkdir "$ROOT/mnt"
	berth snapshot mount 101 --id one --target "$ROOT/mnt"
	run host sh -c 'cat "$0"/dir/*' "$ROOT/mnt"
	equal "$output" "$(seq 8)"
	refused 41 'is mounted' berth snapshot delete 101 --id one
	refused 41 'is mounted already' berth snapshot mount 101 --id one --target "$ROOT/mnt"
	berth snapshot umount 101 --id one
	leak_check mounts loops
	equal "$(stat -c '%y %b' "$(private)/snapshots/$uuid/disk.img")" "$was"
	berth snapshot delete 101 --id one
}

@test "snapshot: delete killed in the middle is ended by the next one" {
	new_ve 101
	local fault
	for fault in 'snapshot-delete/rename!' 'snapshot-delete/remove!'; do
		snap one >/dev/null
		# shellcheck disable=SC2097,SC2098
		BERTH_FAULT=$fault run host "$BERTH" --root "$ROOT" snapshot delete 101 --id one
		[[ $status -ne 0 ]]
		[[ -z $(snaps) ]] || berth snapshot delete 101 --id one >/dev/null
		equal "$(snaps)" ''
		snap two >/dev/null
		[[ ! -e $(private)/snapshots/.del ]]
		berth snapshot delete 101 --id two >/dev/null
	done
}

@test "snapshot: the copy that a killed create or delete has left goes with the next command on the VE" {
	new_ve 101
	run ! host env BERTH_FAULT=snapshot/name! "$BERTH" --root "$ROOT" snapshot create 101
	[[ -e $(private)/snapshots/.new ]] || fail 'the create was not killed in between'
	berth set 101 --numproc 90 --save >/dev/null
	[[ ! -e $(private)/snapshots/.new ]] || fail 'that of the create is still there'
	snap one >/dev/null
	run ! host env BERTH_FAULT=snapshot-delete/remove! "$BERTH" --root "$ROOT" snapshot delete 101 --id one
	[[ -e $(private)/snapshots/.del ]] || fail 'the delete was not killed in between'
	berth set 101 --numproc 95 --save >/dev/null
	[[ ! -e $(private)/snapshots/.del ]] || fail 'that of the delete is still there'
}

@test "snapshot: create and switch killed at random moments, fifteen times" {
	run_ve 101 --diskspace 512M
	shell 101 'echo keep >/keep; dd if=/dev/urandom of=/data bs=1M count=20 2>/dev/null; sha256sum /data >/sum; sync'
	snap base >/dev/null
	local i
	for i in {1..15}; do
		if ((i % 3)); then
			kill_soon 150 snapshot create 101
		else
			kill_soon 400 snapshot switch 101 --id base
			# Init may have been told to stop before the kill.
			berth stop 101 --fast >/dev/null && berth start 101 >/dev/null
		fi
		run -0 berth snapshot list 101 -H -o uuid
		sound || fail "round $i"
		shell 101 'sha256sum -c /sum >/dev/null && test "$(cat /keep)" = keep' || fail "round $i"
	done
	snap last >/dev/null
	berth snapshot switch 101 --id last >/dev/null
	shell 101 'sha256sum -c /sum >/dev/null'
}

# ---- compact ----

@test "compact: gives back what discard did not, running and stopped" {
	run_ve 101 --diskspace 512M
	# Holes filled from the host: blocks that the filesystem does not use.
	berth stop 101 --fast
	local before after
	fallocate -l "$(stat -c %s "$(private)/disk.img")" --keep-size "$(private)/disk.img" 2>/dev/null || skip 'no fallocate here'
	before=$(du -k "$(private)/disk.img" | cut -f1)
	run -0 berth compact 101
	after=$(du -k "$(private)/disk.img" | cut -f1)
	((after < before / 10)) || fail "from $before to $after KiB"
	berth start 101
	fallocate -l "$(stat -c %s "$(private)/disk.img")" --keep-size "$(private)/disk.img"
	berth compact 101 >/dev/null
	after=$(du -k "$(private)/disk.img" | cut -f1)
	((after < before / 10)) || fail "running: from $before to $after KiB"
	inside 101 /bin/true
}
