#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A root that its owner has prepared against the host: every path that the host looks at, times
# everything that can lie there instead. The host's files stay as they are, each command ends
# within seconds, and it either does what it says or refuses with one line.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((240 * ${BERTH_PATIENCE:-1}))

TOO_LONG=$((6 * ${BERTH_PATIENCE:-1}))    # seconds for a command, of which none may wait for something inside

# The host's files that a link could lead to, and what must not change of them.
canaries() {
	stat -c '%n %F %i %a %u %g %Z' "$CANARY" "$CANARY"/* /etc /etc/hostname /etc/hosts \
		/etc/resolv.conf /etc/passwd /etc/shadow 2>/dev/null || :
	stat -c '%n %F %i %a %u %g %t:%T' /dev/null /dev/console 2>/dev/null || :
	cat "$CANARY"/* | sha256sum
}

# The host's own directories, and one of ours whose names are those of an /etc.
make_canaries() {
	CANARY=$BATS_TEST_TMPDIR/canary
	mkdir -p "$CANARY"
	local f
	for f in file hostname hosts resolv.conf passwd shadow group null console interfaces; do
		echo "$f:$RANDOM$RANDOM" >"$CANARY/$f"
	done
	canaries >"$BATS_TEST_TMPDIR/canaries"
}

unharmed() {
	canaries | diff "$BATS_TEST_TMPDIR/canaries" - >&2 || fail "$1: a file of the host has changed"
}

# plant KIND PATH: in the mounted root $AT, as the tenant or the author of a template could.
plant() {
	local at=$AT/$2 up=../../../../../../../../../../../..
	host mkdir -p "$(dirname "$at")"
	host rm -rf --one-file-system "${AT:?}/$2"
	local to=$CANARY
	[[ $3 == dir ]] || to+=/file
	case $1 in
	absolute) host ln -s "$to" "$at" ;;
	upward) host ln -s "$up$to" "$at" ;;
	magic) host ln -s "/proc/1/root$to" "$at" ;;
	cwd) host ln -s "/proc/self/cwd/$up$to" "$at" ;;
	dangling) host ln -s /nowhere/at/all "$at" ;;
	loop) host ln -s "${at##*/}" "$at" ;;
	fifo) host mkfifo "$at" ;;
	socket)
		# shellcheck disable=SC2016  # perl's
		host perl -MIO::Socket::UNIX -e 'chdir $ARGV[0] and IO::Socket::UNIX->new(Local => $ARGV[1], Listen => 1)
			or die' "${at%/*}" "${at##*/}"
		;;
	device) host mknod "$at" c 1 11 ;;
	disk) host mknod "$at" b 254 0 ;;
	swapped) if [[ $3 == dir ]]; then echo x | host tee "$at" >/dev/null; else host mkdir "$at"; fi ;;
	esac
}

# quick WHAT CMD...: ends in time; a refusal is one line. The exit number is in $CODE.
quick() {
	local what=$1 end=$((SECONDS + TOO_LONG))
	shift
	CODE=0
	timeout -k 2 $TOO_LONG nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --quiet --root "$ROOT" "$@" \
		</dev/null >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- 4>&- || CODE=$?
	((CODE != 124 && CODE != 137 && SECONDS <= end)) || fail "$what: $1 hangs" || return
	[[ $CODE -eq 0 || $1 == exec* || $1 == enter || $1 == runscript ||
		$(wc -l <"$BATS_TEST_TMPDIR/err") -eq 1 ]] ||
		fail "$what: $1 exits $CODE and says: $(<"$BATS_TEST_TMPDIR/err")"
}

# One path with one thing in its place, through a VE's life.
cell() {
	local what="$1 at /$2"
	new_ve 101 --hostname first.example --nameserver 192.0.2.53 --ipadd 192.0.2.101
	berth mount 101 >/dev/null
	AT=$ROOT/var/lib/berth/root/101
	plant "$@" || fail "$what: cannot plant" || return
	unharmed "$what" || return
	berth umount 101 >/dev/null
	quick "$what" start 101 || return
	unharmed "$what, start" || return
	if ((CODE == 0)); then
		use "$what" || return
	else
		equal "$(status_of 101)" 'CTID 101 exist unmounted down' "$what: after a refusal" || return
	fi
	berth destroy 101 >/dev/null || fail "$what: destroy"
}

use() {
	local verb
	local -a tries=('set 101 --hostname second.example --nameserver 192.0.2.54 --ipadd 192.0.2.102'
		'set 101 --userpasswd root:secret' 'set 101 --userpasswd new:secret' 'exec3 101 /bin/true'
		'enter 101' "runscript 101 $BATS_TEST_TMPDIR/script" 'stop 101 --fast')
	for verb in "${tries[@]}"; do
		# shellcheck disable=SC2086  # words
		quick "$1" $verb || return
		unharmed "$1, $verb" || return
		! grep -sqF "$(<"$CANARY/file")" "$BATS_TEST_TMPDIR/out" ||
			fail "$1, $verb: shows the host's file" || return
	done
}

# rows TYPE PATH...: each path, whose usual type is given, with everything; on an emulated machine,
# where a cell takes half a minute, with every third thing, others than at the path before.
rows() {
	local type=$1 path kind n=0 every=1
	shift
	[[ ${BERTH_PATIENCE:-1} -eq 1 || -n ${BERTH_LONG:-} ]] || every=3
	echo true >"$BATS_TEST_TMPDIR/script"
	make_canaries
	for path; do
		for kind in absolute upward magic cwd dangling loop fifo socket device disk swapped; do
			((n++ % every)) || cell "$kind" "$path" "$type" || return
		done
	done
}

