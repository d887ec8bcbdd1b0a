"""Watches all devices of a network namespace for our prober's packets; a program of its own, run in a lab.

``watcher.py MARK`` (hexadecimal) says ``watching``, then until its standard input ends a JSON line for each marked
packet that passed a device: ``[device, "in" or "out", "request" or "answer", number]``. The mark is looked for anywhere
in a frame, so tunnels hide nothing. Standard library only.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys

_ALL = 0x0003
_OUTGOING = 4
_BUFFER = 8 << 20
# The first byte of an echo, before our mark: what it is (RFC 792, RFC 4443).
_KINDS = {8: "request", 128: "request", 0: "answer", 129: "answer"}
_BEFORE = 8


def seen(frame: bytes, mark: bytes) -> tuple[str, int] | None:
    """Find our packet in a frame: what it is, and its number."""
    at = frame.find(mark)
    end = at + len(mark)
    if at < _BEFORE or len(frame) < end + 8:
        return None
    kind = _KINDS.get(frame[at - _BEFORE])
    return (kind, struct.unpack_from("!Q", frame, end)[0]) if kind else None


def watch(mark: bytes) -> None:
    """Watch until nobody wants to know any more."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    print("watching", flush=True)
    while True:
        ready = select.select([opened.fileno(), 0], [], [])[0]
        if opened.fileno() not in ready:
            return
        frame, (device, _, direction, *_) = opened.recvfrom(2048)
        if found := seen(frame, mark):
            print(json.dumps([device, "out" if direction == _OUTGOING else "in", *found]), flush=True)


if __name__ == "__main__":
    watch(bytes.fromhex(sys.argv[1]))
