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
	((t < 2000 * ${BERTH_PATIENCE:-1})) || fail "took $t ms"
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

# Whether the page of a file that another VE has read is in memory is seen from how long reading takes.
@test "template-cache: private is a device and a filesystem of its own, as long as the VE runs" {
	run_ve 101
	run_ve 102
	local shared
	shared=$(leak_loops | grep -c erofs)
	run_ve 103 --template-cache private
	run_ve 104 --template-cache private
	equal "$(leak_loops | grep -c erofs)" $((shared + 2)) 'devices of the template'
	berth set 102 --template-cache private --save
	berth restart 102
	equal "$(leak_loops | grep -c erofs)" $((shared + 3)) 'devices of the template'
	refused 21 'shared or private' berth set 102 --template-cache own --save
	berth set 102 --template-cache shared --save
	berth stop 102 103 104 --fast
	back() { [[ $(leak_loops | grep -c erofs) -eq $shared ]]; }
	within 10 back
}

# other_version NAME: a second, tiny version in a channel.
other_version() {
	mkdir -p "$BATS_TEST_TMPDIR/$1/etc"
	echo "$1" >"$BATS_TEST_TMPDIR/$1/etc/file"
	head -c 10000 /dev/urandom >"$BATS_TEST_TMPDIR/$1/etc/large"
	berth template import "$BATS_TEST_TMPDIR/$1" "${2:-$1}" >/dev/null
}

@test "template verify: names the first file that is damaged, in a block or behind an inode" {
	other_version other
	local image list offset
	image=$(image_of other)
	list=${image%.erofs}.files
	cp "$image" "$BATS_TEST_TMPDIR/good"
	offset=$(awk '$9 == "etc/large" { print $7 * 4096 + 5000 }' "$list")
	chmod u+w "$image"
	printf 'xx' | dd of="$image" bs=1 seek="$offset" conv=notrunc status=none
	refused 47 'etc/large is damaged' berth template verify other
	cat "$BATS_TEST_TMPDIR/good" >"$image"
	offset=$(awk '$9 == "etc/file" { print $8 }' "$list")
	printf 'X' | dd of="$image" bs=1 seek="$offset" conv=notrunc status=none
	refused 47 'etc/file is damaged' berth template verify other
	cat "$BATS_TEST_TMPDIR/good" >"$image"
	printf 'X' | dd of="$image" bs=1 seek=1100 conv=notrunc status=none
	refused 47 'outside the content of files' berth template verify other
	cat "$BATS_TEST_TMPDIR/good" >"$image"
	berth template verify other >/dev/null
	sed -i 's/ etc\/file$/ etc\/elif/' "$list"
	refused 47 'list of files has digest' berth template verify other
}

@test "template show: a channel has a history, and goes back" {
	other_version one web
	local first second
	first=$(berth template show web -j | json -r .digest)
	other_version two web
	second=$(berth template show web -j | json -r .digest)
	[[ $first != "$second" ]]
	berth template tag "$first" web
	berth template tag "$first" web
	run -0 berth template show web -j
	equal "$(json -r '[.history[].digest] | join(" ")' <<<"$output")" "$first $second $first"
	equal "$(json '[.history[].since] | all(. > 1000000000)' <<<"$output")" true
	equal "$(json -r .digest <<<"$output")" "$first"
	run -0 berth template show web
	contains "$output" 'history:      '"${first:0:12}"' since 20'
	berth template show "$first" -j | json 'has("history") | not'
}

@test "template list: counts the VEs on a version and names its channels" {
	new_ve 101
	new_ve 102
	berth template tag mini stable
	run -0 berth template list -j
	equal "$(json '.[0].ves' <<<"$output")" 2
	equal "$(json -r '.[0].channels | sort | join(" ")' <<<"$output")" 'mini stable'
	contains "$(berth template list)" VES
}

@test "template gc: removes what no channel, VE or snapshot needs, and nothing else" {
	local old kept
	new_ve 101
	old=$(digest_of mini)
	other_version one mini
	kept=$(berth template show mini -j | json -r .digest)
	other_version two mini
	run -0 berth template gc --dry-run -j
	equal "$(json -r '[.[].digest] | join(" ")' <<<"$output")" "$kept"
	berth template gc --keep 1 >/dev/null
	berth template verify "$kept" >/dev/null
	berth template gc >/dev/null
	run ! berth template show "$kept"
	equal "$(find "$ROOT/var/lib/berth/template/store" -name "$kept*")" ''
	berth template verify "$old" mini >/dev/null
	berth start 101 >/dev/null
	berth stop 101 --fast >/dev/null
	berth destroy 101 >/dev/null
	berth template gc >/dev/null
	run ! berth template show "$old"
	equal "$(berth template gc -j | json length)" 0
}

@test "template gc: takes what a killed import or removal has left" {
	local one two store=$ROOT/var/lib/berth/template/store
	new_ve 101
	other_version one
	one=$(digest_of one)
	other_version two
	two=$(digest_of two)
	berth template remove one two >/dev/null
	# The image is there before its manifest is, and leaves after it. That of a VE stays.
	rm "$store/$one.json" "$store/$(conf_value 101 TEMPLATE_VERSION).json"
	rm "$store/$two.json" "$store/$two.erofs"
	run -0 berth template gc -j
	equal "$(json -r '[.[].digest] | sort | join(" ")' <<<"$output")" "$(printf '%s\n' "$one" "$two" | sort | xargs)"
	equal "$(find "$store" -name "$one*" -o -name "$two*")" ''
	[[ -e $store/$(conf_value 101 TEMPLATE_VERSION).erofs ]]
}

