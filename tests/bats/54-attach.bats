#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Going in: what a command or an init inherits from whoever ran berth, what a tenant can do to
# the process that comes in and to the one that waits for it.
# bats file_tags=root

load helpers/load

# leaky CMD...: with 64 descriptors of the host, directories among them, that survive an exec.
leaky() {
	local fd
	(
		exec 3>&- 4>&-
		for ((fd = 20; fd < 84; fd += 2)); do
			eval "exec $fd</ $((fd + 1))</etc/shadow"
		done
		"$@"
	)
}

# on_terminal SCRIPT: with a terminal of the host that is the script's controlling one.
on_terminal() {
	script -qec "$1" "$BATS_TEST_TMPDIR/typescript" </dev/null 3>&- 4>&-
}

enter_command() {
	echo "nsenter --target $HOST_PID --net --mount -- $BERTH --root $ROOT"
}

@test "inherited: of 64 descriptors none comes in, with exec nor with start" {
	new_ve 101
	leaky nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" start 101 >/dev/null
	put_probe 101
	run -0 leaky nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" exec3 101 /probe fds
	equal "$(grep -c '^[0-9]' <<<"$output")" 3 'descriptors of a command'
	contains "$output" 'cwd /'
	equal "$(shell 101 'ls /proc/1/fd | tr "\n" " "')" '0 1 2 ' 'descriptors of init'
	local fd
	for fd in "/proc/$(keeper_pid 101)/fd"/*; do
		[[ $(readlink "$fd") != / && $(readlink "$fd") != /etc/shadow ]] || fail "the keeper holds $fd"
	done
}

@test "inherited: a directory of the host as standard input is refused" {
	run_ve 101
	run -21 --separate-stderr nsenter --target "$HOST_PID" --net --mount -- \
		"$BERTH" --root "$ROOT" exec3 101 /bin/ls /proc/self/fd/0/ </ 3>&- 4>&-
	equal "$output" ''
	one_line_error 'a directory of the host'
}

@test "inherited: a working directory that is gone or far away is not the command's" {
	run_ve 101
	local dir=$BATS_TEST_TMPDIR/gone
	mkdir "$dir"
	cd "$dir"
	rmdir "$dir"
	run -0 inside 101 /bin/sh -c 'pwd; ls -d etc'
	equal "$output" $'/\netc'
	cd "/proc/$HOST_PID/cwd"
	run -0 inside 101 /bin/sh -c 'pwd; readlink /proc/self/cwd'
	equal "$output" $'/\n/'
	cd /
}

@test "inherited: ignored and blocked signals do not change the result, nor come in" {
	new_ve 101
	local -a odd=(env "--ignore-signal=CHLD,QUIT,USR1" "--block-signal=CHLD,TERM,USR2")
	host "${odd[@]}" "$BERTH" --root "$ROOT" start 101 >/dev/null
	run -7 host "${odd[@]}" "$BERTH" --root "$ROOT" exec3 101 /bin/sh -c 'exit 7'
	run -0 host "${odd[@]}" "$BERTH" --root "$ROOT" exec3 101 /bin/cat /proc/self/status
	[[ $output =~ SigBlk:[[:space:]]*0+$'\n' && $output =~ SigIgn:[[:space:]]*0+$'\n' ]] || fail "$output"
	run -0 cat "/proc/$(init_pid 101)/status"
	[[ $output =~ SigBlk:[[:space:]]*0+$'\n' ]] || fail "$output"
	host "${odd[@]}" "$BERTH" --root "$ROOT" stop 101 --fast >/dev/null
}

@test "inherited: the caller's keys stay out" {
	run_ve 101
	# keyctl(KEYCTL_JOIN_SESSION_KEYRING, name) of x86-64
	# shellcheck disable=SC2016  # perl's
	local -a keyed=(perl -e 'my $name = "berth-test"; syscall(250, 1, $name) >= 0 or die; exec @ARGV')
	host "${keyed[@]}" "$BERTH" --root "$ROOT" exec3 101 /bin/sh -c 'sleep 30 </dev/null >/dev/null 2>&1 &'
	within 5 eval '! grep -q berth-test /proc/keys'
}

@test "inherited: the umask opens nothing" {
	local mask f
	for mask in 000 077; do
		(umask $mask && run_ve 101 --hostname a.example)
		equal "$(shell 101 umask)" 0022
		equal "$(shell 101 'stat -c %a /etc/hostname /etc')" $'644\n755'
		while read -r f; do
			[[ $f == 6[04]0\ * || $f == 7[05]0\ * || $f == '644 '*/etc/* || $f == 755\ * ]] ||
				fail "umask $mask: $f"
		done < <(find "$ROOT" ! -type l ! -path '*/template/*' -printf '%m %p\n')
		run ! host setpriv --reuid 65534 --regid 65534 --clear-groups sh -c \
			"cat $ROOT/etc/berth/conf/101.conf || ls $ROOT/run/berth || ls $ROOT/var/lib/berth"
		equal "$(stat -c %a "$ROOT/run/berth/101/keeper.sock")" 600
		equal "$(stat -c %a "$ROOT/var/lib/berth/private/101/disk.img")" 600
		berth stop 101 --fast
		berth destroy 101
	done
}

@test "inherited: BERTH_EXE of the environment does not choose what root runs" {
	new_ve 101
	local evil=$BATS_TEST_TMPDIR/evil
	mkdir "$evil"
	printf '#!/bin/sh\ntouch "%s/run"\n' "$evil" | tee "$evil/berth" >"$evil/berth-keeper"
	chmod 755 "$evil"/berth*
	BERTH_EXE=$evil/berth berth start 101
	wait_running 101
	[[ ! -e $evil/run ]]
}

@test "terminal: the host's never comes in, whichever of the three are redirected" {
	requires script
	run_ve 101
	local how dev
	dev=$(stat -c %d /dev/pts)
	# shellcheck disable=SC2016  # for the shell inside
	local look='for f in 0 1 2; do stat -L -c "%d %t" /proc/self/fd/$f; done >/seen'
	printf '%s\n' "$look" | shell 101 'cat >/look'
	for how in '' '</dev/null' '>/dev/null' '2>/dev/null' '</dev/null >/dev/null' '| cat' '</dev/null 2>&1 | cat'; do
		shell 101 'rm -f /seen'
		on_terminal "$(enter_command) exec3 101 /bin/sh -c 'ls -lL /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 | cat >/dev/null; stat -L -c %d /proc/self/fd/0 >>/seen; exec 5>&1; stat -L -c %d /proc/self/fd/5 >>/seen; stat -L -c %d /proc/self/fd/2 >>/seen' $how" >/dev/null
		run -0 shell 101 'cat /seen'
		equal "${#lines[@]}" 3 "$how: seen"
		! grep -qx "$dev" <<<"$output" || fail "$how: a terminal of the host is inside"
	done
}

@test "terminal: a command whose output goes elsewhere can still be typed to" {
	requires script
	run_ve 101
	local out=$BATS_TEST_TMPDIR/out
	{
		sleep 1
		echo typed
		sleep 1
	} | script -qec "$(enter_command) exec3 101 /bin/sh -c 'read -r x; echo got \$x' >$out" /dev/null >/dev/null 3>&- 4>&-
	equal "$(<"$out")" 'got typed'
}

@test "terminal: TIOCSTI and TIOCLINUX are refused" {
	run_ve 101
	put_probe 101
	run inside 101 /probe tiocsti
	[[ $output != *ok* ]] || fail "$output"
	contains "$output" EPERM
}

@test "terminal: logs takes control characters out, of both kinds" {
	requires script
	run_ve 101
	shell 101 'printf "A\033[31mB\302\233CD\233E\303\251F\n" >/dev/console'
	within 5 eval 'berth logs 101 | grep -q AB || berth logs 101 | LC_ALL=C grep -qa "A.*F"'
	on_terminal "$(enter_command) logs 101" >"$BATS_TEST_TMPDIR/seen"
	! LC_ALL=C grep -qaP '\x1b|\xc2\x9b|D\x9b' "$BATS_TEST_TMPDIR/seen" || fail "$(od -c "$BATS_TEST_TMPDIR/seen" | tail -20)"
	LC_ALL=C grep -qaP 'E\xc3\xa9F' "$BATS_TEST_TMPDIR/seen"
}

@test "terminal: what a config or an error says has no control characters, and stays UTF-8" {
	local seen bad='a\x9b2J b\xc2\x9b2J gr\xc3\xbcn \xe2\x80\x93' lacking=$'\x9b'
	berth create 101 --ostemplate mini >/dev/null
	# Of a file that another tool wrote; on a command line it is refused.
	printf 'DESCRIPTION="%b"\n' "$bad" >>"$ROOT/etc/berth/conf/101.conf"
	refused 21 'without control characters' berth set 101 --description "$(printf %b "$bad")" --save
	seen=$(berth list -aH -o description; berth start "$(printf %b "$bad")" 2>&1 || true)
	LC_ALL=C lacks "$seen" "$lacking"
	contains "$seen" 'grün –'
}

@test "binary: what enters cannot be opened for writing by the code it meets there" {
	requires cc
	[[ $(uname -m) == x86_64 ]] || skip 'the loader is of x86-64'
	# A loader of the tenant's is run in the place of the host's, with the host's program as
	# its /proc/self/exe (CVE-2019-5736). Its exit status: errno of open(O_WRONLY | O_TRUNC).
	# Position-independent: Linux 6.1 cannot run a loader with an address of its own.
	cat >"$BATS_TEST_TMPDIR/loader.c" <<-'END'
		static long sys(long nr, long a, long b, long c)
		{
			long r;

			__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c)
					 : "rcx", "r11", "memory");
			return r;
		}
		void _start(void)
		{
			long r = sys(2, (long)"/proc/self/exe", 01 | 01000, 0);

			sys(60, r < 0 ? -r : 0, 0, 0);
		}
	END
	cc -O1 -nostdlib -static-pie -fno-stack-protector -o "$BATS_TEST_TMPDIR/loader" "$BATS_TEST_TMPDIR/loader.c"
	run_ve 101
	shell 101 'mkdir -p /lib64; ln -s /proc/self/exe /trap'
	put 101 /lib64/ld-linux-x86-64.so.2 <"$BATS_TEST_TMPDIR/loader"
	local sum
	sum=$(sha256sum "$BERTH" "$BERTH_BUILD/berth-keeper")
	run -30 inside 101 /trap                # EROFS: the mount, not only the owner
	shell 101 'ln -sf /proc/self/exe /sbin/init'
	berth stop 101 --fast
	berth start 101 || :
	wait_down 101
	equal "$(sha256sum "$BERTH" "$BERTH_BUILD/berth-keeper")" "$sum"
}

@test "born elsewhere: a caller whose cgroup was once killed can exec and start" {
	local dir
	dir=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)/berth-test-$$
	run_ve 101
	new_ve 102
	mkdir "$dir"
	(echo "$BASHPID" >"$dir/cgroup.procs" && exec sleep 60) 3>&- &
	within 5 grep -q . "$dir/cgroup.procs"
	echo 1 >"$dir/cgroup.kill"
	wait $! || :
	(
		echo "$BASHPID" >"$dir/cgroup.procs"
		berth exec3 101 /bin/sh -c 'grep ^0: /proc/self/cgroup; exit 7' || echo "code $?"
		berth start 102 >/dev/null && echo started
	) >"$BATS_TEST_TMPDIR/out" 3>&-
	equal "$(<"$BATS_TEST_TMPDIR/out")" $'0::/attach\ncode 7\nstarted'
	equal "$(grep ^0: "/proc/$(init_pid 102)/cgroup")" "0::/berth-$(root_tag)/102/payload"
	berth stop 102 --fast
	within 5 rmdir "$dir"
}

# A program that never does anything, as a tenant could have in the place of any other.
deaf_shell() {
	put_probe "$1"
	inside "$1" /bin/busybox sh -c 'printf "#!/probe init-deaf\n" >/deaf; chmod 755 /deaf; rm /bin/sh; cp /deaf /bin/sh'
}

script_of() {
	printf 'true\n' >"$ROOT/etc/berth/conf/$1.$2"
	chmod 755 "$ROOT/etc/berth/conf/$1.$2"
}

@test "waiting: a shell inside that never ends does not keep stop from its deadline" {
	run_ve 101
	deaf_shell 101
	script_of 101 stop
	local begin=$SECONDS
	berth stop 101 --timeout 2
	((SECONDS - begin <= 8)) || fail "took $((SECONDS - begin)) s"
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
}

@test "waiting: a tenant that freezes or kills what comes in stops itself only" {
	run_ve 101
	script_of 101 stop
	# Its own group of the name where commands go.
	shell 101 'cd /sys/fs/cgroup; mkdir mine; echo $$ >mine/cgroup.procs; rmdir attach
		mkdir attach; echo 1 >attach/cgroup.kill; echo 1 >attach/cgroup.freeze'
	local begin=$SECONDS
	berth stop 101 --timeout 2
	((SECONDS - begin <= 8)) || fail "took $((SECONDS - begin)) s"
	berth start 101
	shell 101 'cd /sys/fs/cgroup; mkdir mine; echo $$ >mine/cgroup.procs; rmdir attach
		mkdir attach; echo 1 >attach/cgroup.kill'
	equal "$(shell 101 'echo in')" in 'after a kill of its own'
}

@test "waiting: start --wait ends when it said it would" {
	run_ve 101
	deaf_shell 101
	berth stop 101 --fast
	local begin=$SECONDS
	run -133 berth start 101 --wait=2
	((SECONDS - begin <= 8)) || fail "took $((SECONDS - begin)) s"
}

@test "seen: no kernel file tells of the host's disks, neighbours, swap and boot options" {
	run_ve 101
	run_ve 102
	run -0 shell 101 'cat /proc/partitions /proc/diskstats /proc/swaps /proc/cmdline | wc -c'
	has_lxcfs || equal "$output" 0
	equal "$(shell 101 'ls /sys/class/bdi /sys/devices/virtual/bdi /sys/block | grep -c :$')" 3
	equal "$(shell 101 'ls /sys/class/bdi /sys/devices/virtual/bdi /sys/block | grep -c "^[0-9l]"' || :)" 0
	[[ $(shell 101 hostname) != "$(hostname)" ]]
	lacks "$(shell 101 'cat /proc/net/unix')" @
}

@test "written: what a VE can write under /proc and /sys is its own" {
	run_ve 101
	put_probe 101
	run -0 inside 101 /probe sweep-proc-sys
	local line
	for line in "${lines[@]}"; do
		[[ $line =~ /proc/sys/net/ || $line =~ /proc/sys/kernel/(msg|shm|sem) || $line =~ /sys/fs/cgroup/cgroup\. ||
			$line =~ /proc/(self|thread-self|[0-9]+)/ || $line != /* ]] || fail "$line"
	done
}

@test "written: another value in each network setting leaves the host's alone" {
	run_ve 101
	local dump='grep -rs "" /proc/sys/net --exclude=flush --exclude=nf_conntrack_count --exclude="*_key" | sort'
	host sh -c "$dump" >"$BATS_TEST_TMPDIR/before"
	# shellcheck disable=SC2016  # for the shell inside
	shell 101 'grep -rs "^[0-9]*$" /proc/sys/net | while IFS=: read -r f v; do echo $((v + 1)) >$f; done' 2>/dev/null || :
	host sh -c "$dump" | diff "$BATS_TEST_TMPDIR/before" - >&2
	[[ $(wc -l <"$BATS_TEST_TMPDIR/before") -gt 200 ]]
	equal "$(shell 101 'cat /proc/sys/net/ipv4/ip_default_ttl')" $(($(</proc/sys/net/ipv4/ip_default_ttl) + 1))
	run ! shell 101 'true >>/proc/sys/net/netfilter/nf_hooks_lwtunnel'
}

@test "terminals: a VE has a bounded number of them" {
	run_ve 101
	equal "$(shell 101 'grep -c "devpts.*max=512" /proc/self/mountinfo')" 2
}

@test "addresses: one that was only lent to a running VE is free when it stops" {
	run_ve 101 --ipadd 192.0.2.1
	berth set 101 --ipadd 192.0.2.2
	berth stop 101 --fast
	berth destroy 101
	new_ve 102 --ipadd 192.0.2.2
}

@test "identity: a plan that is the copy of a VE's config gives away neither ids nor addresses" {
	new_ve 101 --name one --hostname one.example --ipadd 192.0.2.1
	sed 's/^LOCAL_.ID=.*//' "$(conf_of 101)" >"$ROOT/etc/berth/conf/ve-gold.conf-sample"
	printf 'LOCAL_UID="1"\nLOCAL_GID="1"\n' >>"$ROOT/etc/berth/conf/ve-gold.conf-sample"
	new_ve 102 --config gold
	new_ve 103
	local ids
	ids=$(conf_value 103 LOCAL_UID)
	berth set 103 --applyconfig gold --save
	equal "$(conf_value 103 LOCAL_UID)" "$ids"
	(($(conf_value 102 LOCAL_UID) >= 65536))
	equal "$(conf_value 102 NAME)$(conf_value 102 IP_ADDRESS)$(conf_value 103 NAME)" ''
	rm "$ROOT/etc/berth/conf/ve-gold.conf-sample"
}

@test "identity: ids that are the host's or another VE's are refused at start" {
	new_ve 101
	new_ve 102
	local own other ids
	own=$(conf_value 101 LOCAL_UID)
	other=$(conf_value 102 LOCAL_UID)
	for ids in 1 65536 "$other" $((own + 1)); do
		sed -i "s/^LOCAL_UID=.*/LOCAL_UID=\"$ids\"/" "$(conf_of 101)"
		run ! berth start 101
		equal "$(status_of 101)" 'CTID 101 exist unmounted down' "$ids"
	done
	sed -i "s/^LOCAL_UID=.*/LOCAL_UID=\"$own\"/" "$(conf_of 101)"
	berth start 101
}
