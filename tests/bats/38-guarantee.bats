#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Guaranteed CPU, and shares by weight, measured under full load by everybody.
# bats file_tags=root,timing

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

# cpu_stat ID: where the kernel counts the VE's CPU time.
cpu_stat() {
	echo "$(cg_mount 0:)$(sed -n 's/^0:://p' "/proc/$(init_pid "$1")/cgroup" | sed 's|/payload.*||')/cpu.stat"
}

# burn ID...: a burner for each CPU, until the VE is stopped.
burn() {
	local id i
	for id in "$@"; do put_probe "$id"; done
	for id in "$@"; do
		for ((i = 0; i < $(nproc); i++)); do
			shell "$id" '/probe cpuburn 1000 </dev/null >/dev/null 2>&1 &'
		done
	done
}

# used_in SECONDS ID...: what each used in the time, in percent of one CPU. Between the looks at one
# and the next no process is made: on a loaded machine that takes longer than what is measured.
used_in() {
	local sec=$1 i now files=() used=() at=()
	shift
	for i in "$@"; do files+=("$(cpu_stat "$i")"); done
	for ((i = 0; i < $#; i++)); do
		read -r _ "used[i]" <"${files[i]}"
		at[i]=${EPOCHREALTIME/./}
	done
	sleep "$sec"
	for ((i = 0; i < $#; i++)); do
		read -r _ now <"${files[i]}"
		echo $(((now - used[i]) * 100 / (${EPOCHREALTIME/./} - at[i])))
	done
}

# VEs that were promised 60 and 40 % beside four that were not, all with a burner on each CPU.
# What a CPU is taken for by the machine below (steal) is nobody's to promise: an emulated one has what
# all got together.
got_what_was_promised() {
	local got i all=$(($(nproc) * 100)) there=0
	mapfile -t got < <(used_in 4 101 102 103 104 105 106)
	echo "got ${got[*]}"
	for i in "${got[@]}"; do there=$((there + i)); done
	[[ ${BERTH_PATIENCE:-1} -gt 1 ]] || there=$all
	((got[0] * all >= 57 * there && got[1] * all >= 38 * there && got[2] >= 1))
}

@test "cpuguarantee: holds under full load by everybody, and is changed live" {
	local id all
	all=$(($(nproc) * 100))
	run_ve 101 --cpuguarantee 60
	run_ve 102 --cpuguarantee 40
	for id in 103 104 105 106; do run_ve $id --cpuunits 50000; done
	contains "$(cg_dir 101 cpu)" "-guaranteed/101"
	burn 101 102 103 104 105 106
	within 30 got_what_was_promised
	# The kernel has the account: weights in the ratio of the promises.
	equal "$(berth status -j 101 | json .effective.cpuguarantee)" 60
	equal "$(berth set 101 --cpuguarantee 80 --dry-run)" 'cpuguarantee: 60 -> 80: live'
	berth -q set 101 --cpuguarantee 80 --save
	equal "$(berth status -j 101 | json .effective.cpuguarantee)" 80
	refused 6 "the host can promise $((all * 9 / 10)), others that run have 80: $((all * 9 / 10 - 80)) is left" \
		berth set 102 --cpuguarantee $((all * 9 / 10 - 79)) ||
		refused 2 'is left' berth set 102 --cpuguarantee $((all * 9 / 10 - 79))
	equal "$(berth status -j 102 | json .effective.cpuguarantee)" 40
	# With the last guarantee all weights are the usual again.
	berth -q stop --fast 101 102
	equal "$(cat "$(dirname "$(cg_dir 103 cpu)")"/cpu.{weight,shares} 2>/dev/null)" \
		"$(on_v2 cpu && echo 100 || echo 1024)"
}

@test "cpuguarantee: refused where it could not hold" {
	local most=$(($(nproc) * 90))
	new_ve 101 --cpuguarantee $((most - 50))
	new_ve 102 --cpuguarantee 60
	new_ve 103
	berth -q start 101
	run --separate-stderr ! berth start 102
	contains "$stderr" "the host can promise $most, others that run have $((most - 50)): 50 is left"
	lacks "$(leak_cgroups)" 102
	run ! berth set 103 --cpuguarantee $((most + 1)) --save
	contains "$output" "the host can promise $most in all"
	run ! berth set 103 --cpuguarantee 40 --cpulimit 30 --save
	contains "$output" 'above its cpulimit'
	berth -q pool create gold
	run ! berth set 103 --cpuguarantee 40 --pool gold --save
	contains "$output" 'in a pool'
	berth -q start 103
	contains "$(berth set 103 --cpuguarantee 10 --dry-run)" 'at restart'
	contains "$(berth set 101 --cpuguarantee 0 --dry-run)" 'at restart'
	berth -q set 101 --cpuguarantee $((most - 60))
	berth -q start 102
	equal "$(berth node -j | json '[.cpu.guaranteed, .cpu.can_guarantee] | join(" ")')" \
		"$((most - 50 + 60)) $most"
}

# Ratio of two VEs' use, in thousandths.
ratio_near() {
	local got
	mapfile -t got < <(used_in 4 101 102)
	echo "got ${got[*]}"
	((got[0] > 0 && got[1] * 1000 / got[0] >= $1 * 95 / 100 && got[1] * 1000 / got[0] <= $1 * 105 / 100))
}

@test "cpuunits: 1:3 on one CPU is 1:3 of it, and follows a change" {
	run_ve 101 --cpuunits 1000 --cpumask 0
	run_ve 102 --cpuunits 3000 --cpumask 0
	burn 101 102
	within 30 ratio_near 3000
	berth -q set 102 --cpuunits 1000
	within 30 ratio_near 1000
}

# A root on a disk of its own whose scheduler keeps weights: a loop device, so that the host's
# disk stays as it is.
weighing_disk() {
	modprobe -q bfq || :
	truncate -s 3G "$BATS_TEST_TMPDIR/disk.img"
	mke2fs -q -t ext4 "$BATS_TEST_TMPDIR/disk.img"
	LOOP=$(losetup --find --show --direct-io=on "$BATS_TEST_TMPDIR/disk.img")
	SCHEDULER=/sys/block/${LOOP#/dev/}/queue/scheduler
	WAS_SCHEDULER=$(sed 's/.*\[\(.*\)\].*/\1/' "$SCHEDULER")
	echo bfq >"$SCHEDULER" 2>/dev/null || return
	WAS=$ROOT
	ROOT=$BATS_TEST_TMPDIR/disk
	mkdir -p "$ROOT"
	host mount "$LOOP" "$ROOT"
	host mkdir -p "$ROOT/var/lib/berth"
	host cp -a "$SCRATCH/seed/var/lib/berth/template" "$ROOT/var/lib/berth/"
}

teardown() {
	local bad=0
	if [[ -n ${WAS:-} ]]; then
		destroy_all || bad=1
		host umount "$ROOT" || bad=1
		rm -rf --one-file-system "${ROOT:?}"
		ROOT=$WAS
	fi
	[[ -z ${WAS_SCHEDULER:-} ]] || echo "$WAS_SCHEDULER" >"$SCHEDULER"      # a loop device keeps it
	[[ -z ${LOOP:-} ]] || losetup -d "$LOOP"
	common_teardown || bad=1
	return $bad
}

# The mount is in the namespaces of the tests' host only.
init_pid() {
	host cat "$ROOT/run/berth/$1/state.json" | json .pid
}

# weight ID: in the file of the scheduler that is on, not in that of one that is off.
weight() {
	local file=blkio.bfq.weight
	! on_v2 io || file=io.bfq.weight
	tr -dc 0-9 <"$(cg_dir "$1" blkio)/$file"
}

@test "ioprio: where the disk's scheduler keeps weights it has them, live and after a start" {
	local id
	weighing_disk || skip 'no BFQ in this kernel'
	for id in 101 102; do new_ve $id --diskspace 1G; done
	berth -q start 101 102
	equal "$(weight 101) $(weight 102)" '100 100'
	berth -q set 101 --ioprio 7 --save
	berth -q set 102 --ioprio 0
	equal "$(weight 101) $(weight 102)" '160 20'
	equal "$(berth status -j 101 | json .effective.ioprio) $(berth status -j 102 | json .effective.ioprio)" '7 0'
	berth -q restart --fast 101 102
	equal "$(weight 101) $(weight 102)" '160 100'
}
