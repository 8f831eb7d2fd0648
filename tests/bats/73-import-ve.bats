#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# VEs of other tools: what is said of each key, what is made of them, what is refused.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((${BERTH_LONG:-0} * 600 + 60 * ${BERTH_PATIENCE:-1}))

setup() {
	common_setup
	T=$BATS_TEST_TMPDIR
	foreign_root "$T/root"
}

# One key of the last plan or import: fate KEY, "fate|now".
fate() {
	jq -r --arg k "$1" '[.keys[] | select(.key == $k) | "\(.fate)|\(.now)"] | join(" ; ")' <<<"$output"
}

# What all of them must have once they run: files, owners, modes, links, capabilities.
same_root() {
	berth start "$1" --wait >/dev/null
	equal "$(inside "$1" /bin/cat /srv/www/again.html)" 'it works'
	equal "$(inside "$1" /bin/stat -c '%u:%g %a' /srv/www)" '33:1000 2750'
	equal "$(inside "$1" /bin/stat -c '%u:%g %h' /srv/www/index.html)" '33:1000 2'
	equal "$(inside "$1" /bin/stat -c '%u:%g' /etc/passwd)" 0:0
	shell "$1" 'echo mine >/etc/new && ls /dev/null >/dev/null && ! ls /etc/vzdump'
}

capable() {
	local id=$1
	berth stop "$id" --fast >/dev/null
	berth mount "$id" >/dev/null
	equal "$(host getcap "$ROOT/var/lib/berth/root/$id/bin/capable" | sed 's/.* //')" cap_net_raw=ep
	berth umount "$id" >/dev/null
}

nothing_made() {
	equal "$(berth list -a -H -o ctid | tr -d ' ')" "${1:-}" 'VEs'
	equal "$(find "$ROOT/var/lib/berth/template/store" -name 'build.*')" '' 'scratch directories'
	equal "$(find "$ROOT/var/lib/berth/template/store" -name '*.erofs' | wc -l)" "${2:-1}" versions
	equal "$(find "$ROOT/var/lib/berth/half" -type l)" '' 'notes'
}

@test "import: OpenVZ: a private directory with its config" {
	openvz_conf >"$T/101.conf"
	run -0 berth import "$T/root" --config "$T/101.conf" --yes -j
	equal "$(fate HOSTNAME)" 'maps|hostname old.example.org'
	equal "$(fate PHYSPAGES)" 'maps|ram 256M'
	equal "$(fate KMEMSIZE)" 'changes|kmemsize 14372700:14790164'
	equal "$(fate NUMFILE)" 'changes|numfile 4096'
	equal "$(fate OSTEMPLATE)" 'lost|'
	equal "$(fate UUID)" 'lost|'
	equal "$(fate 'NETIF eth1' | cut -d'|' -f1)" changes
	same_root 101
	equal "$(inside 101 /bin/hostname)" old.example.org
	contains "$(inside 101 /bin/ip addr show eth0)" 198.51.100.41/32
	contains "$(inside 101 /bin/ip addr show eth0)" 2001:db8:100::41
	contains "$(inside 101 /bin/ip link show eth1)" 00:18:51:aa:bb:01
	contains "$(inside 101 /bin/cat /etc/resolv.conf)" 192.0.2.53
	equal "$(berth status 101 -j | json -r '.config | [.ram, .swap, .numproc, .cpulimit, .cpuunits, .onboot] | join(" ")')" \
		"$((256 << 20)) $((256 << 20)) 240 50 1500 true"
	equal "$(conf_value 101 DISKSPACE)" 1153434:1153434
	capable 101
	foreign_tar "$T" "$T/101.tar" root
	berth -q destroy --yes 101
	run -0 berth import "$T/101.tar" 102 --config "$T/101.conf" --ifname eth1 --mac 00:18:51:aa:bb:07 \
		--ipadd 198.51.100.50 --yes -j
	equal "$(jq -r .root <<<"$output")" root
	equal "$(conf_value 102 IP_ADDRESS)" '198.51.100.41 2001:db8:100::41'
	contains "$(conf_value 102 NETIF)" 'mac=00:18:51:aa:bb:07'
	contains "$(conf_value 102 NETIF)" 'ip=198.51.100.50'
}

