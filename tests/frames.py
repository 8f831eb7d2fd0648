#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames that a VE may send and frames that it may not, and a counter of what arrives.

frames.py send LINK legal|forged TIMES key=value...   own MAC and addresses, and a victim's:
      mac ip4 ip6 vmac vip4 vip6 [wire=bridged] [pause=SECONDS between the times]
frames.py tag LINK VID key=value...                   one legal packet with this 802.1Q tag
frames.py catch LINK >FILE     until standard input ends: how often each case arrived

Run inside the network namespace in question. A frame ends in a mark and the name of its case,
behind what its headers say there is, so that it is known wherever it comes out.
"""
import collections
import ipaddress
import select
import socket
import struct
import sys
import time

MARK = b"<berth-frame:"
ALL = "ff:ff:ff:ff:ff:ff"
NODES = "33:33:00:00:00:01"


def mac(s):
    return bytes.fromhex(s.replace(":", ""))


def ip(s):
    return ipaddress.ip_address(s).packed


def ether(dst, src, kind, body):
    return mac(dst) + mac(src) + struct.pack("!H", kind) + body


def checksum(data):
    data += b"\0" * (len(data) % 2)
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff


def ipv4(src, dst, proto, body, frag=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 7, frag, 64, proto, 0,
                       ip(src), ip(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def ipv6(src, dst, nxt, body, hops=255):
    return struct.pack("!IHBB16s16s", 6 << 28, len(body), nxt, hops, ip(src), ip(dst)) + body


def udp(sport, dport, body=b"x" * 8):
    return struct.pack("!HHHH", sport, dport, 8 + len(body), 0) + body


def tcp(sport, dport):
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, 0x10, 512, 0, 0)


def icmp6(src, dst, kind, body):
    pseudo = ip(src) + ip(dst) + struct.pack("!II", 4 + len(body), 58)
    head = struct.pack("!BBH", kind, 0, 0) + body
    return head[:2] + struct.pack("!H", checksum(pseudo + head)) + head[4:]


def arp(op, sha, sender, to_mac, target):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, op, mac(sha), ip(sender), mac(to_mac), ip(target))


def option(kind, address):
    return struct.pack("!BB6s", kind, 1, mac(address))


def na(src, dst, target, lladdr=None, flags=0x20):
    body = struct.pack("!B3x16s", flags, ip(target)) + (option(2, lladdr) if lladdr else b"")
    return ipv6(src, dst, 58, icmp6(src, dst, 136, body))


def ns(src, dst, target, lladdr=None):
    body = struct.pack("!4x16s", ip(target)) + (option(1, lladdr) if lladdr else b"")
    return ipv6(src, dst, 58, icmp6(src, dst, 135, body))


def dhcp(chaddr, op=1):
    return struct.pack("!BBBBIHH4s4s4s4s6s10x192xI", op, 1, 6, 0, 7, 0, 0, b"", b"", b"", b"",
                       mac(chaddr), 0x63825363)


def link_local(address):
    m = mac(address)
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes([m[0] ^ 2]) + m[1:3] +
                                     b"\xff\xfe" + m[3:]))


def fragment(nxt, offset, more, body):
    return struct.pack("!BBHI", nxt, 0, offset << 3 | more, 7) + body


def legal(a):
    m, v = a["mac"], a["vmac"]
    ll = link_local(m)
    f = {
        "arp-request": ether(ALL, m, 0x806, arp(1, m, a["ip4"], "00:00:00:00:00:00", a["vip4"])),
        "arp-reply": ether(v, m, 0x806, arp(2, m, a["ip4"], v, a["vip4"])),
        "arp-gratuitous": ether(ALL, m, 0x806, arp(1, m, a["ip4"], ALL, a["ip4"])),
        "udp4": ether(v, m, 0x800, ipv4(a["ip4"], a["vip4"], 17, udp(7, 7))),
        "tcp4": ether(v, m, 0x800, ipv4(a["ip4"], a["vip4"], 6, tcp(7, 7))),
        "tcp6": ether(v, m, 0x86dd, ipv6(a["ip6"], a["vip6"], 6, tcp(7, 7))),
        "fragment4": ether(v, m, 0x800, ipv4(a["ip4"], a["vip4"], 17, b"x" * 16, 0x2001)),
        "udp6": ether(v, m, 0x86dd, ipv6(a["ip6"], a["vip6"], 17, udp(7, 7))),
        "fragment6": ether(v, m, 0x86dd, ipv6(a["ip6"], a["vip6"], 44,
                                              fragment(17, 1, 1, b"x" * 16))),
        "ns": ether(NODES, m, 0x86dd, ns(ll, "ff02::1", a["vip6"], m)),
        "na": ether(NODES, m, 0x86dd, na(a["ip6"], "ff02::1", a["ip6"], m)),
        "dad": ether(NODES, m, 0x86dd, ns("::", "ff02::1", a["ip6"])),
    }
    if a.get("wire") == "bridged":
        f["arp-probe"] = ether(ALL, m, 0x806, arp(1, m, "0.0.0.0", ALL, a["vip4"]))
        f["dhcp-client"] = ether(ALL, m, 0x800,
                                 ipv4("0.0.0.0", "255.255.255.255", 17, udp(68, 67, dhcp(m))))
    return f


def forged_arp(a):
    m, v, none = a["mac"], a["vmac"], "00:00:00:00:00:00"
    return {
        "arp-request-of-victim": arp(1, m, a["vip4"], none, "192.0.2.9"),
        "arp-reply-for-victim": arp(2, m, a["vip4"], v, "192.0.2.9"),
        "arp-gratuitous-of-victim": arp(1, m, a["vip4"], ALL, a["vip4"]),
        "arp-foreign-hardware": arp(2, v, a["ip4"], v, a["vip4"]),
        "arp-of-nobody": arp(2, m, "192.0.2.77", v, a["vip4"]),
        "arp-odd-lengths": struct.pack("!HHBBH", 1, 0x800, 8, 4, 2) + bytes(24),
        "arp-short": arp(2, m, a["ip4"], v, a["vip4"])[:6],
    }


def forged_ip(a):
    m, v = a["mac"], a["vmac"]
    return {
        "mac-foreign": ether(v, "02:11:22:33:44:55", 0x800,
                             ipv4(a["ip4"], a["vip4"], 17, udp(7, 7))),
        "mac-victim": ether(v, v, 0x86dd, ipv6(a["ip6"], a["vip6"], 17, udp(7, 7))),
        "ip4-victim": ether(v, m, 0x800, ipv4(a["vip4"], a["vip4"], 17, udp(7, 7))),
        "ip4-foreign": ether(v, m, 0x800, ipv4("192.0.2.77", a["vip4"], 17, udp(7, 7))),
        "ip4-none": ether(v, m, 0x800, ipv4("0.0.0.0", a["vip4"], 17, udp(7, 7))),
        "ip4-foreign-fragment": ether(v, m, 0x800,
                                      ipv4("192.0.2.77", a["vip4"], 17, b"x" * 16, 1)),
        "ip6-victim": ether(v, m, 0x86dd, ipv6(a["vip6"], a["vip6"], 17, udp(7, 7))),
        "ip6-foreign": ether(v, m, 0x86dd, ipv6("2001:db8:7::7", a["vip6"], 17, udp(7, 7))),
        "mac-victim-tcp": ether(v, v, 0x800, ipv4(a["ip4"], a["vip4"], 6, tcp(7, 7))),
        "ip4-victim-tcp": ether(v, m, 0x800, ipv4(a["vip4"], a["vip4"], 6, tcp(7, 7))),
        "ip6-victim-tcp": ether(v, m, 0x86dd, ipv6(a["vip6"], a["vip6"], 6, tcp(7, 7))),
        "ip6-foreign-tcp": ether(v, m, 0x86dd, ipv6("2001:db8:7::7", a["vip6"], 6, tcp(7, 7))),
        "ip6-victim-link-local": ether(v, m, 0x86dd,
                                       ipv6(link_local(v), a["vip6"], 17, udp(7, 7))),
        "ip6-foreign-fragment": ether(v, m, 0x86dd, ipv6("2001:db8:7::7", a["vip6"], 44,
                                                         fragment(17, 1, 0, b"x" * 16))),
        "icmp-redirect": ether(v, m, 0x800, ipv4(a["ip4"], a["vip4"], 1,
                                                 b"\5\1" + bytes(6) + bytes(28))),
        "dhcp-server": ether(v, m, 0x800, ipv4(a["ip4"], a["vip4"], 17,
                                               udp(67, 68, dhcp(v, 2)))),
        "dhcp6-server": ether(v, m, 0x86dd, ipv6(link_local(m), a["vip6"], 17, udp(547, 546))),
        "dhcp6-server-own": ether(v, m, 0x86dd, ipv6(a["ip6"], a["vip6"], 17, udp(547, 546))),
        "dhcp-starvation": ether(ALL, m, 0x800,
                                 ipv4("0.0.0.0", "255.255.255.255", 17,
                                      udp(68, 67, dhcp("02:99:99:99:99:99")))),
    }


def forged_nd(a):
    m, v = a["mac"], a["vmac"]
    ll = link_local(m)
    ra = icmp6(ll, "ff02::1", 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + option(1, m))
    redirect = icmp6(ll, a["vip6"], 137, bytes(4) + ip(ll) + ip(a["vip6"]))
    bodies = {
        "na-for-victim": na(ll, "ff02::1", a["vip6"], m),
        "na-own-foreign-mac": na(a["ip6"], "ff02::1", a["ip6"], v),
        "na-mac-behind-nonce": ipv6(ll, "ff02::1", 58, icmp6(
            ll, "ff02::1", 136, struct.pack("!B3x16s", 0x20, ip(a["ip6"])) +
            b"\x0e\x01" + bytes(6) + option(2, v))),
        "ns-foreign-mac": ns(ll, "ff02::1", a["vip6"], v),
        "ns-duplicate-of-victim": ns("::", "ff02::1", a["vip6"]),
        "ra": ipv6(ll, "ff02::1", 58, ra),
        "ra-behind-hop-by-hop": ipv6(ll, "ff02::1", 0, b"\x3a\0\1\4\0\0\0\0" + ra),
        "ra-behind-options": ipv6(ll, "ff02::1", 60, b"\x3a\0\1\4\0\0\0\0" + ra),
        "ra-in-first-fragment": ipv6(ll, "ff02::1", 44, fragment(58, 0, 1, ra)),
        "ra-behind-fragment": ipv6(ll, "ff02::1", 44, fragment(60, 0, 1, b"\x3a\1\1\4\0\0\0\0")),
        "ra-second-fragment": ipv6(ll, "ff02::1", 44, fragment(60, 1, 0, ra)),
        "na-in-fragment": ipv6(ll, "ff02::1", 44,
                               fragment(58, 0, 1, na(ll, "ff02::1", a["ip6"], m)[40:])),
        "redirect6": ipv6(ll, a["vip6"], 58, redirect),
    }
    return {k: ether(NODES, m, 0x86dd, b) for k, b in bodies.items()}


def forged_other(a):
    m, v = a["mac"], a["vmac"]
    inner = struct.pack("!H", 0x800) + ipv4(a["ip4"], a["vip4"], 17, udp(7, 7))
    f = {
        "vlan": ether(v, m, 0x8100, struct.pack("!H", 77) + inner),
        "vlan-tcp": ether(v, m, 0x8100, struct.pack("!HH", 77, 0x800) +
                          ipv4(a["ip4"], a["vip4"], 6, tcp(7, 7))),
        "qinq": ether(v, m, 0x88a8, struct.pack("!HHH", 77, 0x8100, 78) + inner),
        "vlan-twice": ether(v, m, 0x8100, struct.pack("!HHH", 77, 0x8100, 78) + inner),
        "stp": mac("01:80:c2:00:00:00") + mac(m) + struct.pack("!H", 38) + b"\x42\x42\3" +
        bytes(35),
        "llc": mac(v) + mac(m) + struct.pack("!H", 30) + b"\xaa\xaa\3" + bytes(27),
        "lldp": ether("01:80:c2:00:00:0e", m, 0x88cc, bytes(32)),
        "mpls": ether(v, m, 0x8847, b"\0\1\1\x40" + inner[2:]),
        "pppoe": ether(ALL, m, 0x8863, bytes(32)),
        "eapol": ether("01:80:c2:00:00:03", m, 0x888e, bytes(32)),
        "made-up-type": ether(v, m, 0x7777, bytes(32)),
    }
    # The kernel takes the tag 0 off before any filter sees it; on a wire it would be seen.
    if a.get("wire") == "bridged":
        f["vlan-zero"] = ether(v, m, 0x8100, struct.pack("!H", 0) + inner)
        # From its own address, so nothing but what the request says is false.
        f["dhcp-starvation-by-own"] = ether(ALL, m, 0x800, ipv4(
            a["ip4"], "255.255.255.255", 17, udp(68, 67, dhcp("02:99:99:99:99:99"))))
    return f


def forged(a):
    f = {k: ether(ALL, a["mac"], 0x806, b) for k, b in forged_arp(a).items()}
    f.update(forged_ip(a))
    f.update(forged_nd(a))
    f.update(forged_other(a))
    return f


def send(link, kind, times, words):
    a = dict(w.split("=", 1) for w in words)
    frames = legal(a) if kind == "legal" else forged(a)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((link, 0))
    for _ in range(int(times)):
        for name, f in frames.items():
            s.send(f + b"\0" * max(0, 60 - len(f)) + MARK + name.encode() + b">")
        time.sleep(float(a.get("pause", 0)))
    print(len(frames) * int(times))


def tag(link, vid, words):
    a = dict(w.split("=", 1) for w in words)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((link, 0))
    s.send(ether(a["vmac"], a["mac"], 0x8100, struct.pack("!HH", int(vid), 0x800) +
                 ipv4(a["ip4"], a["vip4"], 17, udp(7, 7))) +
           MARK + b"tag-" + vid.encode() + b">")


def catch(link):
    seen = collections.Counter()
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind((link, 3))
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([s, sys.stdin], [], [], 10)
        if s in ready:
            data, where = s.recvfrom(4096)
            at = data.find(MARK)
            if at >= 0 and where[2] != socket.PACKET_OUTGOING:
                seen[data[at + len(MARK):data.index(b">", at)].decode()] += 1
        elif sys.stdin in ready and not sys.stdin.readline():
            break
    for name, n in sorted(seen.items()):
        print(name, n)


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
    elif sys.argv[1] == "tag":
        tag(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        catch(sys.argv[2])
