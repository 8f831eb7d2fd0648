#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# An error, and a kill, at every step of every verb: before the step and after it. What holds
# then: exit code and cause are right, nothing leaks, and the next try works.
# bats file_tags=root,slow

load helpers/load
export BATS_TEST_TIMEOUT=$((300 * ${BERTH_PATIENCE:-1}))

OPTIONS=(--ram 128M --cpulimit 50 --ipadd 10.9.0.101 --hostname web.example --diskspace 256M)

# steps VERB: the names of its steps.
steps() {
	local list
	list=$(berth --dump-steps | sed -n "s|^$1/||p")
	[[ -n $list ]] || fail "no steps of $1 in: $(berth --dump-steps)" || return
	echo "$list"
}

# Like berth, with a fault injected.
faulty() {
	local fault=$1
	shift
	host env BERTH_FAULT="$fault" "$BERTH" --root "$ROOT" "$@"
}

# fake_kernel MARK: what passes for a kernel with all drivers built in, at $K.
fake_kernel() {
	K=$BATS_TEST_TMPDIR/boot
	mkdir -p "$K/6.0-fake"
	: >"$K/6.0-fake/modules.order"
	printf 'kernel/%s.ko\n' virtio_{mmio,pci,console,blk,net} erofs ext4 overlay >"$K/6.0-fake/modules.builtin"
	{ head -c 514 /dev/zero && echo "HdrS $1"; } >"$K/vmlinuz"
}

# Which of the fake kernels is there?
kernel_mark() {
	tail -c +515 "$ROOT/var/lib/berth/kernel/6.0-fake/vmlinuz" || echo none
}

@test "kernel import: killed while one of the same name is replaced, one of the two is there" {
	local at
	fake_kernel one
	berth kernel import "$K/vmlinuz" "$K/6.0-fake" >/dev/null
	fake_kernel two
	for at in place place+; do
		run ! faulty "kernel/$at!" kernel import "$K/vmlinuz" "$K/6.0-fake"
		contains "$(kernel_mark)" HdrS
		equal "$(berth -j kernel list | json -r '.[] | [.name, .default] | join(" ")')" '6.0-fake true'
	done
	berth kernel import "$K/vmlinuz" "$K/6.0-fake" >/dev/null
	equal "$(kernel_mark)" 'HdrS two'
	[[ ! -e $ROOT/var/lib/berth/kernel/.import ]]
	# Removed is removed, not half of it.
	run ! faulty 'kernel/remove+!' kernel remove 6.0-fake
	equal "$(berth -j kernel list)" '[]'
	fake_kernel three
	berth kernel import "$K/vmlinuz" "$K/6.0-fake" >/dev/null
	equal "$(kernel_mark)" 'HdrS three'
	[[ ! -e $ROOT/var/lib/berth/kernel/.import ]]
}

# What a verb is run on and how it is called.
prepare() {
	case $1 in
	create) ;;
	start) new_ve 101 "${OPTIONS[@]}" ;;
	esac
}

words() {
	case $1 in
	create) echo "create 101 --ostemplate mini ${OPTIONS[*]}" ;;
	start) echo 'start 101' ;;
	esac
}

# each_step VERB MARK CHECK: the verb fails at every step (MARK "" or "+", with "!" killed).
each_step() {
	local verb=$1 mark=$2 check=$3 step list
	list=$(steps "$verb")
	for step in $list; do
		prepare "$verb" || return
		# shellcheck disable=SC2046 # the words of a command line
		run --separate-stderr faulty "$verb/$step$mark" $(words "$verb")
		"$check" "$verb" "$step" || fail "at $verb/$step$mark" || return
		destroy_all || fail "destroy after $verb/$step$mark" || return
		leak_check || fail "after $verb/$step$mark" || return
	done
}

# The verb's own end, after whatever went wrong.
again() {
	local verb=$1
	# shellcheck disable=SC2046
	case $verb in
	create)
		# Either it was complete, or creating it again completes it.
		berth start 101 >/dev/null 2>&1 ||
			{ berth $(words create) && berth start 101; } >/dev/null || return
		is_state 101 'exist mounted running'
		;;
	start)
		is_state 101 'exist mounted running' || berth start 101 >/dev/null || return
		inside 101 /bin/true
		;;
	esac
}

