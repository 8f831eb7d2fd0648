#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The host comes up, goes down, and loses power.
# bats file_tags=root

load helpers/load
export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

# A script of the administrator that writes down when a start of a VE begins and goes on; it may
# take a while. It runs before anything is mounted.
log_starts() {
	cat >"$ROOT/etc/berth/conf/vps.premount" <<-END
		#!/bin/sh
		echo "begin \$VEID" >>'$BATS_TEST_TMPDIR/order'
		sleep ${1:-0}
		echo "end \$VEID" >>'$BATS_TEST_TMPDIR/order'
	END
	chmod 0755 "$ROOT/etc/berth/conf/vps.premount"
	: >"$BATS_TEST_TMPDIR/order"
}

order() {
	sed -n 's/^begin //p' "$BATS_TEST_TMPDIR/order" | paste -sd' '
}

# The largest number of starts under way at the same time.
most_at_once() {
	awk '/^begin/ { if (++n > max) max = n } /^end/ { n-- } END { print max }' "$BATS_TEST_TMPDIR/order"
}

running() {
	berth list -H -1 2>/dev/null | awk '{ print $1 }' | paste -sd' '
}

# What is there when power comes back: nothing of the kernel, and files of another boot. Where
# run/ is on a disk, as it is here, they are old; where it is a tmpfs they are gone.
power_cut() {
	local id old=00000000-0000-0000-0000-000000000000
	for id in $(berth list -H -1); do
		kill -9 "$(keeper_pid "$id")" "$(init_pid "$id")"
	done
	# Tidied up as the kernel would by not being there, and the state then put back as it was.
	cp -a "$ROOT/run/berth" "$BATS_TEST_TMPDIR/run"
	cp -a "$ROOT/var/lib/berth/up" "$BATS_TEST_TMPDIR/up"
	for id in $(berth list -a -H -1); do
		berth stop "$id" --fast >/dev/null
	done
	rm -rf "$ROOT/run/berth"
	mv "$BATS_TEST_TMPDIR/run" "$ROOT/run/berth"
	cp -aT "$BATS_TEST_TMPDIR/up" "$ROOT/var/lib/berth/up"
	sed -i "s/\"boot_id\":\"[^\"]*\"/\"boot_id\":\"$old\"/" "$ROOT"/run/berth/[0-9]*/state.json 2>/dev/null || :
	printf %s "$old" >"$ROOT/run/berth/lock/boot.lck"
}

@test "boot: by order, the equals together, only those that shall" {
	new_ve 101 --onboot yes
	new_ve 102 --onboot yes --bootorder 5
	new_ve 103 --onboot no
	new_ve 104 --onboot yes --bootorder 10
	new_ve 105
	new_ve 106 --onboot yes --disabled yes
	log_starts
	run -0 berth boot --parallel 1
	equal "$(order)" '104 102 101'
	equal "$(running)" '101 102 104'
	contains "$output" '3 of 3 VEs in '
	contains "$output" 'CT 104: Starting container...'
	# Again: they run already.
	run -0 berth boot
	equal "$(order)" '104 102 101'
}

@test "boot: those of one order are started at once, as many as asked for" {
	local id
	for id in 101 102 103 104; do
		new_ve "$id" --onboot yes
	done
	new_ve 105 --onboot yes --bootorder 1
	log_starts 0.5
	berth boot --parallel 3
	equal "$(most_at_once)" 3
	equal "$(sed -n '1,2p' "$BATS_TEST_TMPDIR/order" | paste -sd' ')" 'begin 105 end 105'
	berth shutdown --fast
	: >"$BATS_TEST_TMPDIR/order"
	echo 'VE_PARALLEL="1"' >"$ROOT/etc/berth/berth.conf"
	berth boot
	equal "$(most_at_once)" 1
}