@test "template gc: what a VE may need stays when its notes cannot be read" {
	local spare own=$ROOT/var/lib/berth/private/101 note
	new_ve 101
	other_version one mini
	spare=$(berth template show mini -j | json -r .digest)
	other_version two mini
	for note in "$own/reinstall" "$own/upgrade.json" "$own/snapshots/00000000-0000-4000-8000-000000000001/info.json"; do
		mkdir -p "$note"
		berth template gc >/dev/null
		berth template verify "$spare" >/dev/null || fail "${note##*/}: gc took it"
		run --separate-stderr berth template remove "$spare"
		equal "$status" 3
		one_line_error 'VE 101'
		rmdir "$note"
	done
	rmdir "$own"/snapshots/*
	berth template gc >/dev/null
	run ! berth template show "$spare"
}

has_open() {
	readlink "/proc/$1/fd/"* 2>/dev/null | grep -qxF "$2"
}

@test "template gc: leaves a version that a command has chosen and not yet written down" {
	local disk=$ROOT/var/lib/berth/private/101/disk.img chosen holder pid
	new_ve 101
	other_version one mini
	chosen=$(berth template show mini -j | json -r .digest)
	other_version two mini
	# Whoever has the disk is waited for, with the version found already.
	flock --no-fork "$disk" sleep 60 3>&- &
	holder=$!
	within 2 has_open "$holder" "$disk"
	(exec nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" reinstall 101 \
		--ostemplate "$chosen" >/dev/null 3>&- 4>&-) &
	pid=$!
	within 4 has_open "$pid" "$disk"
	berth template gc >/dev/null
	run --separate-stderr berth template remove "$chosen"
	kill "$holder"
	equal "$status" 9
	one_line_error 'about to'
	wait "$pid"
	equal "$(conf_value 101 TEMPLATE_VERSION)" "$chosen"
	berth template verify "$chosen" >/dev/null
}

@test "template export: the file is the image; it never replaces anything; a damaged one stays in" {
	other_version other
	local to=$BATS_TEST_TMPDIR/out.erofs
	berth template export other "$to" >/dev/null
	equal "$(sha256sum <"$to" | cut -d' ' -f1)" "$(digest_of other)"
	equal "$(json -r .digest <"$to.json")" "$(digest_of other)"
	fsck.erofs "$to"
	refused 3 'File exists' berth template export other "$to"
	rm "$to"
	refused 3 'File exists' berth template export other "$to"
	[[ ! -e $to ]]
	chmod u+w "$(image_of other)"
	printf 'X' | dd of="$(image_of other)" bs=1 seek=5000 conv=notrunc status=none
	refused 47 digest berth template export other "$to.2"
	[[ ! -e $to.2 && ! -e $to.2.json ]]
}

recipe() {
	mkdir -p "$ROOT/etc/berth/recipes"
	cat >"$ROOT/etc/berth/recipes/$1.recipe"
}

@test "template build: a recipe of one's own stands on one of ours; the same again is the same" {
	local hook=$BATS_TEST_TMPDIR/hook first
	printf '#!/bin/sh\nset -e\necho patched >"$1/etc/patched"\nrm "$1/etc/profile"\n' >"$hook"
	chmod 755 "$hook"
	recipe web <<<"BASE=\"mini\"
HOOK=\"$hook\""
	berth template build web >/dev/null
	first=$(berth template show web -j | json -r .digest)
	sleep 1.1
	berth template build web --name again >/dev/null
	equal "$(berth template show again -j | json -r .digest)" "$first"
	[[ $first != "$(digest_of mini)" ]]
	berth create 101 --ostemplate web >/dev/null
	berth start 101 >/dev/null
	equal "$(inside 101 /bin/cat /etc/patched)" patched
	run ! inside 101 /bin/ls /etc/profile
	rm -r "$ROOT/etc/berth/recipes"
}

@test "template build: bad recipes and failing hooks are one line each, and leave nothing" {
	local hook=$BATS_TEST_TMPDIR/hook
	printf '#!/bin/sh\necho no luck >&2\nexit 3\n' >"$hook"
	chmod 755 "$hook"
	recipe a <<<"BASE=\"mini\"
HOOK=\"$hook\""
	refused 79 'no luck' berth template build a
	chmod 757 "$hook"
	refused 21 'only root can write' berth template build a
	recipe a <<<'BASE="mini"
HOOK="hook"'
	refused 21 'not an absolute path' berth template build a
	recipe a <<<'BASE="nothing"'
	refused 21 'is no recipe' berth template build a
	recipe a <<<'BASE="mini"
PACKAGES="curl"'
	refused 21 'has no packages' berth template build a
	recipe a <<<'BASE="debian-12"
PACKAGES="--option"'
	refused 21 'no list of names' berth template build a
	recipe a <<<'BASE="debian-12"
PACKAGE="curl"'
	refused 21 'line 2 makes no sense' berth template build a
	equal "$(berth template list -j | json length)" 1
	equal "$(find "$ROOT/var/lib/berth/template/store" -name 'build.*')" ''
	rm -r "$ROOT/etc/berth/recipes"
}

@test "template build: Debian 12 twice from one mirror gives the same version" {
	[[ -n ${BERTH_LONG:-} ]] || skip 'needs a package mirror and minutes: BERTH_LONG=1'
	# The mirror is not to be seen from the network that plays the host.
	local name
	for name in one two; do
		"$BERTH" --root "$ROOT" template build debian-12 --name "$name" >/dev/null
	done
	equal "$(berth template show one -j | json -r .digest)" "$(berth template show two -j | json -r .digest)"
	fsck.erofs "$(image_of one)"
}
