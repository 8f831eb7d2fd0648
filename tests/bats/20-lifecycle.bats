#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Container lifecycle: states, texts, what each verb does to a VE in each state.
# bats file_tags=root

load helpers/load

# Put VE 101 into a state: absent stopped mounted running.
bring_to() {
	case $1 in
	absent) ;;
	stopped) new_ve 101 ;;
	mounted) new_ve 101 && berth mount 101 >/dev/null ;;
	running) run_ve 101 ;;
	esac
}

state_text() {
	case $1 in
	absent) echo 'deleted unmounted down' ;;
	stopped) echo 'exist unmounted down' ;;
	mounted) echo 'exist mounted down' ;;
	running) echo 'exist mounted running' ;;
	esac
}

# verb_matrix "STATE EXIT STATE-AFTER"... -- CMD...: each state, the command twice over.
verb_matrix() {
	local rows=()
	while [[ $1 != -- ]]; do
		rows+=("$1")
		shift
	done
	shift
	local row from want to
	for row in "${rows[@]}"; do
		read -r from want to <<<"$row"
		bring_to "$from"
		run --separate-stderr berth "$@"
		equal "$status" "$want" "$* of a VE that is $from ($stderr)" || return
		[[ $want -eq 0 ]] || one_line_error 101 || return
		equal "$(status_of 101)" "CTID 101 $(state_text "$to")" "$* of a VE that is $from" || return
		destroy_all
	done
}

@test "status: the texts of the four states are vzctl's" {
	equal "$(status_of 101)" 'CTID 101 deleted unmounted down'
	new_ve 101
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
	berth mount 101
	equal "$(status_of 101)" 'CTID 101 exist mounted down'
	berth start 101
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
	berth stop 101 --fast
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
}

@test "start: absent 14, stopped and mounted 0, running 32" {
	verb_matrix 'absent 14 absent' 'stopped 0 running' 'mounted 0 running' \
		'running 32 running' -- start 101
}

@test "stop: absent 14, else 0 and down" {
	verb_matrix 'absent 14 absent' 'stopped 0 stopped' 'running 0 stopped' -- stop 101
}

@test "stop --fast: absent 14, else 0 and down" {
	verb_matrix 'absent 14 absent' 'stopped 0 stopped' 'running 0 stopped' -- stop 101 --fast
}

@test "restart: absent 14, else running" {
	verb_matrix 'absent 14 absent' 'stopped 0 running' 'mounted 0 running' \
		'running 0 running' -- restart 101
}

@test "mount: absent 14, else 0 and nothing changes when mounted" {
	verb_matrix 'absent 14 absent' 'stopped 0 mounted' 'mounted 0 mounted' \
		'running 0 running' -- mount 101
}

@test "umount: absent 14, stopped 40, mounted 0, running 32" {
	verb_matrix 'absent 14 absent' 'stopped 40 stopped' 'mounted 0 stopped' \
		'running 32 running' -- umount 101
}

@test "destroy: absent 14, stopped 0, mounted 41, running 32" {
	verb_matrix 'absent 14 absent' 'stopped 0 absent' 'mounted 41 mounted' \
		'running 32 running' -- destroy 101
}

@test "exec: absent 14, stopped and mounted 31, running 0" {
	verb_matrix 'absent 14 absent' 'stopped 31 stopped' 'mounted 31 mounted' \
		'running 0 running' -- exec 101 true
}

@test "create: an existing VE is refused with 44 in every state" {
	verb_matrix 'stopped 44 stopped' 'mounted 44 mounted' 'running 44 running' \
		-- create 101 --ostemplate mini
}

@test "create: prints vzctl's lines" {
	run --separate-stderr -0 berth create 101 --ostemplate mini
	equal "${lines[0]}" 'Creating container private area (mini)'
	equal "${lines[1]}" 'Performing postcreate actions'
	equal "${lines[2]}" "CT configuration saved to $(conf_of 101)"
	equal "${lines[3]}" 'Container private area was created'
	equal "${#lines[@]}" 4 lines
}

