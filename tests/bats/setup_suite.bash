# SPDX-License-Identifier: GPL-2.0-or-later
# Once per run: a network namespace that plays the host, a scratch directory on a filesystem
# that can hold disk images, and the template `mini` that every test's root gets links to.
#
# The namespace also has mounts of its own, made shared as systemd does on a real host: what
# Berth forgets to keep private shows up in it, and what others do on this machine does not.

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
source "$here/helpers/common.bash"

setup_suite() {
	export BERTH_BUILD=${BERTH_BUILD:-${here%/tests/bats}}
	export BERTH=$BERTH_BUILD/berth PROBE=$BERTH_BUILD/tests/probe
	[[ -x $BERTH ]] || fail "no $BERTH: build first, or set BERTH_BUILD"
	[[ -x $PROBE ]] || make -s -C "$BERTH_BUILD" tests/probe >&2

	SCRATCH=$(mktemp -d "${BERTH_SCRATCH:-/var/tmp}/berth-bats.XXXXXX")
	export SCRATCH
	if [[ $EUID -eq 0 ]]; then
		make_host
		ROOT=$SCRATCH/seed berth template build mini >&2
	fi
}

# A process that holds the namespaces and ends with the run, when its stdin does. The "uplink"
# has both ends in the namespace: enough for an address, routes and neighbours.
make_host() {
	local script='
		mount --make-rshared /
		ip link set lo up
		ip link add up0 type veth peer name wire0
		ip link set up0 up
		ip link set wire0 up
		ip addr add 198.51.100.1/24 dev up0
		ip -6 addr add 2001:db8:100::1/64 dev up0 nodad
		echo ready
		exec cat'
	coproc HOLDER { exec unshare --net --mount --propagation private sh -ec "$script" 3>&-; }
	export HOST_PID=$HOLDER_PID
	local word
	read -r -t $((20 * ${BERTH_PATIENCE:-1})) word <&"${HOLDER[0]}" && [[ $word == ready ]] || fail "no namespace to test in"
}

teardown_suite() {
	[[ -z ${HOST_PID:-} ]] || kill "$HOST_PID"
	# Should a test have left a mount, its content is none of ours to remove.
	rm -rf --one-file-system "${SCRATCH:?}"
}
