# SPDX-License-Identifier: GPL-2.0-or-later
# What every suite needs: running berth in the namespace that plays the host, and assertions
# that say what they saw. Every test has a root of its own in $ROOT.

bats_require_minimum_version 1.5.0

# Seconds for one test; a file with longer ones says so after loading this. Slow machines get more
# of everything that is waited for: BERTH_PATIENCE times as much.
export BATS_TEST_TIMEOUT=$((60 * ${BERTH_PATIENCE:-1}))

# A command on the "host": its network and mounts. bats' own descriptors stay out.
host() {
	nsenter --target "$HOST_PID" --net --mount -- "$@" 3>&- 4>&-
}

berth() {
	host "$BERTH" --root "$ROOT" "$@"
}

# Without bats' trap, which costs a third of a millisecond for each command that bash runs: for
# loops of the helpers. In a shell of its own, so that no variable comes back.
untraced() (
	trap - DEBUG
	"$@"
)

# The 8 hex digits that name this root's cgroup, links and table: FNV-1a of its path.
root_tag() {
	untraced fnv_of_root
}

fnv_of_root() {
	local h=2166136261 i c
	for ((i = 0; i < ${#ROOT}; i++)); do
		printf -v c %d "'${ROOT:i:1}"
		h=$(((h ^ c) * 16777619 & 0xffffffff))
	done
	printf '%08x\n' "$h"
}

fail() {
	printf '%s\n' "$*" >&2
	return 1
}

equal() {
	[[ $1 == "$2" ]] || fail "${3:-value}: got '$1', want '$2'"
}

contains() {
	[[ $1 == *"$2"* ]] || fail "no '$2' in: $1"
}

lacks() {
	[[ $1 != *"$2"* ]] || fail "'$2' is in: $1"
}

# within SECONDS CMD...: until it succeeds.
within() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000 * ${BERTH_PATIENCE:-1}))
	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < end)) || fail "not within the time: $*" || return
		sleep 0.05
	done
}

# refused EXIT PART CMD...: exit number, one line on stderr that has PART, nothing on stdout.
refused() {
	local want=$1 part=$2
	shift 2
	run --separate-stderr -"$want" "$@"
	[[ -z $output ]] || fail "refused, but printed: $output" || return
	one_line_error "$part"
}

# After `run --separate-stderr`: stderr is one line, has PART, and does not end in a full stop.
one_line_error() {
	equal "${#stderr_lines[@]}" 1 "lines on stderr ($stderr)" || return
	contains "$stderr" "$1" || return
	[[ $stderr != *. ]] || fail "ends in a full stop: $stderr"
}

# A value of -j output on stdin.
json() {
	jq -er "$@"
}

setup() {
	common_setup
}

teardown() {
	common_teardown
}

# Every root starts with the template built for the suite; the images are links, not copies.
common_setup() {
	exec </dev/null
	ROOT=$SCRATCH/$BATS_SUITE_TEST_NUMBER
	mkdir -p "$ROOT/var/lib/berth"
	[[ $EUID -ne 0 ]] || cp -al "$SCRATCH/seed/var/lib/berth/template" "$ROOT/var/lib/berth/"
	leak_snapshot
}

# Destroy what is there, then nothing may be left. bats runs teardown without errexit: each
# failure has to be carried to the end.
common_teardown() {
	local bad=0
	destroy_all || bad=1
	leak_check || bad=1
	rm -rf --one-file-system "${ROOT:?}" || bad=1
	return $bad
}

destroy_all() {
	local id
	for id in "$ROOT"/etc/berth/fences/*.conf; do
		[[ ! -e $id ]] || berth -q fence delete "$(basename "$id" .conf)" ||
			fail "cannot delete $id" || return
	done
	for id in $(berth list -a -H -o ctid 2>/dev/null); do
		berth stop "$id" --fast >/dev/null 2>&1 || :
		berth umount "$id" >/dev/null 2>&1 || :
		berth destroy "$id" >/dev/null || fail "cannot destroy $id" || return
	done
	for id in "$ROOT"/etc/berth/pools/*.conf; do
		[[ ! -e $id ]] || berth -q pool delete "$(basename "$id" .conf)" ||
			fail "cannot delete $id" || return
	done
}