@test "import: OpenVZ 7: a private area that holds its config" {
	mkdir "$T/area"
	mv "$T/root" "$T/area/fs"
	openvz_conf | sed '/^NETIF/d' >"$T/area/ve.conf"
	run -0 berth import "$T/area" 103 --yes -j
	equal "$(jq -r .format <<<"$output")" 'private area of OpenVZ 7'
	same_root 103
	equal "$(inside 103 /bin/hostname)" old.example.org
	# A link in the place of the config, or of the root, leads nowhere.
	mv "$T/area/ve.conf" "$T/conf"
	ln -s "$T/conf" "$T/area/ve.conf"
	refused 85 'symbolic link' berth import "$T/area" 104 --yes
	rm "$T/area/ve.conf"
	mv "$T/area/fs" "$T/elsewhere"
	ln -s "$T/elsewhere" "$T/area/fs"
	refused 47 'no root filesystem' berth import "$T/area" 104 --config "$T/conf" --yes
}

@test "import: vzdump of OpenVZ: limits of before VSwap; the address is the host's to route" {
	mkdir -p "$T/root/etc/vzdump"
	openvz_conf | sed -e '/^PHYSPAGES/d; /^SWAPPAGES/d; /^NETIF/d' -e '$aPRIVVMPAGES="49152:53575"' \
		>"$T/root/etc/vzdump/vps.conf"
	foreign_tar "$T/root" "$T/vzdump-openvz-102-2014_01_02-03_04_05.tar" .
	gzip "$T"/vzdump-openvz-102-2014_01_02-03_04_05.tar
	run -0 berth import "$T"/vzdump-openvz-102-*.tar.gz --yes -j
	equal "$(fate PRIVVMPAGES)" "changes|privvmpages 49152:53575 ; changes|ram $((53575 * 4))K"
	same_root 102
	contains "$(inside 102 /bin/ip addr show eth0)" 198.51.100.41/32
	equal "$(berth status 102 -j | json .config.ram)" $((53575 * 4096))
	equal "$(berth template list -j | jq -r '.[] | select(.name == "imported-102").origin')" vzdump
	capable 102
}

@test "import: vzdump of a Proxmox container: ids shifted, links, mount points, snapshots" {
	mkdir -p "$T/root/etc/vzdump"
	foreign_shift "$T/root" 100000
	pct_conf >"$T/root/etc/vzdump/pct.conf"
	foreign_tar "$T/root" "$T/vzdump-lxc-104-2024.tar" ./etc/vzdump/pct.conf --exclude=./etc/vzdump .
	zstd -q "$T/vzdump-lxc-104-2024.tar"
	run -0 berth import "$T/vzdump-lxc-104-2024.tar.zst" --yes -j
	equal "$(jq .first_id <<<"$output")" 100000
	equal "$(fate memory)" 'maps|ram 256M'
	equal "$(fate '(comment)')" 'maps|description a description: 100%'
	equal "$(fate cpulimit)" 'maps|cpulimit 50'
	equal "$(fate mp0)" 'changes|files in /srv'
	equal "$(fate mp1)" 'lost|'
	equal "$(fate 'net0 firewall')" 'lost|'
	equal "$(fate 'net0 rate')" 'maps|netrate-in 16mbit ; maps|netrate-out 16mbit'
	equal "$(fate snapshots)" 'lost|'
	same_root 104
	equal "$(inside 104 /bin/hostname)" pve
	contains "$(inside 104 /bin/ip addr show eth0)" 198.51.100.44/32
	contains "$(inside 104 /bin/ip addr show eth0)" bc:24:11:00:00:44
	equal "$(berth status 104 -j | json -r '.config | [.ram, .swap, .diskspace, .netrate_in] | join(" ")')" \
		"$((256 << 20)) $((128 << 20)) $((2 << 30)) 16000000"
	capable 104
}

@test "import: LXC: a directory, and a tar of it, with shifted ids; on a bridge that is here" {
	mkdir "$T/old"
	mv "$T/root" "$T/old/rootfs"
	foreign_shift "$T/old/rootfs" 100000
	lxc_conf >"$T/old/config"
	foreign_tar "$T" "$T/old.tar" old
	run -0 berth import "$T/old" 105 --yes -j
	equal "$(jq .first_id <<<"$output")" 100000
	equal "$(fate lxc.cgroup2.cpu.max)" 'maps|cpulimit 50'
	equal "$(fate lxc.apparmor.profile)" 'lost|'
	# Of every key something is said.
	equal "$(sed -nE 's/^(lxc[^ ]*) =.*/\1/p' "$T/old/config" | sort -u | wc -l)" \
		"$(jq '[.keys[].key | select(startswith("lxc"))] | unique | length + 5' <<<"$output")"
	same_root 105
	equal "$(inside 105 /bin/hostname)" lxcold
	contains "$(inside 105 /bin/ip addr show eth0)" 198.51.100.43/32
	equal "$(berth status 105 -j | json -r '.config | [.ram, .numproc, .onboot] | join(" ")')" "$((256 << 20)) 200 true"
	capable 105
	berth destroy --yes 105 >/dev/null
	host ip link add lxcbr0 type bridge
	run -0 berth import "$T/old.tar" 106 --yes -j
	equal "$(jq -r .root <<<"$output")" old/rootfs
	same_root 106
	contains "$(inside 106 /bin/ip addr show eth0)" 198.51.100.43/24
	contains "$(host ip link show master lxcbr0)" 106.0
	berth stop 106 --fast >/dev/null
	host ip link del lxcbr0
}