failed_cleanly() {
	local verb=$1
	[[ $status -ne 0 && $status -lt 128 ]] || fail "exit $status" || return
	one_line_error 'injected fault' || return
	contains "$stderr" "$2" || return
	case $verb in
	create)
		equal "$(status_of 101)" 'CTID 101 deleted unmounted down' || return
		leak_check || return
		;;
	start)
		equal "$(status_of 101)" 'CTID 101 exist unmounted down' || return
		leak_check mounts loops cgroups links rules processes || return
		;;
	esac
	again "$verb"
}

# SIGKILL at a step: list and status answer, and the next verb works.
killed_cleanly() {
	local verb=$1
	[[ $status -ne 0 ]] || fail "survived" || return
	run -0 berth list -a -H -o ctid,status
	run -0 berth status 101
	again "$verb"
}

# Undoing must not be needed for destroy to work either.
killed_then_destroyed() {
	[[ $status -ne 0 ]] || fail "survived" || return
	is_state 101 'deleted unmounted down' && return
	berth stop 101 --fast >/dev/null 2>&1 || :
	berth umount 101 >/dev/null 2>&1 || :
	berth destroy 101 >/dev/null
}

@test "create: fails cleanly before each step" { each_step create '' failed_cleanly; }
@test "create: fails cleanly after each step" { each_step create + failed_cleanly; }
@test "create: killed before each step" { each_step create '!' killed_cleanly; }
@test "create: killed after each step" { each_step create '+!' killed_cleanly; }
@test "create: killed after each step, then destroyed" { each_step create '+!' killed_then_destroyed; }

@test "start: fails cleanly before each step" { each_step start '' failed_cleanly; }
@test "start: fails cleanly after each step" { each_step start + failed_cleanly; }
@test "start: killed before each step" { each_step start '!' killed_cleanly; }
@test "start: killed after each step" { each_step start '+!' killed_cleanly; }
@test "start: killed after each step, then destroyed" { each_step start '+!' killed_then_destroyed; }

@test "every verb that is made of steps is tested here" {
	# start-vm is in 90-vm, restore and suspend are in 91-vm-suspend.
	equal "$(berth --dump-steps | cut -d/ -f1 | sort -u | paste -sd' ')" 'create restore start start-vm suspend'
}

@test "start: the guest's side failing is reported with its cause" {
	run_ve 101
	shell 101 'rm -rf /sbin/init; mkdir /sbin/init'
	berth stop 101 --fast
	run --separate-stderr berth start 101
	[[ $status -ne 0 ]]
	one_line_error init
	leak_check mounts loops cgroups links processes
}

@test "start: killed at random moments, twenty times, nothing leaks" {
	new_ve 101 "${OPTIONS[@]}"
	for _ in {1..20}; do
		kill_soon 60 start 101
		run -0 berth status 101
		berth stop 101 --fast >/dev/null
		is_state 101 'exist unmounted down'
	done
	leak_check mounts loops cgroups links processes
}

@test "stop: killed at random moments, twenty times, the next one ends it" {
	new_ve 101 "${OPTIONS[@]}"
	for _ in {1..20}; do
		berth start 101 >/dev/null
		kill_soon 60 stop 101 --fast
		run -0 berth status 101
		berth stop 101 --fast >/dev/null
		is_state 101 'exist unmounted down'
	done
	leak_check mounts loops cgroups links processes
}

@test "destroy: killed at random moments, twenty times, the next one ends it" {
	for _ in {1..20}; do
		new_ve 101 "${OPTIONS[@]}" --name web
		kill_soon 12 destroy 101
		is_state 101 'deleted unmounted down' || berth destroy 101 >/dev/null
		berth recover >/dev/null        # the note outlives the config that it is about
		leak_check files
	done
}

@test "set: killed at random moments, twenty times, kernel and config stay sound" {
	run_ve 101 "${OPTIONS[@]}"
	local ram
	for _ in {1..20}; do
		kill_soon 12 set 101 --ram 64M --cpulimit 20 --diskspace 512M --ipadd 10.9.0.102 --save
		sh -n "$(conf_of 101)"
		ram=$(limit 101 ram)
		[[ $ram -eq $((128 << 20)) || $ram -eq $((64 << 20)) ]] || fail "ram is $ram"
		berth set 101 --ram 128M --cpulimit 50 --diskspace 256M --ipdel 10.9.0.102 --save >/dev/null
		check_limit 101 ram $((128 << 20))
		inside 101 /bin/true
	done
}
