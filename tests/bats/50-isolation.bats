#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What a VE must not see, do or reach, and what its root may plant to fool the host.
# bats file_tags=root

load helpers/load

# Range of host ids of a VE's processes: "FIRST COUNT".
id_range() {
	awk '{ print $2, $3 }' "/proc/$(init_pid "$1")/uid_map"
}

SECRET=berth-secret-of-the-host

@test "ids: 65536 of its own per VE, none of them the host's or another's" {
	run_ve 101
	run_ve 102
	local a b n m
	read -r a n <<<"$(id_range 101)"
	read -r b m <<<"$(id_range 102)"
	equal "$n/$m" 65536/65536
	((a >= 65536 && b >= 65536))
	((a + n <= b || b + m <= a)) || fail "ranges overlap: $a and $b"
	equal "$(awk '{ print $2, $3 }' "/proc/$(init_pid 101)/gid_map")" "$a $n"
	equal "$(stat -c %u "/proc/$(init_pid 101)")" "$a"
}

@test "ids: two instances hand out ranges that do not overlap" {
	run_ve 101
	local other=$ROOT/other a b n here=$ROOT
	mkdir -p "$other/var/lib/berth"
	cp -al "$SCRATCH/seed/var/lib/berth/template" "$other/var/lib/berth/"
	read -r a n <<<"$(id_range 101)"
	ROOT=$other
	run_ve 101
	read -r b n <<<"$(id_range 101)"
	destroy_all
	ROOT=$here
	rm -rf --one-file-system "$other"
	((a + n <= b || b + n <= a)) || fail "ranges overlap: $a and $b"
}

@test "ids: files on disk are owned by the VE's ids unshifted, none was chowned" {
	run_ve 101
	shell 101 'echo x >/mine; chown 1000:1000 /mine'
	equal "$(shell 101 'stat -c %u:%g /mine')" 1000:1000
	equal "$(shell 101 'stat -c %u /bin/busybox')" 0
	berth stop 101
	berth mount 101
	equal "$(host stat -c %u:%g "$ROOT/var/lib/berth/root/101/mine")" 1000:1000
}

@test "private: what belongs to a VE is closed to other users of the host" {
	run_ve 101
	local dir
	for dir in "$ROOT/var/lib/berth/private/101" "$ROOT/run/berth/101"; do
		equal "$(stat -c %a "$dir")" 700 "$dir"
	done
	run ! host setpriv --reuid 65534 --regid 65534 --clear-groups \
		find "$ROOT/var/lib/berth/private/101" "$ROOT/run/berth/101" -mindepth 1
}

@test "capabilities: the dangerous ones are not in the bounding set, at start and at exec" {
	run_ve 101
	local bits cap who
	# cap bits of capability.h: sys_module sys_rawio sys_time syslog mac_override mac_admin
	# audit_control audit_read wake_alarm block_suspend perfmon bpf checkpoint_restore
	for who in 1 self; do
		bits=0x$(shell 101 "sed -n 's/^CapBnd:\t//p' /proc/$who/status")
		for cap in 16 17 25 34 32 33 30 37 35 36 38 39 40; do
			((!(bits >> cap & 1))) || fail "capability $cap is there for $who ($bits)"
		done
		equal "$(shell 101 "sed -n 's/^CapInh:\t//p' /proc/$who/status")" 0000000000000000
		equal "$(shell 101 "sed -n 's/^CapAmb:\t//p' /proc/$who/status")" 0000000000000000
	done
}

# treatment 1|self [COMMAND PREFIX]: policy, nice value, CPUs and out-of-memory score in VE 101.
treatment() {
	host "${@:2}" "$BERTH" --root "$ROOT" exec 101 /bin/sh -c "
		cut -d ')' -f 2 /proc/$1/stat | cut -d ' ' -f 40
		cut -d ')' -f 2 /proc/$1/stat | cut -d ' ' -f 18
		sed -n 's/^Cpus_allowed_list:\t//p' /proc/$1/status
		cat /proc/$1/oom_score_adj"
}

