#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A VE's config that is no good: one line, the right number, no change; the others go on.
# bats file_tags=root

load helpers/load

# bad_conf PART: verbs on 101 are refused naming PART; 102 is not affected.
bad_conf() {
	local verb
	for verb in 'start 101' 'set 101 --ram 64M --save' 'mount 101'; do
		# shellcheck disable=SC2086 # a command line
		run --separate-stderr berth $verb
		[[ $status -ne 0 ]] || fail "$verb succeeds on a bad config" || return
		one_line_error "$1" || return
	done
	run -0 berth list -a -H -o ctid
	grep -qw 102 <<<"$output" || return
	berth start 102
	equal "$(status_of 102)" 'CTID 102 exist mounted running'
}

mend() {
	rm -rf "$(conf_of 101)"
	cp "$BATS_TEST_TMPDIR/good.conf" "$(conf_of 101)"
}

setup() {
	common_setup
	new_ve 101 --ram 128M
	new_ve 102
	cp "$(conf_of 101)" "$BATS_TEST_TMPDIR/good.conf"
}

teardown() {
	mend
	common_teardown
}

@test "config: a symbolic link is refused and its target stays as it is" {
	mv "$(conf_of 101)" "$BATS_TEST_TMPDIR/elsewhere"
	ln -s "$BATS_TEST_TMPDIR/elsewhere" "$(conf_of 101)"
	bad_conf 101.conf
	cmp "$BATS_TEST_TMPDIR/elsewhere" "$BATS_TEST_TMPDIR/good.conf"
	rm "$(conf_of 101)"
}

@test "config: a directory or a FIFO is refused, without waiting" {
	rm "$(conf_of 101)"
	mkfifo "$(conf_of 101)"
	run --separate-stderr timeout 5 nsenter --target "$HOST_PID" --net --mount -- \
		"$BERTH" --root "$ROOT" start 101
	[[ $status -ne 0 && $status -ne 124 ]]
	rm "$(conf_of 101)"
	mkdir "$(conf_of 101)"
	bad_conf 101.conf
	rmdir "$(conf_of 101)"
}

@test "config: binary is refused with 85" {
	head -c 4096 /dev/urandom >"$(conf_of 101)"
	refused 85 101.conf berth start 101
	bad_conf 101.conf
}

@test "config: a NUL byte in an otherwise good file is refused with 85" {
	printf 'RAM\0="1"\n' >>"$(conf_of 101)"
	refused 85 101.conf berth start 101
}

@test "config: truncated in the middle of a line is refused with 85 and the line's number" {
	local size
	size=$(stat -c %s "$(conf_of 101)")
	truncate -s $((size - 3)) "$(conf_of 101)"
	printf 'HOSTNAME="unfinis' >>"$(conf_of 101)"
	refused 85 101.conf berth start 101
	bad_conf 101.conf
}

@test "config: empty does not start something else" {
	: >"$(conf_of 101)"
	run --separate-stderr berth start 101
	[[ $status -ne 0 ]]
	one_line_error 101
}

@test "config: a value out of range is refused with the key's name" {
	sed -i 's/^PHYSPAGES=.*/PHYSPAGES="0:-7"/' "$(conf_of 101)"
	grep -q '0:-7' "$(conf_of 101)"
	bad_conf PHYSPAGES
}

@test "config: one of ten megabytes is refused, not read" {
	head -c 10000000 /dev/zero | tr '\0' '#' >"$(conf_of 101)"
	run --separate-stderr berth start 101
	[[ $status -ne 0 ]]
	one_line_error 101.conf
}

@test "config: an unknown key is kept and harmless" {
	echo 'FUTURE_KEY="x"' >>"$(conf_of 101)"
	berth start 101
	berth set 101 --ram 64M --save
	grep -qxF 'FUTURE_KEY="x"' "$(conf_of 101)"
}

@test "config: the last of two lines with one key counts" {
	echo 'PHYSPAGES="0:16384"' >>"$(conf_of 101)"
	berth start 101
	check_limit 101 ram $((16384 * 4096))
}

@test "config: a full disk leaves the old file whole" {
	requires strace
	run host strace -f -qq -o /dev/null -e inject=fsync:error=ENOSPC \
		"$BERTH" --root "$ROOT" set 101 --ram 64M --save
	[[ $status -ne 0 ]]
	cmp "$(conf_of 101)" "$BATS_TEST_TMPDIR/good.conf"
	equal "$(find "$ROOT/etc/berth/conf" -name '.*' -type f)" '' 'temporary files'
}

@test "berth.conf: a bad one is refused naming it" {
	printf 'ID_BASE="not a number"\n' >"$ROOT/etc/berth/berth.conf"
	run --separate-stderr berth start 101
	local code=$status
	rm "$ROOT/etc/berth/berth.conf"
	[[ $code -ne 0 ]]
	one_line_error berth.conf
}

@test "state: a stale or damaged state file is not believed" {
	mkdir -p "$ROOT/run/berth/101"
	echo '{"pid": 1, "starttime": 1}' >"$ROOT/run/berth/101/state.json"
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
	head -c 100 /dev/urandom >"$ROOT/run/berth/101/state.json"
	run -0 berth status 101
	berth start 101
	equal "$(status_of 101)" 'CTID 101 exist mounted running'
}

@test "state: one that names a foreign process does not make berth touch it" {
	sleep 300 &
	local pid=$! start
	start=$(awk '{ print $22 }' "/proc/$pid/stat")
	mkdir -p "$ROOT/run/berth/101"
	jq -n --argjson p "$pid" --argjson s "$start" --arg b "$(</proc/sys/kernel/random/boot_id)" \
		'{pid: $p, starttime: $s, boot_id: $b, boot: $b, phase: "running"}' \
		>"$ROOT/run/berth/101/state.json"
	berth stop 101 --fast >/dev/null 2>&1 || :
	kill -0 "$pid"
	kill "$pid"
	rm -rf "$ROOT/run/berth/101"
}
