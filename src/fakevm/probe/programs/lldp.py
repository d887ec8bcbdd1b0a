"""Speaks LLDP (IEEE 802.1AB) on all devices of a guest, and hears who speaks there.

Arguments: the guest's name, and for how many seconds to hear; 0: it speaks until its standard input ends. What was
heard is its last line, JSON: ``{device: [[system, port], …]}``. Standard library alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator

_ETHERTYPE = 0x88CC
# The nearest bridge: no bridge passes it on.
_GROUP = bytes.fromhex("0180c200000e")
_END, _CHASSIS, _PORT, _TTL, _SYSTEM = 0, 1, 2, 3, 5
# Subtypes: a name that was chosen here; the name of an interface.
_LOCAL, _INTERFACE = b"\x07", b"\x05"
_INTERVAL = 0.3
# linux/socket.h, linux/if_packet.h
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_ALLMULTI = 263, 1, 2
_SECONDS_KEPT = 5


def frame(mac: bytes, system: str, device: str) -> bytes:
    """Write what an interface says of itself."""
    parts = {
        _CHASSIS: _LOCAL + system.encode(),
        _PORT: _INTERFACE + device.encode(),
        _TTL: struct.pack("!H", _SECONDS_KEPT),
        _SYSTEM: system.encode(),
        _END: b"",
    }
    body = b"".join(struct.pack("!H", kind << 9 | len(value)) + value for kind, value in parts.items())
    return _GROUP + mac + struct.pack("!H", _ETHERTYPE) + body


def parts_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Read the parts of a frame: each its kind and what it holds."""
    at = 14
    while at + 2 <= len(data):
        (head,) = struct.unpack_from("!H", data, at)
        kind, length = head >> 9, head & 0x1FF
        if kind == _END:
            return
        yield kind, data[at + 2 : at + 2 + length]
        at += 2 + length


def said(data: bytes) -> tuple[str, str]:
    """Give the system and the port that a frame comes from: by their names, where it has them."""
    found = dict(parts_of(data))
    system = found.get(_SYSTEM) or found.get(_CHASSIS, b"?")[1:]
    return _words(system), _words(found.get(_PORT, b"?")[1:])


def _words(data: bytes) -> str:
    return data.decode(errors="replace").rstrip("\0")


class _Device:
    """A device that is up, with a socket of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE))
        self.socket.bind((name, _ETHERTYPE))
        # Whichever of LLDP's groups others speak to.
        everything = struct.pack("iHH8s", socket.if_nametoindex(name), _PACKET_MR_ALLMULTI, 0, b"")
        with contextlib.suppress(OSError):
            self.socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, everything)

    def speak(self, system: str) -> None:
        mac = self.socket.getsockname()[4][:6]
        with contextlib.suppress(OSError):
            self.socket.send(frame(mac, system, self.name))


def main() -> None:
    """See above."""
    system, seconds = sys.argv[1], float(sys.argv[2])
    devices = [_Device(name) for _, name in socket.if_nameindex() if name != "lo"]
    heard: dict[str, set[tuple[str, str]]] = {device.name: set() for device in devices}
    print("speaking", flush=True)
    poller = select.poll()
    by_descriptor = {device.socket.fileno(): device for device in devices}
    for descriptor in by_descriptor:
        poller.register(descriptor, select.POLLIN)
    if not seconds:
        poller.register(0, select.POLLIN)
    end, next_words = time.monotonic() + (seconds or 3600), 0.0
    while (now := time.monotonic()) < end:
        if now >= next_words:
            for device in devices:
                device.speak(system)
            next_words = now + _INTERVAL
        for descriptor, _ in poller.poll(max(0.0, min(next_words, end) - now) * 1000):
            if descriptor == 0:
                if not os.read(0, 4096):
                    return
            elif data := _received(by_descriptor[descriptor]):
                heard[by_descriptor[descriptor].name].add(said(data))
    print(json.dumps({name: sorted(found) for name, found in heard.items()}))


def _received(device: _Device) -> bytes:
    try:
        data, (_, _, kind, *_) = device.socket.recvfrom(2048)
    except OSError:
        return b""
    return b"" if kind == socket.PACKET_OUTGOING else data


if __name__ == "__main__":
    main()
