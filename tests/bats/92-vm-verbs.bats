#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Virtual machines and the verbs that work on many VEs, or make one of another; what cannot be one.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((90 * ${BERTH_PATIENCE:-1}))

setup_file() {
	vm_setup_file
}

setup() {
	vm_setup
}

@test "many: made and started by one command where the host's administrator has said how" {
	mkdir -p "$ROOT/etc/berth"
	echo 'VM_ACCEL="tcg"' >"$ROOT/etc/berth/berth.conf"
	berth template build mini >/dev/null
	berth create 301 --count 2 --start --kind vm --ostemplate mini --ram 128M --name 'm{n}' >/dev/null
	equal "$(berth list -H -o ctid,kind,name,status | xargs)" '301 vm m1 running 302 vm m2 running'
	contains "$(inside 302 /bin/uname -r)" cloud
	berth stop 301-302 --fast >/dev/null
	echo 'VM_ACCEL="maybe"' >"$ROOT/etc/berth/berth.conf"
	refused 85 'berth.conf: line 1' berth list -a
	rm "$ROOT/etc/berth/berth.conf"
}

@test "clone, upgrade: of a stopped machine, which starts as another and on the other version" {
	new_vm 201 --hostname one
	local old new
	start_vm 201
	shell 201 'echo kept >/root/mark; echo id-of-one >/etc/machine-id; sync'
	refused 32 'stop it first' berth clone 201 202
	berth stop 201 --fast >/dev/null
	berth clone 201 202 >/dev/null
	start_vm 202
	equal "$(inside 202 /bin/cat /root/mark)" kept
	lacks "$(inside 202 /bin/cat /etc/machine-id)" id-of-one
	lacks "$(inside 202 /bin/hostname)" one
	berth stop 202 --fast >/dev/null

	old=$(conf_value 202 TEMPLATE_VERSION)
	other_version
	berth upgrade 202 >/dev/null
	new=$(conf_value 202 TEMPLATE_VERSION)
	[[ $new != "$old" ]] || fail 'still on the old version'
	start_vm 202
	equal "$(inside 202 /bin/cat /etc/version-two)" two
	equal "$(inside 202 /bin/cat /root/mark)" kept
}

# Another version in the channel mini.
other_version() {
	local d=$BATS_TEST_TMPDIR/two
	mkdir "$d"
	new_ve 299
	berth mount 299 >/dev/null
	host cp -a "$ROOT/var/lib/berth/root/299/." "$d"
	berth umount 299 >/dev/null
	berth destroy 299 --yes >/dev/null
	echo two >"$d/etc/version-two"
	berth template import "$d" mini >/dev/null
}

@test "reinstall: of a machine, killed between its two renames, which boots the fresh root" {
	new_vm 201
	berth mount 201
	echo data >"$BATS_TEST_TMPDIR/data"
	host cp "$BATS_TEST_TMPDIR/data" "$ROOT/var/lib/berth/root/201/srv-data"
	berth umount 201
	BERTH_FAULT='reinstall/exchange!' run berth reinstall 201
	[[ $status -ne 0 ]] || fail survived
	start_vm 201
	equal "$(shell 201 'cat /old/srv-data; ls /srv-data 2>/dev/null')" data
	berth stop 201 --fast >/dev/null
}

@test "start: a machine that takes half a minute to boot is waited for (BERTH_LONG=1)" {
	[[ -n ${BERTH_LONG:-} ]] || skip 'BERTH_LONG=1; it takes half a minute'
	new_vm 201 --cpulimit 8
	local start=$SECONDS
	start_vm 201
	((SECONDS - start > 22)) || skip 'this host is too fast for it'
	equal "$(berth exec 201 echo on)" on
}

@test "bad input: no KVM and no permission to emulate, another architecture, a driver that is missing" {
	new_vm 201
	local d=$BATS_TEST_TMPDIR/deb version manifest
	# A host without the device.
	without_kvm() {
		host unshare --mount sh -c 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && exec "$@"' - "$BERTH" --root "$ROOT" "$@"
	}
	refused 5 'has no /dev/kvm; --accel tcg --force' without_kvm start 201
	refused 5 'no boundary' berth start 201 --accel tcg

	manifest=("$ROOT"/var/lib/berth/template/store/*.json)
	sed -i 's/"x86_64"/"aarch64"/' "${manifest[0]}"
	refused 47 'is for aarch64' berth start 201 "${VM_START[@]}"
	sed -i 's/"aarch64"/"x86_64"/' "${manifest[0]}"

	dpkg-deb --extract "$VM_DEB" "$d"
	version=$(basename "$d"/lib/modules/*)
	find "$d/lib/modules" -name 'virtio_blk.ko*' -delete
	refused 21 virtio_blk berth kernel import "$d/boot/vmlinuz-$version" "$d/lib/modules/$version"
	refused 21 'not a kernel for x86' berth kernel import "$d/boot/config-$version" "$d/lib/modules/$version"
	equal "$(status_of 201)" 'CTID 201 exist unmounted down'
}