@test "scheduling: how the caller of a start or exec is treated does not go inside" {
	local usual odd=(nice -n -7 ionice -c 1 choom -n 900 -- taskset -c 0 chrt --rr 1)
	usual="0 0 $(sed -n 's/^Cpus_allowed_list:\t//p' /proc/1/status) 0"
	new_ve 101
	host "${odd[@]}" "$BERTH" --root "$ROOT" start 101
	equal "$(treatment 1 | xargs)" "$usual"
	equal "$(ionice -p "$(init_pid 101)")" "none: prio 0"
	equal "$(treatment self "${odd[@]}" | xargs)" "$usual"
}

# Limits, personality and treatment of memory of process $p.
INHERITED='cat /proc/$p/limits /proc/$p/personality /proc/$p/coredump_filter
	grep THP_enabled /proc/$p/status
	grep merge_any /proc/$p/ksm_stat 2>/dev/null
	cut -d " " -f 2 /proc/$p/numa_maps | sort -u'

@test "limits, personality, memory: those of the caller of a start or exec do not go inside" {
	local odd=(prlimit --fsize=1048576: --nofile=40: --stack=1048576: --cpu=5: --memlock=4096:
		--data=100000000: --as=400000000: --sigpending=10: --msgqueue=100: --nproc=50:
		sh -c 'echo 0x1 >/proc/self/coredump_filter; exec setarch -R "$@"' sh "$PROBE" caller memory)
	run_ve 101
	new_ve 102
	host "${odd[@]}" "$BERTH" --root "$ROOT" start 102
	equal "$(p=$(init_pid 102) sh -c "$INHERITED")" "$(p=$(init_pid 101) sh -c "$INHERITED")"
	equal "$(host "${odd[@]}" "$BERTH" --root "$ROOT" exec 101 "p=self; $INHERITED")" \
		"$(berth exec 101 "p=self; $INHERITED")"
	equal "$(shell 102 'ulimit -Sn; ulimit -f')" $'1024\nunlimited'
	equal "$(p=$(keeper_pid 102) sh -c "$INHERITED")" "$(p=$(keeper_pid 101) sh -c "$INHERITED")"
}

@test "seccomp: a filter is on for init and for commands; dangerous calls fail" {
	run_ve 101
	equal "$(shell 101 "sed -n 's/^Seccomp:\t//p' /proc/1/status")" 2
	equal "$(shell 101 "sed -n 's/^Seccomp:\t//p' /proc/self/status")" 2
	put_probe 101
	# Numbers of x86-64, with arguments that do nothing where the call is allowed: kexec_load,
	# init_module, finit_module, delete_module, open_by_handle_at, bpf, perf_event_open,
	# io_uring_setup, userfaultfd, add_key, request_key, quotactl, swapon, swapoff, acct,
	# settimeofday, clock_settime, unshare(CLONE_NEWUSER), lookup_dcookie, syslog(buffer size)
	local call
	run -0 shell 101 'for call in 246 175 313 176 304 321 298 425 323 248 249 179 167 168 163 164 227 \
		"272 268435456" 212 "103 10"; do /probe syscall $call; done'
	equal "${#lines[@]}" 20 calls
	for call in "${lines[@]}"; do
		# user.max_user_namespaces is 0 inside: ENOSPC
		[[ $call =~ \ (EPERM|ENOSYS)$ || $call == '272 ENOSPC' ]] || fail "$call"
	done
	equal "$(inside 101 /probe syscall 9999)" '9999 ENOSYS'
}

@test "seccomp: odd socket families do not exist, the usual ones do" {
	run_ve 101
	put_probe 101
	run -0 inside 101 /probe sockets
	local line family what
	# unix, inet, inet6, packet, netlink; packet wants SOCK_RAW or a privilege, not a filter.
	for line in "${lines[@]}"; do
		read -r what family line <<<"$line"
		[[ $what == family ]] || continue
		case $family in
		1 | 2 | 10 | 16) equal "$line" ok "family $family" ;;
		17) ;;
		*) [[ $line == EAFNOSUPPORT || $line == EPERM ]] || fail "family $family: $line" ;;
		esac
	done
}

