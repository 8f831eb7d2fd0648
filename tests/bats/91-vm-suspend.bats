#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Virtual machines whose memory goes to disk and comes back: suspend, resume, snapshots.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

setup_file() {
	vm_setup_file
}

setup() {
	vm_setup
}

private() {
	echo "$ROOT/var/lib/berth/private/201"
}

# What is only in the memory of this guest: the number of its boot, and a counter.
counting() {
	shell 201 'mkdir -p /run/n; mount -t tmpfs none /run/n
		while :; do i=$((i + 1)); echo $i >/run/n/n; usleep 20000; done >/dev/null 2>&1 &'
	within 10 shell 201 'test -s /run/n/n'
}

boot_id() {
	inside 201 /bin/cat /proc/sys/kernel/random/boot_id
}

# A file that is being written anew is empty for a moment.
count() {
	shell 201 'until n=$(cat /run/n/n); test "$n"; do :; done; echo $n'
}

@test "suspend: the guest goes on where it was, by resume and by start" {
	run_vm 201 --ipadd 10.5.0.201
	local boot n
	counting
	boot=$(boot_id) n=$(count)
	run -0 berth suspend 201
	equal "$output" $'Setting up checkpoint...\n\tsuspend...\n\tdump...\n\tkill...\nCheckpointing completed successfully\nContainer is unmounted'
	equal "$(status_of 201)" 'CTID 201 exist unmounted down suspended'
	equal "$(berth list -a -H -o ctid,status | xargs)" '201 suspended'
	equal "$(berth -j status 201 | json -r .status)" suspended
	leak_check mounts loops cgroups links rules processes
	equal "$(stat -c %a:%u "$(private)/dump")" 600:0
	run -0 berth resume 201
	equal "$output" $'Restoring container ...\nContainer is mounted\n\tundump...\nAdding IP address(es): 10.5.0.201\n\tresume...\nContainer start in progress...\nRestoring completed successfully'
	equal "$(status_of 201)" 'CTID 201 exist mounted running'
	[[ ! -e $(private)/dump && ! -e $(private)/dump.used ]]
	equal "$(boot_id)" "$boot"
	(($(count) >= n)) || fail "counter $(count), was $n"
	within 5 eval '(($(count) > n + 5))'
	reaches 10.5.0.201
	shell 201 'echo kept >/root/mark; sync'
	berth suspend 201 >/dev/null
	sleep 3
	berth start 201 >/dev/null
	n=$(($(date +%s) - $(inside 201 /bin/date +%s)))
	((n <= 1 && n >= -1)) || fail "its clock is $n s behind"
	equal "$(boot_id)" "$boot"
	equal "$(inside 201 /bin/cat /root/mark)" kept
}

@test "suspend: a dump that is not what was written is refused, and kept" {
	run_vm 201
	local boot
	boot=$(boot_id)
	berth suspend 201 >/dev/null
	# One bit of the memory, and one of the record.
	flip() {
		local byte
		printf -v byte '\\x%02x' $(($(od -An -tu1 -j "$1" -N 1 "$(private)/dump") ^ 1))
		printf %b "$byte" | dd of="$(private)/dump" bs=1 seek="$1" conv=notrunc status=none
	}
	local at
	for at in 1000000 100; do
		flip "$at"
		refused 17 'not one that this host has written, or damaged' berth resume 201
		refused 17 'not one that this host has written, or damaged' berth start 201
		equal "$(status_of 201)" 'CTID 201 exist unmounted down suspended'
		flip "$at"
	done
	# That of another host: another key.
	mv "$ROOT/var/lib/berth/dump.key" "$ROOT/key"
	refused 17 'not one that this host has written' berth resume 201
	mv "$ROOT/key" "$ROOT/var/lib/berth/dump.key"
	# A disk that somebody has written to, and a machine that would be another.
	local when
	when=$(stat -c %y "$(private)/disk.img")
	touch "$(private)/disk.img"
	refused 17 'disk has been written to' berth resume 201
	touch -d "$when" "$(private)/disk.img"
	sed -i 's/^KIND=.*/KIND="vm"\nNETIF="ifname=eth0,mac=02:00:00:00:00:77"/' "$(conf_of 201)"
	refused 17 'machine would not be the same' berth resume 201
	sed -i /NETIF=/d "$(conf_of 201)"
	berth resume 201 >/dev/null
	equal "$(boot_id)" "$boot"
}