@test "start: prints vzctl's lines" {
	new_ve 101 --ipadd 10.9.0.101 --cpulimit 50 --cpuunits 2000
	run --separate-stderr -0 berth start 101
	equal "${lines[0]}" 'Starting container...'
	equal "${lines[1]}" 'Container is mounted'
	equal "${lines[2]}" 'Adding IP address(es): 10.9.0.101'
	equal "${lines[3]}" 'Setting CPU limit: 50'
	equal "${lines[4]}" 'Setting CPU units: 2000'
	equal "${lines[-1]}" 'Container start in progress...'
}

@test "stop: prints vzctl's lines; --fast says killing" {
	run_ve 101
	run --separate-stderr -0 berth stop 101
	equal "$output" $'Stopping container ...\nContainer was stopped\nContainer is unmounted'
	berth start 101
	run --separate-stderr -0 berth stop 101 --fast
	equal "$output" $'Killing container ...\nContainer was stopped\nContainer is unmounted'
}

@test "destroy: prints vzctl's lines and keeps the config as .destroyed" {
	new_ve 101
	run --separate-stderr -0 berth destroy 101
	equal "${lines[0]}" "Destroying container private area: $ROOT/var/lib/berth/private/101"
	equal "${lines[1]}" 'Container private area was destroyed'
	[[ -e $(conf_of 101).destroyed && ! -e $(conf_of 101) ]]
}

@test "start: init is process 1, the shell sees its own hostname" {
	run_ve 101 --hostname web.example
	run -0 shell 101 'hostname; cat /proc/1/comm; echo $$'
	equal "${lines[0]}" web.example
	[[ ${lines[1]} == init || ${lines[1]} == busybox || ${lines[1]} == linuxrc ]]
}

@test "start: the VE's only processes are its own" {
	run_ve 101
	run -0 shell 101 'ls -d /proc/[0-9]* | wc -l'
	[[ $output -lt 12 ]]
}

@test "start --wait: returns when the VE is up" {
	new_ve 101
	run -0 berth start 101 --wait
	inside 101 /bin/true
}

@test "stop: a busybox init shuts down in order, scripts included" {
	run_ve 101
	shell 101 'sed -n /shutdown/p /etc/inittab' >"$BATS_TEST_TMPDIR/inittab"
	shell 101 'echo "::shutdown:/bin/touch /was-shut-down" >>/etc/inittab; kill -HUP 1; sleep 0.2'
	run -0 berth stop 101
	berth start 101
	inside 101 /bin/ls /was-shut-down
}

@test "stop: an init that ignores everything is killed after the timeout" {
	new_ve 101 --stop-timeout 2
	berth start 101
	put 101 /sbin/init <<<$'#!/bin/sh\nwhile :; do sleep 1000; done'
	berth stop 101 --fast
	berth start 101
	local t=$EPOCHSECONDS
	run -0 berth stop 101
	((EPOCHSECONDS - t >= 1 && EPOCHSECONDS - t <= 6)) || fail "took $((EPOCHSECONDS - t)) s"
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
}

@test "stop --fast: kills a VE with many processes at once" {
	run_ve 101
	shell 101 'for i in 1 2 3 4 5 6 7 8 9; do (trap "" TERM; sleep 600) & done; true'
	local t=$EPOCHSECONDS
	run -0 berth stop 101 --fast
	((EPOCHSECONDS - t <= 3))
}

@test "restart: files stay, processes do not" {
	run_ve 101
	shell 101 'echo kept >/root/file 2>/dev/null || { mkdir -p /root; echo kept >/root/file; }'
	shell 101 'sleep 9999 </dev/null >/dev/null 2>&1 &'
	local before
	before=$(init_pid 101)
	berth restart 101
	[[ $(init_pid 101) != "$before" ]]
	equal "$(shell 101 'cat /root/file')" kept
	run ! shell 101 'ps | grep -v grep | grep 9999'
}

