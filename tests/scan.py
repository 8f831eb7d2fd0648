#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tenant may try on the host: every port.

scan.py tcp|udp ADDRESS[%LINK] [STEP]   a packet to each port, beyond 1024 to each STEP-th only;
                                        TCP ones open connections
scan.py ask ADDRESS PORT OWN SIZE       one datagram from port OWN, and the size of the answer
scan.py echo PORT                       answers datagrams with four times as much
scan.py flood ADDRESS PORT SECONDS      asks without pause; says how many answers the last 0.3 s had

Run inside the network namespace in question.
"""
import os
import socket
import struct
import sys
import time


def place(address, port=0):
    return socket.getaddrinfo(address, port, proto=socket.IPPROTO_UDP)[0][::4]


def checksum(data):
    n = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff


def syn_packets(family, address, ports):
    """A raw IPv6 socket fills in the sum (ipv6(7), RFC 3542), one of IPv4 does not."""
    s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    s.connect(address)
    pseudo = b""
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, 7, 16)
    else:
        pseudo = socket.inet_aton(s.getsockname()[0]) + socket.inet_aton(address[0])
        pseudo += struct.pack("!HH", socket.IPPROTO_TCP, 20)
    for port in ports:
        head = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 0x50, 2, 1024, 0, 0)
        if pseudo:
            head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
        s.send(head)


def scan(kind, where, step=1):
    family, address = place(where)
    ports = [*range(1, 1025), *range(1025, 65536, int(step))]
    if kind == "tcp":
        syn_packets(family, address, ports)
        return
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for port in ports:
        try:
            s.sendto(b"x", (address[0], port) + address[2:])
        except ConnectionRefusedError:
            pass


def ask(where, port, own, size):
    family, address = place(where, int(port))
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind(("", int(own)))
    s.settimeout(1)
    s.sendto(b"x" * int(size), address)
    print(len(s.recv(65536)))


def echo(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", int(port)))
    print(os.getpid(), flush=True)
    while True:
        data, who = s.recvfrom(65536)
        s.sendto(data * 4, who)


def flood(where, port, seconds):
    family, address = place(where, int(port))
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.connect(address)
    s.setblocking(False)
    end = time.monotonic() + float(seconds)
    late = 0
    while time.monotonic() < end:
        try:
            s.send(b"x")
            s.recv(100)
            late += time.monotonic() > end - 0.3
        except (BlockingIOError, ConnectionRefusedError):
            time.sleep(0.0002)
    print(late)


if sys.argv[1] in ("tcp", "udp"):
    scan(*sys.argv[1:])
else:
    {"ask": ask, "echo": echo, "flood": flood}[sys.argv[1]](*sys.argv[2:])
