# SPDX-License-Identifier: GPL-2.0-or-later
# All helpers, for `load helpers/load`.
for helper in common requires ve vm disk cgroup net leak foreign; do
	source "${BASH_SOURCE[0]%/*}/$helper.bash"
done
