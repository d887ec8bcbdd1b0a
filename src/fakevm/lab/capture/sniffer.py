"""Writes what passes a device as a stream of pcap, with nanoseconds; a program of its own, run where the device is.

``sniffer.py DEVICE LONGEST in|all FILTER`` keeps LONGEST bytes of each packet, of those that come in or of all. tcpdump
compiles the FILTER; it does not see packets itself, as it would change to a user of its own, whom an ordinary user's
lab has not. Ends when its standard input is closed; then, and when the device is gone, it says on standard error how
many packets the kernel had to drop, after ``listening`` at its beginning. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# linux/if_ether.h, if_packet.h; asm-generic/socket.h
_ALL = 0x0003
_OUTGOING = 4
# linux/socket.h; this Python has no name for it.
_SOL_PACKET = 263
_STATISTICS, _AUXDATA = 6, 8
_ATTACH_FILTER, _TIMESTAMPNS, _RCVBUFFORCE = 26, 35, 33
_VLAN_VALID, _TPID_VALID = 1 << 4, 1 << 6
_AUX = struct.Struct("=IIIHHHH")
_TIME = struct.Struct("=qq")
# linux/if_arp.h, and what such a device's packets begin with (pcap-linktype(7)).
_ETHERNET, _LOOPBACK = 1, 772
_LINK_TYPES = {_ETHERNET: 1, _LOOPBACK: 1, 768: 101, 769: 101, 776: 101, 778: 101, 65534: 101}
# Bytes: what comes while this program has no processor, and the longest packet that there is, with its headers.
_BUFFER = 16 << 20
_LONGEST = 1 << 18
_MACS = 12
# Read at once, then written.
_BATCH = 512


def compiled(device: str, words: str) -> bytes:
    """Have a filter compiled for a device: for it tags are where the kernel keeps them (sock_filter)."""
    done = subprocess.run(
        ["tcpdump", "-i", device, "-ddd", words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.strip().removeprefix("tcpdump: "))
    rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()[1:]]
    return b"".join(struct.pack("=HBBI", *row) for row in rows)


def opened(device: str, program: bytes) -> socket.socket:
    """Open the socket: nothing is taken before the filter is there."""
    seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        seen.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _BUFFER)
    except OSError:
        seen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    seen.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
    seen.setsockopt(_SOL_PACKET, _AUXDATA, 1)
    if program:
        kept = ctypes.create_string_buffer(program, len(program))
        filled = struct.pack("HP", len(program) // 8, ctypes.addressof(kept))
        seen.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, filled)
    seen.bind((device, _ALL))
    seen.setblocking(False)
    return seen


def taken(seen: socket.socket, longest: int, *, incoming: bool) -> Iterator[bytes]:
    """Give what there is, as records of pcap. Raises OSError: the device is gone."""
    room = socket.CMSG_SPACE(_AUX.size) + socket.CMSG_SPACE(_TIME.size)
    for _ in range(_BATCH):
        try:
            frame, told, _, where = seen.recvmsg(_LONGEST, room, socket.MSG_TRUNC)
        except BlockingIOError:
            return
        if incoming and where[2] == _OUTGOING:
            # Of a loopback device: it comes in as well.
            continue
        seconds = nanoseconds = 0
        length = len(frame)
        for level, kind, data in told:
            if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMPNS):
                seconds, nanoseconds = _TIME.unpack(data)
            elif (level, kind) == (_SOL_PACKET, _AUXDATA):
                frame, length = tagged(frame, data)
        kept = frame[:longest]
        yield struct.pack("=IIII", seconds, nanoseconds, len(kept), length) + kept


def tagged(frame: bytes, auxiliary: bytes) -> tuple[bytes, int]:
    """Put the VLAN tag back that the kernel has taken off; also give the frame's own length."""
    status, length, _, _, _, tag, protocol = _AUX.unpack(auxiliary[: _AUX.size])
    if not status & _VLAN_VALID:
        return frame, max(length, len(frame))
    kind = protocol if status & _TPID_VALID else 0x8100
    return frame[:_MACS] + struct.pack("!HH", kind, tag) + frame[_MACS:], max(length, len(frame)) + 4


def write(data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(1, data) :]


def main(device: str, longest: str, which: str, words: str) -> int:
    """Write until standard input is closed."""
    try:
        kind = int(Path(f"/sys/class/net/{device}/type").read_text())
    except OSError:
        kind = _ETHERNET
    if kind not in _LINK_TYPES:
        raise SystemExit(f"packets of a device of this kind ({kind}, if_arp.h) are not known here")
    try:
        seen = opened(device, compiled(device, words) if words else b"")
    except OSError as problem:
        raise SystemExit(problem.strerror) from problem
    print("listening", file=sys.stderr, flush=True)
    write(struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, int(longest), _LINK_TYPES[kind]))
    ready = select.poll()
    ready.register(seen, select.POLLIN)
    ready.register(0, select.POLLIN)
    status, asked = 0, True
    with contextlib.suppress(BrokenPipeError):
        while asked:
            asked = 0 not in dict(ready.poll()) or bool(os.read(0, 1))
            try:
                # At the end also what is waiting.
                while batch := b"".join(taken(seen, int(longest), incoming=which == "in" or kind == _LOOPBACK)):
                    write(batch)
            except OSError as problem:
                print(problem.strerror, file=sys.stderr)
                status, asked = 1, False
    _, dropped = struct.unpack("=II", seen.getsockopt(_SOL_PACKET, _STATISTICS, 8))
    print(f"{dropped} packets dropped by kernel", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
