#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A kill, or an error of the kernel, at any system call of any verb. What holds then: list works,
# the verb done again comes to its end, and nothing leaks. With BERTH_LONG=1 (make faultwalk)
# every call is walked, which takes hours; with WALK_STATES=1 beside it kills that leave another state
# than the one before, with WALK_POINTS=N N kills and about N errors of each verb. Otherwise a few.
# Other ones each time.
# bats file_tags=root,slow

load helpers/load
load helpers/walk
export BATS_TEST_TIMEOUT=$((${BERTH_LONG:-0} * 36000 + 300 * ${BERTH_PATIENCE:-1}))

OPTIONS=(--ram 128M --cpulimit 50 --ipadd 10.9.0.101 --hostname web.example --name web)

setup_file() {
	[[ $EUID -ne 0 ]] || walk_setup_file
}

teardown_file() {
	[[ $EUID -ne 0 ]] || walk_teardown_file
}

setup() {
	common_setup
	requires root strace
	[[ -n ${BERTH_LONG:-} ]] || WALK_POINTS=${WALK_POINTS:-$KILL_POINTS}
}

KILL_POINTS=12

exists() {
	! is_state 101 'deleted unmounted down'
}

# Whole or not there at all; recovery undoes what is neither.
create_before() { :; }
create_words() { echo "create 101 --ostemplate mini ${OPTIONS[*]}"; }
create_resume() {
	if ((RANDOM % 2)); then
		# shellcheck disable=SC2046
		berth start 101 || { berth $(create_words) && berth start 101; } || return
	else
		berth recover
	fi
}
create_after() {
	! exists || { berth stop 101 --fast && berth destroy 101; }
	berth recover
}

start_before() { exists || new_ve 101 "${OPTIONS[@]}"; }
start_words() { echo start 101; }
start_resume() {
	((RANDOM % 2)) || berth recover
	is_state 101 'exist mounted running' || berth start 101 || return
	inside 101 /bin/true
}
start_after() { berth stop 101 --fast && berth recover; }

stop_before() { start_before && berth start 101 >/dev/null; }
stop_words() { echo stop 101 --fast; }
stop_resume() { berth stop 101 --fast && is_state 101 'exist unmounted down'; }
stop_after() { berth recover; }

set_before() {
	exists || new_ve 101 "${OPTIONS[@]}" || return
	is_state 101 'exist mounted running' || berth start 101 >/dev/null
}
set_words() { echo set 101 --ram 64M --cpulimit 20 --numproc 50 --ipadd 10.9.0.102 --hostname a.b --save; }
# Each value is the old one or the new one, in the kernel as in the config.
set_resume() {
	local ram
	sh -n "$(conf_of 101)" || return
	ram=$(limit 101 ram)
	[[ $ram -eq $((128 << 20)) || $ram -eq $((64 << 20)) ]] || fail "ram is $ram" || return
	# shellcheck disable=SC2046
	berth $(set_words) && check_limit 101 ram $((64 << 20)) && inside 101 /bin/true && reaches 10.9.0.102
}
set_after() {
	berth set 101 --ram 128M --cpulimit 50 --numproc 100 --ipdel 10.9.0.102 --hostname web.example --save &&
		[[ ! -L $ROOT/var/lib/berth/ip/10.9.0.102 ]] && sed -i '/^NUMPROC/d' "$(conf_of 101)"
}

destroy_before() { start_before; }
destroy_words() { echo destroy 101; }
destroy_resume() { ! exists || berth destroy 101; }
destroy_after() { berth recover && [[ $(berth list -a -H 2>&1) == 'Container(s) not found' ]]; }

there() {
	! is_state 102 'deleted unmounted down'
}

clone_before() { exists || new_ve 101 --ram 128M; }
clone_words() { echo clone 101 102; }
clone_resume() {
	there || berth clone 101 102 || return
	berth start 102 || { berth destroy 102 && berth clone 101 102 && berth start 102; } || return
	inside 102 /bin/true && berth stop 102 --fast
}
clone_after() { ! there || berth destroy 102 || return; berth recover; }

snapshot_before() { clone_before; }
snapshot_words() { echo snapshot create 101 --name walked; }
snapshot_resume() {
	[[ $(berth snapshot list 101 -H -o name) == *walked* ]] || berth snapshot create 101 --name walked || return
	berth start 101 && inside 101 /bin/true && berth stop 101 --fast
}
snapshot_after() {
	local uuid
	for uuid in $(berth snapshot list 101 -H -o uuid); do
		berth snapshot delete 101 --id "$uuid" || return
	done
	berth recover
}