@test "suspend: what would spoil it is refused; stop --fast and destroy give it up" {
	run_vm 201
	berth suspend 201 >/dev/null
	refused 32 'is suspended' berth mount 201
	refused 32 'is suspended' berth set 201 --kind ct --save
	local args
	for args in '--ram 200M' '--ipadd 10.5.0.9' '--hostname other' '--diskspace 8G' '--userpasswd root:x'; do
		# shellcheck disable=SC2086
		refused 32 'is suspended' berth set 201 $args --save
	done
	refused 32 'is suspended' berth compact 201
	refused 32 'is suspended' berth reinstall 201
	refused 31 'is suspended' berth exec 201 true
	berth set 201 --cpulimit 90 --onboot yes --save >/dev/null
	berth stop 201 >/dev/null
	equal "$(status_of 201)" 'CTID 201 exist unmounted down suspended'
	berth suspend 201 >/dev/null
	berth stop 201 --fast >/dev/null
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
	[[ ! -e $(private)/dump ]]
	refused 17 'not suspended' berth resume 201
	refused 31 'not running' berth suspend 201
	start_vm 201
	berth suspend 201 >/dev/null
	berth destroy 201 >/dev/null
	[[ ! -e $(private) ]]
	new_ve 202
	berth start 202 >/dev/null
	refused 16 CRIU berth suspend 202
}

# fault VERB STEP CMD...: with a fault there, whatever comes of it.
fault() {
	host env BERTH_FAULT="$1" timeout 60 "$BERTH" --root "$ROOT" "${@:2}" >/dev/null 2>&1
}

# Old or new: it runs on, or it is suspended and goes on from there.
goes_on() {
	local state
	# Whatever takes the lock mends first.
	berth set 201 --description "$1" --save >/dev/null || return
	state=$(berth -j status 201 | json -r .status)
	case $state in
	suspended) berth resume 201 >/dev/null || return ;;
	running) ;;
	*) fail "$state after $1" || return ;;
	esac
	within 10 eval '[[ $(boot_id) == "$boot" ]]' || fail "another boot after $1" || return
	[[ ! -e $(private)/dump && ! -e $(private)/dump.used && ! -e $(private)/dump.new ]] ||
		fail "$(ls "$(private)") after $1"
}

# Of the other steps each is one of a start, too. A failure behind a step is one before the next.
fault_steps() {
	local only='hold|save|commit|kill|memory|go|state'
	[[ -z ${BERTH_LONG:-} ]] || only='.*'
	berth --dump-steps | grep -E "^$1/($only)\$"
}

@test "suspend: failed or killed at any step it runs on or is suspended" {
	run_vm 201
	local boot step mark
	boot=$(boot_id)
	for step in $(fault_steps suspend); do
		for mark in '' '+!'; do
			run ! fault "$step$mark" suspend 201
			[[ $mark == *! ]] ||
				equal "$(berth -j status 201 | json -r .status)" running "after $step$mark"
			goes_on "$step$mark"
		done
	done
	# Too late to go back: the machine is gone, and its memory all there is.
	run ! fault suspend/kill+ suspend 201
	equal "$(status_of 201)" 'CTID 201 exist unmounted down suspended'
	goes_on kill+
}

@test "resume: failed or killed at any step it is suspended or runs on" {
	run_vm 201
	local boot step mark
	boot=$(boot_id)
	for step in $(fault_steps restore); do
		for mark in '' '+!'; do
			berth suspend 201 >/dev/null
			run ! fault "$step$mark" resume 201
			goes_on "$step$mark"
		done
	done
	berth suspend 201 >/dev/null
	run ! fault 'restore/cont!' resume 201
	goes_on cont
}

@test "shutdown: VE_STOP_MODE=suspend, and boot lets it go on; pause is memory only" {
	run_vm 201 --onboot yes
	local boot
	boot=$(boot_id)
	berth pause 201
	equal "$(berth list -H -o status)" paused
	refused 31 'is paused' berth exec 201 true
	berth unpause 201
	equal "$(boot_id)" "$boot"
	equal "$(berth suspend 201 --dry-run)" 'CT 201: would be suspended'
	echo 'VE_STOP_MODE="suspend"' >"$ROOT/etc/berth/berth.conf"
	berth shutdown >/dev/null
	equal "$(status_of 201)" 'CTID 201 exist unmounted down suspended'
	berth boot >/dev/null
	equal "$(boot_id)" "$boot"
	# A paused one is suspended as it is, and one that cannot be goes on being paused.
	berth pause 201
	run -16 fault suspend/save suspend 201
	equal "$(berth list -H -o status)" paused
	berth suspend 201 >/dev/null
	berth resume 201 >/dev/null
	equal "$(boot_id)" "$boot"
	echo 'VE_STOP_MODE="sleep"' >"$ROOT/etc/berth/berth.conf"
	refused 85 'berth.conf: line 1: bad value' berth status 201
	rm "$ROOT/etc/berth/berth.conf"
}

