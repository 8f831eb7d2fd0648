# SPDX-License-Identifier: GPL-2.0-or-later
# Fault walks: a verb is run again and again, each time with a fault at another of its system
# calls. strace(1) injects it into the command and all its children, but not into what they
# execute (-b execve): helpers of the host, the keeper and the VE's init are other programs.
#
# A row of the table is four functions: V_before brings about what the verb works on, V_words is
# its command line, V_resume does it again and checks the outcome, V_clean checks that nothing
# is left. WALK_POINTS is how many points of each walk are tried (0: every one), WALK_STATES leaves
# out kills that come to the same as the one before.

# The command executes itself from a read-only mount before it enters a VE, which would end the
# injection; where it is on one already, it does not (runtime/seal.h).
walk_setup_file() {
	export WALKED=$BATS_FILE_TMPDIR/sealed
	mkdir -p "$WALKED"
	host sh -ec 'mount --bind "$1" "$2"; mount -o remount,bind,ro "$2"' - "$BERTH_BUILD" "$WALKED"
}

walk_teardown_file() {
	host umount "$WALKED"
}

# walked INJECTION CMD...: the command with a fault; at most 30 seconds.
walked() {
	local injection=$1
	shift
	host timeout -k 1 $((30 * ${BERTH_PATIENCE:-1})) strace -f -b execve -o "$BATS_TEST_TMPDIR/trace" \
		-e trace="${injection%%:*}" -e signal=none -e inject="$injection" "$WALKED/berth" --root "$ROOT" "$@"
}

# walk_calls VERB CALLS: "NAME N" for each call of that set, N counting the calls of that name by
# one process, which is what strace counts. Two processes at their Nth are hit together.
walk_calls() {
	local verb=$1 calls=$2 log=$BATS_TEST_TMPDIR/calls
	# What only the first command of a root does would not come again.
	# shellcheck disable=SC2046 # words of a command line
	"${verb}_before" && berth $("${verb}_words") >/dev/null && "${verb}_after" >/dev/null || return
	"${verb}_before"
	# shellcheck disable=SC2046 # words of a command line
	host timeout 60 strace -f -b execve -e trace="$calls" -e signal=none -o "$log" \
		"$WALKED/berth" --root "$ROOT" $("${verb}_words") >/dev/null || fail "$verb alone fails" || return
	"${verb}_after" >/dev/null
	if [[ -n ${WALK_STATES:-} && $calls == all ]]; then
		sed -nE 's/^([0-9]+) +([a-z0-9_]+)\((.*)/\1 \2 \3/p' "$log" | walk_states
	else
		sed -nE 's/^([0-9]+) +([a-z0-9_]+)\(.*/\1 \2/p' "$log" |
			awk '{ k = $2 " " ++n[$1, $2] } !(k in seen) { seen[k]; print k }'
	fi
}

# Of two deaths of a process between which it has changed nothing that outlives it, one is enough.
# What fails changes nothing; what is not named here is taken for a change. Reads lines "PID NAME ARGUMENTS".
walk_states() {
	awk '
		BEGIN {
			n = split("read pread64 readv fstat newfstatat stat lstat statx lseek close close_range mmap munmap " \
				"mprotect madvise brk getdents64 readlinkat readlink poll ppoll getpid getppid gettid " \
				"rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack prlimit64 getrlimit access faccessat " \
				"faccessat2 statfs fstatfs getrandom futex uname getuid geteuid getgid getegid clock_gettime " \
				"clock_nanosleep nanosleep wait4 waitid dup dup2 dup3 pipe2 arch_prctl set_tid_address " \
				"set_robust_list rseq sysinfo getcwd sched_getaffinity signalfd4 timerfd_create eventfd2 " \
				"epoll_create1 fgetxattr lgetxattr listxattr getsockname getsockopt pidfd_open umask exit_group " \
				"setsockopt socket socketpair bind recvfrom recvmsg prctl capget capset setfsgid setfsuid " \
				"unshare setns fsopen open_tree fchdir chdir fcntl flock", word, " ")
			for (i = 1; i <= n; i++) still[word[i]]
		}
		{
			k = $2 " " ++nth[$1, $2]
			if (!($1 in same) && !(k in seen)) { seen[k]; print k }
			if ($2 in still || / = -1 / || ($2 ~ /^open/ && !/O_(CREAT|TRUNC|TMPFILE)/)) same[$1]; else delete same[$1]
		}'
}

# some LINES: every one, or WALK_POINTS of them, spread evenly from a random first one.
some() {
	local want=${WALK_POINTS:-0} n i
	local -n lines=$1
	n=${#lines[@]}
	((want > 0 && want < n)) || want=$n
	for ((i = RANDOM % (n / want); i < n; i += n / want)); do
		echo "${lines[i]}"
	done
}

# After any fault.
walk_check() {
	local verb=$1 where=$2
	berth list -a -H -o ctid,status >"$BATS_TEST_TMPDIR/list" 2>"$BATS_TEST_TMPDIR/list.err" ||
		grep -q 'not found' "$BATS_TEST_TMPDIR/list.err" ||
		fail "list after $where: $(cat "$BATS_TEST_TMPDIR/list.err")" || return
	"${verb}_resume" >"$BATS_TEST_TMPDIR/resume" 2>&1 ||
		fail "resume after $where: $(cat "$BATS_TEST_TMPDIR/resume")" || return
	"${verb}_after" >"$BATS_TEST_TMPDIR/after" 2>&1 ||
		fail "end after $where: $(cat "$BATS_TEST_TMPDIR/after")" || return
	walk_leaks "$verb" || fail "leak after $where"
}

walk_leaks() {
	local kinds=(mounts loops cgroups links rules processes)
	[[ $1 != create && $1 != destroy ]] || kinds+=(files)
	leak_check "${kinds[@]}"
}

# walk VERB CALLS FAULT: a fault is signal=KILL or error=E...; prints what was walked.
walk() {
	local verb=$1 fault=$3 name n tried=0 hit=0 bad=0 status all
	walk_calls "$verb" "$2" >"$BATS_TEST_TMPDIR/points" || fail "$verb without a fault" || return
	mapfile -t all <"$BATS_TEST_TMPDIR/points"
	((${#all[@]} > 0)) || return 0		# it makes none of these
	while read -r name n; do
		"${verb}_before" || fail "before $verb" || return
		status=0
		# shellcheck disable=SC2046
		walked "$name:$fault:when=$n" $("${verb}_words") \
			>"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || status=$?
		tried=$((tried + 1))
		hit=$((hit + (status != 0)))
		walk_ended "$verb" "$verb: $name:$fault:when=$n" "$status" && continue
		bad=$((bad + 1))
		# A long walk goes on, to find them all.
		[[ -n ${BERTH_LONG:-} ]] && berth recover && destroy_all || return
	done < <(some all)
	echo "# $verb, $fault: $tried of ${#all[@]} points walked, $hit failed the command, $bad bad ends" >&3
	[[ $bad -eq 0 ]]
}

walk_ended() {
	local verb=$1 what status=$3
	what="$2 (status $3, said: $(<"$BATS_TEST_TMPDIR/err"))"
	[[ $status -ne 124 ]] || fail "hangs: $what" || return
	# strace tells exit numbers above 128, which exist, from deaths.
	[[ $what == *signal=* ]] || ! grep -E 'killed by SIG(SEGV|ABRT|BUS|FPE|ILL|SYS)' "$BATS_TEST_TMPDIR/trace" ||
		fail "crashes: $what" || return
	walk_check "$verb" "$what" </dev/null
}