fence_of() { echo "$ROOT/etc/berth/fences/test.conf"; }
fence_before() { exists || new_ve 101 --ram 128M --ipadd 10.9.0.101; }
fence_words() { echo fence create test 101 --first 102 --start --forward tcp:8080=10.9.0.101:80; }
# Gone on with, or whole already; what was started or half started runs in the end.
fence_resume() {
	local status=0
	berth fence create test 101 --first 102 --forward tcp:8080=10.9.0.101:80 || status=$?
	[[ $status -eq 0 || $status -eq 131 ]] || return
	is_state 102 'exist mounted running' || berth start 102 || return
	inside 102 /bin/true && [[ $(host nft list ruleset) == *8080* ]]
}
fence_after() {
	[[ ! -e $(fence_of) ]] || berth fence delete test || return
	! there && berth recover && [[ $(host nft list ruleset) != *8080* ]]
}

unfence_before() {
	fence_before
	# shellcheck disable=SC2046
	[[ -e $(fence_of) ]] || berth $(fence_words) >/dev/null
}
unfence_words() { echo fence delete test; }
unfence_resume() { fence_after; }
unfence_after() { fence_after; }

# From elsewhere: a directory with one program, the VE's init.
import_before() {
	[[ -e $BATS_TEST_TMPDIR/root/sbin/init ]] || {
		mkdir -p "$BATS_TEST_TMPDIR"/root/{bin,sbin,etc,dev,proc,sys,tmp,run} &&
			cp "$PROBE" "$BATS_TEST_TMPDIR/root/sbin/init" && echo ID=walked >"$BATS_TEST_TMPDIR/root/etc/os-release"
	}
}
import_words() { echo template import "$BATS_TEST_TMPDIR/root" walked; }
# Whole or not there, and what the next one is given.
import_resume() {
	[[ ! -e $ROOT/var/lib/berth/template/channels/walked ]] || berth template verify walked || return
	# shellcheck disable=SC2046
	berth $(import_words) && berth template verify walked
}
import_after() {
	local store=$ROOT/var/lib/berth/template
	berth template remove "$(berth template show walked -j | json -r .digest)" || return
	[[ -z $(find "$store/store" -maxdepth 1 -name 'build.*') ]] || fail "scratch: $(ls "$store/store")" || return
	[[ ! -e $store/channels/walked && $(find "$store/store" -name '*.erofs' | wc -l) -eq 1 ]] ||
		fail "left: $(ls "$store/channels" "$store/store")"
}

# upgrade_version NAME: mini with one more file, as a version of its own.
upgrade_version() {
	local tree=$BATS_TEST_TMPDIR/$1 template=$ROOT/var/lib/berth/template
	fsck.erofs --extract="$tree" "$template/store/$(berth template show mini -j | json -r .digest).erofs" >/dev/null &&
		echo "$1" >"$tree/etc/version" && berth template import "$tree" "$1" >/dev/null && rm -rf "$tree"
}
upgrade_before() {
	[[ -e $ROOT/var/lib/berth/template/channels/new ]] || { upgrade_version old && upgrade_version new; } || return
	exists || berth create 101 --ostemplate old --ram 128M >/dev/null || return
	is_state 101 'exist mounted running' || berth start 101 >/dev/null
}
upgrade_words() { echo upgrade 101 --to new --check /bin/true; }
# What was begun ends one way or the other: where the new one did not start and the way back could
# not be gone to its end either, that comes first, and is an error. Then it is the new one.
upgrade_resume() {
	# shellcheck disable=SC2046
	berth $(upgrade_words) >"$BATS_TEST_TMPDIR/went" 2>&1 || {
		grep 'is back on' "$BATS_TEST_TMPDIR/went" && [[ $(shell 101 'cat /etc/version') == old ]] &&
			berth $(upgrade_words)
	} || fail "$(<"$BATS_TEST_TMPDIR/went")" || return
	is_state 101 'exist mounted running' && [[ $(shell 101 'cat /etc/version') == new ]]
}
upgrade_after() {
	berth upgrade 101 --undo && [[ $(shell 101 'cat /etc/version') == old ]] && berth stop 101 --fast && berth recover
}

