#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Limits that sit on processes, mounts and the user namespace of a VE: each is exceeded on purpose
# from inside, at start, raised and lowered live and after a restart, and the ceiling is exact.
# bats file_tags=root

load helpers/load

MIB=$((1 << 20))

# Where hard limits cannot be raised, what is raised live comes at the next start.
raised_live() {
	has_resource || [[ $1 != numfile && $1 != memlock && $1 != numsiginfo ]]
}

# ceilings MEASURE OPTION FIRST HIGH LOW
ceilings() {
	put_probe 101
	equal "$("$1")" "$3" "$2 at start" || return
	if raised_live "$2"; then
		berth set 101 "--$2" "$4" || return
		equal "$("$1")" "$4" "$2 raised" || return
	else
		refused 1 CAP_SYS_RESOURCE berth set 101 "--$2" "$4" || return
		equal "$("$1")" "$3" "$2 after a refusal" || return
		berth set 101 "--$2" "$4" --save && berth restart 101 >/dev/null || return
		equal "$("$1")" "$4" "$2 raised and started" || return
	fi
	berth set 101 "--$2" "$5" --save || return
	equal "$("$1")" "$5" "$2 lowered" || return
	berth restart 101 >/dev/null || return
	equal "$("$1")" "$5" "$2 after a restart" || return
	equal "$(berth status -j 101 | jq -c .differs)" '[]'
}

probed() {
	inside 101 /probe "$@" | awk '{ print $2 }'
}

huge() { inside 101 /probe hugepages 12 | awk '{ print $2 * 2 "M" }'; }

files() { probed openfiles 5000; }
locked() { probed memlock $((8 * MIB)); }
signals() { probed signals 5000; }
instances() { probed inotify instances 500; }
watches() { probed inotify watches 500; }
# The console has one.
ptys() { echo $(($(probed ptys 100) + 1)); }
shm() {
	shell 101 'dd if=/dev/zero of=/dev/shm/f bs=4096 2>/dev/null; wc -c </dev/shm/f; rm /dev/shm/f'
}

@test "hugepages: what one who wants more gets" {
	requires hugepages
	run_ve 101 --hugepages 8M
	ceilings huge hugepages 8M 16M 4M
	refused 21 'hugepages' berth set 101 --hugepages 3Q
}

@test "numfile: what a file opener gets" {
	run_ve 101 --numfile 200
	ceilings files numfile 200 500 80
}

@test "memlock: what a hog of locked memory gets" {
	run_ve 101 --memlock 1048576
	ceilings locked memlock 1048576 2097152 524288
	berth set 101 --lockedpages 64
	equal "$(locked)" $((64 * 4096))
}

@test "numsiginfo: what a sender of signals gets" {
	run_ve 101 --numsiginfo 100
	ceilings signals numsiginfo 100 200 50
}

@test "shm: what a filler of /dev/shm gets" {
	run_ve 101 --shm $((8 * MIB))
	ceilings shm shm $((8 * MIB)) $((20 * MIB)) $((4 * MIB))
	berth set 101 --shmpages 512:1024
	equal "$(shm)" $((1024 * 4096))
}

@test "numpty: what an opener of terminals gets" {
	run_ve 101 --numpty 6
	ceilings ptys numpty 6 12 3
}

@test "inotify: what a user of it gets" {
	run_ve 101 --inotify-instances 10 --inotify-watches 50
	ceilings instances inotify-instances 10 20 5
	ceilings watches inotify-watches 50 100 20
}

