#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# cp: files into and out of containers and virtual machines, and what a tenant can put in its way.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((120 * ${BERTH_PATIENCE:-1}))

setup_file() {
	! vm_possible || vm_setup_file
}

setup() {
	vm_setup
	HERE=$BATS_TEST_TMPDIR/here
	mkdir "$HERE"
	cd "$HERE" || return
}

# make_tree DIR: what a copy has to keep, and a hole.
make_tree() {
	mkdir -p "$1/sub/deep" "$1/empty"
	echo one >"$1/one"
	printf 'two\n' >"$1/sub/a b"
	echo run >"$1/sub/deep/run"
	chmod 640 "$1/one"
	chmod 755 "$1/sub/deep/run"
	chmod 700 "$1/empty"
	ln -s 'sub/a b' "$1/link"
	ln -s ../one "$1/sub/up"
	truncate -s 3M "$1/hole"
	echo end >>"$1/hole"
	: >"$1/nothing"
}

# listed DIR: every name with type, mode, size of a file, target of a link.
listed() {
	(cd "$1" && find . -mindepth 1 \( -type f -printf '%P f %m %s\n' -o -type l -printf '%P l %l\n' -o -printf '%P %y %m\n' \) |
		sort)
}

# host (helpers/common.bash) begins in / of the host's mounts.
berth() {
	host env --chdir="${HERE:-/}" "$BERTH" --root "$ROOT" "$@"
}

both_ways() {
	local id=$1 big=$2
	make_tree tree
	# Into a directory that is there, by its name; then as another name, which is not there.
	berth cp -r tree "$id:/root"
	equal "$(shell "$id" 'cat /root/tree/one /root/tree/link /root/tree/sub/up; stat -c "%u:%g %a" /root/tree/one')" \
		$'one\ntwo\none\n0:0 640'
	berth cp -r "$id:/root/tree" back
	equal "$(listed back)" "$(listed tree)"
	diff -r tree back
	equal "$(stat -c %u:%g back/one)" 0:0
	berth cp -r "$id:/root/tree" back
	diff -r tree back/tree
	# Its content alone.
	mkdir into
	berth cp -r "$id:/root/tree/." into/
	diff -r tree into

	# One file: over one that is there, with its mode; into a directory; as a stream; of /proc.
	echo new >file
	chmod 604 file
	berth cp file "$id:/root/tree/one"
	equal "$(shell "$id" 'cat /root/tree/one; stat -c %a /root/tree/one')" $'new\n604'
	berth cp file "$id:/root/"
	equal "$(shell "$id" 'cat /root/file')" new
	equal "$(berth cp "$id:root/file" -)" new
	echo typed | berth cp - "$id:/root/typed"
	equal "$(shell "$id" 'cat /root/typed; stat -c "%u %a" /root/typed')" $'typed\n0 644'
	contains "$(berth cp "$id:/proc/version" -)" Linux
	# Modes come from the source and not from who copies.
	chmod 666 file
	(
		umask 077
		berth cp file "$id:/root/open"
		berth cp "$id:/root/open" open
		echo typed | berth cp - "$id:/root/typed"
	)
	equal "$(shell "$id" 'stat -c %a /root/open /root/typed')$(stat -c %a open)" $'666\n644666'
	# A link has a time of its own.
	touch -h -d @1000000000 tree/link
	berth cp -a tree "$id:/root/times"
	berth cp -a "$id:/root/times" times
	equal "$(shell "$id" 'stat -c %Y /root/times/link')/$(stat -c %Y times/link)" 1000000000/1000000000
	berth cp --owner 12:34 file "$id:/root/owned"
	equal "$(shell "$id" 'stat -c %u:%g /root/owned')" 12:34

	# What is large comes back as it was, and is told as JSON.
	head -c "$big" /dev/urandom >large
	equal "$(berth -j cp large "$id:/root/large" | jq -c '[.files, .directories, .links, .left_out, .bytes]')" \
		"[1,0,0,0,$big]"
	berth cp "$id:/root/large" large.back
	cmp large large.back
	equal "$(berth -j cp -r "$id:/root/tree" counted | jq -c '[.files, .directories, .links]')" '[5,4,2]'

	refused 3 '-r takes it' berth cp "$id:/root/tree" x
	refused 3 'inside: copy /no/such' berth cp "$id:/no/such" x
	refused 3 'no such directory' berth cp file "$id:/no/such/"
	refused 3 'inside: copy to /no/such' berth cp file "$id:/no/such/file"
	refused 3 'no directory' berth cp -r tree "$id:/root/file"
	refused 3 'no regular file' berth cp file "$id:/dev/null"
	refused 3 'does not go to standard output' berth cp -r "$id:/root/tree" -
	[[ ! -e x ]]
	equal "$(shell "$id" 'find /root -name ".berth-cp*"')" ''
}

