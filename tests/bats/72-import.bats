#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Templates from elsewhere: archives, OCI image layouts, directories, VEs.
# bats file_tags=root

load helpers/load

export BATS_TEST_TIMEOUT=$((${BERTH_LONG:-0} * 600 + 60 * ${BERTH_PATIENCE:-1}))

ARCHIVES=$BATS_TEST_DIRNAME/../archives.py

version_of() {
	berth template show "$1" -j | json -r .digest
}

# shellcheck disable=SC2153
store() {
	echo "$ROOT/var/lib/berth/template/store"
}

no_scratch() {
	equal "$(find "$(store)" -maxdepth 1 -name 'build.*')" '' 'scratch directories'
}

# A root of a tool that is not ours: static busybox and links, in $BATS_TEST_TMPDIR/root.
make_root() {
	local root=$BATS_TEST_TMPDIR/root b=/bin/busybox applet
	mkdir -p "$root"/{bin,sbin,etc/init.d,dev,proc,sys,tmp,run,root,usr/share}
	cp "$b" "$root/bin/busybox"
	for applet in $("$root/bin/busybox" --list); do
		[[ -e $root/bin/$applet ]] || ln -s busybox "$root/bin/$applet"
	done
	ln -s ../bin/busybox "$root/sbin/init"
	echo '::sysinit:/bin/touch /run/ready' >"$root/etc/inittab"
	printf 'ID=other\nVERSION_ID="3.1"\n' >"$root/etc/os-release"
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
	chmod 1777 "$root/tmp"
	chmod 4711 "$root/bin/busybox"
	setcap cap_net_raw+ep "$root/bin/busybox"
	ln "$root/etc/passwd" "$root/etc/passwd.second"
	mkfifo -m 600 "$root/run/fifo"
	chown 33:1000 "$root/usr/share"
	truncate -s 3M "$root/usr/share/hole"
	head -c 100000 /dev/urandom >"$root/usr/share/noise"
	touch -d '2001-02-03 04:05:06.789' "$root/etc/inittab"
	touch -d '1960-01-01' "$root/etc/passwd"
	mknod -m 666 "$root/dev/null" c 1 3
}

pack_root() {
	tar -C "$BATS_TEST_TMPDIR/root" --xattrs --xattrs-include='*' --format=pax -cf "$BATS_TEST_TMPDIR/root.tar" .
}

# What find says of every file below a directory, devices aside.
facts() (
	cd "$1" || exit
	find . ! -type c \( -type d -printf '%p d %m %U %G %T@\n' -o -printf '%p %y %m %U %G %s %T@ %n %l\n' \) | sort
	find . -type f ! -name passwd.second -exec sha256sum {} + | sort
	getcap bin/busybox
)

# mounted NAME CMD...: with the version's image at /mnt, seen by the command only.
mounted() {
	local image
	image=$(store)/$(version_of "$1").erofs
	shift
	host unshare --mount bash -c 'mount -o loop,ro "$0" /mnt && shift 0 && "$@"; r=$?; umount /mnt; exit $r' "$image" "$@"
}

boots() {
	berth create "$1" --ostemplate "$2" >/dev/null
	berth start "$1" --wait >/dev/null
	within 10 inside "$1" /bin/busybox test -e /run/ready
}

@test "import: a tarball becomes an image with the same files, owners, modes, times, capabilities" {
	make_root
	pack_root
	run -0 berth template import "$BATS_TEST_TMPDIR/root.tar" other
	fsck.erofs "$(store)/$(version_of other).erofs"
	export -f facts
	facts "$BATS_TEST_TMPDIR/root" >"$BATS_TEST_TMPDIR/want"
	mounted other bash -c 'facts /mnt' >"$BATS_TEST_TMPDIR/got"
	diff "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/got"
	mounted other test ! -e /mnt/dev/null
	no_scratch
}

@test "import: gzip, xz, zstd and the directory itself give the version that tar gives" {
	make_root
	rm "$BATS_TEST_TMPDIR/root/dev/null"
	pack_root
	local kind first
	berth template import "$BATS_TEST_TMPDIR/root.tar" other >/dev/null
	first=$(version_of other)
	for kind in gzip xz zstd; do
		"$kind" -q -c "$BATS_TEST_TMPDIR/root.tar" >"$BATS_TEST_TMPDIR/packed"
		berth template import "$BATS_TEST_TMPDIR/packed" "by-$kind" >/dev/null
		equal "$(version_of "by-$kind")" "$first" "$kind"
	done
	berth template import "$BATS_TEST_TMPDIR/root" dir >/dev/null
	export -f facts
	equal "$(mounted dir bash -c 'facts /mnt')" "$(mounted other bash -c 'facts /mnt')"
	berth template import "$BATS_TEST_TMPDIR/root" again >/dev/null
	equal "$(version_of dir)" "$(version_of again)"
}

