#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Archives made to break out, to break the reader or to fill the host. tests/archives.py makes them.
# bats file_tags=root

load helpers/load

ARCHIVES=$BATS_TEST_DIRNAME/../archives.py

store() {
	echo "$ROOT/var/lib/berth/template/store"
}

# A member called "planted" must not appear anywhere, whatever happens to its archive.
nothing_planted() {
	local f
	for f in /planted /tmp/planted /etc/planted /proc/planted "$ROOT/planted"; do
		[[ ! -e $f && ! -L $f ]] || fail "$f is there" || return
	done
	equal "$(find "$SCRATCH" -name '*planted*' ! -path "$SCRATCH/corpus/*")" '' 'planted files'
}

no_scratch() {
	equal "$(find "$(store)" -maxdepth 1 -name 'build.*')" '' 'scratch directories'
}

# listed FILES TEXT: a line of the list of files, where * is any one word and ? any byte.
listed() {
	local line
	while IFS= read -r line; do
		# shellcheck disable=SC2053
		[[ $(LC_ALL=C tr '\200-\377' '?' <<<"$line") == $2 ]] && return
	done <"$1"
	fail "no '$2' in: $(cat "$1")"
}

check_case() {
	local file=$1 want=$2 text=$3 list
	run --separate-stderr berth template import "$CORPUS/$file" "case" --max-size 64M
	equal "$status" "$want" "$file: exit" || fail "$stderr" || return
	no_scratch || return
	if ((want)); then
		one_line_error "$text" || fail "$file" || return
		[[ $stderr != *[[:cntrl:]]* ]] || fail "$file: control characters in the error" || return
		equal "$(find "$(store)" | sort)" "$before" "$file: store"
		return
	fi
	list=$(store)/$(berth template show case -j | json -r .digest).files
	if [[ $text == !* ]]; then
		! grep -q " ${text#!}\$" "$list" || fail "$file: ${text#!} is in the image" || return
	else
		listed "$list" "${text//'- - -'/- - -}"* || fail "$file" || return
	fi
	berth template remove "$(berth template show case -j | json -r .digest)"
}

@test "hostile archives: refused with one line, or exact; nothing outside, nothing left" {
	CORPUS=$SCRATCH/corpus
	mkdir -p "$CORPUS"
	"$ARCHIVES" hostile "$CORPUS"
	local file want text before n=0
	before=$(find "$(store)" | sort)
	while read -r file want text; do
		check_case "$file" "$want" "$text"
		n=$((n + 1))
	done <"$CORPUS/cases"
	nothing_planted
	((n >= 70)) || fail "only $n cases"
}

@test "hostile archives: attributes that act on overlayfs or name another host's ids are left out" {
	"$ARCHIVES" hostile "$BATS_TEST_TMPDIR"
	local f image
	for f in "$BATS_TEST_TMPDIR"/xattr-trusted* "$BATS_TEST_TMPDIR"/xattr-user.overlay* \
		"$BATS_TEST_TMPDIR"/xattr-security* "$BATS_TEST_TMPDIR"/caps3-foreign.tar; do
		berth template import "$f" x >/dev/null
		image=$(store)/$(berth template show x -j | json -r .digest).erofs
		equal "$(host unshare -m bash -c 'mount -o loop,ro "$0" /mnt && getfattr -m - /mnt/a 2>/dev/null || python3 -c "import os; print(*os.listxattr(\"/mnt/a\"))"; umount /mnt' "$image")" '' "${f##*/}"
	done
	for f in caps2 caps3; do
		berth template import "$BATS_TEST_TMPDIR/$f.tar" x >/dev/null
		image=$(store)/$(berth template show x -j | json -r .digest).erofs
		equal "$(host unshare -m bash -c 'mount -o loop,ro "$0" /mnt && getcap /mnt/a; umount /mnt' "$image")" '/mnt/a cap_net_raw=ep'
	done
}

@test "hostile archives: bombs stop at the declared limits of disk and memory" {
	"$ARCHIVES" hostile "$BATS_TEST_TMPDIR"
	local f rss
	for f in bomb.tar.gz bomb.tar.xz bomb.tar.zst; do
		run -46 /usr/bin/time -f 'rss %M' -o "$BATS_TEST_TMPDIR/rss" nsenter --target "$HOST_PID" --net --mount -- \
			"$BERTH" --root "$ROOT" template import "$BATS_TEST_TMPDIR/$f" x --max-size 8M
		rss=$(sed -n 's/rss //p' "$BATS_TEST_TMPDIR/rss")
		((rss < 100 << 10)) || fail "$f took $rss KiB"
	done
	# A million members is the limit; the long run goes beyond it, the short one sees many.
	local n=30000
	[[ -z ${BERTH_LONG:-} ]] || n=1000001
	"$ARCHIVES" many "$BATS_TEST_TMPDIR/many.tar" "$n"
	if [[ -n ${BERTH_LONG:-} ]]; then
		refused 46 'more than 1000000 files' berth template import "$BATS_TEST_TMPDIR/many.tar" x
	else
		berth template import "$BATS_TEST_TMPDIR/many.tar" x >/dev/null
		fsck.erofs "$(store)/$(berth template show x -j | json -r .digest).erofs"
	fi
	no_scratch
}

@test "unpacker: no host file has a name for it, it is nobody, and a call off its list ends it" {
	mkdir "$BATS_TEST_TMPDIR/root"
	head -c 200M /dev/urandom >"$BATS_TEST_TMPDIR/root/big"
	nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" \
		template import "$BATS_TEST_TMPDIR/root" big >/dev/null 2>&1 3>&- 4>&- &
	local pid=$! child status=
	within 5 eval 'child=$(pgrep -P "$pid" berth-unpack)'
	within 5 grep -q '^Seccomp:.2' "/proc/$child/status"
	status=$(</proc/"$child"/status)
	kill -STOP "$child" 2>/dev/null || :
	contains "$status" $'Uid:\t65534\t65534\t65534\t65534'
	contains "$status" $'NoNewPrivs:\t1'
	contains "$status" $'CapEff:\t0000000000000004'
	contains "$status" $'CapBnd:\t0000000000000000'
	equal "$(ls -A "/proc/$child/root/")" ''
	local ns
	for ns in mnt pid net ipc uts cgroup; do
		[[ $(readlink "/proc/$child/ns/$ns") != "$(readlink "/proc/$pid/ns/$ns")" ]] || fail "shares $ns"
	done
	! has_plain_build || equal "$(awk '/^Max address space/ { print $4 }' "/proc/$child/limits")" $((1 << 30))
	# Death of berth takes it along, and the next command sweeps.
	kill -KILL "$pid"
	wait "$pid" || :
	within 5 test ! -e "/proc/$child"
	berth template list >/dev/null
	no_scratch
}