@test "boot: a broken VE stops no other, and the report names it" {
	local id
	for id in 101 102 103 104; do
		new_ve "$id" --onboot yes --bootorder $((200 - id))
	done
	rm "$ROOT/var/lib/berth/private/101/disk.img"
	echo 'no config' >>"$(conf_of 103)"
	run --separate-stderr -150 berth boot -j
	equal "$(running)" '102 104'
	equal "$(jq -c '[.[] | [.ctid, .ok]] | sort' <<<"$output")" '[[101,false],[102,true],[103,false],[104,true]]'
	jq -e '.[] | select(.ctid == 101) | .exit > 0 and (.error | contains("disk.img"))' <<<"$output"
	jq -e '.[] | select(.ctid == 102) | .usec > 0 and .error == null' <<<"$output"
	sed -i '/^no config/d' "$(conf_of 103)"
}

@test "boot: waits while the host has more to run than BOOT_LOAD allows" {
	local i pids=() before after
	new_ve 101 --onboot yes
	echo 'BOOT_LOAD="2"' >"$ROOT/etc/berth/berth.conf"
	for ((i = 0; i < 2 * $(nproc) + 2; i++)); do
		timeout 2 sh -c 'while :; do :; done' &
		pids+=($!)
	done
	before=${EPOCHREALTIME/./}
	berth boot
	after=${EPOCHREALTIME/./}
	wait "${pids[@]}" || :
	((after - before > 1000000)) || fail "begun after $((after - before)) us"
	equal "$(running)" 101
}

@test "shutdown and boot: who ran runs again, who was stopped does not" {
	run_ve 101
	run_ve 102
	run_ve 103 --onboot no
	new_ve 104
	berth stop 102 --fast
	run -0 berth shutdown --timeout 20
	contains "$output" '2 of 2 VEs in '
	equal "$(running)" ''
	leak_check mounts loops cgroups links rules processes
	berth boot
	equal "$(running)" 101
	# Halting itself is a stop; losing power is none.
	inside 101 /bin/busybox poweroff
	wait_down 101
	berth boot
	equal "$(running)" ''
	berth start 101
	power_cut
	berth boot
	equal "$(running)" 101
}

@test "shutdown: the other way round, unmounts too, and ends in time" {
	new_ve 101 --bootorder 1
	new_ve 102 --bootorder 2
	new_ve 103
	berth start 101 102 >/dev/null
	berth mount 103
	# An init that hears nothing.
	put_probe 102
	shell 102 'cat >/etc/inittab' <<-'END'
		::sysinit:/bin/true
		::shutdown:/bin/sleep 1000
	END
	berth restart 102 --fast >/dev/null
	local before=$SECONDS
	run -0 berth shutdown --timeout 4
	((SECONDS - before <= 8 * ${BERTH_PATIENCE:-1})) || fail "took $((SECONDS - before)) s"
	[[ $output == *'CT 101: '*'CT 102: Killing container'* ]] || fail "$output"
	leak_check mounts loops cgroups links rules processes
}

@test "recover: what a killed start left, in the kernel and on disk" {
	new_ve 101 --ipadd 10.9.0.101
	new_ve 102
	run ! host env BERTH_FAULT='start/network+!' "$BERTH" --root "$ROOT" start 101
	[[ -e $ROOT/run/berth/101/state.json ]]
	run -0 berth recover
	contains "$output" 'CT 101: cleared what was left of its last run'
	contains "$output" '1 runs cleared'
	[[ ! -e $ROOT/run/berth/101 ]]
	leak_check mounts loops cgroups links rules processes
	run -0 berth recover -j
	equal "$(jq -c '[.ves, .runs_cleared, .claims_released, .busy]' <<<"$output")" '[2,0,0,0]'
}

