#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line: usage, refusals, exit numbers.
# bats file_tags=root

load helpers/load

verbs=(create destroy start stop restart status mount umount enter exec exec2 exec3 console
	runscript set list template)

@test "berth: alone shows what is running and what to type next" {
	local all
	contains "$(berth)" 'berth create 101'
	run_ve 101 --name web
	new_ve 102
	all=$(berth)
	contains "$all" '2 VEs, 1 running.'
	[[ $all =~ 101\ +[1-9][0-9]*\ running\  ]] || fail "$all"
	contains "$all" 'berth enter 101'
	equal "$(berth -j | jq -r '.[].ctid')" 101
	run -20 host setpriv --reuid 65534 --clear-groups --no-new-privs "$BERTH"
	contains "$output" 'Usage: berth'
}

@test "help: of the first of two words lists the second ones" {
	run -0 berth network --help
	contains "$output" 'network create'
	contains "$output" 'network delete'
	equal "$(berth help network)" "$output"
	run -27 berth network
	run -20 berth network --halp
	run -20 berth help nonsense
}

@test "berth: --version prints one line" {
	run -0 berth --version
	equal "${#lines[@]}" 1 lines
	[[ $output =~ ^berth\ version\ [0-9]+\.[0-9]+ ]]
}

@test "berth: --help lists every verb on stdout" {
	run --separate-stderr -0 berth --help
	equal "$stderr" ''
	local verb
	for verb in "${verbs[@]}"; do
		grep -qE "^ +$verb( |\$)" <<<"$output" || fail "not listed: $verb"
	done
}

@test "berth: every verb has --help on stdout, exit 0, naming itself" {
	local verb
	for verb in "${verbs[@]/template/template build}"; do
		# shellcheck disable=SC2086 # a verb may have two words
		run --separate-stderr -0 berth $verb --help
		contains "$output" "berth $verb" || fail "help of $verb"
		equal "$stderr" '' "stderr of $verb --help"
	done
}

@test "set: --help lists every option of the parameter table" {
	local opt
	run -0 berth set --help
	for opt in ram swap cpulimit cpuunits cpus cpumask numproc iolimit iopslimit ioprio \
		diskspace diskinodes ipadd ipdel hostname nameserver searchdomain onboot name; do
		contains "$output" "--$opt" || fail "option $opt"
	done
}

@test "berth: an unknown verb is refused with 20 and a near one is suggested" {
	refused 20 'destry' berth destry 101
	contains "$stderr" destroy
}

@test "berth: an unknown option is refused with 20" {
	refused 20 'frobnicate' berth status --frobnicate 101
	refused 20 'frobnicate' berth --frobnicate status 101
}

@test "berth: a missing VE is refused with 20 or 27 before anything happens" {
	local verb
	for verb in start stop destroy mount umount exec set; do
		run --separate-stderr berth "$verb"
		[[ $status -eq 20 || $status -eq 27 ]] || fail "$verb without a VE exits $status"
		one_line_error "$verb"
	done
}

@test "berth: verbs on a VE that does not exist exit 14 and name it" {
	local verb
	for verb in start stop restart destroy mount umount enter console; do
		refused 14 4711 berth "$verb" 4711
	done
	for verb in exec exec2 exec3; do
		refused 14 4711 berth "$verb" 4711 true
	done
	refused 14 4711 berth set 4711 --ram 64M
}

@test "berth: a name that is nearly one gets it suggested" {
	new_ve 101 --name web-shop
	refused 21 'did you mean "web-shop"' berth start web-shpo
	refused 21 'VE "zebra" does not exist' berth start zebra
}

@test "status: unknown number is a status, exit 0; unknown name is an error" {
	run -0 berth status 4711
	equal "$output" 'CTID 4711 deleted unmounted down'
	run --separate-stderr berth status no-such-name
	[[ $status -ne 0 ]]
	one_line_error no-such-name
}

@test "berth: VE numbers out of range are refused with 21" {
	local id
	for id in 0 1 100 2147483645 4294967397 18446744073709551717; do
		refused 21 "$id" berth create "$id" --ostemplate mini
	done
	run berth list -a -1
	lacks "$output" 101
}