@test "descriptors: init and commands hold nothing but their own terminal and pipes" {
	run_ve 101
	put_probe 101
	exec 8<"$BATS_TEST_DIRNAME"
	run -0 inside 101 /probe fds
	exec 8<&-
	local line
	for line in "${lines[@]}"; do
		[[ $line =~ ^[012]\ (pipe:|/dev/null|socket:) || $line =~ ^cwd\ /[a-z]*$ ]] ||
			fail "a command holds: $line"
	done
	run -0 shell 101 'ls -l /proc/1/fd | sed -n "s/.* -> //p"'
	for line in "${lines[@]}"; do
		# A terminal of its devpts, opened before its mounts were: no path leads to it.
		[[ $line == /dev/console || $line == /dev/null || $line =~ ^(/dev/pts)?/[0-9]+$ ]] ||
			fail "init holds: $line"
	done
}

@test "masks: kernel files show nothing and cannot be uncovered" {
	run_ve 101
	local f
	for f in /proc/kcore /proc/keys /proc/timer_list /proc/kallsyms /proc/vmallocinfo /proc/slabinfo \
		/proc/pagetypeinfo /proc/iomem /proc/interrupts; do
		equal "$(shell 101 "[ ! -e $f ] || head -c 64 $f 2>/dev/null | wc -c" | tr -d ' ')" \
			"$([[ -e $f ]] && echo 0)" "$f"
	done
	run ! shell 101 'umount /proc/kcore'
	run ! shell 101 'umount /proc/sys'
	run ! shell 101 'echo x >/proc/sysrq-trigger'
	run ! shell 101 'echo 1 >/proc/sys/kernel/panic'
	run ! shell 101 'echo x >/proc/sys/kernel/core_pattern'
	run ! shell 101 'echo 1 >/proc/sys/vm/drop_caches'
	equal "$(shell 101 'ls -A /sys/firmware /sys/kernel/debug /sys/kernel/security 2>/dev/null | grep -v :' || :)" ''
	# Its own disk and its neighbours' are there, by number and with their options.
	test -e "/proc/fs/ext4/$(basename "$(readlink -f "/sys/dev/block/$(disk_dev 101)")")"
	equal "$(shell 101 'ls -A /proc/fs')" ''
	run ! shell 101 'umount /proc/fs'
	shell 101 'grep -qw tmpfs /proc/filesystems'
}

@test "masks: a second proc or sys mounted inside shows no more" {
	run_ve 101
	# Either refused, or no more than the first one.
	if shell 101 'mkdir -p /p /s; mount -t proc proc /p && [ -d /p/1 ]'; then
		run ! shell 101 'echo x >/p/sysrq-trigger'
		run ! shell 101 'echo 1 >/p/sys/kernel/panic'
		run ! shell 101 'head -c 16 /p/kcore | grep -q ELF'
	fi
	if shell 101 'mount -t sysfs sysfs /s && [ -d /s/kernel ]'; then
		equal "$(shell 101 'ls -A /s/firmware /s/kernel/debug 2>/dev/null | grep -v :' || :)" ''
		run ! shell 101 'echo 0 >/s/kernel/profiling'
	fi
}

@test "network sysctls inside are the VE's own and writable" {
	run_ve 101
	local before
	before=$(host cat /proc/sys/net/ipv4/ip_forward)
	shell 101 'echo 1 >/proc/sys/net/ipv4/ip_forward; grep -qx 1 /proc/sys/net/ipv4/ip_forward'
	equal "$(host cat /proc/sys/net/ipv4/ip_forward)" "$before"
}