@test "recover: leaves alone what runs, what is mounted, and what somebody works on" {
	run_ve 101 --ipadd 10.9.0.101
	berth set 101 --ipadd 10.9.0.102
	new_ve 102
	berth mount 102
	new_ve 103 --ipadd 10.9.0.103
	exec 8>"$ROOT/run/berth/lock/103.lck"
	flock 8
	ln -s 103 "$ROOT/var/lib/berth/ip/10.9.0.200"
	run -0 berth recover
	exec 8>&-
	contains "$output" '1 busy'
	reaches 10.9.0.102
	equal "$(status_of 102)" 'CTID 102 exist mounted down'
	[[ -L $ROOT/var/lib/berth/ip/10.9.0.102 && -L $ROOT/var/lib/berth/ip/10.9.0.200 ]]
	run -0 berth recover
	contains "$output" 'CT 103: released ip/10.9.0.200'
	[[ -L $ROOT/var/lib/berth/ip/10.9.0.103 ]]
}

@test "recover: an unfinished create is undone at every step" {
	local step
	for step in $(berth --dump-steps | sed -n 's|^create/||p'); do
		run ! host env BERTH_FAULT="create/$step+!" "$BERTH" --root "$ROOT" create 101 \
			--ostemplate mini --ipadd 10.9.0.101 --name web
		berth recover >/dev/null
		if [[ $step == owner ]]; then           # it is whole then
			is_state 101 'exist unmounted down'
			berth start 101 >/dev/null
			berth stop 101 --fast >/dev/null
			berth destroy 101
		fi
		is_state 101 'deleted unmounted down' || fail "after $step: $(status_of 101)"
		leak_check files || fail "after $step"
	done
	# A config that was there before is the administrator's.
	new_ve 102
	cp "$(conf_of 102)" "$BATS_TEST_TMPDIR/conf"
	berth destroy 102
	sed '/^LOCAL_/d' "$BATS_TEST_TMPDIR/conf" >"$(conf_of 102)"
	run ! host env BERTH_FAULT='create/disk+!' "$BERTH" --root "$ROOT" create 102 --ostemplate mini
	berth recover >/dev/null
	[[ -e $(conf_of 102) && ! -e $ROOT/var/lib/berth/private/102 ]]
}

@test "recover: an unfinished destroy is finished, a create or destroy that changed nothing is not" {
	new_ve 101 --ipadd 10.9.0.101 --name web
	new_ve 102
	new_ve 103
	rm "$ROOT/var/lib/berth/private/101/owner"
	ln -s destroy "$ROOT/var/lib/berth/half/101"
	ln -s destroy "$ROOT/var/lib/berth/half/102"
	ln -s create "$ROOT/var/lib/berth/half/103"
	berth recover
	equal "$(berth list -a -H -o ctid | xargs)" '102 103'
	berth start 102 103 >/dev/null
	equal "$(find "$ROOT"/var/lib/berth/{half,ip} "$ROOT/etc/berth/names" -type l ! -name 'mac-*')" ''
}

@test "recover: what a killed create left can be ended, not used" {
	run ! host env BERTH_FAULT='create/disk+!' "$BERTH" --root "$ROOT" create 101 --ostemplate mini --name web
	refused 43 'half made' berth start 101
	refused 43 'half made' berth mount 101
	refused 43 'half made' berth -q snapshot create 101
	refused 43 'half made' berth -q send 101
	refused 43 'half made' berth -q clone 101 102
	berth recover
	is_state 101 'deleted unmounted down'
	run ! host env BERTH_FAULT='create/disk+!' "$BERTH" --root "$ROOT" create 101 --ostemplate mini --name web
	berth create 101 --ostemplate mini --name web >/dev/null
	berth start web >/dev/null
}

@test "recover: a mount that was killed is known, and goes with umount or destroy" {
	new_ve 101
	local how
	for how in umount mount; do
		run ! host env BERTH_FAULT='mount/attach!' "$BERTH" --root "$ROOT" mount 101
		is_state 101 'exist mounted down'
		berth -q "$how" 101
		[[ $how == umount ]] || berth -q umount 101
		is_state 101 'exist unmounted down'
	done
	run ! host env BERTH_FAULT='mount/attach!' "$BERTH" --root "$ROOT" mount 101
	berth recover
	berth -q umount 101 || :
	berth -q destroy 101
}

