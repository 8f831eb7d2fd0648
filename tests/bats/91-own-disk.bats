#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines that boot a disk with an operating system of their own. Here that is a boot sector
# (tests/boot-sector.s): it proves firmware, disk, sizes, console and power button in a second.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((${BERTH_LONG:-0} * 600 + 90 * ${BERTH_PATIENCE:-1}))

setup_file() {
	requires root
	command -v qemu-system-x86_64 qemu-img ld >/dev/null || skip 'needs QEMU, qemu-utils and binutils'
}

# type_on ID TEXT: on the console, by a terminal.
type_on() {
	python3 - "$BERTH" "$ROOT" "$@" <<-'END'
		import os, pty, subprocess, sys, time
		berth, root, ve, text = sys.argv[1:]
		master, slave = pty.openpty()
		c = subprocess.Popen([berth, "--root", root, "console", ve], stdin=slave, stdout=slave, stderr=slave)
		time.sleep(0.5)
		os.write(master, text.encode())
		time.sleep(0.3)
		os.write(master, b"\r\x1b.")
		sys.exit(c.wait(10))
	END
}

@test "lifecycle: create, start, console, reboot, growth, power button" {
	new_disk_vm 201 --ipadd 10.5.0.201
	equal "$(berth list -H -o kind,boot 201 | xargs)" 'vm disk'
	equal "$(stat -c %s "$ROOT/var/lib/berth/private/201/disk.img")" 16777216
	start_vm 201
	equal "$(status_of 201)" 'CTID 201 exist mounted running'
	console_says 201 'second sector, 00008000 sectors, ready'
	contains "$(berth logs 201)" 'second sector'
	type_on 201 'hello'
	console_says 201 hello
	host_link 10.5.0.201 >/dev/null

	# Grown live: the firmware has it after the next reset, which makes a new machine. A first try was
	# killed when it had made the file larger.
	truncate -s 32M "$ROOT/var/lib/berth/private/201/disk.img"
	berth set 201 --diskspace 32M --save >/dev/null
	equal "$(<"/sys/dev/block/$(disk_dev 201)/size")" 65536
	refused 154 'only grows' berth set 201 --diskspace 16M --save
	local pid
	pid=$(init_pid 201)
	type_on 201 'r'
	within 20 eval '[[ $(init_pid 201 2>/dev/null) != "$pid" ]]'
	wait_running 201 20
	console_says 201 '00010000 sectors, ready'

	local begin=$SECONDS
	lacks "$(berth stop 201)" Killing
	((SECONDS - begin < 20 * ${BERTH_PATIENCE:-1})) || fail 'the button was not heard'
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
	refused 154 'only grows' berth set 201 --diskspace 16M --save
}

@test "Debian: a disk with its own boot loader and kernel boots to its login (BERTH_LONG=1)" {
	[[ -n ${BERTH_LONG:-} ]] || skip 'BERTH_LONG=1; it makes and boots a distribution'
	debian_disk "$BATS_TEST_TMPDIR/debian.raw"
	berth template import "$BATS_TEST_TMPDIR/debian.raw" debian-disk --format raw >/dev/null
	berth create 201 --kind vm --boot disk --ostemplate debian-disk --ram 512M --diskspace 3G >/dev/null
	start_vm 201
	console_says 201 'debian-disk login:' 240
	contains "$(berth logs 201)" 'Debian GNU/Linux 12'
	lacks "$(berth stop 201)" Killing
}

@test "legacy: the same disk by IDE on the PC of 1996" {
	new_disk_vm 201 --machine pc
	start_vm 201
	console_says 201 '00008000 sectors, ready'
	contains "$(tr '\0' ' ' <"/proc/$(init_pid 201)/cmdline")" 'ide-hd,'
	lacks "$(tr '\0' ' ' <"/proc/$(init_pid 201)/cmdline")" virtio
	refused 1 'a pc keeps' berth set 201 --ram 24M
	lacks "$(berth stop 201)" Killing
}

