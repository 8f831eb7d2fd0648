#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The same again and again: nothing may grow. BERTH_LONG=1: five thousand times.
# bats file_tags=root,slow

load helpers/load
export BATS_TEST_TIMEOUT=$((${BERTH_LONG:-0} * 7200 + 180 * ${BERTH_PATIENCE:-1}))

# One line of numbers: what this instance holds on the host, and what its long-lived processes do.
# The keeper of 102, which runs all the time, and the node of the instance stand for these.
sample() {
	local keeper tables=0 all
	keeper=$(keeper_pid 102)
	all=$(host nft -j list ruleset)
	tables=$(jq '[.nftables[] | .set?, .map?, .chain?, .rule? | select(. != null)] | length' <<<"$all")
	tables="$tables $(jq '[.nftables[] | (.set?, .map?) | select(. != null) | .elem // [] | .[]] | length' <<<"$all")"
	echo "$(leak_mounts | wc -l) $(leak_loops | wc -l) $(leak_cgroups | wc -l) $(leak_links | wc -l)" \
		"$tables $(leak_processes | wc -l) $(leak_files | wc -l)" \
		"$(find "/proc/$keeper/fd" -mindepth 1 | wc -l) $(awk '/^VmRSS/ { print $2 }' "/proc/$keeper/status")"
}

names=(mounts loops cgroups links rules elements processes files keeper_fds keeper_kib)

# Slope of each column of the samples, in units per hundred cycles, where it is not 0.
slopes() {
	awk -v names="${names[*]}" -v every="$2" '
		{ for (i = 1; i <= NF; i++) { sx[i] += NR; sy[i] += $i; sxy[i] += NR * $i; sxx[i] += NR * NR } }
		END {
			split(names, name, " ")
			for (i = 1; i <= NF; i++) {
				s = (NR * sxy[i] - sx[i] * sy[i]) / (NR * sxx[i] - sx[i] * sx[i]) * 100 / every
				if (s > 0.001) printf "%s +%.3f per 100 cycles\n", name[i], s
			}
		}' "$1"
}

@test "soak: start, exec and stop again and again, and nothing grows" {
	local i cycles=100 every
	[[ -z ${BERTH_LONG:-} ]] || cycles=5000
	every=$((cycles / 10))
	run_ve 102 --ipadd 10.9.0.102
	new_ve 101 --ipadd 10.9.0.101
	for ((i = 0; i <= cycles; i++)); do
		berth start 101 >/dev/null
		inside 101 /bin/true
		inside 102 /bin/true
		berth stop 101 --fast >/dev/null
		# The first round warms up: the instance's tables, pages of the keeper.
		((i == 0 || i % every)) || sample >>"$BATS_TEST_TMPDIR/samples"
	done
	sed 's/^/# /' "$BATS_TEST_TMPDIR/samples" >&3
	equal "$(slopes "$BATS_TEST_TMPDIR/samples" "$every")" '' 'what grows'
	within 150 no_dying
}

# The kernel lets dead control groups go in its own time: with v2 a loop device remembers whoever has
# read from it, a template for one, for a minute or two (docs/SUPPORT.md).
no_dying() {
	local node
	node=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)/berth-$(root_tag)
	[[ $(awk '$1 == "nr_dying_descendants" { print $2 }' "$node/cgroup.stat") -le 2 ]]
}