@test "recover: claims that a power cut took are made again, of names and addresses" {
	new_ve 101 --ipadd 10.9.0.101 --name web
	new_ve 102
	rm "$ROOT/var/lib/berth/ip/10.9.0.101" "$ROOT/etc/berth/names/web"
	ln -s ../conf/101.conf "$ROOT/etc/berth/names/shop"
	berth recover
	equal "$(cd "$ROOT/etc/berth/names" && echo *)" web
	refused 78 'in use by VE 101' berth set 102 --ipadd 10.9.0.101 --save
	berth start web >/dev/null
	# Before anything recovers: who comes first has it, and nobody else starts with it.
	berth stop 101 --fast
	rm "$ROOT/var/lib/berth/ip/10.9.0.101"
	berth set 102 --ipadd 10.9.0.101 --save >/dev/null
	berth start 102 >/dev/null
	refused 78 'VE 102' berth start 101
	reaches 10.9.0.101
}

@test "recover: a destroy that was told of stays one, although a power cut brought its data back" {
	new_ve 101
	new_ve 102
	ln -s destroy "$ROOT/var/lib/berth/half/101"
	rm "$ROOT/etc/berth/conf/101.conf"
	berth recover
	[[ ! -e $ROOT/var/lib/berth/private/101 ]]
	new_ve 101
}

@test "recover: the first command after a boot does it by itself" {
	run_ve 101 --ipadd 10.9.0.101
	berth set 101 --ipadd 10.9.0.102
	run ! host env BERTH_FAULT='create/disk+!' "$BERTH" --root "$ROOT" create 102 --ostemplate mini
	power_cut
	run -0 berth list -a -H -o ctid,status
	equal "$output" '       101 stopped'
	[[ ! -e $ROOT/run/berth/101 && ! -L $ROOT/var/lib/berth/ip/10.9.0.102 ]]
	equal "$(<"$ROOT/run/berth/lock/boot.lck")" "$(</proc/sys/kernel/random/boot_id)"
	[[ ! -e $ROOT/var/lib/berth/private/102 ]]
	berth start 101
	reaches 10.9.0.101
}

# What the kernel has for every node of the instance, the guests' own left out.
everything() {
	local node limit
	for node in $(leak_cgroups | grep -v /payload/ | sort); do
		for limit in memory.max cpu.max pids.max cpuset.cpus memory.min cpu.weight io.max cgroup.subtree_control; do
			[[ ! -e $node/$limit ]] || echo "$node/$limit: $(paste -sd, "$node/$limit")"
		done
	done
}

# Our nodes lie in the root of the hierarchy, systemd's beside them. It turns controllers on and
# off there as units come and go, and reads everything anew when told to.
@test "systemd: as the host's init it leaves what VEs have as it is" {
	requires host_systemd cgroup_v2
	local before
	run_ve 101 --ram 64M --cpulimit 50 --numproc 100 --cpumask 0 --ram-guarantee 32M --cpuguarantee 10
	run_ve 102 --ram 64M --iolimit 1M
	before=$(everything)
	[[ $before == *memory.max:\ 67108864* && $before == *memory.min:\ 33554432* ]] || fail "$before"
	systemd-run --wait -q -p CPUQuota=10% -p MemoryMax=64M -p TasksMax=20 -p AllowedCPUs=0 -p IOWeight=50 true
	equal "$(everything)" "$before" 'after a unit with limits'
	systemctl set-property --runtime system.slice MemoryMax=2G CPUWeight=50 AllowedCPUs=0-1
	systemctl set-property --runtime -- -.slice MemoryAccounting=yes
	systemctl daemon-reload
	equal "$(everything)" "$before" 'after a reload'
	systemctl revert system.slice
	systemctl revert -- -.slice
	systemctl daemon-reexec
	equal "$(everything)" "$before" 'after systemd executed itself anew'
	inside 101 /bin/true
	inside 102 /bin/true
	# The service that starts them at boot is none of theirs: its end is no end of theirs.
	! grep -r systemd- "/proc/$(init_pid 101)/cgroup" || fail 'a VE in a unit'
}

