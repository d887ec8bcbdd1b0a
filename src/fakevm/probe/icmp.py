"""Probes an address by ICMP echo, IPv4 or IPv6; a program of its own, run inside the guest that watches.

``icmp.py ADDRESS INTERVAL DURATION [MARK]`` (seconds; 8 bytes in hexadecimal) says JSON lines on standard output:
``["sent", number, time]`` and ``["answer", number, time]``, also for duplicates; times are seconds since the epoch,
those of answers the kernel's own.
SIGINT ends it early; either way it waits for late answers, then ends with status 0.

Standard library only: it is run by its path, without anything of FakeVM.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from types import FrameType

# Seconds: answers that come later than this after the last probe are not waited for.
LATE = 0.5
# Seconds between two writes.
_FLUSH = 0.2
# After a stop longer than this (seconds) the schedule begins anew, instead of sending all that was missed at once.
_STALLED = 1.0
# Bytes of answers that may wait.
_BUFFER = 1 << 22
# asm-generic/socket.h, linux/icmp.h, linux/icmpv6.h
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SOL_RAW = 255
_ICMP_FILTER = 1
_ICMPV6_FILTER = 1
# Type of the request and of the reply, by IP version (RFC 792, RFC 4443).
_TYPES = {4: (8, 0), 6: (128, 129)}
# The header of an echo (type, code, checksum, identifier, sequence), then ours: a mark of this process, and the number.
_ECHO = struct.Struct("!BBHHH8sQ")


def command(address: str, interval: float, duration: float, mark: bytes = b"") -> list[str]:
    """Build the command line that probes an address; ``mark`` (8 bytes) is in every probe, before its number."""
    words = [address, str(interval), str(duration), *([mark.hex()] if mark else [])]
    return [sys.executable, "-I", "-S", __file__, *words]


class Prober:
    """One run.

    :param address: whom to probe
    :param mark: what tells this run's probes from others
    """

    def __init__(self, address: str, mark: bytes) -> None:
        self._address = address
        self._version = ipaddress.ip_address(address.partition("%")[0]).version
        self._request, self._reply = _TYPES[self._version]
        self._mark = mark
        self._number = 0
        self._lines: list[str] = []
        self._ended = False
        self._socket = self._open()

    def _open(self) -> socket.socket:
        if self._version == 4:
            opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            opened.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~(1 << self._reply) & 0xFFFFFFFF))
        else:
            opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            blocked = [0xFFFFFFFF] * 8
            blocked[self._reply >> 5] &= ~(1 << (self._reply & 31))
            opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, struct.pack("=8I", *blocked))
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        # a prober that gets no processor for a while finds its answers all the same
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        with contextlib.suppress(PermissionError):  # beyond the system's limit, for who may
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        opened.setblocking(False)
        return opened

    def run(self, interval: float, duration: float) -> None:
        """Probe every ``interval`` seconds, by a schedule that does not drift, for ``duration`` or until ``end``."""
        begin = due = flush = time.monotonic()
        turn = 0
        while not self._ended and due < begin + duration:
            now = time.monotonic()
            if now >= due:
                self._send()
                turn = turn + 1 if now - due < _STALLED else int((now - begin) / interval) + 1
                due = begin + turn * interval
            if now >= flush:
                self._flush()
                flush = now + _FLUSH
            self._wait(min(due, flush))
        deadline = time.monotonic() + LATE
        while time.monotonic() < deadline:
            self._wait(deadline)
        self._wait(deadline)  # what came while we were kept from running
        self._flush()

    def end(self, _signum: int = 0, _frame: FrameType | None = None) -> None:
        """Send no more."""
        self._ended = True

    def _send(self) -> None:
        number, self._number = self._number, self._number + 1
        fields = (self._request, 0, 0, os.getpid() & 0xFFFF, number & 0xFFFF, self._mark, number)
        message = _ECHO.pack(*fields)
        if self._version == 4:  # the kernel fills in ICMPv6's
            message = message[:2] + checksum(message) + message[4:]
        self._lines.append(json.dumps(["sent", number, time.time()]))
        with contextlib.suppress(OSError):  # no route, no neighbour…: a probe that is lost
            self._socket.sendto(message, (self._address, 0))

    def _wait(self, until: float) -> None:
        """Take answers until that time (``time.monotonic()``), and those that are there in any case."""
        patience = max(0.0, until - time.monotonic())
        if select.select([self._socket], [], [], patience)[0]:
            self._lines += [json.dumps(["answer", number, when]) for number, when in self._answers()]

    def _answers(self) -> Iterator[tuple[int, float]]:
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(2048, 64)
            except BlockingIOError:
                return
            except OSError:
                continue  # an error that an earlier probe caused
            if self._version == 4:  # with the IP header
                data = data[(data[0] & 0xF) * 4 :]
            if len(data) >= _ECHO.size:
                kind, _, _, _, _, mark, number = _ECHO.unpack_from(data)
                if kind == self._reply and mark == self._mark:
                    yield number, _arrival(ancillary)

    def _flush(self) -> None:
        if self._lines:
            os.write(1, "".join(f"{line}\n" for line in self._lines).encode())
            self._lines.clear()


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> float:
    """When the kernel got it; now, if it does not say."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack_from("ll", data)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


def checksum(data: bytes) -> bytes:
    """Compute the Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def main(address: str, interval: str, duration: str, mark: str = "") -> None:
    """Run the program."""
    prober = Prober(address, bytes.fromhex(mark) or os.urandom(8))
    signal.signal(signal.SIGINT, prober.end)
    prober.run(float(interval), float(duration))


if __name__ == "__main__":
    main(*sys.argv[1:])
