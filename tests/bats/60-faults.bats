#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# An error, and a kill, at every step of every verb: before the step and after it. What holds
# then: exit code and cause are right, nothing leaks, and the next try works.
# bats file_tags=root,slow

load helpers/load
export BATS_TEST_TIMEOUT=300

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

# What a verb is run on and how it is called.
prepare() {
	case $1 in
	create) ;;
	start | destroy | mount) new_ve 101 "${OPTIONS[@]}" ;;
	stop | set) run_ve 101 "${OPTIONS[@]}" ;;
	umount) new_ve 101 "${OPTIONS[@]}" && berth mount 101 >/dev/null ;;
	*) fail "no recipe for $1" ;;
	esac
}

words() {
	case $1 in
	create) echo "create 101 --ostemplate mini ${OPTIONS[*]}" ;;
	set) echo 'set 101 --ram 64M --cpulimit 20 --ipadd 10.9.0.102 --save' ;;
	*) echo "$1 101" ;;
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
		is_state 101 'exist unmounted down' || berth $(words create) >/dev/null || return
		berth start 101 >/dev/null && is_state 101 'exist mounted running'
		;;
	start | mount | set)
		is_state 101 'exist mounted running' || berth start 101 >/dev/null || return
		inside 101 /bin/true
		;;
	stop | umount) berth stop 101 --fast >/dev/null && berth start 101 >/dev/null ;;
	destroy) is_state 101 'deleted unmounted down' || berth destroy 101 >/dev/null ;;
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
	start | mount)
		equal "$(status_of 101)" 'CTID 101 exist unmounted down' || return
		leak_check mounts loops cgroups links rules processes || return
		;;
	set)
		check_limit 101 ram $((128 << 20)) || return
		check_limit 101 cpulimit 50 || return
		equal "$(conf_value 101 PHYSPAGES)" 0:32768 || return
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

@test "other verbs: fail cleanly before and after each step" {
	local verb
	for verb in $(berth --dump-steps | cut -d/ -f1 | sort -u | grep -vxE 'create|start'); do
		each_step "$verb" '' failed_cleanly
		each_step "$verb" + failed_cleanly
	done
}

@test "other verbs: killed before and after each step" {
	local verb
	for verb in $(berth --dump-steps | cut -d/ -f1 | sort -u | grep -vxE 'create|start'); do
		each_step "$verb" '!' killed_cleanly
		each_step "$verb" '+!' killed_cleanly
	done
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
	local pid
	for _ in $(seq 20); do
		host "$BERTH" --root "$ROOT" start 101 >/dev/null 2>&1 &
		pid=$!
		sleep "0.0$((RANDOM % 5))$((RANDOM % 10))"
		kill -9 "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		run -0 berth status 101
		berth stop 101 --fast >/dev/null
		is_state 101 'exist unmounted down'
	done
	leak_check mounts loops cgroups links processes
}