@test "poweroff: from inside leaves the VE stopped and clean" {
	run_ve 101
	shell 101 'poweroff' || :
	wait_down 101
	leak_check mounts loops cgroups links processes
}

@test "reboot: from inside starts the VE again with another init" {
	run_ve 101 --ipadd 10.9.0.101
	local before
	before=$(init_pid 101)
	shell 101 'reboot' || :
	new_init() { [[ $(init_pid 101 2>/dev/null) =~ ^[0-9]+$ && $(init_pid 101) != "$before" ]]; }
	within 10 new_init
	wait_running 101
	within 5 reaches 10.9.0.101
}

@test "start: an init that exits at once is noticed, and the next start works" {
	run_ve 101
	put 101 /sbin/init <<<$'#!/bin/sh\nexit 3'
	berth stop 101 --fast
	run berth start 101
	wait_down 101
	leak_check mounts loops cgroups links processes
	berth mount 101
	# The VE's own tree on the host is where vzctl's clients look for it.
	host ln -sf /bin/busybox "$ROOT/var/lib/berth/root/101/sbin/init"
	berth umount 101
	berth start 101
	inside 101 /bin/true
}

@test "start: a VE without an init is refused with 47 and nothing is left" {
	run_ve 101
	shell 101 'rm -f /sbin/init /etc/init /bin/init /linuxrc /init'
	berth stop 101 --fast
	run --separate-stderr -47 berth start 101
	one_line_error init
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
	leak_check mounts loops cgroups links processes
}

@test "mount: the tree is readable and writable on the host, and is the VE's" {
	new_ve 101
	berth mount 101
	local at=$ROOT/var/lib/berth/root/101
	host test -s "$at/bin/busybox"
	run ! host "$at/bin/busybox" true
	host touch "$at/from-host"
	berth umount 101
	berth start 101
	inside 101 /bin/ls /from-host
}

@test "disabled: start is refused with 105, --force starts" {
	new_ve 101 --disabled yes
	refused 105 101 berth start 101
	berth start 101 --force
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
}

@test "name: is another key for every verb, unique, and can move" {
	new_ve 101 --name web
	new_ve 102
	equal "$(status_of web)" 'CTID 101 exist unmounted down'
	berth start web
	equal "$(berth exec3 web /bin/echo hi)" hi
	refused 131 web berth set 102 --name web --save
	berth set 101 --name www --save
	run ! berth status web
	equal "$(berth status www | cut -d' ' -f2)" 101
	berth stop www --fast
	berth destroy www
	new_ve 103 --name www
}

@test "name: what is no name is refused" {
	new_ve 101
	local name
	for name in ../etc a/b 'a b' 42 -x ..; do
		run --separate-stderr berth set 101 --name "$name" --save
		[[ $status -ne 0 ]] || fail "name '$name' was taken"
	done
	[[ -z $(ls -A "$ROOT/etc/berth/names" 2>/dev/null) ]]
}

@test "exec: words are a shell command; failure is 8; exec2 passes the code on" {
	run_ve 101
	equal "$(berth exec 101 'echo a; echo b | tr b c')" $'a\nc'
	equal "$(berth exec 101 echo '$((1+2))')" 3
	run -8 berth exec 101 exit 3
	run -3 berth exec2 101 exit 3
	run -137 berth exec2 101 'kill -9 $$'
}

@test "exec: - reads a script from stdin" {
	run_ve 101
	equal "$(printf 'echo one\necho two\n' | berth exec 101 -)" $'one\ntwo'
}

@test "exec3: argv as it is, stdin, stdout and stderr apart" {
	run_ve 101
	equal "$(berth exec3 101 /bin/echo 'a  b' '$HOME' '*')" 'a  b $HOME *'
	equal "$(echo data | berth exec3 101 /bin/cat)" data
	run --separate-stderr -0 berth exec3 101 /bin/sh -c 'echo out; echo err >&2'
	equal "$output/$stderr" out/err
	run --separate-stderr berth exec3 101 /no/such/program
	[[ $status -ne 0 ]]
	contains "$stderr" /no/such/program
}

