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
