#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The keeper may die at any time; the VE does not care.
# bats file_tags=root

load helpers/load

# Keepers of this root, whatever their parent.
keepers() {
	local p
	for p in /proc/[0-9]*; do
		[[ $(cat "$p/comm" 2>/dev/null) == berth-keeper ]] &&
			tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -qF "$ROOT" && echo "${p##*/}"
	done
	return 0
}

# CPU time of a process, in hundredths of a second.
ticks() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

one_keeper() {
	[[ $(keepers | wc -l) -eq 1 ]]
}

# Once it has nothing to do, some 300 ms after the last console output, it gives its pages back.
is_small() {
	local pss
	pss=$(awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup")
	((pss <= 300)) || fail "the keeper takes $pss KiB"
}

@test "keeper: one small process per running VE, none otherwise" {
	new_ve 101
	equal "$(keepers)" ''
	berth start 101
	one_keeper
	within 5 is_small "$(keepers)"
	berth stop 101
	equal "$(keepers)" ''
}

@test "keeper: holds no descriptor of the caller and no way into the VE" {
	exec 7<"$BATS_TEST_DIRNAME"
	new_ve 101
	host "$BERTH" --root "$ROOT" start 101 >/dev/null
	exec 7<&-
	local fd events control
	events=$(cg_dir 101 memory)/memory.events       # v2; on v1 an eventfd tells of kills
	control=$(cg_dir 101 memory)/memory.oom_control
	for fd in "/proc/$(keepers)/fd"/*; do
		case $(readlink "$fd") in
		"$events" | "$control") grep -q '^flags:.*0$' "${fd/fd/fdinfo}" || fail "$fd can be written" ;;
		# its control group, which is not of the VE's world: for the policy on lack of memory
		"$(cg_mount 0:)"/berth-*/101) [[ -d $fd ]] ;;
		/dev/null | socket:* | anon_inode:* | /ptmx | /[0-9]*) ;;
		"$ROOT/run/berth/101/console.log" | "$ROOT/run/berth/101/events.jsonl") ;;
		*) fail "$(ls -l "$fd")" ;;
		esac
	done
	equal "$(readlink "/proc/$(keepers)/cwd")" /
}

@test "keeper: killed, the VE runs on and the next command adopts it" {
	run_ve 101 --ipadd 10.9.0.1
	local init first
	init=$(init_pid 101)
	first=$(keepers)
	kill -9 "$first"
	sleep 0.2
	kill -0 "$init"
	reaches 10.9.0.1
	equal "$(shell 101 'echo alive')" alive
	within 5 one_keeper
	[[ $(keepers) != "$first" ]]
	equal "$(init_pid 101)" "$init"
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
}

# in_groups DIR... -- COMMAND...: as a panel does that is held by limits.
in_groups() {
	local dir dirs=()
	while [[ $1 != -- ]]; do dirs+=("$1") && shift; done
	for dir in "${dirs[@]}"; do echo "$BASHPID" >"$dir/cgroup.procs"; done
	"${@:2}"
}

@test "keeper: the v1 groups of whoever started or adopted the VE do not hold it" {
	requires cgroup_v1
	local ctl dir dirs=() started adopted
	for ctl in memory pids cpu; do
		! on_v2 $ctl || continue
		dirs+=("$(cg_mount "x:$ctl")/berth-test-$$")
		mkdir "${dirs[-1]}"
	done
	new_ve 101
	(in_groups "${dirs[@]}" -- berth start 101) >/dev/null 3>&-
	started=$(<"/proc/$(keeper_pid 101)/cgroup")
	kill -9 "$(keeper_pid 101)"
	sleep 0.2
	(in_groups "${dirs[@]}" -- berth exec 101 true) >/dev/null 3>&-
	within 5 one_keeper
	adopted=$(<"/proc/$(keepers)/cgroup")
	berth stop 101 --fast
	for dir in "${dirs[@]}"; do within 5 rmdir "$dir"; done
	lacks "$started" berth-test
	lacks "$adopted" berth-test
}

@test "keeper: a caller that is confined for good does not become one" {
	run_ve 101
	kill -9 "$(keeper_pid 101)"
	host setpriv --no-new-privs "$BERTH" --root "$ROOT" exec 101 true
	equal "$(keepers)" ''
	berth exec 101 true
	equal "$(keepers | wc -l)" 1
}

