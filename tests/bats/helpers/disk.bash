# SPDX-License-Identifier: GPL-2.0-or-later
# Disks that a virtual machine boots by itself.

# boot_disk FILE: a raw disk of 1 MiB, whose system is tests/boot-sector.s.
boot_disk() {
	local source=${BATS_TEST_DIRNAME%/bats}/boot-sector.s
	as --32 -o "$BATS_TEST_TMPDIR/boot.o" "$source" &&
		ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$1" "$BATS_TEST_TMPDIR/boot.o" &&
		truncate -s 1M "$1"
}

# console_says ID TEXT [SECONDS]
console_says() {
	within "${3:-20}" grep -aqF -- "$2" "$ROOT/run/berth/$1/console.log" ||
		fail "no \"$2\" on the console: $(tr -d '\0' <"$ROOT/run/berth/$1/console.log" | tail -c 600)"
}

# new_disk_vm ID [OPTION...]: of the template `own`, not started.
new_disk_vm() {
	[[ -e $ROOT/var/lib/berth/template/channels/own ]] || {
		boot_disk "$BATS_TEST_TMPDIR/own.raw" &&
			berth template import "$BATS_TEST_TMPDIR/own.raw" own --format raw >/dev/null
	} || return
	berth create "$1" --kind vm --boot disk --ostemplate own --ram 32M --diskspace 16M "${@:2}" >/dev/null
}

# debian_disk FILE: a raw disk of 2 GiB with a Debian 12 that has its own kernel and boot loader.
debian_disk() {
	local tree=$BATS_TEST_TMPDIR/debian at=$BATS_TEST_TMPDIR/at
	mmdebstrap --quiet --variant=minbase --include=linux-image-cloud-amd64,systemd-sysv,dbus,udev,extlinux \
		bookworm "$tree" || return
	echo debian-disk >"$tree/etc/hostname"
	mkdir "$at" "$tree/boot/extlinux"
	cat >"$tree/boot/extlinux/extlinux.conf" <<-END
		default linux
		label linux
		kernel /$(cd "$tree" && echo boot/vmlinuz-*)
		initrd /$(cd "$tree" && echo boot/initrd.img-*)
		append root=/dev/vda1 rw console=ttyS0
	END
	truncate -s 2G "$1"
	# One active partition of Linux from 1 MiB to the end, behind the loader that starts it.
	python3 - "$tree/usr/lib/EXTLINUX/mbr.bin" "$1" <<-'END' || return
		import struct, sys
		entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", 2048, (2 << 21) - 2048)
		with open(sys.argv[1], "rb") as f, open(sys.argv[2], "r+b") as disk:
		    disk.write(f.read().ljust(446, b"\0")[:446] + entry + bytes(48) + b"\x55\xaa")
	END
	mke2fs -q -t ext4 -O ^64bit,^metadata_csum -E offset=1048576 -d "$tree" "$1" 2047M || return
	# The loader notes which blocks it lies in, so it is put in by the filesystem's own kernel.
	# shellcheck disable=SC2016  # the shell's, there
	host unshare --mount sh -ec 'mount -o loop,offset=1048576 "$1" "$2"
		mount --bind /dev "$2/dev"
		mount -t proc proc "$2/proc"
		chroot "$2" extlinux --install /boot/extlinux' - "$1" "$at" >&2
}