@test "import: Incus: an export; decimal sizes, the network's name, devices" {
	mkdir -p "$T/backup/container"
	mv "$T/root" "$T/backup/container/rootfs"
	incus_index >"$T/backup/index.yaml"
	foreign_tar "$T" "$T/inc.tar" backup
	gzip "$T/inc.tar"
	run -0 berth import "$T/inc.tar.gz" 107 --yes -j
	equal "$(jq -r .root <<<"$output")" backup/container/rootfs
	equal "$(fate limits.memory)" 'maps|ram 250000K'
	equal "$(fate limits.cpu.allowance)" 'maps|cpulimit 50'
	equal "$(fate gpu0)" 'lost|'
	equal "$(fate user.note)" 'lost|'
	equal "$(fate 'nic0 limits.ingress')" 'maps|netrate-in 10mbit'
	same_root 107
	equal "$(inside 107 /bin/hostname)" inc
	contains "$(inside 107 /bin/ip addr show eth0)" 198.51.100.42/32
	contains "$(inside 107 /bin/ip addr show eth0)" 00:16:3e:00:00:42
	equal "$(berth status inc -j | json -r '.config | [.numproc, .diskspace, .description, .onboot] | join(" ")')" \
		"200 $((2 << 30)) a shop true"
	capable 107
}

@test "import: options go before the source; what neither says is the plan's; the table says both" {
	openvz_conf | sed '/^NUMPROC/d' >"$T/conf"
	run -0 berth import "$T/root" 101 --config "$T/conf" --ram 128M --ipadd 198.51.100.77 --hostname new \
		--applyconfig light --plan
	contains "$output" 'asked for here'
	contains "$output" 'as the plan says'
	[[ ${lines[0]} == "$T/root: openvz; becomes CT 101" ]] || fail "${lines[0]}"
	[[ ${lines[-1]} =~ ^[0-9]+\ map,\ [0-9]+\ change,\ [0-9]+\ are\ lost\.$ ]] || fail "${lines[-1]}"
	berth import "$T/root" 101 --config "$T/conf" --ram 128M --ipadd 198.51.100.77 --hostname new \
		--applyconfig light --yes >/dev/null
	same_root 101
	equal "$(inside 101 /bin/hostname)" new
	equal "$(berth status 101 -j | json -r '.config | [.ram, .numproc] | join(" ")')" "$((128 << 20)) 1024"
	contains "$(inside 101 /bin/ip addr show eth0)" 198.51.100.77
	lacks "$(inside 101 /bin/ip addr show eth0)" 198.51.100.41
}

@test "import: --layout full: the root lies in the VE's own disk, and must fit" {
	openvz_conf | sed '/^NETIF/d' >"$T/conf"
	berth -q import "$T/root" 101 --config "$T/conf" --layout full --yes
	same_root 101
	(($(disk_field 101 2) > 1800)) || fail "$(disk_field 101 2) KiB used"
	lacks "$(inside 101 /bin/mount)" 'overlay on / '
	capable 101
	head -c 40M /dev/urandom >"$T/root/big"
	sed -i '/^DISKINODES/d' "$T/conf"       # more than so small a disk can have
	run --separate-stderr -46 berth -q import "$T/root" 102 --config "$T/conf" --ipadd 198.51.100.50 \
		--layout full --diskspace 32M --yes
	one_line_error 'does not fit'
	berth -q destroy --yes 101
	berth template gc >/dev/null
	nothing_made
}

@test "import: a plan changes nothing; neither does an import that nobody has confirmed" {
	openvz_conf >"$T/101.conf"
	run -0 berth import "$T/root" --config "$T/101.conf" --dry-run
	nothing_made
	run --separate-stderr -3 berth import "$T/root" --config "$T/101.conf"
	contains "$output" 'are lost'
	one_line_error 'not confirmed'
	nothing_made
	run -3 host script -qec "$BERTH --root $ROOT import $T/root --config $T/101.conf" /dev/null <<<n
	contains "$output" 'Import it? [y/N]'
	nothing_made
	run -0 berth import "$T/root" --config "$T/101.conf" --plan -j
	equal "$(jq -r '[.ctid, .made] | join(" ")' <<<"$output")" '101 false'
	nothing_made
	run -0 host script -qec "$BERTH --root $ROOT import $T/root --config $T/101.conf" /dev/null <<<y
	is_state 101 'exist unmounted down'
}

