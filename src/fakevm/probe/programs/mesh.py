"""Lets every guest ping every other; one process for all of them, run in the lab, whose sockets are in the guests.

Standard input has a JSON object: ``guests``, each with its ``name``, the ``namespace`` (a path) and its ``address``
(IPv4), and ``timeout`` in seconds. It says what came of it as a JSON object. Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import struct
import sys
import time
from typing import Any, NamedTuple

_CLONE_NEWNET = 0x40000000
_ECHO, _REPLY = 8, 0
# linux/icmp.h, and the level of its options (linux/socket.h)
_SOL_RAW, _ICMP_FILTER = 255, 1
_RTM_DELNEIGH, _REQUEST, _DESTINATION = 29, 1, 1
# Seconds: a round takes a fraction of one; what is late is asked once more at the end.
_PATIENCE = 1.0
_SHOWN = 20

_libc = ctypes.CDLL(None, use_errno=True)

Pair = tuple[int, int]


class Guest(NamedTuple):
    """A guest: its address, and in its namespace a socket for pings, one for the kernel, its device's number."""

    name: str
    address: str
    pings: socket.socket
    kernel: socket.socket
    device: int


def opened(name: str, namespace: str, address: str) -> Guest:
    """Open a guest's sockets: they belong to the namespace in which they are made."""
    folder = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    if _libc.setns(folder, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    os.close(folder)
    pings = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    pings.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", ~(1 << _REPLY) & 0xFFFFFFFF))
    pings.setblocking(False)
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    device = next(number for number, device in socket.if_nameindex() if device != "lo")
    return Guest(name, address, pings, kernel, device)


class Mesh:
    """All guests, and the pairs of them that have not answered yet."""

    def __init__(self, guests: list[Guest]) -> None:
        self._guests = guests
        self._poller = select.epoll()
        self._of = {guest.pings.fileno(): number for number, guest in enumerate(guests)}
        for descriptor in self._of:
            self._poller.register(descriptor, select.EPOLLIN)
        number = len(guests)
        self.missing: set[Pair] = {(a, b) for a in range(number) for b in range(number) if a != b}
        self.problems: dict[str, int] = {}

    def run(self, timeout: float) -> None:
        """Try all pairs, then again those that did not answer, for ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        number = len(self._guests)
        for distance in range(1, number // 2 + 1):
            self._round([(a, (a + distance) % number) for a in range(number)], deadline)
        while self.missing and time.monotonic() < deadline:
            self._round(sorted(self.missing)[:number], deadline)

    def _round(self, pairs: list[Pair], deadline: float) -> None:
        """Ping one way, and back as soon as that is answered: then the way is known."""
        wanted = {way for pair in pairs for way in (pair, pair[::-1])} & self.missing
        for pair in pairs:
            self._send(*pair)
        end = min(deadline, time.monotonic() + _PATIENCE)
        while wanted & self.missing and (left := end - time.monotonic()) > 0:
            for descriptor, _ in self._poller.poll(left):
                for a, b in self._received(self._of[descriptor]):
                    self.missing.discard((a, b))
                    if (b, a) in self.missing:
                        self._send(b, a)
        for a, b in pairs:
            self._forget(a, b)
            self._forget(b, a)

    def _send(self, a: int, b: int) -> None:
        body = struct.pack("!HH", a, b)
        head = struct.pack("!BBHHH", _ECHO, 0, 0, a, b)
        packet = struct.pack("!BBHHH", _ECHO, 0, _checksum(head + body), a, b) + body
        try:
            self._guests[a].pings.sendto(packet, (self._guests[b].address, 0))
        except OSError as exc:
            problem = exc.strerror or str(exc)
            self.problems[problem] = self.problems.get(problem, 0) + 1

    def _received(self, a: int) -> list[Pair]:
        found: list[Pair] = []
        while True:
            try:
                packet = self._guests[a].pings.recv(2048)
            except BlockingIOError:
                return found
            header = 4 * (packet[0] & 15)
            sender, target = struct.unpack("!HH", packet[header + 4 : header + 8])
            if sender == a and target < len(self._guests):
                found.append((a, target))

    def _forget(self, a: int, b: int) -> None:
        """Let a guest forget where another is: the kernel knows no more neighbours than ``gc_thresh3``.

        That is for all namespaces of a machine together, and 1024 by default (arp(7)); n guests know n² of them.
        """
        guest, address = self._guests[a], socket.inet_aton(self._guests[b].address)
        body = struct.pack("BxxxiHBB", socket.AF_INET, guest.device, 0, 0, 0)
        body += struct.pack("HH", 8, _DESTINATION) + address
        guest.kernel.send(struct.pack("IHHII", 16 + len(body), _RTM_DELNEIGH, _REQUEST, 0, 0) + body)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def main() -> None:
    """Do it, and say what came of it."""
    asked: dict[str, Any] = json.load(sys.stdin)
    guests = [opened(**guest) for guest in asked["guests"]]
    mesh, begun = Mesh(guests), time.monotonic()
    pairs = len(mesh.missing)
    mesh.run(asked["timeout"])
    missing = [f"{guests[a].name} to {guests[b].name}" for a, b in sorted(mesh.missing)]
    said = {
        "pairs": pairs,
        "answered": pairs - len(missing),
        "seconds": time.monotonic() - begun,
        "missing": missing[:_SHOWN],
        "problems": mesh.problems,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
