#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian package: installed, upgraded over a running VE and an edited config, removed. dpkg's
# database and files are in a directory of their own; the machine's are not touched.
# bats file_tags=root,slow

load helpers/load

export BATS_TEST_TIMEOUT=$((300 * ${BERTH_PATIENCE:-1}))

dpkg_in() {
	dpkg --root="$to" --force-depends --force-script-chrootless --force-not-root --log=/dev/null "$@" </dev/null
}

@test "deb: installs, leaves edited configs and running VEs at an upgrade, data at a removal" {
	local to=$BATS_TEST_TMPDIR/to deb plan pid
	plan=$to/etc/berth/conf/ve-light.conf-sample
	# An emulated machine compiles for too long: tests/vmtest/run hands one over.
	deb=${BERTH_DEB:-$("$BATS_TEST_DIRNAME/../../contrib/mkdeb" "$BATS_TEST_TMPDIR" 2>/dev/null | tail -n 1)}
	mkdir -p "$to"/var/lib/dpkg/{info,updates}
	touch "$to/var/lib/dpkg/status"
	dpkg_in -i "$deb"
	[[ $("$to/usr/sbin/berth" --version) == berth\ version\ * ]]
	[[ -e $to/usr/lib/systemd/system/berth.service && -e $to/usr/share/man/man8/berth.8.gz ]]
	contains "$(dpkg-deb -f "$deb" Depends)" libmnl0

	# Its place below /usr/libexec is not ours to use here; beside the command is where it looks first.
	ln -s ../libexec/berth/berth-keeper "$to/usr/sbin/berth-keeper"
	BERTH=$to/usr/sbin/berth run_ve 101 --diskspace 256M
	pid=$(init_pid 101)
	echo '# edited' >>"$plan"
	dpkg_in --force-confold -i "$deb"
	equal "$(tail -n 1 "$plan")" '# edited'
	equal "$(init_pid 101)" "$pid"
	equal "$(BERTH=$to/usr/sbin/berth inside 101 /bin/echo lives)" lives

	dpkg_in -r berth
	[[ ! -e $to/usr/sbin/berth && -e $plan ]]
	wait_running 101
	equal "$(inside 101 /bin/echo lives)" lives
}