@test "import: the manifest says distribution, init, architecture, origin and packages" {
	make_root
	mkdir -p "$BATS_TEST_TMPDIR/root/var/lib/dpkg"
	printf 'Package: b\nStatus: install ok installed\nVersion: 1:2.0-1\nArchitecture: all\n\n%s\n' \
		"$(printf 'Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n')" \
		>"$BATS_TEST_TMPDIR/root/var/lib/dpkg/status"
	pack_root
	berth template import "$BATS_TEST_TMPDIR/root.tar" other >/dev/null
	run -0 berth template show other -j
	equal "$(json -r '[.name, .distribution, .init, .arch, .origin, .packages] | join(" ")' <<<"$output")" \
		"other other-3.1 busybox $(uname -m) tar 2"
	equal "$(cat "$(store)/$(version_of other).packages")" $'a 1 amd64\nb 1:2.0-1 all'
}

@test "import: a tarball of another tool boots to its init's ready state" {
	make_root
	pack_root
	berth template import "$BATS_TEST_TMPDIR/root.tar" other >/dev/null
	boots 101 other
	equal "$(inside 101 /bin/stat -c '%a %u' /bin/busybox)" '4711 0'
}

@test "import: an OCI layout boots; layers, whiteouts and opaque directories are applied" {
	make_root
	local d=$BATS_TEST_TMPDIR
	mkdir -p "$d/root/data/old" "$d/two/data" "$d/two/etc" "$d/two/keep"
	echo below >"$d/root/data/old/file"
	echo below >"$d/root/data/gone"
	mkdir -p "$d/root/keep"
	echo below >"$d/root/keep/file"
	echo below >"$d/root/removed"
	pack_root
	touch "$d/two/data/.wh..wh..opq" "$d/two/.wh.removed" "$d/two/.wh.never"
	echo above >"$d/two/data/new"
	echo above >"$d/two/keep/more"
	echo above >"$d/two/etc/layer"
	tar -C "$d/two" -czf "$d/two.tar.gz" .
	"$ARCHIVES" oci "$d/oci" "$d/root.tar" "$d/two.tar.gz"
	berth template import "$d/oci" web >/dev/null
	boots 101 web
	equal "$(inside 101 /bin/ls /data)" new
	equal "$(inside 101 /bin/ls /keep)" $'file\nmore'
	equal "$(inside 101 /bin/cat /etc/layer)" above
	run ! inside 101 /bin/ls /removed
	equal "$(inside 101 /bin/find / -xdev -name '.wh.*')" ''
	equal "$(berth template show web -j | json -r .origin)" oci
	[[ ! -e /tmp/planted ]] || fail 'an entry point of the image was run'
}

@test "import: OCI: a blob that is not what its digest says, is cut, or missing is refused" {
	local d=$BATS_TEST_TMPDIR b
	mkdir "$d/root"
	echo x >"$d/root/x"
	pack_root
	"$ARCHIVES" oci "$d/oci" "$d/root.tar"
	for b in "$d"/oci/blobs/sha256/*; do
		cp -a "$d/oci" "$d/bad"
		printf 'y' | dd of="$d/bad/blobs/sha256/${b##*/}" bs=1 seek=1 conv=notrunc status=none
		run --separate-stderr berth template import "$d/bad" web
		if ((status)); then
			equal "$status" 47
			one_line_error 'digest'
		else
			# The other architecture's documents are nobody's business, but hashed if read.
			equal "$(berth template show web -j | json -r .arch)" "$(uname -m)"
		fi
		rm -rf "$d/bad"
	done
	cp -a "$d/oci" "$d/bad"
	find "$d/bad/blobs" -type f -exec truncate -s -1 {} +
	refused 47 'another size' berth template import "$d/bad" web2
	find "$d/bad/blobs" -type f -delete
	refused 47 'No such file' berth template import "$d/bad" web2
	refused 47 'none for' berth template import "$d/oci" web2 --ref nothing
	berth template import "$d/oci" web2 --ref latest >/dev/null
	ln -s /etc "$d/evil"
	cp -a "$d/oci" "$d/links"
	rm -rf "$d/links/blobs"
	ln -s ../../../../../../etc "$d/links/blobs"
	refused 47 'open blobs' berth template import "$d/links" web3
	no_scratch
}