@test "cgroup: the VE sees a cgroup2 root of its own and cannot change its limits" {
	run_ve 101 --ram 128M
	run -0 shell 101 'cat /proc/self/cgroup'
	lacks "$output" berth
	lacks "$output" 101
	equal "$(shell 101 'stat -f -c %t /sys/fs/cgroup')" 63677270
	shell 101 'mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine'
	run ! shell 101 'for f in /sys/fs/cgroup/memory.max /sys/fs/cgroup/cgroup.kill /sys/fs/cgroup/pids.max; do
		echo 1 >$f && exit 0; done 2>/dev/null; exit 1'
	lacks "$(shell 101 'mount -t cgroup -o blkio x /mnt && ls -d /mnt/* && umount /mnt')" berth
	run ! shell 101 'mount -t cgroup -o memory x /mnt && echo 999999999 >/mnt/memory.limit_in_bytes'
	check_limit 101 ram $((128 << 20))
}

@test "cgroup: of the v1 hierarchies, which root inside can mount, it sees its own group only" {
	local name
	run_ve 101
	# Its processes are in the root of blkio when the namespace has been made.
	run -0 sed -n 's/^[0-9]*:\([^:]\+\):/\1 /p' "/proc/$(init_pid 101)/cgroup"
	equal "$(grep -v '/101$' <<<"$output" | grep -v '^blkio ' || :)" '' 'outside a node of its own'
	on_v2 memory || contains "$output" 'memory /'
	while read -r name _; do
		run -0 shell 101 "mount -t cgroup -o $name x /mnt && ls -d /mnt/*/ 2>/dev/null; umount /mnt"
		equal "$output" '' "groups in $name"
	done < <(sed -n 's/^[0-9]*:\([^:]\+\):/\1 /p' /proc/self/cgroup)
}

@test "devices: only the usual nodes work; made or mounted ones do not" {
	run_ve 101
	run -0 shell 101 'ls /dev'
	local f
	for f in mem kmem port kmsg loop-control kvm fuse vda sda loop0; do
		! grep -qx "$f" <<<"$output" || fail "/dev/$f is there"
	done
	equal "$(shell 101 'head -c 8 /dev/urandom | wc -c; echo x >/dev/null')" 8
	run ! shell 101 'echo x >/dev/full'
	run ! shell 101 'mknod /tmp/vda b 254 0 && head -c 1 /tmp/vda'
	run ! shell 101 'mkdir -p /d; mount -t devtmpfs dev /d && ls /d/mem'
}

@test "processes: a VE sees none of the host or another VE, by any way" {
	run_ve 101
	run_ve 102
	shell 102 'sleep 4712 </dev/null >/dev/null 2>&1 &'
	run ! shell 101 'cat /proc/[0-9]*/cmdline | tr "\0" " " | grep -E "47[1]2|b[e]rth|b[a]ts"'
	run ! shell 101 "kill -0 $(init_pid 102)"
}

@test "names: nothing inside speaks of the host's paths or of other VEs" {
	run_ve 101 --name web
	run_ve 102 --name $SECRET
	run -0 shell 101 'cat /proc/self/mountinfo /proc/self/cgroup /proc/1/environ /proc/1/cmdline /proc/1/maps 2>/dev/null | tr "\0" "\n"'
	lacks "$output" "$SECRET"
	lacks "$output" "${ROOT%/*}"
	lacks "$output" /var/lib/berth
}

@test "binary: the host's berth cannot be reached through a command that enters" {
	run_ve 101
	run -0 shell 101 'ls -l /proc/self/exe /proc/1/exe; for p in /proc/[0-9]*; do readlink $p/exe; done'
	lacks "$output" "$BERTH_BUILD"
	# A shebang on /proc/self/exe was how runtimes were overwritten (CVE-2019-5736).
	shell 101 'printf "#!/proc/self/exe\n" >/trap; chmod +x /trap'
	local sum
	sum=$(sha256sum <"$BERTH")
	run berth exec3 101 /trap
	equal "$(sha256sum <"$BERTH")" "$sum"
}

# plant SCRIPT: run as the tenant's root, then stop.
plant() {
	run_ve 101 --hostname first.example --nameserver 192.0.2.53
	shell 101 "$1"
	berth stop 101 --fast
	echo "$SECRET" >"$BATS_TEST_TMPDIR/victim"
	chmod 0644 "$BATS_TEST_TMPDIR/victim"
}