begun() {
	[[ -n $(shell "$1" 'ls -A /root | grep "^\.berth-cp"') ]]
}

none_begun() {
	! begun "$1"
}

# given_up ID: a signal to all processes of the copy, as a terminal sends it; nothing of it stays inside.
given_up() {
	local status=0
	timeout -s INT 100 nsenter --target "$HOST_PID" --net --mount -- "$BERTH" --root "$ROOT" cp - "$1:/root/cut" \
		< <(head -c 200000 /dev/zero; exec sleep 100) 3>&- 4>&- &
	within 40 begun "$1"
	kill -INT $!
	wait $! || status=$?
	equal "$status" 130
	within 10 none_begun "$1"
}

@test "cp: both ways, modes, links, holes, streams; a container" {
	run_ve 101
	both_ways 101 20000000
	given_up 101
}

@test "cp: both ways, modes, links, holes, streams; a virtual machine" {
	[[ -n ${VM_SEED:-} ]] || skip 'needs QEMU and a kernel'
	run_vm 201
	both_ways 201 3000000
	given_up 201
}

@test "cp: what a tenant has made leads nowhere on the host, and leaves nothing behind" {
	run_ve 101
	echo kept >victim
	shell 101 "mkdir -p /root/t/d; ln -s $HERE /root/t/out; ln -s ../../victim /root/t/d/up; ln -s d /root/t/in
		mkfifo /root/t/fifo; echo x >/root/t/d/f; chmod 4755 /root/t/d/f"
	run -0 --separate-stderr berth cp -r 101:/root/t copy
	contains "$stderr" '3 left out'
	equal "$(cd copy && find . | sort | xargs)" '. ./d ./d/f ./in'
	equal "$(stat -c '%u %a' copy/d/f)" '0 755'
	# A later copy does not go through a link that an earlier one has brought.
	shell 101 'rm /root/t/in; mkdir /root/t/in; echo evil >/root/t/in/f'
	refused 3 'no directory' berth cp -r 101:/root/t/. copy
	equal "$(cat copy/d/f victim)" $'x\nkept'
	# Sums and sizes have an end, and what was begun is taken back.
	shell 101 'truncate -s 900G /root/sparse; head -c 3000000 /dev/zero >/root/zeros'
	refused 3 '--max-size' berth cp 101:/root/sparse s
	refused 3 '--max-size' berth cp --max-size 1M 101:/root/zeros s
	refused 3 '--max-size' berth cp --max-size 1M 101:/root/sparse -
	equal "$(find . -name '.berth-cp*' -o -name s)" ''
}

@test "cp: refused when nothing runs, when it is paused, and when the words do not fit" {
	new_ve 101
	echo x >f
	refused 31 'not running' berth cp f 101:/f
	berth start 101 >/dev/null
	berth pause 101 >/dev/null
	refused 31 'unpause' berth cp f 101:/f
	berth unpause 101 >/dev/null
	refused 21 'two VEs' berth cp 101:/f 101:/g
	refused 21 'want ID:PATH' berth cp f g
	refused 21 'UID or UID:GID' berth cp --owner me f 101:/f
	refused 27 'too few' berth cp f
	run -0 berth cp ./f 101:
	equal "$(shell 101 'cat /f')" x
	# A source that does not end in time.
	refused 3 'not done in time' berth cp --timeout 1 - 101:/g < <(sleep 20)
	run shell 101 'find / -xdev -name g -o -xdev -name ".berth-cp.*"'
	equal "$output" ''
}
