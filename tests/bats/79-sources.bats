#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Templates of other releases than the tests' usual one, fetched from the host's mirror: minutes
# each, so only with BERTH_LONG. A tarball and an OCI layout boot in 72-import.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((600 * ${BERTH_PATIENCE:-1}))

setup() {
	common_setup
	[[ -n ${BERTH_LONG:-} ]] || skip 'fetches a distribution from a mirror: BERTH_LONG=1'
}

# The mirror is not to be seen from the network that plays the host.
build() {
	"$BERTH" --root "$ROOT" -q template build "$1"
}

# boots RELEASE LAYOUT: with no failed unit.
boots() {
	berth create 101 --ostemplate "$1" --layout "$2" --ram 512M >/dev/null
	berth start 101 --wait >/dev/null
	equal "$(berth exec 101 systemctl is-system-running)" running
	equal "$(berth exec 101 systemctl --failed --no-legend)" ''
	berth stop 101 >/dev/null
	berth destroy 101 >/dev/null
}

@test "sources: Debian 13 is built and boots, over its template and as a whole root (BERTH_LONG=1)" {
	build debian-13
	boots debian-13 image
	boots debian-13 full
}

@test "sources: Ubuntu 24.04 is built and boots (BERTH_LONG=1)" {
	if [[ ! -r /usr/share/keyrings/ubuntu-archive-keyring.gpg ]]; then
		refused 47 'ubuntu-keyring' berth -q template build ubuntu-24.04
		skip 'this host has no keyring of Ubuntu'
	fi
	build ubuntu-24.04
	boots ubuntu-24.04 image
}
