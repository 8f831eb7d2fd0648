# SPDX-License-Identifier: GPL-2.0-or-later
# Virtual machines in tests: emulated (TCG), which every host can, of Debian's cloud kernel.

VM_START=(--accel tcg --force)

# vm_deb: the kernel's package, downloaded once into the cache of the second kernel's tests.
vm_deb() {
	local cache=${BERTH_CACHE:-${BATS_TEST_DIRNAME%/bats}/vmtest/cache} name
	name=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		awk '/Depends: linux-image-/ { print $2; exit }')
	[[ -n $name ]] || return 1
	mkdir -p "$cache/deb"
	(
		flock 9
		cd "$cache/deb" || exit
		compgen -G "$name"_'*.deb' >/dev/null ||
			apt-get -qq -o APT::Sandbox::User=root download "$name" >/dev/null 2>&1 || exit
		realpath "$name"_*.deb
	) 9>"$cache/deb/.lock"
}

vm_possible() {
	command -v qemu-system-x86_64 >/dev/null && vm_deb >/dev/null
}

# Once per file: import a kernel, for the tests to link.
vm_setup_file() {
	requires root vm
	export VM_SEED=$BATS_FILE_TMPDIR/seed VM_DEB
	VM_DEB=$(vm_deb)
	mkdir -p "$VM_SEED"
	ROOT=$VM_SEED berth kernel import "$VM_DEB" >/dev/null
}

vm_setup() {
	common_setup
	[[ -z ${VM_SEED:-} ]] || cp -al "$VM_SEED/var/lib/berth/kernel" "$ROOT/var/lib/berth/"
}

# new_vm ID [OPTION...]: made, not started. run_vm: running.
new_vm() {
	new_ve "$1" --kind vm --ram 160M "${@:2}"
}

start_vm() {
	berth start "$1" "${VM_START[@]}" "${@:2}" >/dev/null
}

run_vm() {
	new_vm "$@"
	start_vm "$1"
}