snap_field() {
	berth -j snapshot list 201 --id "$1" | json -r ".[0].$2"
}

@test "snapshot: of a running VM with its memory; switch brings both back" {
	run_vm 201 --ipadd 10.5.0.201 --hostname first
	local boot n
	counting
	boot=$(boot_id)
	shell 201 'echo before >/root/file'
	berth snapshot create 201 --name one >/dev/null
	n=$(count)
	equal "$(berth list -H -o status)" running
	(($(snap_field one memory) > 10000000)) || fail "memory $(snap_field one memory)"
	equal "$(stat -c %a "$(private)"/snapshots/*/memory)" 600
	equal "$(boot_id)" "$boot"
	shell 201 'echo after >/root/file; sync'
	within 5 eval '(($(count) > n + 10))'
	berth set 201 --ipadd 10.5.0.202 --ipdel 10.5.0.201 --save >/dev/null
	berth snapshot switch 201 --id one >/dev/null
	equal "$(boot_id)" "$boot"
	equal "$(shell 201 'cat /root/file')" before
	reaches 10.5.0.202
	# Suspended, the memory of now goes with the disk of now; a snapshot without memory boots.
	shell 201 'echo now >/root/file; sync'
	berth snapshot create 201 --name two --skip-suspend >/dev/null
	equal "$(snap_field two memory)" 0
	run -0 e2fsck -f -n "$(private)/snapshots/$(snap_field two uuid)/disk.img"
	berth suspend 201 >/dev/null
	berth snapshot switch 201 --id two >/dev/null
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
	start_vm 201
	[[ $(boot_id) != "$boot" ]] || fail 'the same boot'
	equal "$(shell 201 'cat /root/file')" now
	berth stop 201 --fast >/dev/null
	local back
	back=before-$(snap_field two uuid | cut -c-8)
	run ! fault 'snapshot-switch/exchange!' snapshot switch 201 --id "$back"
	berth snapshot list 201 >/dev/null
	berth set 201 --description x --save >/dev/null
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
	run ! fault 'snapshot-switch/end!' snapshot switch 201 --id "$back"
	berth set 201 --description y --save >/dev/null
	equal "$(status_of 201)" 'CTID 201 exist unmounted down suspended'
	berth resume 201 >/dev/null
	equal "$(boot_id)" "$boot"
	[[ ! -e $(private)/dump.next ]]
}

@test "snapshot: killed while a VM stands still it goes on; clone --live copies it" {
	run_vm 201
	local boot
	boot=$(boot_id)
	shell 201 'echo here >/root/file'
	run ! fault 'snapshot/hold+!' snapshot create 201
	within 10 inside 201 /bin/true
	run ! fault 'snapshot/hold+!' snapshot create 201 --skip-suspend
	within 10 shell 201 'echo written >/root/more; sync'
	equal "$(boot_id)" "$boot"
	berth clone 201 202 --live >/dev/null
	berth set 202 --kind ct --save >/dev/null
	berth start 202 >/dev/null
	equal "$(shell 202 'cat /root/file')" here
	equal "$(boot_id)" "$boot"
}

@test "snapshot: of a running VM, looked into, has what the guest was promised to be on its disk" {
	run_vm 201
	shell 201 'mkdir /dir; for i in 1 2 3; do echo $i | dd of=/dir/$i conv=fsync 2>/dev/null; done'
	berth snapshot create 201 --name one >/dev/null
	mkdir "$ROOT/mnt"
	berth snapshot mount 201 --id one --target "$ROOT/mnt"
	run host sh -c 'cat "$0"/dir/*' "$ROOT/mnt"
	berth snapshot umount 201 --id one
	equal "$output" "$(seq 3)"
	# What goes with its memory is as it was.
	shell 201 'rm -r /dir; sync'
	berth snapshot switch 201 --id one >/dev/null
	equal "$(shell 201 'cat /dir/*')" "$(seq 3)"
	berth stop 201 >/dev/null
	run -0 e2fsck -f -n "$(private)/disk.img"
}
