#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The template store: immutable versions, checked before use.
# bats file_tags=root

load helpers/load

digest_of() {
	berth template list -j | json -r --arg n "$1" '.[] | select(.name == $n) | .digest'
}

image_of() {
	echo "$ROOT/var/lib/berth/template/store/$(digest_of "$1").erofs"
}

# The images are links to the suite's; a test that damages one needs its own.
own_image() {
	cp --sparse=always "$1" "$1.copy"
	mv -f "$1.copy" "$1"
}

@test "template build mini: takes under two seconds and needs no network" {
	rm -rf "$ROOT/var/lib/berth/template"
	local t=${EPOCHREALTIME/./}
	run -0 unshare --net -- "$BERTH" --root "$ROOT" template build mini
	t=$(((${EPOCHREALTIME/./} - t) / 1000))
	((t < 2000)) || fail "took $t ms"
	[[ -n $(digest_of mini) ]]
	run_ve 101
}

@test "template build: twice gives the same version" {
	rm -rf "$ROOT/var/lib/berth/template"
	berth template build mini >/dev/null
	local first
	first=$(digest_of mini)
	berth template build mini >/dev/null
	equal "$(digest_of mini | sort -u)" "$first"
}

@test "template build: an unknown recipe is refused and nothing is left" {
	run --separate-stderr berth template build no-such-recipe
	[[ $status -ne 0 ]]
	one_line_error no-such-recipe
	equal "$(berth template list -j | json length)" 1
}

@test "template: the image's name is its SHA-256" {
	local d
	d=$(digest_of mini)
	equal "$(sha256sum <"$(image_of mini)" | cut -d' ' -f1)" "$d"
	run -0 berth template show mini
	contains "$output" "$d"
	run -0 berth template show "${d:0:12}"
	contains "$output" "$d"
}

@test "template list: prints a table with the name" {
	run -0 berth template list
	contains "$output" mini
}

@test "template verify: passes on a good image, finds one flipped byte" {
	berth template verify mini
	local image
	image=$(image_of mini)
	own_image "$image"
	chmod u+w "$image"
	printf '\377' | dd of="$image" bs=1 seek=40000 conv=notrunc status=none
	run --separate-stderr berth template verify mini
	[[ $status -ne 0 ]]
	one_line_error "$(digest_of mini | cut -c 1-12)"
}

@test "start: a damaged template is refused, nothing is left" {
	new_ve 101
	local image
	image=$(image_of mini)
	own_image "$image"
	chmod u+w "$image"
	printf '\377' | dd of="$image" bs=1 seek=40000 conv=notrunc status=none
	run --separate-stderr berth start 101
	[[ $status -ne 0 ]]
	one_line_error "$(digest_of mini | cut -c 1-12)"
	equal "$(status_of 101)" 'CTID 101 exist unmounted down'
	leak_check mounts loops cgroups links processes
}

@test "template remove: refused while a VE is on it, with the VE's number" {
	new_ve 101
	run --separate-stderr berth template remove "$(digest_of mini)"
	[[ $status -ne 0 ]]
	one_line_error 101
	berth start 101
	berth stop 101 --fast
	berth destroy 101
	berth template remove "$(digest_of mini)"
	equal "$(berth template list -j | json length)" 0
	run --separate-stderr -91 berth create 102 --ostemplate mini
}

@test "template: a VE keeps its version when the channel moves" {
	new_ve 101
	local old
	old=$(digest_of mini)
	equal "$(conf_value 101 TEMPLATE_VERSION)" "$old"
	berth start 101
	equal "$(conf_value 101 OSTEMPLATE)" mini
}

@test "template: the lower layer cannot be written from inside" {
	run_ve 101
	shell 101 'echo changed >/etc/hostname; rm -f /bin/ls'
	equal "$(sha256sum <"$(image_of mini)" | cut -d' ' -f1)" "$(digest_of mini)"
	new_ve 102
	berth start 102
	inside 102 /bin/ls / >/dev/null
}

@test "template: VEs on one version share one loop device or superblock" {
	run_ve 101
	local before after
	before=$(leak_loops | wc -l)
	run_ve 102
	run_ve 103
	after=$(leak_loops | wc -l)
	((after - before <= 2)) || fail "two more VEs took $((after - before)) loop devices"
}
