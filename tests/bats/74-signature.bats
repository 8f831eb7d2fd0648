#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Signatures of templates, as minisign makes and checks them.
# bats file_tags=root

load helpers/load

ARCHIVES=$BATS_TEST_DIRNAME/../archives.py

setup() {
	common_setup
	D=$BATS_TEST_TMPDIR
	mkdir -p "$ROOT/etc/berth/trusted.d" "$D/root/etc"
	echo 1 >"$D/root/etc/file"
	tar -C "$D/root" -cf "$D/root.tar" .
	make_key ours
	make_key theirs
	cp "$D/ours.pub" "$ROOT/etc/berth/trusted.d/"
}

teardown() {
	rm -rf "$ROOT/etc/berth/trusted.d"
	common_teardown
}

# The number of a key, all of its digits: minisign leaves zeros at the front away.
number_of() {
	printf '%16s' "$(sed -n 's/.*public key //p' "$D/$1.pub")" | tr ' ' 0
}

make_key() {
	minisign -G -f -W -p "$D/$1.pub" -s "$D/$1.key" >/dev/null
}

# signed KEY FILE: FILE.minisig.
signed() {
	minisign -S -s "$D/$1.key" -m "$2" -t 'a trusted comment' >/dev/null
}

require_signatures() {
	mkdir -p "$ROOT/etc/berth"
	echo 'TEMPLATE_SIGNATURE="require"' >>"$ROOT/etc/berth/berth.conf"
}

# Nothing came in.
nothing_new() {
	equal "$(berth template list -j | json length)" 1 versions
	equal "$(find "$ROOT/var/lib/berth/template" -name 'build.*')" '' scratch
}

@test "signature: required: an archive by a trusted key comes in, and says by whom" {
	require_signatures
	signed ours "$D/root.tar"
	berth template import "$D/root.tar" web >/dev/null
	equal "$(berth template show web -j | json -r .signer)" "$(number_of ours)"
	contains "$(berth template show web)" "$(number_of ours)"
}

@test "signature: required: missing, by another key, of other bytes, in bits: refused" {
	require_signatures
	refused 47 'root.tar.minisig: No such file' berth template import "$D/root.tar" web
	signed theirs "$D/root.tar"
	refused 47 'no key in trusted.d made it' berth template import "$D/root.tar" web
	signed ours "$D/root.tar"
	echo x >>"$D/root.tar"
	refused 47 'the signature is wrong' berth template import "$D/root.tar" web
	truncate -s -2 "$D/root.tar"
	sed -i 's/a trusted comment/A trusted comment/' "$D/root.tar.minisig"
	refused 47 'the comment of the signature' berth template import "$D/root.tar" web
	head -c 100 "$D/root.tar.minisig" >"$D/cut"
	mv "$D/cut" "$D/root.tar.minisig"
	refused 47 'not a signature' berth template import "$D/root.tar" web
	head -c 10000 /dev/urandom >"$D/root.tar.minisig"
	refused 47 'signature' berth template import "$D/root.tar" web
	: >"$D/root.tar.minisig"
	refused 47 'not a signature' berth template import "$D/root.tar" web
	refused 47 'a directory has no signature' berth template import "$D/root" web
	nothing_new
}

@test "signature: is checked before anything reads the archive" {
	require_signatures
	head -c 100000 /dev/urandom >"$D/noise.tar"
	refused 47 'noise.tar.minisig: No such file' berth template import "$D/noise.tar" web
	signed theirs "$D/noise.tar"
	run --separate-stderr host strace -f -qq -e trace=execve -o "$D/trace" "$BERTH" --root "$ROOT" \
		template import "$D/noise.tar" web
	equal "$status" 47
	grep -q berth-sign "$D/trace"
	! grep -q berth-unpack "$D/trace" || fail 'the unpacker was run'
	# The same bytes by a trusted key are read, and are no archive.
	signed ours "$D/noise.tar"
	refused 47 'not a tar archive' berth template import "$D/noise.tar" web
	nothing_new
}

