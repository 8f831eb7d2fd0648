#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In the test machine, as its only user: what a distribution has set up by the time somebody
# logs in, then the suites. Started by init.c; in the variant with systemd it becomes systemd,
# which starts it again by a unit.
# TAP goes to the second serial line, all else to the console.
set -u
here=${BASH_SOURCE[0]%/*}
source "$here/settings"		# written by `run`: where things are, what to do
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=dumb

die() {
	echo "vmtest: $*"
	exit 1
}

# Does nothing where systemd has been here before.
mounts() {
	mountpoint -q "$3" || { mkdir -p "$3" && mount -t "$1" -o "$2" "$1" "$3"; } || die "mount $3"
}

base_system() {
	mounts devpts gid=5,mode=620,ptmxmode=666 /dev/pts
	mounts tmpfs mode=1777,nosuid,nodev /dev/shm
	mounts cgroup2 nosuid,nodev,noexec,nsdelegate,memory_recursiveprot /sys/fs/cgroup
	mounts bpf nosuid,nodev,noexec,mode=700 /sys/fs/bpf
	[[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]] || die "no cgroup2 on /sys/fs/cgroup"
	ln -sfn /proc/self/fd /dev/fd
	ln -sf fd/0 /dev/stdin
	ln -sf fd/1 /dev/stdout
	ln -sf fd/2 /dev/stderr
	mkdir -p /run/lock /run/netns
	echo 16 >/proc/sys/vm/nr_hugepages
	ip link set lo up
}

# The kernel asks for its modules itself (modprobe) once they are where it looks for them. Some
# are loaded by the first use of a device node, which every distribution makes at boot.
modules() {
	mkdir -p /lib/modules && mount --bind "$VM_MODULES" /lib/modules || die "no modules"
	kmod static-nodes --format=tmpfiles 2>/dev/null | systemd-tmpfiles --create --boot - || die "no nodes"
	[[ -c /dev/loop-control ]] || die "no /dev/loop-control"
}

# Images of VEs lie on a disk as they do on a server: an overlay in memory would not do.
scratch() {
	mkdir -p /mnt/scratch && mount -t ext4 -o discard,prjquota /dev/vda /mnt/scratch || die "no scratch disk"
	export BERTH_SCRATCH=/mnt/scratch
}

# basic.target is what a server has before its services: udev, tmpfiles, modules, sysctl, slices.
# The host's /tmp, where the build may be, must not be emptied as a server's is at boot.
become_systemd() {
	mkdir -p /run/systemd/system /run/tmpfiles.d
	ln -s /dev/null /run/tmpfiles.d/tmp.conf
	cat >/run/systemd/system/vmtest.service <<-END
		[Unit]
		Requires=basic.target
		After=basic.target
		[Service]
		Type=exec
		ExecStart=/bin/bash $here/guest.sh
		ExecStopPost=$here/initramfs/init --exit \$EXIT_STATUS
	END
	exec /lib/systemd/systemd --unit=vmtest.service
}

say_where() {
	printf '# kernel %s, %s CPUs, %s MiB, controllers: %s\n' "$(uname -r)" "$(nproc)" \
		"$(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo)" \
		"$(</sys/fs/cgroup/cgroup.controllers)"
	printf '# init %s, up after %s s\n' "$(</proc/1/comm)" "$(cut -d' ' -f1 /proc/uptime)"
}

[[ $$ -ne 1 ]] || become_systemd
stty raw -echo </dev/ttyS1
exec >/dev/ttyS1 2>&1 </dev/null
base_system
modules
scratch
say_where
cd "$VM_TOP" || die "no $VM_TOP"
if [[ -n $VM_COMMAND ]]; then
	bash -c "$VM_COMMAND"
else
	bats --formatter tap --timing ${VM_FILTER:+--filter "$VM_FILTER"} "${VM_SUITES[@]}"
fi
status=$?
printf '# ended with %s after %s s\n' $status "$(cut -d' ' -f1 /proc/uptime)"
exit $status