@test "hostile root: /etc/hostname, hosts and resolv.conf" {
	rows file etc/hostname etc/hosts etc/resolv.conf
}

@test "hostile root: /etc/passwd, shadow, group and login.defs" {
	rows file etc/passwd etc/shadow etc/group etc/login.defs
}

@test "hostile root: /etc and its network files" {
	rows dir etc etc/network etc/network/interfaces.d
	rows file etc/network/interfaces etc/network/interfaces.d/berth
}

@test "hostile root: /dev, /proc, /sys and /run" {
	rows dir dev proc sys run
}

@test "hostile root: what would lie below our mounts" {
	rows dir dev/pts dev/shm proc/sys sys/fs/cgroup
	rows file dev/console dev/null dev/ptmx
}

@test "hostile root: /sbin/init, /bin/sh, /bin/bash, /tmp and /home" {
	rows file sbin/init bin/sh bin/bash
	rows dir tmp home
}

# plant_all KIND: that kind of thing in place of everything that a verb looks at in a stopped VE.
plant_all() {
	local path
	for path in etc/machine-id var/lib/dbus/machine-id etc/passwd etc/shadow etc/os-release var/lib/dpkg/status \
		var/lib/systemd/random-seed etc/login.defs; do
		plant "$1" "$path" file || return
	done
	for path in etc/ssh root/.ssh var/lib/urandom old; do
		plant "$1" "$path" dir || return
	done
}

@test "hostile root: clone, publish, snapshot, reinstall and password of a stopped VE" {
	local kind
	make_canaries
	for kind in absolute magic loop fifo swapped; do
		new_ve 101 --hostname first.example
		berth mount 101 >/dev/null
		AT=$ROOT/var/lib/berth/root/101
		plant_all $kind || fail "$kind: cannot plant"
		berth umount 101 >/dev/null
		quick $kind set 101 --userpasswd root:secret
		quick $kind snapshot 101
		quick $kind clone 101 102
		quick $kind template publish 101 stolen-$kind
		quick $kind reinstall 101
		unharmed $kind
		for id in 101 102; do
			[[ $(status_of $id) == *deleted* ]] || berth destroy $id >/dev/null
		done
	done
}

# swap_for_links NAME...: in the disk of 101, which is stopped, as a VM's tenant can: all of it is his.
swap_for_links() {
	local name
	for name; do
		mkdir -p "$CANARY.$name"
		cp "$CANARY/file" "$CANARY.$name/of-the-host"
	done
	# shellcheck disable=SC2016  # the shell's, there
	host unshare --mount sh -ec 'mount -o loop "$1" /mnt
		to=$2
		shift 2
		for name; do
			mv "/mnt/$name" "/mnt/real.$name"
			ln -s "$to.$name" "/mnt/$name"
		done
		umount /mnt' - "$ROOT/var/lib/berth/private/101/disk.img" "$CANARY" "$@"
}

# on_old_kernel CMD...: berth, to which the kernel says that it takes no layer by descriptor.
on_old_kernel() {
	host strace -qq -o /dev/null -e trace=fsconfig -e "inject=fsconfig:error=EOPNOTSUPP:when=$SET_FD" \
		"$BERTH" --root "$ROOT" "$@"
}

# With the number of fsconfig(2)'s first call for a layer in $SET_FD.
count_calls() {
	SET_FD=$(host strace -qq -e trace=fsconfig -o /dev/stdout "$BERTH" --root "$ROOT" -q mount 101 |
		awk '/FSCONFIG_SET_FD/ { print NR; exit }')
	berth umount 101 >/dev/null
	[[ $SET_FD ]]
}

# links_are_refused LAYOUT NAME...: by whatever mounts a disk with links for these.
links_are_refused() {
	local layout=$1 what="open directory $2 of the disk" at=$BATS_TEST_TMPDIR/seen
	new_ve 101 --layout "$layout"
	swap_for_links "${@:2}"
	berth snapshot 101 --name one >/dev/null
	mkdir -p "$at"
	refused 50 "$what" berth mount 101 || return
	refused 50 "$what" on_old_kernel mount 101 || return
	refused 50 "$what" berth -q start 101 || return
	refused 50 "$what" berth set 101 --userpasswd root:secret || return
	refused 50 "$what" berth template publish 101 stolen || return
	refused 50 "$what" berth -q clone 101 102 || return
	if [[ $2 == upper ]]; then              # a snapshot needs nothing else
		refused 50 "$what" berth snapshot mount 101 --id one --target "$at" || return
		refused 50 "$what" on_old_kernel snapshot mount 101 --id one --target "$at" || return
		equal "$(ls -A "$at")" ''
	fi
	unharmed "$*" || return
	equal "$(ls -A "$CANARY".*)" "$(printf '%s\n' "$CANARY.upper:" of-the-host '' "$CANARY.work:" of-the-host)" || return
	equal "$(status_of 101)" 'CTID 101 exist unmounted down' || return
	berth destroy 101 >/dev/null
}

@test "hostile disk: links in place of its directories lead nowhere" {
	requires strace
	make_canaries
	new_ve 101
	count_calls
	berth destroy 101 >/dev/null
	links_are_refused image upper work
	links_are_refused image work
	links_are_refused full upper
}

@test "hostile disk: a kernel that wants layers by path gets the same ones" {
	requires strace
	new_ve 101
	count_calls
	on_old_kernel mount 101 >/dev/null
	equal "$(host findmnt -no FSTYPE "$ROOT/var/lib/berth/root/101")" overlay
	host sh -c "echo there >'$ROOT/var/lib/berth/root/101/etc/of-the-host'"
	berth umount 101 >/dev/null
	berth start 101 >/dev/null
	equal "$(inside 101 /bin/cat /etc/of-the-host)" there
}