@test "suspend: it goes on where it was, and so it does by a snapshot of it running" {
	new_disk_vm 201
	start_vm 201
	console_says 201 ready
	berth suspend 201 >/dev/null
	equal "$(status_of 201)" 'CTID 201 exist unmounted down suspended'
	berth resume 201 >/dev/null
	type_on 201 'still'
	console_says 201 still
	lacks "$(berth logs 201)" ready
	berth snapshot 201 --name one >/dev/null
	berth stop 201 --fast >/dev/null
	berth snapshot switch 201 --id one >/dev/null
	type_on 201 'again'
	console_says 201 again
	lacks "$(berth logs 201)" ready
}

@test "announce: a bridge's neighbours learn where a machine is, at its start and when it comes back, with an address" {
	local pid
	host ip link add tb0 type bridge
	host ip link add tw0 type veth peer name tw1
	host sh -c 'ip link set tw0 master tb0; ip link set tb0 up; ip link set tw0 up'
	unshare --net sleep 300 3>&- 4>&- &
	local other=$!
	within 5 sh -c '[ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/self/ns/net)" ]' - $other
	host ip link set tw1 netns $other
	neighbour() { nsenter --target $other --net -- "$@"; }
	neighbour sh -c 'ip link set tw1 up; ip addr add 10.70.0.1/24 dev tw1; ip addr add fd70::1/64 dev tw1 nodad'
	forget() {
		local a
		for a in 10.70.0.{201,202} fd70::{201,202}; do
			neighbour ip neigh replace "$a" dev tw1 lladdr 02:00:00:00:00:99 nud stale
		done
	}
	# known MAC [LAST-PART]
	known() {
		local a
		for a in 10.70.0. fd70::; do
			[[ $(neighbour ip neigh show "$a${2:-201}") == *"lladdr $1 "* ]] || return
		done
	}
	berth network create lan --mode bridged --bridge tb0 --probe no --pool '10.70.0.0/24 fd70::/64'
	new_disk_vm 201 --network lan --ipadd 10.70.0.201 --ipadd fd70::201
	forget
	start_vm 201
	pid=$(init_pid 201)
	local mac
	mac=$(tr '\0' '\n' <"/proc/$pid/cmdline" | sed -n 's/.*,mac=\([0-9a-f:]*\).*/\1/p')
	within 5 known "$mac"
	console_says 201 ready
	berth suspend 201 >/dev/null
	forget
	berth resume 201 >/dev/null
	within 5 known "$mac"
	run ! known "$mac" 202
	berth set 201 --ipadd 10.70.0.202 --ipadd fd70::202 --save
	within 5 known "$mac" 202
	berth stop 201 --fast >/dev/null
	kill $other
	host ip link del tb0
}

@test "jail: its QEMU has no more than that of any other machine" {
	new_disk_vm 201
	start_vm 201
	local pid
	pid=$(init_pid 201)
	equal "$(sed -n 's/^CapBnd:\t//p' "/proc/$pid/status")" 0000000000000000
	equal "$(wc -l <"/proc/$pid/mounts")" 1
	run -1 grep -vE '^(/dev/null|/dev/net/tun|/dev/loop[0-9]+|.*/qemu.log|socket:.*|anon_inode:.*|pipe:.*)$' \
		<(find "/proc/$pid/fd" -printf '%l\n' | grep .)
	check_limit 201 ram $(((160 + 32) * 1048576 + 32 * 1048576 / 128))
	berth set 201 --cpulimit 30 >/dev/null
	check_limit 201 cpulimit 30
}