# A running VE has all of it.
walk_leaks() {
	[[ $1 != set ]] || return 0
	local kinds=(mounts loops cgroups links rules processes)
	[[ $1 != create && $1 != destroy ]] || kinds+=(files)
	leak_check "${kinds[@]}"
}

@test "create: killed at any system call" { walk create all signal=KILL; }
@test "start: killed at any system call" { walk start all signal=KILL; }
@test "stop: killed at any system call" { walk stop all signal=KILL; }
@test "set: killed at any system call" { walk set all signal=KILL; }
@test "destroy: killed at any system call" { walk destroy all signal=KILL; }

@test "clone: killed at any system call" { [[ -n ${BERTH_LONG:-} ]] || WALK_POINTS=4; walk clone all signal=KILL; }
@test "snapshot: killed at any system call" { [[ -n ${BERTH_LONG:-} ]] || WALK_POINTS=4; walk snapshot all signal=KILL; }

@test "template import: killed at any system call" { [[ -n ${BERTH_LONG:-} ]] || WALK_POINTS=4; walk import all signal=KILL; }
@test "upgrade: killed at any system call" { [[ -n ${BERTH_LONG:-} ]] || WALK_POINTS=2; walk upgrade all signal=KILL; }

@test "fence: create killed at any system call" { [[ -n ${BERTH_LONG:-} ]] || WALK_POINTS=2; walk fence all signal=KILL; }
@test "fence: delete killed at any system call" { [[ -n ${BERTH_LONG:-} ]] || WALK_POINTS=2; walk unfence all signal=KILL; }

# Which calls can fail like that; lists as strace takes them.
# shellcheck disable=SC2054
declare -gA CALLS=(
	[ENOSPC]=openat,mkdirat,symlinkat,renameat,renameat2,write,pwrite64,ftruncate,fsync
	[EIO]=read,pread64,write,pwrite64,fsync,openat,getdents64
	[EMFILE]=openat,openat2,pipe2,socket,socketpair,dup,fcntl,pidfd_open,fsopen,fsmount,open_tree
	[ENOMEM]=clone,clone3,fork,vfork,mmap,brk,openat,fsconfig,move_mount,sendto,sendmsg
	[EINTR]=read,write,openat,flock,wait4,poll,recvfrom,recvmsg,sendto,sendmsg,clock_nanosleep
	[EAGAIN]=openat2,clone,clone3,sendto,setns,unshare,fork
	[EBUSY]=umount2,unlinkat,move_mount,ioctl,renameat,renameat2,rmdir,mount
	[EROFS]=openat,mkdirat,symlinkat,renameat,renameat2,unlinkat,ftruncate
	[EPERM]=mount,move_mount,mount_setattr,setns,unshare,bpf,fchown,fchownat,ioctl,fsopen,clone3
)

errors() {
	local verb=$1 error bad=0 points=$(((${WALK_POINTS:-0} + ${#CALLS[@]} - 1) / ${#CALLS[@]}))
	[[ -n ${BERTH_LONG:-} ]] || points=1
	for error in "${!CALLS[@]}"; do
		WALK_POINTS=$points walk "$verb" "${CALLS[$error]}" "error=$error" || bad=1
	done
	[[ $bad -eq 0 ]]
}

@test "create: any error of the kernel at any call" { errors create; }
@test "start: any error of the kernel at any call" { errors start; }
@test "stop: any error of the kernel at any call" { errors stop; }
@test "set: any error of the kernel at any call" { errors set; }
@test "destroy: any error of the kernel at any call" { errors destroy; }

# The rest of the verbs: each step of theirs is walked by the kills above.
long() { [[ -n ${BERTH_LONG:-} ]] || skip 'BERTH_LONG=1 runs it'; }
@test "clone: any error of the kernel at any call (BERTH_LONG=1)" { long; errors clone; }
@test "snapshot: any error of the kernel at any call (BERTH_LONG=1)" { long; errors snapshot; }
@test "template import: any error of the kernel at any call (BERTH_LONG=1)" { long; errors import; }
@test "upgrade: any error of the kernel at any call (BERTH_LONG=1)" { long; errors upgrade; }
@test "fence: any error of the kernel at any call (BERTH_LONG=1)" { long; errors fence; }