@test "import: OCI: indexes that name each other without end are read once, and not many of them" {
	local d=$BATS_TEST_TMPDIR begin=$SECONDS
	mkdir "$d/root"
	echo x >"$d/root/x"
	pack_root
	"$ARCHIVES" oci "$d/oci" "$d/root.tar"
	cp -a "$d/oci" "$d/wide"
	"$ARCHIVES" fan "$d/oci" 3 1
	run -0 timeout 60 "$BERTH" --root "$ROOT" template import "$d/oci" web --ref latest
	"$ARCHIVES" fan "$d/wide" 1 100
	refused 47 'more than 64 indexes' timeout 60 "$BERTH" --root "$ROOT" template import "$d/wide" web2
	((SECONDS - begin < 60)) || fail "took $((SECONDS - begin)) s"
	no_scratch
}

@test "publish: a stopped VE becomes a template without its identity" {
	new_ve 101
	berth start 101 >/dev/null
	shell 101 'mkdir -p /etc/ssh /srv; echo key >/etc/ssh/ssh_host_rsa_key; echo key >/etc/ssh/ssh_host_of_tomorrow_key.pub; echo x >/etc/ssh/sshd_config; echo id >/etc/machine-id; echo data >/srv/data; rm /etc/profile; chown 12:34 /srv/data'
	refused 32 'running' berth template publish 101 golden
	berth stop 101 --fast >/dev/null
	berth template publish 101 golden >/dev/null
	run_like 102 golden
	equal "$(inside 102 /bin/cat /srv/data)" data
	equal "$(inside 102 /bin/stat -c '%u:%g' /srv/data)" 12:34
	equal "$(inside 102 /bin/stat -c %s /etc/machine-id)" 0
	equal "$(inside 102 /bin/ls /etc/ssh)" sshd_config
	run ! inside 102 /bin/ls /etc/profile
	berth start 101 >/dev/null
	equal "$(inside 101 /bin/cat /etc/machine-id)" id
}

run_like() {
	berth create "$1" --ostemplate "$2" >/dev/null
	berth start "$1" >/dev/null
}

@test "import: killed at random points, it leaves nothing, and again gives the same" {
	make_root
	pack_root
	local want n=${BERTH_LONG:+50} KILLED=0
	berth template import "$BATS_TEST_TMPDIR/root.tar" other >/dev/null
	want=$(version_of other)
	berth template remove "$want"
	while ((KILLED < ${n:-12})); do
		kill_soon 100 template import "$BATS_TEST_TMPDIR/root.tar" other
		# Whole or not at all; the next one has all of it to do again.
		[[ -e $ROOT/var/lib/berth/template/channels/other ]] || continue
		berth template verify other >/dev/null
		berth template remove "$want"
	done
	berth template import "$BATS_TEST_TMPDIR/root.tar" other >/dev/null
	equal "$(version_of other)" "$want"
	no_scratch
	equal "$(find "$(store)" -name "*.erofs" | wc -l)" 2
}

@test "import: bad input is one line and changes nothing" {
	local before d=$BATS_TEST_TMPDIR name
	mkdir "$d/root"
	pack_root
	before=$(find "$(store)" "$ROOT/var/lib/berth/template/channels" | sort)
	for name in '../x' 'a/b' '.x' '-x' '' $'a\nb' $'a\033b' 0123456789abcdef "$(printf 'x%.0s' {1..64})"; do
		refused 21 'no channel name' berth template import "$d/root.tar" -- "$name"
	done
	refused 91 'No such file' berth template import "$d/nothing" x
	refused 47 'neither' berth template import /dev/null x
	mkfifo "$d/fifo"
	refused 47 'neither' berth template import "$d/fifo" x
	refused 21 'size' berth template import "$d/root.tar" x --max-size 0
	refused 21 'control' berth template import $'a\nb' x
	equal "$(find "$(store)" "$ROOT/var/lib/berth/template/channels" | sort)" "$before"
}

@test "import: not enough disk is said so, and the disk is free again" {
	local d=$BATS_TEST_TMPDIR
	mkdir -p "$d/root" "$d/small"
	head -c 12M /dev/urandom >"$d/root/big"
	pack_root
	host bash -c 'mount -t tmpfs -o size=8m none "$0"/var/lib/berth/template/store' "$ROOT"
	run --separate-stderr berth template import "$d/root.tar" big
	equal "$(host find "$(store)/" -mindepth 1)" ''
	host umount "$(store)"
	equal "$status" 46
	one_line_error 'No space'
}