@test "planted: /etc/hostname and /etc/resolv.conf as links to host files are not followed" {
	local victim=$BATS_TEST_TMPDIR/victim
	plant "for f in hostname hosts resolv.conf; do rm -f /etc/\$f; ln -s $victim /etc/\$f; done"
	berth set 101 --hostname second.example --nameserver 192.0.2.54 --save
	run berth start 101
	equal "$(<"$victim")" "$SECRET"
	if [[ $status -eq 0 ]]; then
		lacks "$(shell 101 'cat /etc/hostname /etc/resolv.conf 2>/dev/null' || :)" "$SECRET"
	fi
}

@test "planted: /etc itself as a link out, with .. in it" {
	plant 'mv /etc /etc.real; ln -s ../../../../../../../../../../etc /etc'
	local before
	before=$(sha256sum /etc/hostname /etc/resolv.conf /etc/hosts 2>/dev/null)
	berth set 101 --hostname second.example --save
	run berth start 101
	equal "$(sha256sum /etc/hostname /etc/resolv.conf /etc/hosts 2>/dev/null)" "$before"
}

@test "planted: a FIFO where the host writes or reads does not hang it" {
	plant 'for f in hostname hosts resolv.conf passwd; do rm -f /etc/$f; mkfifo /etc/$f; done'
	berth set 101 --hostname second.example --save
	run timeout 15 nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" start 101 3>&-
	[[ $status -ne 124 ]] || fail 'start hangs'
}

@test "planted: /dev, /proc and /sys as links or files still give a VE of its own" {
	plant 'mkdir -p /x; for d in /dev /proc /sys; do :; done; true'
	# From outside, as a template author or a tenant with its disk elsewhere could.
	berth mount 101
	local at=$ROOT/var/lib/berth/root/101 d
	for d in dev proc sys run; do
		host rm -rf --one-file-system "${at:?}/$d" 2>/dev/null || host mv "$at/$d" "$at/$d.was"
		host ln -s "$BATS_TEST_TMPDIR" "$at/$d"
	done
	berth umount 101
	run --separate-stderr berth start 101
	equal "$(find "$BATS_TEST_TMPDIR" -name null -o -name self -o -name console)" '' 'made outside'
	if [[ $status -eq 0 ]]; then
		shell 101 'echo x >/dev/null; [ -d /proc/1 ]'
	else
		one_line_error 'of the VE'
		equal "$(status_of 101)" 'CTID 101 exist unmounted down'
	fi
}

@test "planted: /dev/console and /dev/null swapped by the tenant do not reach the host" {
	run_ve 101
	shell 101 "rm -f /dev/null /dev/console; ln -s $BATS_TEST_TMPDIR/victim /dev/null" || :
	echo "$SECRET" >"$BATS_TEST_TMPDIR/victim"
	run berth exec3 101 /bin/true
	berth stop 101 --fast
	equal "$(<"$BATS_TEST_TMPDIR/victim")" "$SECRET"
	equal "$(stat -c '%t:%T %u' /dev/null)" '1:3 0'
}

@test "planted: setuid root files of the VE are nothing on the host" {
	run_ve 101
	shell 101 'cp /bin/busybox /suid; chmod 4755 /suid'
	berth stop 101
	berth mount 101
	local at=$ROOT/var/lib/berth/root/101 opts
	opts=$(host findmnt -n -o OPTIONS --target "$at/suid")
	[[ $opts == *nosuid* ]] || run ! host setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$at/suid"
	[[ $opts == *nodev* ]]
}

@test "nested: user namespaces are off inside" {
	run_ve 101
	run ! shell 101 'unshare -U true'
}

@test "exhaustion: a fork bomb inside leaves the host and the neighbour working" {
	run_ve 101 --numproc 100
	run_ve 102
	shell 101 '(f() { f | f & }; f) </dev/null >/dev/null 2>&1 &' || :
	sleep 1
	timeout 10 nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" exec3 102 /bin/true 3>&-
	berth stop 101 --fast
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
}