@test "verbs: what needs a root or an agent is refused, the rest is as ever" {
	new_disk_vm 201
	refused 50 'does not look into' berth mount 201
	refused 133 'no agent' berth start 201 "${VM_START[@]}" --wait=5
	berth set 201 --ram 8M --save >/dev/null
	refused 21 'a VM needs 16M' berth start 201 "${VM_START[@]}"
	berth set 201 --ram 32M --save >/dev/null
	refused 21 'no firmware' berth set 201 --machine microvm --save
	refused 32 'no root of a container' berth set 201 --kind ct --save
	refused 5 'fixed when' berth set 201 --boot kernel --save
	refused 70 'decides that' berth set 201 --hostname other --save
	refused 5 'decides that' berth set 201 --kernel 6.1 --save
	refused 47 'destroy and create' berth reinstall 201
	refused 47 'does not look into' berth template publish 201 pub
	refused 50 'does not look into' berth compact 201
	berth snapshot 201 --id 11111111-1111-1111-1111-111111111111 >/dev/null
	berth clone 201 202 >/dev/null
	cmp "$ROOT/var/lib/berth/private/201/disk.img" "$ROOT/var/lib/berth/private/202/disk.img"
	# It needs no template where it goes.
	berth send 201 >"$BATS_TEST_TMPDIR/stream"
	berth template remove own >/dev/null
	berth receive 203 <"$BATS_TEST_TMPDIR/stream" >/dev/null
	cmp "$ROOT/var/lib/berth/private/201/disk.img" "$ROOT/var/lib/berth/private/203/disk.img"
	start_vm 202
	console_says 202 ready
	refused 8 'berth console 202' berth exec 202 true
	refused 8 'berth console 202' berth enter 202
	refused 8 'no agent' berth set 202 --userpasswd root:x
	refused 70 'decides that' berth set 202 --hostname other
	berth snapshot-switch 201 --id 11111111-1111-1111-1111-111111111111 >/dev/null
	berth stop 202 --fast >/dev/null
	# An upgrade has nothing to say about a system that it does not know.
	cp "$BATS_TEST_TMPDIR/own.raw" "$BATS_TEST_TMPDIR/new.raw"
	printf x | dd of="$BATS_TEST_TMPDIR/new.raw" bs=1 seek=5000 conv=notrunc status=none
	berth template import "$BATS_TEST_TMPDIR/new.raw" own --format raw >/dev/null
	refused 47 'does not look into' berth upgrade 201
}

@test "create: many at once; what does not fit together is refused, and leaves nothing" {
	new_disk_vm 201
	berth template build mini >/dev/null
	refused 47 '--kind vm' berth create 301 --ostemplate own
	refused 47 'is no disk' berth create 301 --kind vm --boot disk --ostemplate mini
	refused 47 '--boot disk' berth create 301 --kind vm --boot kernel --ostemplate own
	refused 20 'decides that' berth create 301 --kind vm --ostemplate own --hostname x
	refused 74 'decides that' berth create 301 --kind vm --ostemplate own --userpasswd root:x
	refused 21 'microvm or q35' berth create 301 --kind vm --ostemplate mini --machine pc
	truncate -s 64M "$BATS_TEST_TMPDIR/own.raw"
	berth template import "$BATS_TEST_TMPDIR/own.raw" big --format raw >/dev/null
	refused 151 'has 64 MiB' berth create 301 --kind vm --ostemplate big --diskspace 32M
	run ! compgen -G "$ROOT/var/lib/berth/private/301"
	run ! compgen -G "$ROOT/etc/berth/conf/301.conf"
	berth create 301 --count 3 --kind vm --ostemplate own --ram 32M --diskspace 16M >/dev/null
	equal "$(berth list -a -H -o ctid,kind,boot | xargs)" '201 vm disk 301 vm disk 302 vm disk 303 vm disk'
}

# converted FORMAT [OPTIONS]: own.raw as another program writes it.
converted() {
	qemu-img convert -f raw -O "${1/vhd/vpc}" ${2:+-o "$2"} "$BATS_TEST_TMPDIR/own.raw" "$BATS_TEST_TMPDIR/own.$1"
}

