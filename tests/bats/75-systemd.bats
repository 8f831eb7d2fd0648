#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A distribution's systemd as a VE's init. BERTH_TEMPLATES names a template directory that has
# the channel debian-12 (var/lib/berth/template of a root where it was built).
# bats file_tags=root

load helpers/load

setup() {
	common_setup
	requires debian_template
	cp -a --reflink=auto "$BERTH_TEMPLATES/." "$ROOT/var/lib/berth/template/"
	berth create 101 --ostemplate debian-12 --ram 256M --hostname web.example >/dev/null
	berth start 101 >/dev/null
}

# Fails until there is a bus to ask, and where the answer is not "running".
wait_systemd() {
	within 30 berth exec2 101 systemctl is-system-running --wait >/dev/null 2>&1 ||
		fail "$(berth exec2 101 systemctl --failed 2>&1)"
}

@test "systemd: a Debian 12 VE reaches its default target with no failed unit" {
	wait_systemd
	run -0 berth exec2 101 systemctl --failed --no-legend
	equal "$output" ''
	run -0 berth exec2 101 systemctl is-active default.target
	equal "$output" active
}

@test "systemd: a unit's own limits work inside, and the VE's stay what they are" {
	requires cgroup_v2
	wait_systemd
	run -0 berth exec2 101 systemd-run --unit=limited --wait --pipe -q -p MemoryMax=32M -p TasksMax=20 -p CPUQuota=10% \
		cat /sys/fs/cgroup/system.slice/limited.service/{memory.max,pids.max,cpu.max}
	equal "${lines[*]}" '33554432 20 10000 100000'
	berth exec2 101 systemctl daemon-reload
	check_limit 101 ram $((256 << 20))
}

@test "systemd: stop goes through its shutdown" {
	wait_systemd
	shell 101 'cat >/etc/systemd/system/last.service' <<-END
		[Service]
		Type=oneshot
		RemainAfterExit=1
		ExecStart=true
		ExecStop=touch /was-stopped
	END
	berth exec2 101 systemctl start last
	berth stop 101 >/dev/null
	berth mount 101 >/dev/null
	host test -e "$ROOT/var/lib/berth/root/101/was-stopped"
}
