# SPDX-License-Identifier: GPL-2.0-or-later
# What other tools leave behind, made from a root of busybox: archives, directories, configs.

# A root as such tools have it, in $1: boots, and has an owner, a mode, a link, a capability.
foreign_root() {
	local root=$1 applet
	mkdir -p "$root"/{bin,sbin,etc,dev,proc,sys,tmp,run,root,srv/www}
	cp /bin/busybox "$root/bin/busybox"
	for applet in sh ls cat stat touch hostname ip df mount id getopt; do
		ln -s busybox "$root/bin/$applet"
	done
	ln -s ../bin/busybox "$root/sbin/init"
	echo '::sysinit:/bin/touch /run/ready' >"$root/etc/inittab"
	printf 'ID=other\nVERSION_ID="3.1"\n' >"$root/etc/os-release"
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
	echo "it works" >"$root/srv/www/index.html"
	ln "$root/srv/www/index.html" "$root/srv/www/again.html"
	chown -R 33:1000 "$root/srv/www"
	chmod 2750 "$root/srv/www"
	cp /bin/true "$root/bin/capable"
	setcap cap_net_raw+ep "$root/bin/capable"
	mknod -m 666 "$root/dev/null" c 1 3
}

# Ids as an unprivileged container's files have them on its host: + $2. Capabilities are kept.
foreign_shift() {
	python3 - "$1" "$2" <<-'EOF'
		import os, stat, sys
		root, by = sys.argv[1], int(sys.argv[2])
		seen = set()
		for top, dirs, files in os.walk(root):
		    for name in [""] + [d for d in dirs if os.path.islink(os.path.join(top, d))] + files:
		        p = os.path.join(top, name) if name else top
		        s = os.lstat(p)
		        if s.st_ino in seen:
		            continue
		        seen.add(s.st_ino)
		        os.lchown(p, s.st_uid + by, s.st_gid + by)
		        if not stat.S_ISLNK(s.st_mode):
		            os.chmod(p, stat.S_IMODE(s.st_mode))
	EOF
	setcap -n "$2" cap_net_raw+ep "$1/bin/capable"
}

foreign_tar() {
	tar -C "$1" --numeric-owner --xattrs --xattrs-include='*' -cf "$2" "${@:3}"
}

openvz_conf() {
	cat <<-'EOF'
		# a comment
		ONBOOT="yes"
		PHYSPAGES="0:65536"
		SWAPPAGES="0:65536"
		NUMPROC="240:240"
		NUMFILE="4096:4096"
		KMEMSIZE="14372700:14790164"
		CPUUNITS="1500"
		CPULIMIT="50"
		DISKSPACE="1048576:1153434"
		DISKINODES="200000:220000"
		QUOTATIME="0"
		VE_ROOT="/vz/root/$VEID"
		VE_PRIVATE="/vz/private/$VEID"
		OSTEMPLATE="centos-6-x86_64"
		ORIGIN_SAMPLE="vswap-256m"
		HOSTNAME="old.example.org"
		IP_ADDRESS="198.51.100.41 2001:db8:100::41"
		NAMESERVER="192.0.2.53"
		NETIF="ifname=eth1,bridge=vmbr9,mac=00:18:51:aa:bb:01,host_ifname=veth101.1,host_mac=fe:ff:ff:ff:ff:ff"
		FEATURES="nfs:on"
		UUID="7a9f1c1e-0000-0000-0000-000000000000"
	EOF
}

pct_conf() {
	cat <<-'EOF'
		#a description%3A 100%25
		arch: amd64
		cores: 1
		cpulimit: 0.5
		features: nesting=1
		hostname: pve
		memory: 256
		swap: 128
		mp0: local-lvm:vm-104-disk-1,mp=/srv,backup=1,size=8G
		mp1: local-lvm:vm-104-disk-2,mp=/data,size=8G
		nameserver: 192.0.2.53
		net0: name=eth0,bridge=vmbr0,firewall=1,gw=198.51.100.1,hwaddr=BC:24:11:00:00:44,ip=198.51.100.44/24,rate=2,type=veth
		onboot: 1
		ostype: debian
		rootfs: local-lvm:vm-104-disk-0,size=2G
		startup: order=3
		unprivileged: 1

		[before]
		memory: 64
	EOF
}

lxc_conf() {
	cat <<-'EOF'
		# Template used to create this container
		lxc.include = /usr/share/lxc/config/common.conf
		lxc.arch = linux64
		lxc.idmap = u 0 100000 65536
		lxc.idmap = g 0 100000 65536
		lxc.rootfs.path = dir:/var/lib/lxc/old/rootfs
		lxc.uts.name = lxcold
		lxc.net.0.type = veth
		lxc.net.0.link = lxcbr0
		lxc.net.0.flags = up
		lxc.net.0.hwaddr = 00:16:3e:00:00:43
		lxc.net.0.ipv4.address = 198.51.100.43/24
		lxc.cgroup2.memory.max = 256M
		lxc.cgroup2.pids.max = 200
		lxc.cgroup2.cpu.max = 50000 100000
		lxc.cgroup2.io.weight = 100
		lxc.start.auto = 1
		lxc.apparmor.profile = generated
	EOF
}

# As `incus export` writes it; what "expanded" says counts.
incus_index() {
	cat <<-'EOF'
		name: inc
		backend: dir
		pool: default
		optimized: false
		type: container
		config:
		  instance:
		    architecture: x86_64
		    config:
		      limits.memory: 64MiB
		    description: "a shop"
		    devices: {}
		    expanded_config:
		      boot.autostart: "true"
		      image.os: Debian
		      limits.cpu.allowance: 50ms/100ms
		      limits.memory: 256MB
		      limits.processes: "200"
		      security.nesting: "true"
		      user.note: |-
		        two
		        lines
		      volatile.nic0.hwaddr: 00:16:3e:00:00:42
		      volatile.nic0.name: eth0
		    expanded_devices:
		      nic0:
		        ipv4.address: 198.51.100.42
		        limits.ingress: 10Mbit
		        network: incusbr0
		        type: nic
		      gpu0:
		        type: gpu
		      root:
		        path: /
		        pool: default
		        size: 2GiB
		        type: disk
		    name: inc
		    profiles:
		    - default
	EOF
}