@test "signature: optional: a wrong one is refused all the same, an unknown key is told" {
	signed ours "$D/root.tar"
	printf 'x' | dd of="$D/root.tar" bs=1 seek=600 conv=notrunc status=none
	refused 47 'the signature is wrong' berth template import "$D/root.tar" web
	nothing_new
	tar -C "$D/root" -cf "$D/root.tar" .
	signed theirs "$D/root.tar"
	berth template import "$D/root.tar" web >/dev/null
	equal "$(berth template show web -j | jq -r .signer)" null
	rm "$D/root.tar.minisig"
	berth template import "$D/root.tar" web2 >/dev/null
}

@test "signature: one of index.json vouches for an OCI image" {
	require_signatures
	"$ARCHIVES" oci "$D/oci" "$D/root.tar"
	refused 47 'index.json.minisig: No such file' berth template import "$D/oci" web
	signed ours "$D/oci/index.json"
	berth template import "$D/oci" web >/dev/null
	printf ' ' >>"$D/oci/index.json"
	refused 47 'the signature is wrong' berth template import "$D/oci" web2
}

@test "signature: template sign makes what minisign checks, and export and import carry it" {
	berth template import "$D/root.tar" web >/dev/null
	local digest
	digest=$(berth template show web -j | json -r .digest)
	berth template sign web --key "$D/ours.key" >/dev/null
	berth template export web "$D/web.erofs" >/dev/null
	run -0 minisign -V -p "$D/ours.pub" -m "$D/web.erofs"
	contains "$output" "$digest.erofs"
	run ! minisign -V -p "$D/theirs.pub" -m "$D/web.erofs"
	berth template remove "$digest"
	require_signatures
	berth template import "$D/web.erofs" copy >/dev/null
	equal "$(berth template show copy -j | json -r .digest)" "$digest"
	equal "$(berth template show copy -j | json -r .origin)" image
	berth template export copy "$D/again.erofs" >/dev/null
	minisign -V -p "$D/ours.pub" -m "$D/again.erofs"
}

@test "signature: an image is taken only from a trusted key, whatever the policy" {
	berth template import "$D/root.tar" web >/dev/null
	berth template export web "$D/web.erofs" >/dev/null
	berth template remove "$(berth template show web -j | json -r .digest)"
	refused 47 'web.erofs.minisig: No such file' berth template import "$D/web.erofs" web
	signed theirs "$D/web.erofs"
	refused 47 'no key in trusted.d' berth template import "$D/web.erofs" web
	nothing_new
}

@test "signature: keys with a password, missing or bad keys, a bad policy: one line each" {
	refused 27 '--key' berth template sign mini
	refused 3 'No such file' berth template sign mini --key "$D/nothing"
	refused 47 'not a secret key' berth template sign mini --key "$D/ours.pub"
	# As minisign marks a key that a password protects.
	python3 - "$D/ours.key" >"$D/pw.key" <<-'END'
		import base64, sys
		head, key = open(sys.argv[1]).read().splitlines()[:2]
		raw = bytearray(base64.b64decode(key))
		raw[2:4] = b"Sc"
		print(head, base64.b64encode(raw).decode(), sep="\n")
	END
	refused 47 'has a password' berth template sign mini --key "$D/pw.key"
	echo nonsense >"$ROOT/etc/berth/trusted.d/bad.pub"
	signed ours "$D/root.tar"
	rm "$ROOT/etc/berth/trusted.d/ours.pub"
	refused 47 'one of the trusted keys is none' berth template import "$D/root.tar" web
	echo 'TEMPLATE_SIGNATURE="required"' >"$ROOT/etc/berth/berth.conf"
	refused 85 'berth.conf: line 1' berth template list
	rm "$ROOT/etc/berth/berth.conf"
	equal "$(find "$ROOT/var/lib/berth/template/store" -name '*.minisig')" ''
}
