# SPDX-License-Identifier: GPL-2.0-or-later
# Limits as the kernel has them; hides where and how cgroup v1 and v2 spell them.

# cg_dir ID CONTROLLER: directory of the VE's node, from the membership of its init.
cg_dir() {
	local id=$1 ctl=$2 line path mount
	local pid
	pid=$(init_pid "$id")
	line=$(grep -E "^[0-9]+:([a-z_,]+,)?$ctl(,[a-z_,]+)?:" "/proc/$pid/cgroup") ||
		line=$(grep '^0::' "/proc/$pid/cgroup")
	path=${line#*:*:}
	mount=$(cg_mount "${line%:"$path"}")
	# Its processes are in the root of blkio, its node has the same place as the others.
	[[ $ctl != blkio || $path != / ]] || path=$(sed -n 's/^[0-9]*:pids://p' "/proc/$pid/cgroup")
	# Limits sit on the node named by the VE, above what is delegated to it.
	while [[ ${path##*/} != "$id" ]]; do
		[[ $path == */* && $path != / ]] || fail "no node of $id in $line" || return
		path=${path%/*}
	done
	echo "$mount$path"
}

# Mount point of a hierarchy, from a line of /proc/PID/cgroup without its path.
cg_mount() {
	local names=${1#*:}
	if [[ -z $names ]]; then
		awk '{ for (i = 7; i < NF && $i != "-"; i++); if ($(i + 1) == "cgroup2") { print $5; exit } }' \
			/proc/self/mountinfo
	else
		awk -v n="${names%%,*}" '{
			for (i = 7; i < NF && $i != "-"; i++);
			if ($(i + 1) == "cgroup" && $NF ~ "(^|,)" n "(,|$)") { print $5; exit }
		}' /proc/self/mountinfo
	fi
}

# on_v2 CONTROLLER: it is not bound to a v1 hierarchy (column 2 of /proc/cgroups).
on_v2() {
	local ctl=${1/#io/blkio}
	! grep -qE "^$ctl\s+[1-9]" /proc/cgroups
}

# limit ID NAME: ram, swap (bytes), cpulimit (percent), weight, numproc; "none" when not limited.
limit() {
	local id=$1 dir a b
	case $2 in
	ram)
		dir=$(cg_dir "$id" memory)
		if on_v2 memory; then a=$(<"$dir/memory.max"); else a=$(<"$dir/memory.limit_in_bytes"); fi
		;;
	swap)
		dir=$(cg_dir "$id" memory)
		if on_v2 memory; then
			a=$(<"$dir/memory.swap.max")
		else
			a=$(<"$dir/memory.limit_in_bytes")
			b=$(<"$dir/memory.memsw.limit_in_bytes")
			a=$((b - a))
		fi
		;;
	cpulimit)
		dir=$(cg_dir "$id" cpu)
		if on_v2 cpu; then
			read -r a b <"$dir/cpu.max"
		else
			a=$(<"$dir/cpu.cfs_quota_us")
			b=$(<"$dir/cpu.cfs_period_us")
		fi
		[[ $a == max || $a == -1 ]] || a=$((a * 100 / b))
		;;
	numproc)
		a=$(<"$(cg_dir "$id" pids)/pids.max")
		;;
	esac
	# Page counters of v1 spell "no limit" as a number above every real one.
	[[ $a == max || $a == -1 || $a -ge 9223372036854767616 ]] && a=none
	echo "$a"
}

# check_limit ID NAME VALUE
check_limit() {
	equal "$(limit "$1" "$2")" "$3" "$2 of $1 in the kernel"
}

# throttle ID DEVICE bps|iops: what the VE's node allows on MAJ:MIN, reads then writes.
throttle() {
	local dir
	dir=$(cg_dir "$1" blkio)
	if on_v2 io; then
		awk -v d="$2" -v k="$3" '$1 == d { for (i = 2; i <= NF; i++) { split($i, a, "=")
			if (a[1] == "r" k) r = a[2]; if (a[1] == "w" k) w = a[2] } }
			END { print r ? r : "max", w ? w : "max" }' "$dir/io.max"
	else
		paste -d' ' \
			<(awk -v d="$2" '$1 == d { v = $2 } END { print v ? v : "max" }' \
				"$dir/blkio.throttle.read_${3}_device") \
			<(awk -v d="$2" '$1 == d { v = $2 } END { print v ? v : "max" }' \
				"$dir/blkio.throttle.write_${3}_device")
	fi
}

# disk_dev ID: MAJ:MIN of the VE's own disk, decoded as gnu_dev_major(3) does.
disk_dev() {
	local d
	d=$(json .disk_dev <"$ROOT/run/berth/$1/state.json")
	echo "$((d >> 8 & 0xfff)):$((d & 0xff | d >> 12 & 0xfff00))"
}