@test "import: the same disk from every format; what is not what it says is refused" {
	local d=$BATS_TEST_TMPDIR f
	boot_disk "$d/own.raw"
	berth template import "$d/own.raw" raw --format raw >/dev/null
	equal "$(berth -j template show raw | json -r '.content, .arch, .origin, .size' | xargs)" 'disk x86_64 raw 1048576'
	converted qcow2 && converted vmdk && converted vhd force_size
	for f in qcow2 vmdk vhd; do
		berth template import "$d/own.$f" "$f" --format "$f" >/dev/null
		equal "$(berth -j template show "$f" | json -r .digest)" "$(berth -j template show raw | json -r .digest)" "$f"
	done
	berth template verify raw >/dev/null
	berth template export raw "$d/out" >/dev/null
	cmp "$d/own.raw" "$d/out"

	refused 21 'raw, qcow2, vmdk or vhd' berth template import "$d/own.raw" x --format iso
	refused 47 'not what its format says: no header; raw' berth template import "$d/own.raw" x --format qcow2
	refused 47 'not what its format says: qcow2' berth template import "$d/own.qcow2" x --format raw
	refused 47 'not what its format says: vhd' berth template import "$d/own.vhd" x --format vmdk
	refused 47 'a disk is a regular file' berth template import "$d" x --format raw
	refused 47 'at most 0 MiB' berth template import "$d/own.qcow2" x --format qcow2 --max-size 512K
	head -c 65536 /dev/zero >"$d/zero"
	refused 47 'no boot sector' berth template import "$d/zero" x --format raw
	head -c 1000 "$d/own.raw" >"$d/odd"
	refused 47 'whole sectors' berth template import "$d/odd" x --format raw
	cp "$d/own.qcow2" "$d/nonsense"
	printf '\377' | dd of="$d/nonsense" bs=1 seek=23 conv=notrunc status=none
	refused 47 'convert the qcow2 disk' berth template import "$d/nonsense" x --format qcow2

	# Names of other files, whose content would come out in the tenant's disk.
	qemu-img create -q -f qcow2 -b "$d/own.raw" -F raw "$d/backed"
	refused 47 'backing file' berth template import "$d/backed" x --format qcow2
	qemu-img create -q -f qcow2 -o data_file="$d/data" "$d/outside" 1M
	refused 47 'in another file' berth template import "$d/outside" x --format qcow2
	qemu-img create -q -f vmdk -o subformat=monolithicFlat "$d/flat.vmdk" 1M
	refused 47 'in other files' berth template import "$d/flat.vmdk" x --format vmdk
	cp "$d/own.qcow2" "$d/locked"
	printf '\002' | dd of="$d/locked" bs=1 seek=35 conv=notrunc status=none
	refused 47 'encrypted' berth template import "$d/locked" x --format qcow2
	# A vhd whose type says that it has a parent.
	cp "$d/own.vhd" "$d/child"
	printf '\004' | dd of="$d/child" bs=1 seek=63 conv=notrunc status=none
	refused 47 'has a parent' berth template import "$d/child" x --format vhd
	# A vmdk whose text names one; and one that has no extent of its own.
	sed 's/ddb.virtualHWVersion/parentFileNameHint /' "$d/own.vmdk" >"$d/vchild"
	refused 47 'has a parent' berth template import "$d/vchild" x --format vmdk
	cp "$d/own.vmdk" "$d/none"
	dd if=/dev/zero of="$d/none" bs=1 seek=12 count=8 conv=notrunc status=none
	refused 47 'in other files' berth template import "$d/none" x --format vmdk
	run ! compgen -G "$ROOT/var/lib/berth/template/store/build.*"
	run ! compgen -G "$ROOT/var/lib/berth/template/channels/x"
}

@test "import: the converter is nobody, in a root without the host's files, and starts no process" {
	local d=$BATS_TEST_TMPDIR
	boot_disk "$d/own.raw"
	converted qcow2
	# In the place of qemu-img, a script that tells what it sees as its last words.
	run_as_converter() {
		mkdir -p "$d/fake/bin"
		printf '#!/usr/bin/sh\n%s\nexit 1\n' "$1" >"$d/fake/bin/qemu-img"
		chmod 755 "$d/fake" "$d/fake/bin" "$d/fake/bin/qemu-img"
		host unshare --mount sh -c 'mount -t overlay -o "lowerdir=$1:/usr" none /usr && shift && exec "$@"' - \
			"$d/fake" "$BERTH" --root "$ROOT" template import "$d/own.qcow2" x --format qcow2
	}
	refused 47 ': /in /lib /lib64 /out /usr' run_as_converter 'set -- /*; echo "qemu-img: $*" >&2'
	refused 47 'Cannot fork' run_as_converter '(true); echo "qemu-img: forked" >&2'
	refused 47 'ead-only' run_as_converter 'echo x >/in'
	refused 47 'ead-only' run_as_converter 'echo x >/new'
	refused 47 ': 134217728' run_as_converter 'ulimit -f >&2'
	refused 47 'nobody' run_as_converter '[ -O /in ] && [ -O /out ] && ! [ -O /usr ] && echo "qemu-img: nobody" >&2'
}