@test "berth: numbers in other spellings are not VE numbers" {
	local id
	for id in -101 +101 0x65 0101 101.0 '101 ' 1e2; do
		run --separate-stderr berth create "$id" --ostemplate mini
		[[ $status -ne 0 ]] || fail "'$id' was taken"
		[[ ${#stderr_lines[@]} -ge 1 ]]
	done
	run --separate-stderr -0 berth list -a -1 -H
	equal "$output" ''
}

@test "create: an unknown template is refused with 91 and nothing is made" {
	refused 91 no-such-template berth create 101 --ostemplate no-such-template
	equal "$(status_of 101)" 'CTID 101 deleted unmounted down'
}

@test "create: an unknown sample config is refused and nothing is made" {
	run --separate-stderr berth create 101 --ostemplate mini --config no-such-plan
	[[ $status -ne 0 ]]
	one_line_error no-such-plan
	equal "$(status_of 101)" 'CTID 101 deleted unmounted down'
}

@test "set: values out of range or with a wrong unit are refused with 21 and change nothing" {
	new_ve 101
	local before
	before=$(<"$(conf_of 101)")
	local row
	for row in '--ram 12Q' '--ram -1' '--ram 1e9' '--ram 99999999T' '--ram many' \
		'--cpulimit -5' '--cpulimit abc' '--cpuunits 7' '--cpuunits 500001' '--cpus 0x2' \
		'--ioprio 8' '--numproc -3' '--diskspace 4Q' '--diskspace 0' '--onboot perhaps' \
		'--cpumask 3-1' '--iolimit 1MQ' '--stop-timeout x'; do
		# shellcheck disable=SC2086 # option and value
		refused 21 "${row#* }" berth set 101 $row --save || fail "$row"
	done
	equal "$(<"$(conf_of 101)")" "$before" config
}

@test "set: one bad option among good ones changes nothing" {
	new_ve 101 --ram 256M
	local before
	before=$(<"$(conf_of 101)")
	refused 21 bogus berth set 101 --ram 128M --cpuunits bogus --hostname ok --save
	equal "$(<"$(conf_of 101)")" "$before" config
}

@test "set: an unknown option is refused with 20 and a near one is suggested" {
	new_ve 101
	refused 20 '--rma' berth set 101 --rma 64M
	contains "$stderr" ram
}

@test "set: an option without its value is refused with 20" {
	new_ve 101
	run --separate-stderr -20 berth set 101 --ram
	one_line_error ram
}

@test "set: --opt=value and unambiguous prefixes work, as with getopt_long" {
	new_ve 101
	berth set 101 --ram=200M --cpuu 2000 --save
	contains "$(<"$(conf_of 101)")" 'CPUUNITS="2000"'
}

@test "berth: without root every changing verb is refused with one line" {
	requires root
	new_ve 101
	local verb
	for verb in start stop destroy mount umount set create; do
		run --separate-stderr host setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$BERTH" --root "$ROOT" "$verb" 101
		[[ $status -ne 0 ]] || fail "$verb without root succeeds"
		one_line_error root
	done
}

@test "berth: help needs no root" {
	requires root
	run -0 host setpriv --reuid 65534 --regid 65534 --clear-groups "$BERTH" --help
}

@test "berth: a root that is not an absolute directory is refused" {
	run --separate-stderr host "$BERTH" --root "$ROOT/etc/passwd/x" status 101
	: >"$BATS_TEST_TMPDIR/file"
	run --separate-stderr host "$BERTH" --root "$BATS_TEST_TMPDIR/file" create 101 --ostemplate mini
	[[ $status -ne 0 ]]
	one_line_error "$BATS_TEST_TMPDIR/file"
}

@test "berth: BERTH_ROOT is --root" {
	new_ve 101
	run -0 host env BERTH_ROOT="$ROOT" "$BERTH" status 101
	equal "$output" 'CTID 101 exist unmounted down'
}

@test "list: without VEs exits 0 and says so on stderr only" {
	run --separate-stderr -0 berth list -a
	equal "$stderr" 'Container(s) not found'
	run --separate-stderr -0 berth list -a -j
	equal "$output" '[]'
	equal "$stderr" ''
}

@test "list: default columns and header are vzlist's" {
	new_ve 101 --hostname web.example --ipadd 10.9.0.101
	run -0 berth list -a
	[[ ${lines[0]} =~ ^\ +CTID\ +NPROC\ +STATUS\ +IP_ADDR\ +HOSTNAME$ ]]
	[[ ${lines[1]} =~ ^\ +101\ +-\ +stopped\ +10.9.0.101\ +web.example$ ]]
}

@test "list: ctid,status is two words with one blank, as libvirt reads it" {
	run_ve 101
	run -0 berth list -a -H -o ctid,status
	[[ $output =~ ^\ *101\ running$ ]]
	run -0 berth list -a -ovpsid,status -H
	[[ $output =~ ^\ *101\ running$ ]]
}

@test "list: shows running VEs only, -a all, -S stopped, -1 numbers" {
	new_ve 101
	run_ve 102
	run -0 berth list -H -o ctid
	equal "${output// /}" 102
	run -0 berth list -S -H -o ctid
	equal "${output// /}" 101
	run -0 berth list -a -1
	equal "$(tr -d ' ' <<<"$output" | paste -sd,)" 101,102
}

@test "list: a number that does not exist exits 1" {
	new_ve 101
	run --separate-stderr -1 berth list 4711
	equal "$stderr" 'Container(s) not found'
}

@test "list --watch: lists again until the reader goes" {
	local first
	new_ve 101
	{ first=$(head -n 5); } < <(timeout 20 nsenter --target "$HOST_PID" --net --mount -- \
		"$BERTH" --root "$ROOT" list -a -H -o ctid --watch=1 3>&- 4>&-)
	equal "$(tr -d ' \n' <<<"$first")" 101101101
}

@test "list: an unknown column is refused" {
	new_ve 101
	run --separate-stderr berth list -a -o ctid,nocolumn
	[[ $status -ne 0 ]]
	one_line_error nocolumn
}

@test "list: -j is one array with every plain field" {
	new_ve 101 --hostname web.example --ipadd 10.9.0.101 --description "it's a text"
	berth list -a -j >"$BATS_TEST_TMPDIR/j"
	equal "$(json -c '.[0] | [.ctid, .status, .hostname, .ip, .description]' <"$BATS_TEST_TMPDIR/j")" \
		'[101,"stopped","web.example",["10.9.0.101"],"it'"'"'s a text"]'
	json '.[0] | has("cpulimit") and has("diskspace") and has("onboot") and has("name")' \
		<"$BATS_TEST_TMPDIR/j"
}

@test "status: -j and template list -j are valid JSON" {
	new_ve 101
	berth status 101 -j | json 'type == "object" or type == "array"'
	berth template list -j | json '.[0].name == "mini"'
}

@test "status: stdout closed or full is reported, not ignored" {
	new_ve 101
	run --separate-stderr host sh -c '"$1" --root "$2" status 101 >/dev/full' - "$BERTH" "$ROOT"
	[[ $status -ne 0 ]]
	one_line_error 'No space left'
}

@test "berth: --quiet prints nothing on success" {
	run --separate-stderr -0 berth --quiet create 101 --ostemplate mini
	equal "$output$stderr" ''
	run --separate-stderr -0 berth --quiet start 101
	equal "$output$stderr" ''
	run --separate-stderr -0 berth --quiet stop 101 --fast
	equal "$output$stderr" ''
}

# A caller with PREFIX...: as a service of systemd may be, or a script.
called() {
	local -a prefix=()
	while [[ $1 != -- ]]; do
		prefix+=("$1")
		shift
	done
	host "${prefix[@]}" "$BERTH" --root "$ROOT" "${@:2}"
}

@test "caller: one that cannot get rid of its bonds starts no VE" {
	local bond
	new_ve 101
	for bond in 'no_new_privs:setpriv --no-new-privs' "a system call filter:$PROBE caller filter" \
		"memory executable:$PROBE caller mdwe"; do
		# shellcheck disable=SC2086  # a prefix of words
		run called ${bond#*:} -- list -a
		[[ $status -ne 77 ]] || continue        # an older kernel
		equal "$status" 0 "$bond: list"
		# shellcheck disable=SC2086
		refused 12 "${bond%%:*}" called ${bond#*:} -- start 101
		is_state 101 'exist unmounted down'
	done
	berth start 101
	refused 12 no_new_privs called setpriv --no-new-privs -- restart 101
	is_state 101 'exist mounted running'
}

@test "caller: soft limits of its own are none of a create's and a start's" {
	local -a low=(prlimit --fsize=100000: --nofile=20: --as=60000000: --data=30000000: --cpu=1:)
	called "${low[@]}" -- create 101 --ostemplate mini
	called "${low[@]}" -- start 101
	called "${low[@]}" -- set 101 --ram 128M --save
	called "${low[@]}" -- stop 101 --fast
}

@test "caller: a limit on files that the host does not let it lift is an error, and nothing is left" {
	run --separate-stderr called prlimit --fsize=100000 -- create 101 --ostemplate mini
	[[ $status -eq 0 ]] || one_line_error 'File too large'
	equal "$(berth list -a -H -o ctid | wc -l)" "$((status == 0))"
}

@test "caller: one that may write nothing sees what there is" {
	run_ve 101
	run -0 host unshare -m sh -c 'mount --bind "$2" "$2" && mount -o remount,bind,ro "$2" &&
		"$1" --root "$2" list -H -o ctid && "$1" --root "$2" status 101 &&
		"$1" --root "$2" metrics | grep -c berth_' - "$BERTH" "$ROOT"
	contains "$output" 'CTID 101 exist mounted running'
}

@test "caller: in a time namespace it knows what runs, or says that it cannot" {
	run_ve 101
	run --separate-stderr called unshare --time --fork --boottime 86400 -- status 101
	if [[ $status -eq 0 ]]; then
		equal "$output" 'CTID 101 exist mounted running'
	else
		one_line_error 'time namespace'
	fi
}

@test "caller: a signal that it has ignored does not reach the command inside" {
	run_ve 101
	called env --ignore-signal=HUP -- exec 101 'echo up; sleep 1; echo still here' \
		>"$BATS_TEST_TMPDIR/out" &
	local pid=$!
	within 10 grep -q up "$BATS_TEST_TMPDIR/out"
	pkill -HUP -P "$pid" || kill -HUP "$pid"
	wait "$pid"
	grep -q "still here" "$BATS_TEST_TMPDIR/out"
}