@test "import: a number, name or address that is somebody's is refused before anything is done" {
	new_ve 101 --name inc --ipadd 198.51.100.41
	openvz_conf >"$T/conf"
	run --separate-stderr -44 berth import "$T/root" 101 --config "$T/conf" --yes
	one_line_error 'already exists'
	run --separate-stderr -78 berth import "$T/root" 102 --config "$T/conf" --yes
	one_line_error '198.51.100.41'
	run --separate-stderr -131 berth import "$T/root" 102 --config "$T/conf" --ipadd 198.51.100.50 --name inc --yes
	one_line_error 'VE 101'
	nothing_made 101
	berth import "$T/root" 102 --config "$T/conf" --ipadd 198.51.100.50 --yes >/dev/null
	# The version is its own: it goes when the VE has gone.
	berth destroy --yes 102 >/dev/null
	berth template gc >/dev/null
	nothing_made 101
}

@test "import: bad input is one line and changes nothing" {
	openvz_conf >"$T/conf"
	refused 14 'no config' berth import "$T/root" 101 --yes
	refused 14 'No such file' berth import "$T/root" 101 --config "$T/none" --yes
	refused 43 'No such file' berth import "$T/none" 101 --yes
	refused 47 'neither' berth import /dev/null 101 --yes
	refused 27 'give the ID' berth import "$T/root" --config "$T/conf" --yes
	refused 21 'none of openvz' berth import "$T/root" 101 --config "$T/conf" --format docker --yes
	refused 47 'this is a config (openvz)' berth import "$T/conf" 101 --yes
	refused 20 'ostemplate' berth import "$T/root" 101 --config "$T/conf" --ostemplate mini --yes
	refused 85 'line 2 is not lxc.KEY = VALUE' berth import "$T/root" 101 --config "$T/conf" --format lxc --yes
	refused 85 'line 2 is not KEY: VALUE' berth import "$T/root" 101 --config "$T/conf" --format pct --yes
	refused 85 'nothing of an instance' berth import "$T/root" 101 --config "$T/conf" --format incus --yes
	refused 14 'no config of lxc' berth import "$T/root" 101 --format lxc --yes
	printf 'HOSTNAME="a"\ngarbage\n' >"$T/bad"
	refused 85 'KEY' berth import "$T/root" 101 --config "$T/bad" --yes
	refused 85 'none of' berth import "$T/root" 101 --config "$T/root/srv/www/index.html" --yes
	printf 'A="b\0"\n' >"$T/bad"
	refused 85 'NUL' berth import "$T/root" 101 --config "$T/bad" --yes
	truncate -s 600000 "$T/bad"
	refused 85 'larger' berth import "$T/root" 101 --config "$T/bad" --yes
	mkdir -p "$T/ploop/root.hdd" "$T/empty"
	touch "$T/ploop/root.hdd/DiskDescriptor.xml"
	refused 47 'ploop mount' berth import "$T/ploop" 101 --config "$T/conf" --yes
	refused 47 'no root filesystem' berth import "$T/empty" 101 --config "$T/conf" --yes
	nothing_made
}

# pack NAME: of $T/x, as an archive in $T.
pack() {
	foreign_tar "$T/x" "$T/$1" "${@:2}" .
}