@test "keeper: after an adoption the end of init is still noticed and tidied up" {
	run_ve 101 --ipadd 10.9.0.1
	kill -9 "$(keepers)"
	sleep 0.2
	shell 101 true
	within 5 one_keeper
	shell 101 poweroff || :
	wait_down 101
	leak_check mounts loops cgroups links processes
}

# The kernel tells only the parent that init's end meant a reboot; who adopted it sees an end.
@test "keeper: after an adoption a reboot from inside ends the VE cleanly, start works" {
	run_ve 101
	kill -9 "$(keepers)"
	sleep 0.2
	shell 101 true
	within 5 one_keeper
	shell 101 reboot || :
	wait_down 101 20
	within 10 leak_check mounts loops cgroups links processes
	berth start 101
}

@test "keeper: killed while the VE dies, every verb still tells the truth" {
	run_ve 101
	local init
	init=$(init_pid 101)
	kill -9 "$(keepers)"
	kill -9 "$init"
	sleep 0.3
	run -0 berth status 101
	[[ $output == 'CTID 101 exist unmounted down' || $output == 'CTID 101 exist mounted down' ]]
	run -31 berth exec 101 true
	berth start 101
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
}

@test "keeper: stop works without one" {
	run_ve 101
	kill -9 "$(keepers)"
	sleep 0.2
	berth stop 101
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
}

@test "keeper: init killed from the host is noticed; onexit=restart brings it back" {
	run_ve 101 --onexit restart
	local init
	init=$(init_pid 101)
	kill -9 "$init"
	other_init() { [[ $(init_pid 101 2>/dev/null) != "$init" ]] && is_state 101 'exist mounted running'; }
	within 20 other_init
	berth set 101 --onexit stop --save
	kill -9 "$(init_pid 101)"
	wait_down 101
}

@test "console: shows what the VE writes and takes input, ESC . detaches" {
	run_ve 101
	shell 101 'echo written-to-console >/dev/console'
	cat >"$BATS_TEST_TMPDIR/talk.py" <<-'END'
		import os, pty, select, sys, time
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp(sys.argv[1], sys.argv[1:])
		seen, end, sent = b"", time.time() + 10, False
		while time.time() < end:
		    if select.select([fd], [], [], 0.2)[0]:
		        try:
		            data = os.read(fd, 4096)
		        except OSError:
		            break
		        if not data:
		            break
		        seen += data
		    if b"written-to-console" in seen and not sent:
		        os.write(fd, b"\x1b.")
		        sent = True
		sys.stdout.write(seen.decode(errors="replace"))
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if sent else 1)
	END
	run -0 host timeout 20 /usr/bin/python3 "$BATS_TEST_TMPDIR/talk.py" "$BERTH" --root "$ROOT" console 101
	contains "$output" written-to-console
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
}

@test "console: a flood does not stop the VE and the log stays small" {
	run_ve 101
	shell 101 'i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done >/dev/console'
	shell 101 true
	local size
	size=$(stat -c %s "$ROOT/run/berth/101/console.log")
	((size <= 200000)) || fail "console log takes $size bytes"
}

@test "console: a byte at a time costs the host a small part of a CPU" {
	local keeper before used
	run_ve 101
	keeper=$(keepers)
	shell 101 'dd if=/dev/zero of=/dev/console bs=1 >/dev/null 2>&1 &'
	before=$(ticks "$keeper")
	sleep 4
	used=$(($(ticks "$keeper") - before))
	((used < 30)) || fail "the keeper used $used of 400 hundredths of a second"
}

@test "enter: gives a shell on a terminal of the VE's own" {
	run_ve 101 --hostname web.example
	cat >"$BATS_TEST_TMPDIR/enter.py" <<-'END'
		import os, pty, sys
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp(sys.argv[1], sys.argv[1:])
		os.write(fd, b"tty; hostname; exit 4\n")
		seen = b""
		while True:
		    try:
		        data = os.read(fd, 4096)
		    except OSError:
		        break
		    if not data:
		        break
		    seen += data
		sys.stdout.write(seen.decode(errors="replace"))
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
	run host timeout 20 /usr/bin/python3 "$BATS_TEST_TMPDIR/enter.py" "$BERTH" --root "$ROOT" enter 101
	contains "$output" web.example
	contains "$output" /dev/pts/
	[[ $status -ne 124 ]]
}