@test "limits inside: below what is in use they are refused with the number, and nothing changes" {
	run_ve 101 --numfile 200 --memlock 1M --shm 8M --numpty 8 --inotify-instances 20 \
		--inotify-watches 100
	put_probe 101
	shell 101 'exec >/dev/null 2>&1 </dev/null
		/probe openfiles 150 30 & /probe memlock 600000 30 & /probe ptys 5 30 &
		/probe inotify instances 12 30 & /probe inotify watches 60 30 &
		dd if=/dev/zero of=/dev/shm/f bs=1M count=5'
	within 5 eval '[[ $(berth list -H -o numpty 101) -eq 6 && $(berth list -H -o numfile 101) -eq 153 ]]'
	refused 1 'in use: 153' berth set 101 --ram 512M --numfile 100 --save
	refused 1 'in use: 602112' berth set 101 --memlock 512K
	refused 1 'in use: 5242880' berth set 101 --cpuunits 500 --shm 4M --save
	refused 1 'in use: 6' berth set 101 --numpty 5
	refused 1 'in use: 13' berth set 101 --inotify-instances 12
	refused 1 'in use: 60' berth set 101 --inotify-watches 59
	equal "$(berth set 101 --numfile 100 --dry-run -j | json '.changes[0].outcome')" impossible
	equal "$(berth status -j 101 | jq -c .differs)" '[]'
	equal "$(conf_value 101 PHYSPAGES)" 0:262144
}

# killed_at_prlimit VALUE: `set --numfile` that is killed when it has limited the first process.
killed_at_prlimit() {
	local n trace=$BATS_TEST_TMPDIR/trace
	host timeout 30 strace -f -o "$trace" -e trace=prlimit64 "$BERTH" --root "$ROOT" set 101 --numfile "$1"
	n=$(grep -n "rlim_max=$1}, NULL" "$trace" | head -n 1 | cut -d: -f1)
	run -137 host timeout 30 strace -f -o "$trace" -e trace=prlimit64 \
		-e inject=prlimit64:signal=KILL:when="$n+" "$BERTH" --root "$ROOT" set 101 --numfile $(($1 - 1))
}

@test "numfile: a set that is killed leaves nothing standing still" {
	requires strace
	run_ve 101
	local node
	node=$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid 101)/cgroup" | sed 's|/payload.*||')
	killed_at_prlimit 310
	within 5 eval '[[ $(<"$node/cgroup.freeze") -eq 0 ]]'
	timeout 5 "$BERTH" --root "$ROOT" exec2 101 /bin/true
	berth set 101 --numfile 300
	# Nor does one let go on what somebody has paused.
	berth pause 101
	berth set 101 --numfile 290
	equal "$(<"$node/cgroup.freeze")" 1
	berth unpause 101
}

# Every process has it, however fast others come into being.
all_limited() {
	local p
	while read -r p; do
		awk -v want="$2" '/^Max open files/ && $5 != want { exit 1 }' "/proc/$p/limits" 2>/dev/null ||
			[[ ! -e /proc/$p ]] || return
	done < <(find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null)
}

@test "numfile: reaches every process of a fork storm, and those of exec" {
	run_ve 101 --numfile 400 --numproc 300
	put_probe 101
	shell 101 'exec </dev/null >/dev/null 2>&1
		i=0; while [ $i -lt 4 ]; do (while :; do /bin/true; sleep 0.5 & done) & i=$((i + 1)); done'
	local node v
	node=$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid 101)/cgroup" | sed 's|/payload.*||')
	for v in 350 300 250 200 150; do
		berth set 101 --numfile $v
		all_limited "$node" $v || fail "not everybody has $v"
	done
	equal "$(shell 101 'ulimit -Hn')" 150
}

@test "limits inside: a failure puts back all of them" {
	run_ve 101 --shm 8M --numpty 6 --inotify-instances 10 --numfile 200
	BERTH_FAULT=set/numfile refused 3 numfile \
		berth set 101 --shm 16M --numpty 9 --inotify-instances 20 --numfile 100 --save || return
	equal "$(berth status -j 101 | jq -c .differs)" '[]'
	equal "$(berth status -j 101 | jq -c '.effective | [.shm, .numpty, .inotify_instances, .numfile]')" \
		"[$((8 * MIB)),6,10,200]"
}

@test "shm, numpty: what a tenant mounts over them is not taken for them" {
	run_ve 101 --shm 8M
	shell 101 'mount -t tmpfs -o size=64m x /dev/shm'
	refused 1 'mounted something else' berth set 101 --shm 4M
	shell 101 'umount /dev/shm'
	berth set 101 --shm 4M
	equal "$(shm)" $((4 * MIB))
}