@test "import: hostile archives: links for configs, paths that lead out, YAML that grows" {
	local y
	mkdir -p "$T/x/backup/container" "$T/x/etc/vzdump" "$T/y"
	# A config that is a link, or there twice.
	ln -s /etc/passwd "$T/x/backup/index.yaml"
	pack link.tar
	refused 47 'no regular file' berth import "$T/link.tar" 101 --yes
	rm "$T/x/backup/index.yaml"
	incus_index >"$T/x/backup/index.yaml"
	foreign_tar "$T/x" "$T/twice.tar" ./backup/index.yaml ./backup/index.yaml
	foreign_tar "$T/x" "$T/twice.tar" ./backup/index.yaml
	foreign_tar "$T/x" "$T/more.tar" ./backup/index.yaml
	tar -Af "$T/twice.tar" "$T/more.tar"
	refused 47 'there twice' berth import "$T/twice.tar" 101 --yes
	# Out of the archive, out of the root, through a link in the place of the root.
	echo x >"$T/planted"
	cp -a "$T/root" "$T/x/backup/container/rootfs"
	foreign_tar "$T/x" "$T/up.tar" -P --transform='s,^./etc/vzdump$,../planted,' .
	refused 47 '".."' berth import "$T/up.tar" 101 --yes
	ln "$T/x/backup/index.yaml" "$T/x/backup/container/rootfs/etc/stolen"
	pack hard.tar
	run --separate-stderr -47 berth -q import "$T/hard.tar" 101 --yes
	one_line_error 'out of the root'
	rm "$T/x/backup/container/rootfs/etc/stolen"
	mv "$T/x/backup/container/rootfs" "$T/y"
	ln -s /etc "$T/x/backup/container/rootfs"
	pack rootlink.tar
	refused 47 'no root filesystem' berth import "$T/rootlink.tar" 101 --yes
	rm "$T/x/backup/container/rootfs"
	mv "$T/y/rootfs" "$T/x/backup/container"
	# Cut off.
	pack whole.tar
	head -c 900000 "$T/whole.tar" >"$T/cut.tar"
	run --separate-stderr -47 berth import "$T/cut.tar" 101 --yes
	one_line_error ''
	# YAML: too large, too deep, aliases, documents, tags of objects are text.
	for y in "$(printf 'a: &x [1,1]\nb: [*x,*x]')" "$(printf 'a: 1\n---\nb: 2')" "a: $(printf '[%.0s' {1..100})" \
		"$(printf 'config:\n instance:\n  name: [')" "$(printf '%b' 'a: "\\0b"')" "$(printf 'a%.0s' {1..2000}): 1" \
		"$(printf '? [a]\n: b')"; do
		printf '%s\n' "$y" >"$T/x/backup/index.yaml"
		pack yaml.tar
		refused 85 'YAML' berth import "$T/yaml.tar" 101 --yes
	done
	yes 'a: 1' | head -c 600000 >"$T/x/backup/index.yaml"
	pack yaml.tar
	refused 47 '512 KiB' berth import "$T/yaml.tar" 101 --yes
	nothing_made
	[[ ! -e /planted && ! -e $T/../planted ]] || fail 'a file was planted'
}

@test "import: an id that none of the 65536 of its source is, is refused; everything is undone" {
	mkdir -p "$T/root/etc/vzdump"
	foreign_shift "$T/root" 100000
	chown 5:5 "$T/root/srv/www/index.html"
	pct_conf >"$T/root/etc/vzdump/pct.conf"
	foreign_tar "$T/root" "$T/a.tar" .
	run --separate-stderr -47 berth -q import "$T/a.tar" 101 --yes
	one_line_error 'none of the 65536 ids'
	nothing_made
	chown -R 1000:1000 "$T/root"
	foreign_tar "$T/root" "$T/b.tar" .
	run -0 berth import "$T/b.tar" 101 --plan -j
	equal "$(fate owners)" 'lost|'
}

@test "import: killed or failing at every step of create, it is undone or made again" {
	local step id=101
	openvz_conf | sed '/^IP_ADDRESS/d; /^NETIF/d' >"$T/conf"
	for step in $(berth --dump-steps | sed -n 's,^create/,,p'); do
		BERTH_FAULT="create/$step" run ! berth import "$T/root" "$id" --config "$T/conf" --yes
		nothing_made
	done
	for step in config private root disk owner; do
		BERTH_FAULT="create/$step+!" run ! berth import "$T/root" "$id" --config "$T/conf" --yes
		[[ $step == owner ]] || berth -q import "$T/root" "$id" --config "$T/conf" --yes || fail "$step"
		[[ $step != root ]] || same_root "$id"
		berth -q stop "$id" --fast
		berth -q destroy --yes "$id"
		berth template gc >/dev/null
		nothing_made
	done
}

@test "import: killed at random, the next one makes it; what is left of the first is gone" {
	local n=${BERTH_LONG:+50} KILLED=0
	openvz_conf >"$T/conf"
	while ((KILLED < ${n:-6})); do
		kill_soon 150 import "$T/root" 101 --config "$T/conf" --yes
		berth recover >/dev/null
		[[ -z $(berth list -a -H -o ctid) ]] || berth destroy --yes 101 >/dev/null
	done
	berth -q import "$T/root" 101 --config "$T/conf" --yes
	same_root 101
	berth stop 101 --fast >/dev/null
	berth destroy --yes 101 >/dev/null
	berth template gc >/dev/null
	nothing_made
}
