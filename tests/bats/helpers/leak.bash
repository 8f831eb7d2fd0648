# SPDX-License-Identifier: GPL-2.0-or-later
# Nothing may be left. What the kernel and the disk hold before a test and after it is compared
# by kind; what the kernel gives up a moment after the last user gets a few seconds for it.

leak_kinds=(mounts loops cgroups links rules processes files)

# Of a root that has just been made only what all roots share can be there before.
leak_snapshot() {
	local kind
	for kind in "${leak_kinds[@]}"; do
		case $kind in
		mounts | links | rules) "leak_$kind" ;;
		esac >"$BATS_TEST_TMPDIR/$kind.before"
	done
}

# leak_check [KIND...]
leak_check() {
	local kind bad=0
	[[ $# -gt 0 ]] || set -- "${leak_kinds[@]}"
	for kind in "$@"; do
		within 5 no_more "$kind" 2>/dev/null && continue
		bad=1
		echo "left behind ($kind):" >&2
		what_more "$kind" >&2
	done
	[[ $bad -eq 0 ]]
}

# Lines of a kind that were not there before. What goes away is of no interest: mounts of others
# on this machine, copied when the namespace was made, vanish when their directory does.
what_more() {
	grep -vxFf "$BATS_TEST_TMPDIR/$1.before" <("leak_$1")
}

no_more() {
	! what_more "$1" >/dev/null
}

leak_mounts() {
	host cat /proc/self/mountinfo
}

# Loop devices on files of this root.
leak_loops() {
	grep -sF "$ROOT/" /sys/block/loop*/loop/backing_file || :
}

# Nodes of this instance in every hierarchy; their name carries the instance's tag.
leak_cgroups() {
	local at tag
	tag=$(root_tag)
	while read -r at; do
		for at in "$at/berth-$tag" "$at/berth-$tag-guaranteed"; do
			[[ ! -d $at ]] || find "$at" -type d
		done
	done < <(awk '/ - cgroup2? / { print $5 }' /proc/self/mountinfo)
}

leak_links() {
	host sh -c 'ip -o link show; ip -o route show; ip -o -6 route show
		ip neigh show proxy; ip -6 neigh show proxy' |
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
		args=$(tr '\0' ' ' 2>/dev/null <"$p") || continue
		[[ ! $args =~ ^[^\ ]*(berth|berth-keeper|mmdebstrap|mkfs[^ ]*|mke2fs|e2fsck)\  ]] ||
			echo "$p $args"
	done < <(grep -lsaF -- "$ROOT" /proc/[0-9]*/cmdline)
}

# Files that speak of a VE. Templates, disks to copy from, the audit log, locks and what destroy
# keeps on purpose (ID.conf.destroyed) are the instance's, not the VE's.
leak_files() {
	find "$ROOT" -mindepth 1 ! -type d ! -path "$ROOT/var/lib/berth/template/*" \
		! -path "$ROOT/var/lib/berth/seed*/*" ! -path "$ROOT/var/lib/berth/kernel/*" ! -path "$ROOT/var/lib/berth/rollout/*" ! -path "$ROOT/var/log/*" \
		! -path "*/lock/*" ! -name '*.destroyed' ! -name berth.conf ! -name dump.key ! -name 'vps.*' ! -path "$ROOT/run/berth/template/*" \
		! -path "$ROOT/etc/berth/networks/*" ! -path "$ROOT/var/lib/berth/ippool/*" |
		sort
	find "$ROOT/var/lib/berth/private" "$ROOT/var/lib/berth/root" -mindepth 1 2>/dev/null | sort
}
