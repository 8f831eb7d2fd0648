#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes archives for the tests of `template import`.

archives.py hostile DIR       a corpus, and DIR/cases: a line "FILE EXIT TEXT" each. EXIT 0: it is
                              imported and TEXT is a line of the version's list of files, or "!" and
                              a name that is not in it; else it is refused with TEXT in the error.
archives.py oci DIR TAR...    an OCI image layout with these layers, and a second image for another
                              architecture in the same index.
archives.py fan DIR N KINDS   around the index of such an image N levels of indexes, each of which names KINDS of
                              the next level 1000 times.
archives.py many FILE N       a tar of N empty files.
archives.py cut FILE TO N     the first N bytes.
"""
import gzip
import hashlib
import io
import json
import lzma
import os
import platform
import struct
import subprocess
import sys
import tarfile

CASES = []


def member(name, kind=tarfile.REGTYPE, data=b"", **kw):
    t = tarfile.TarInfo(name)
    t.type, t.size, t.mode, t.mtime = kind, len(data), 0o644, 1
    for k, v in kw.items():
        setattr(t, k, v)
    return t, data


def directory(name, **kw):
    t, data = member(name, tarfile.DIRTYPE)
    t.mode = 0o755
    for k, v in kw.items():
        setattr(t, k, v)
    return t, data


def link(name, to, kind=tarfile.SYMTYPE):
    return member(name, kind, linkname=to)


def hard(name, to):
    return link(name, to, tarfile.LNKTYPE)


def xattr(name, key, value):
    """SCHILY.xattr of bytes: pax_headers wants text, and keeps bytes as surrogates."""
    return member(name, pax_headers={"SCHILY.xattr." + key: value.decode("utf-8", "surrogateescape")})


def tar(*members, fmt=tarfile.GNU_FORMAT, encoding="utf-8"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt, encoding=encoding,
                      errors="surrogateescape") as t:
        for info, data in members:
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def pax(*members):
    return tar(*members, fmt=tarfile.PAX_FORMAT)


def raw(name, size=b"00000000000\0", kind=b"0", uid=b"0000000\0", mtime=b"00000000000\0", linkname=b""):
    """A ustar header with fields that tarfile would not write."""
    h = bytearray(512)
    h[0:len(name)] = name
    h[100:108] = b"0000644\0"
    h[108:116] = uid
    h[116:124] = b"0000000\0"
    h[124:136] = size
    h[136:148] = mtime
    h[148:156] = b" " * 8
    h[156:157] = kind
    h[157:157 + len(linkname)] = linkname
    h[257:265] = b"ustar\x0000"
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


END = bytes(1024)
P = "planted"
CAP2 = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
CAP3 = struct.pack("<6I", 0x03000001, 1 << 13, 0, 0, 0, 0)
CAP3_OTHER = struct.pack("<6I", 0x03000001, 1 << 13, 0, 0, 0, 100000)


def case(name, data, exit_, text):
    CASES.append((name, data, exit_, text))


def paths():
    case("dotdot.tar", tar(member("../" + P)), 47, '".."')
    case("dotdot-inside.tar", tar(directory("a"), member("a/../../" + P)), 47, '".."')
    case("dotdot-end.tar", tar(directory("a/..")), 47, '".."')
    case("absolute.tar", tar(member("/tmp/" + P)), 47, "absolute")
    case("absolute-slashes.tar", tar(member("///tmp/" + P)), 47, "absolute")
    case("link-then-below.tar", tar(link("a", "/tmp"), member("a/" + P)), 47, "symbolic link")
    case("link-up-then-below.tar", tar(link("a", "../../../.."), member("a/" + P)), 47, "symbolic link")
    case("link-then-dir-below.tar", tar(link("a", "/tmp"), directory("a/" + P)), 47, "symbolic link")
    case("link-then-same.tar", tar(link(P, "/tmp/" + P), member(P, data=b"x")), 47, "there twice")
    case("link-then-dir.tar", tar(link("a", "/tmp"), directory("a"), member("a/" + P)), 47, "there twice")
    case("dir-then-link.tar", tar(directory("a"), member("a/x"), link("a", "/tmp"), member("a/" + P)), 47,
         "there twice")
    case("dir-then-file.tar", tar(directory("a"), member("a/x"), member("a")), 47, "there twice")
    case("file-then-below.tar", tar(member("a"), member("a/" + P)), 47, "through a file")
    case("file-twice.tar", tar(member(P), member(P, data=b"x")), 47, "there twice")
    case("file-twice-spelt.tar", tar(member("a/" + P), member("./a//" + P)), 47, "there twice")
    case("chain-of-links.tar", tar(link("a", "b"), link("b", "/etc"), member("a/" + P)), 47, "symbolic link")
    case("root-is-file.tar", tar(member(".")), 47, "root directory")
    case("root-is-link.tar", tar(link("./", "/tmp")), 47, "root directory")
    case("newline.tar", tar(member("a\n" + P)), 47, "control")
    case("escape.tar", tar(member("\033[2J" + P)), 47, "control")
    case("delete.tar", tar(member(P + "\177")), 47, "control")
    case("tab-dir.tar", tar(directory("a\tb")), 47, "control")
    case("long-name.tar", tar(member("x" * 256)), 47, "255 bytes")
    case("long-name-pax.tar", pax(member("x" * 300)), 47, "255 bytes")
    case("long-path.tar", tar(member("/".join(["x" * 200] * 21))), 47, "4095")
    case("long-path-pax.tar", pax(member("/".join(["x" * 200] * 50))), 47, "4095")
    case("deep.tar", tar(member("/".join(["d"] * 500))), 47, "255 directories")
    case("name-nul.tar", raw(b"a\0/../" + P.encode()) + END, 0, "f 0644 0 0 0 * a")
    case("empty-name.tar", raw(b"") + END, 47, "")
    case("pax-path-dotdot.tar", pax(member("fine", pax_headers={"path": "../" + P})), 47, '".."')
    case("pax-linkpath-up.tar", pax(hard("fine", "x" * 120 + "/../../" + P)), 47, "out of the archive")


def links():
    case("hard-absolute.tar", tar(hard(P, "/etc/passwd")), 47, "out of the archive")
    case("hard-up.tar", tar(hard(P, "../../etc/passwd")), 47, "out of the archive")
    case("hard-missing.tar", tar(hard(P, "nothing")), 47, "nothing before")
    case("hard-later.tar", tar(hard(P, "later"), member("later")), 47, "nothing before")
    case("hard-to-dir.tar", tar(directory("a"), hard(P, "a")), 47, "nothing before")
    case("hard-to-self.tar", tar(hard(P, P)), 47, "nothing before")
    case("hard-through-link.tar", tar(link("a", "/etc"), hard(P, "a/passwd")), 47, "symbolic link")
    case("hard-over.tar", tar(member("a"), member(P), hard(P, "a")), 47, "there twice")
    case("link-empty.tar", raw(P.encode(), kind=b"2") + END, 47, "nowhere")
    case("link-long.tar", pax(link(P, "x" * 5000)), 47, "nowhere")
    case("hard-to-link.tar", tar(link("a", "/etc/shadow"), hard("b", "a")), 0, "l 0777 0 0 11 * b")
    case("link-outside.tar", tar(link("a", "../../../../etc/shadow")), 0, "l 0777 0 0 22 * a")
    case("link-absolute.tar", tar(link("a", "/etc/shadow")), 0, "l 0777 0 0 11 * a")


def numbers():
    case("uid-65536.tar", tar(member(P, uid=65536)), 47, "above 65535")
    case("gid-65536.tar", tar(member(P, gid=65536)), 47, "above 65535")
    case("uid-2to32.tar", pax(member(P, uid=1 << 32)), 47, "above 65535")
    case("uid-2to31.tar", tar(member(P, uid=1 << 31)), 47, "above 65535")
    case("uid-negative.tar", tar(member(P, uid=-2)), 47, "")
    case("size-negative.tar", raw(P.encode(), size=b"\xff" * 12) + END, 47, "")
    case("size-huge.tar", raw(P.encode(), size=b"\x80" + bytes(3) + struct.pack(">Q", 1 << 62)) + END, 46,
         "--max-size")
    case("sparse-8e.tar", pax(member(P, pax_headers={
        "GNU.sparse.name": P,
        "GNU.sparse.size": str((1 << 63) - 1), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,0"})),
        46, "--max-size")
    case("mtime-negative.tar", pax(member("a", mtime=-86400 * 365 * 40)), 0, "f 0644 0 0 0 * a")
    case("setuid.tar", tar(member("a", mode=0o6755, uid=1234, gid=65535)), 0, "f 6755 1234 65535 0 * a")
    case("checksum.tar", bytes(b ^ (i == 150) for i, b in enumerate(tar(member(P)))), 47, "")


def kinds():
    for name, kind in (("char", tarfile.CHRTYPE), ("block", tarfile.BLKTYPE)):
        case(f"device-{name}.tar", tar(member("dev/" + P, kind, devmajor=1, devminor=1), member("a")), 0,
             "!dev/" + P)
    case("whiteout-device.tar", tar(member(P, tarfile.CHRTYPE, devmajor=0, devminor=0), member("a")), 0, "!" + P)
    case("fifo.tar", tar(member("a", tarfile.FIFOTYPE)), 0, "p 0644 0 0 0 - - - a")
    case("whiteout-in-tar.tar", tar(member("a"), member(".wh.a")), 0, "f 0644 0 0 0 * a")
    case("dir-twice.tar", tar(directory("a"), member("a/x"), directory("a", mode=0o700)), 0,
         "d 0700 0 0 0 - - - a")
    case("case.tar", tar(member("Readme"), member("readme")), 0, "f 0644 0 0 0 * readme")
    case("not-utf8.tar", tar(member(b"a\xff\xfe".decode("utf-8", "surrogateescape"))), 0, "f 0644 0 0 0 * a??")
    case("utf8-pax.tar", pax(member("\u00e4")), 0, "f 0644 0 0 0 * ??")
    case("no-parents.tar", tar(member("a/b/c")), 0, "d 0755 0 0 0 - - - a/b")


def attributes():
    over = [(k, b"x") for k in ("trusted.overlay.redirect", "trusted.overlay.opaque",
                                "trusted.overlay.metacopy", "user.overlay.opaque", "security.selinux",
                                "security.ima", "security.capability", "system.nfs4_acl")]
    for key, value in over:
        case(f"xattr-{key}.tar", pax(xattr("a", key, value)), 0, "f 0644 0 0 0 * a")
    case("caps2.tar", pax(xattr("a", "security.capability", CAP2)), 0, "f 0644 0 0 0 * a")
    case("caps3.tar", pax(xattr("a", "security.capability", CAP3)), 0, "f 0644 0 0 0 * a")
    case("caps3-foreign.tar", pax(xattr("a", "security.capability", CAP3_OTHER)), 0, "f 0644 0 0 0 * a")
    case("xattr-large.tar", pax(xattr("a", "user.x", b"x" * 60000)), 47, "attributes")
    case("xattr-many.tar", pax(member("a", pax_headers={f"SCHILY.xattr.user.{i}": "x" for i in range(2000)})),
         47, "attributes")


def shapes():
    good = tar(member("a", data=os.urandom(3000)), member("b", data=os.urandom(5000)))
    case("garbage.tar", os.urandom(20000), 47, "not a tar archive")
    case("empty.tar", b"", 47, "not a tar archive")
    case("zip.tar", b"PK\3\4" + bytes(1000), 47, "not a tar archive")
    case("cpio.tar", b"070701" + b"0" * 104 + bytes(1000), 47, "not a tar archive")
    case("cut-data.tar", good[:2000], 47, "")
    case("cut-header.tar", good[:512 * 7 + 100], 47, "")
    case("cut-between.tar", good[:512 * 7], 47, "cut off")
    for ext, pack in (("gz", gzip.compress), ("xz", lzma.compress), ("zst", zstd)):
        packed = pack(good)
        case(f"whole.tar.{ext}", packed, 0, "f 0644 0 0 5000 * b")
        case(f"cut.tar.{ext}", packed[:len(packed) // 2], 47, "")
        case(f"flipped.tar.{ext}", packed[:4000] + bytes([packed[4000] ^ 255]) + packed[4001:], 47, "")
        case(f"garbage.tar.{ext}", pack(os.urandom(9000)), 47, "")
    case("trailing.tar", good + os.urandom(4096), 0, "f 0644 0 0 5000 * b")
    case("concatenated.tar", good + tar(member("../" + P)), 0, "!" + P)
    zeros = tar(member(P, data=bytes(100 << 20)))
    case("bomb.tar.gz", gzip.compress(zeros, 9), 46, "--max-size")
    case("bomb.tar.xz", lzma.compress(zeros, preset=0), 46, "--max-size")
    case("bomb.tar.zst", zstd(zeros), 46, "--max-size")
    case("bomb-twice.tar.gz", gzip.compress(gzip.compress(zeros)), 47, "not a tar archive")
    case("pax-header-large.tar", raw(b"x", size=b"%011o\0" % (1 << 30), kind=b"x") + bytes(4096), 47, "")
    case("longname-large.tar", raw(b"././@LongLink", size=b"%011o\0" % (1 << 30), kind=b"L") + bytes(4096), 47, "")


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def hostile(to):
    for make in (paths, links, numbers, kinds, attributes, shapes):
        make()
    with open(f"{to}/cases", "w", encoding="utf-8") as f:
        for name, data, exit_, text in CASES:
            with open(f"{to}/{name}", "wb") as out:
                out.write(data)
            f.write(f"{name} {exit_} {text}\n")


def blob(to, data, kind, **kw):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{to}/blobs/sha256/{digest}", "wb") as f:
        f.write(data)
    return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data), **kw}


def image(to, arch, layers):
    kind = "application/vnd.oci.image."
    config = {"architecture": arch, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
              "config": {"Entrypoint": ["/bin/sh", "-c", "touch /tmp/planted"]}}
    listed = [blob(to, d, kind + "layer.v1.tar+gzip" if d[:2] == b"\x1f\x8b" else kind + "layer.v1.tar")
              for d in layers]
    manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                "config": blob(to, json.dumps(config).encode(), kind + "config.v1+json"), "layers": listed}
    return blob(to, json.dumps(manifest).encode(), kind + "manifest.v1+json",
                platform={"architecture": arch, "os": "linux"})


def oci(to, *tars):
    os.makedirs(f"{to}/blobs/sha256")
    ours = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    other = "arm64" if ours == "amd64" else "amd64"
    layers = [open(t, "rb").read() for t in tars]
    inner = {"schemaVersion": 2, "manifests": [image(to, other, layers[:1]), image(to, ours, layers)]}
    index = blob(to, json.dumps(inner).encode(), "application/vnd.oci.image.index.v1+json",
                 annotations={"org.opencontainers.image.ref.name": "latest"})
    for name, text in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                       ("index.json", {"schemaVersion": 2, "manifests": [index]})):
        with open(f"{to}/{name}", "w", encoding="utf-8") as f:
            json.dump(text, f)


def fan(to, n, kinds):
    path, kind = f"{to}/index.json", "application/vnd.oci.image.index.v1+json"
    with open(path, encoding="utf-8") as f:
        index = json.load(f)
    for _ in range(int(n)):
        data = [json.dumps({**index, "schemaVersion": 2, "kind": k}).encode() for k in range(int(kinds))]
        index = {"schemaVersion": 2, "manifests": [blob(to, d, kind) for d in data] * (1000 // int(kinds))}
    with open(path, "w", encoding="utf-8") as f:
        json.dump(index, f)


def many(to, n):
    with open(to, "wb") as f:
        for i in range(int(n)):
            f.write(raw(b"%d" % i))
        f.write(END)


def cut(path, to, n):
    with open(path, "rb") as f, open(to, "wb") as out:
        out.write(f.read(int(n)))


if __name__ == "__main__":
    {"hostile": hostile, "oci": oci, "fan": fan, "many": many, "cut": cut}[sys.argv[1]](*sys.argv[2:])