@test "exec: the environment is HOME, TERM and PATH only" {
	run_ve 101
	SECRET=1 run -0 berth exec3 101 /usr/bin/env
	lacks "$output" SECRET
	lacks "$output" BERTH
	grep -q '^PATH=' <<<"$output"
	grep -q '^HOME=/' <<<"$output"
}

@test "exec: two megabytes pass both ways unharmed" {
	run_ve 101
	head -c 2000000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	berth exec3 101 /bin/cat <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
}

@test "exec: ends when the VE is stopped under it" {
	run_ve 101
	(exec nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" exec3 101 \
		/bin/sleep 600 3>&- 4>&-) &
	local pid=$!
	sleep 0.3
	berth stop 101 --fast
	run wait "$pid"
	[[ $status -ne 0 ]]
}

@test "runscript: runs a host file inside, also in a stopped VE, which stays stopped" {
	new_ve 101 --hostname web.example
	printf '#!/bin/sh\nhostname\nexit 5\n' >"$BATS_TEST_TMPDIR/script"
	chmod +x "$BATS_TEST_TMPDIR/script"
	run berth runscript 101 "$BATS_TEST_TMPDIR/script"
	[[ $status -ne 0 ]]
	contains "$output" web.example
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
	berth start 101
	run berth runscript 101 "$BATS_TEST_TMPDIR/script"
	contains "$output" web.example
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
}

@test "set: without --save warns and does not store; with --save stores" {
	run_ve 101 --ram 256M
	run --separate-stderr -0 berth set 101 --ram 128M
	contains "$output$stderr" 'Settings were not saved to config (use --save flag)'
	equal "$(conf_value 101 PHYSPAGES)" 0:65536
	run --separate-stderr -0 berth set 101 --ram 128M --save
	contains "$output" "CT configuration saved to $(conf_of 101)"
	equal "$(conf_value 101 PHYSPAGES)" 0:32768
}

@test "set: order, comments and unknown keys of the file survive; it stays shell" {
	new_ve 101 --ram 256M
	{
		echo '# a comment'
		echo 'MY_OWN="$VEID x"'
	} >>"$(conf_of 101)"
	berth set 101 --description "it's big" --cpuunits 1500 --save
	contains "$(<"$(conf_of 101)")" $'# a comment\nMY_OWN="$VEID x"'
	equal "$(conf_value 101 CPUUNITS)" 1500
	sh -n "$(conf_of 101)"
}

@test "set: a value never becomes shell, and comes back as it was" {
	new_ve 101
	local text
	# shellcheck disable=SC1003
	for text in 'a $(touch pwned)' '`touch pwned`' 'x"; touch pwned; "' 'a\b' '{"plan": "gold"}'; do
		berth set 101 --description "$text" --save
		(cd "$BATS_TEST_TMPDIR" && sh "$(conf_of 101)" && [[ ! -e pwned ]])
		equal "$(conf_value 101 DESCRIPTION)" "$text"
		equal "$(berth list -a -H -o description 101)" "$text"
	done
	refused 21 description berth set 101 --description $'two\nLINES="1"' --save
	equal "$(conf_value 101 DESCRIPTION)" '{"plan": "gold"}'
}
@test "create: options of set take effect at creation" {
	berth create 101 --ostemplate mini --ram 300M --cpulimit 25 --hostname x.example \
		--ipadd 10.9.0.7 --onboot yes --name web >/dev/null
	berth start 101
	check_limit 101 ram $((300 << 20))
	check_limit 101 cpulimit 25
	equal "$(conf_value 101 ONBOOT)" yes
	equal "$(shell web hostname)" x.example
}

@test "destroy: nothing of the VE is left, and its number can be used again" {
	run_ve 101 --name web --ipadd 10.9.0.101
	berth stop 101 --fast
	berth destroy 101
	leak_check
	run_ve 101 --name web --ipadd 10.9.0.101
}