# Whatever a unit's name is worth: one of this test's own.
own_slice() {
	slice=berth$BATS_SUITE_TEST_NUMBER.slice
	printf '[Slice]\n%s\n' "$@" >"/run/systemd/system/$slice"
	systemctl daemon-reload
	mkdir -p "$ROOT/etc/berth"
	echo "VE_SLICE=\"$slice\"" >"$ROOT/etc/berth/berth.conf"
}

no_slice() {
	systemctl stop "$1"
	systemctl revert "$1"
	rm "/run/systemd/system/$1"
	systemctl daemon-reload
}

forks() {
	shell "$1" 'i=0; while [ $i -lt 30 ]; do sleep 100 >/dev/null 2>&1 & i=$((i + 1)); done' 2>&1 || :
}

@test "slice: what its unit says holds all VEs together; reload and restart of it leave them alone" {
	requires host_systemd cgroup_v2
	local slice before at
	own_slice MemoryMax=256M
	new_ve 101 --ram 64M --cpulimit 50 --numproc 100
	new_ve 102 --ram 64M --cpuunits 2000
	refused 5 "systemctl start" berth -q start 101
	systemctl start "$slice"
	berth start 101 102 >/dev/null
	at=/sys/fs/cgroup/$slice
	grep "^0::/$slice/berth-$(root_tag)/101/" "/proc/$(init_pid 101)/cgroup"
	before=$(everything)
	[[ $before == *$slice/*/101/memory.max:\ 67108864* ]] || fail "$before"
	systemctl set-property --runtime "$slice" TasksMax=40 MemoryMax=200M
	systemctl daemon-reload
	equal "$(everything)" "$before" 'after a reload'
	systemctl daemon-reexec
	systemctl restart "$slice"
	equal "$(everything)" "$before" 'after a restart'
	equal "$(<"$at/memory.max") $(<"$at/pids.max")" "$((200 << 20)) 40"
	contains "$(forks 101; forks 102)" "can't fork"
	(($(<"$at/pids.current") <= 40)) || fail "$(<"$at/pids.current") processes"
	# Memory is guaranteed below the slice as far as it is to the slice.
	run ! berth set 102 --ram-guarantee 32M
	contains "$output" MemoryMin=
	systemctl set-property --runtime "$slice" MemoryMin=48M
	berth set 102 --ram-guarantee 32M
	systemctl daemon-reload
	equal "$(<"$(cg_dir 102 memory)/memory.min") $(<"$at/memory.min")" "$((32 << 20)) $((48 << 20))"
	# Another word in the config counts when nothing runs: what runs must be found.
	: >"$ROOT/etc/berth/berth.conf"
	is_state 101 'exist mounted running'
	berth stop 101 102 --fast >/dev/null
	berth start 101 >/dev/null
	grep "^0::/berth-$(root_tag)/101/" "/proc/$(init_pid 101)/cgroup"
	no_slice "$slice"
}

@test "slice: refused where there is none to be had, and by nothing but a start" {
	requires cgroup_v1
	new_ve 101
	echo 'VE_SLICE="berth.slice"' >"$ROOT/etc/berth/berth.conf"
	refused 5 'cgroup v1' berth -q start 101
	is_state 101 'exist unmounted down'
	equal "$(berth list -a -H -o ctid,status)" '       101 stopped'
	echo 'VE_SLICE="../x.slice"' >"$ROOT/etc/berth/berth.conf"
	refused 85 'line 1: bad value' berth list
	: >"$ROOT/etc/berth/berth.conf"
	berth start 101
}
