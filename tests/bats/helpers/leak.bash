# SPDX-License-Identifier: GPL-2.0-or-later
# Nothing may be left. What the kernel and the disk hold before a test and after it is compared
# by kind; what the kernel gives up a moment after the last user gets a few seconds for it.

leak_kinds=(mounts loops cgroups links rules processes files)

# Of a root that has just been made only what all roots share can be there before.
leak_snapshot() {
	untraced snapshot_kinds
}

snapshot_kinds() {
	local kind
	for kind in "${leak_kinds[@]}"; do
		case $kind in
		mounts | links | rules) "leak_$kind" ;;
		esac >"$BATS_TEST_TMPDIR/$kind.before"
	done
}

# leak_check [KIND...]
leak_check() {
	[[ $# -gt 0 ]] || set -- "${leak_kinds[@]}"
	untraced check_kinds "$@"
}

check_kinds() {
	local kind bad=0
	for kind in "$@"; do
		within 5 nothing_more "$kind" 2>/dev/null && continue
		bad=1
		echo "left behind ($kind):" >&2
		what_more "$kind" >&2
	done
	[[ $bad -eq 0 ]]
}

# Lines of a kind that were not there before. What goes away is of no interest: mounts of others
# on this machine, copied when the namespace was made, vanish when their directory does.
# Every test ends with this and a fault walk does little else, hence few processes here.
what_more() {
	local line lines before=()
	local -A was=()
	[[ ! -s $BATS_TEST_TMPDIR/$1.before ]] || mapfile -t before <"$BATS_TEST_TMPDIR/$1.before"
	for line in "${before[@]}"; do was[x$line]=1; done
	lines=$("leak_$1") || :
	while IFS= read -r line; do
		[[ -z $line || -n ${was[x$line]:-} ]] || printf '%s\n' "$line"
	done <<<"$lines"
}

nothing_more() {
	[[ -z $(what_more "$1") ]]
}

leak_mounts() {
	local lines
	mapfile -t lines <"/proc/$HOST_PID/mountinfo"
	printf '%s\n' "${lines[@]}"
}

# Loop devices on files of this root.
leak_loops() {
	local at file
	for at in /sys/block/loop*/loop/backing_file; do
		{ read -r file <"$at"; } 2>/dev/null || continue
		[[ $file != "$ROOT"/* ]] || echo "$at:$file"
	done
}

# Nodes of this instance in every hierarchy, or in a slice; their name carries the instance's tag.
leak_cgroups() {
	local at tag
	tag=$(root_tag)
	for at in /sys/fs/cgroup/{,*/}berth-"$tag"{,-guaranteed}; do
		[[ ! -d $at ]] || find "$at" -type d
	done
}

leak_links() {
	host sh -c 'printf "%s\n" "link show" "route show" "neigh show proxy" | ip -o -batch -
		printf "%s\n" "route show" "neigh show proxy" | ip -6 -o -batch -' |
		sed -E 's/^([0-9]+: [^:]+:).*/\1/; s/ expires.*//'
	has_ves || host ip -o addr show dev lo
}

# The filter's tables go with the instance's last VE; until then, what they say about links.
leak_rules() {
	local family table
	host nft list tables | grep -F "berth-$(root_tag)" | while read -r _ family table; do
		if has_ves && [[ $table == *-traffic ]]; then
			:               # counters are the VE's, running or not
		elif has_ves; then
			host nft -j list table "$family" "$table" | jq -c '.nftables[] | .set? // .map? |
				select(.elem != null and (.name | IN("same", "lists") | not)) | [.table, .name, .elem]'
		else
			echo "$table"
		fi
	done
}

# Does the root have a VE, running or not?
has_ves() {
	compgen -G "$ROOT/etc/berth/conf/[0-9]*.conf" >/dev/null
}

# Whatever names this root in its arguments: keepers, helpers, forgotten commands.
leak_processes() {
	local p args
	while read -r p; do
		{ mapfile -d '' args <"$p"; } 2>/dev/null || continue
		[[ ! ${args[0]:-} =~ ^[^\ ]*(berth|berth-keeper|mmdebstrap|mkfs[^\ ]*|mke2fs|e2fsck)$ ]] ||
			echo "$p ${args[*]}"
	done < <(grep -lsaF -- "$ROOT" /proc/[0-9]*/cmdline)
}

# Files that speak of a VE. Templates, disks to copy from, the audit log, locks and what destroy
# keeps on purpose (ID.conf.destroyed) are the instance's, not the VE's.
leak_files() {
	local lib=$ROOT/var/lib/berth
	find "$ROOT" -mindepth 1 \( -path "$lib/template" -o -path "$lib/seed*" -o -path "$lib/kernel" -o -path "$lib/rollout" \
		-o -path "$lib/ippool" -o -path "$ROOT/var/log" -o -path "$ROOT/run/berth/template" -o -path "$ROOT/etc/berth/networks" \
		-o -name lock -type d \) -prune -o \( ! -type d -o -path "$lib/private/*" -o -path "$lib/root/*" \) \
		! -name '*.destroyed' ! -name berth.conf ! -name dump.key ! -name 'vps.*' -print
}
