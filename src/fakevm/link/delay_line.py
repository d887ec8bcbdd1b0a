"""A delay line: holds frames, and lets each go at its time; a program of its own, in a network namespace.

``delay_line.py TAP SOCKET MARK [DEVICE]``: what leaves by TAP, a device that is there, is held; then it comes in by TAP
again, or leaves by DEVICE, if that is given, with this mark, by which the rule that brought it here knows it. At SOCKET
it takes a JSON object for each connection: what frames are to suffer (see ``Line.tell``), or ``{"end": true}``. The
answer says how many frames it has taken, sent, dropped and holds.

A frame has the time at which it is to leave, and waits in a heap: nothing sleeps for one of them while others wait. So
jitter and reordering come by themselves, and many frames are on their way at once.

Standard library only: there is one of these for each interface whose frames are delayed.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from typing import Any

# linux/if_tun.h
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
# Checksums to be filled in, TCP segments to be cut (IPv4, IPv6, with ECN): frames of 64 kB pass as one.
_WHOLE = 0x1 | 0x2 | 0x4 | 0x8
# linux/if_packet.h, asm-generic/socket.h
_SOL_PACKET, _PACKET_VNET_HDR = 263, 15
_SO_MARK, _SO_SNDBUFFORCE = 36, 32
# struct virtio_net_hdr, which is before each frame, and an Ethernet header: noise spares both.
_HEADER = 10
_SPARED = _HEADER + 14
_LONGEST = _HEADER + 65536 + 64
# More bytes than this do not wait: what comes then is dropped, and counted.
_ROOM = 256 << 20
# Frames that are taken before those are looked at whose time has come.
_AT_ONCE = 32
# Pieces of 64 kB that come faster than one in so many nanoseconds are looked at only so often (seconds), and leave up
# to half of that too early: to be woken for each, twice, costs more than to copy it.
_BUSY, _PAUSE = 400_000, 0.00015
_NANOSECONDS = 1_000_000_000
_PATIENCE = 1.0


class Line:
    """The frames that are on their way.

    :param tap: the file of a tap, with virtio headers
    :param out: where frames go: the same, or a packet socket's
    """

    def __init__(self, tap: int, out: int) -> None:
        self._tap = tap
        self._out = out
        self._heap: list[tuple[int, int, bytes]] = []
        self._bytes = 0
        self._delay = self._jitter = 0
        self._loss = self._duplicate = self._reorder = self._corrupt = 0.0
        self.taken = self.sent = self.dropped = 0
        self._number = 0
        self._whole = False
        self._looked = 0
        self.is_busy = False

    def tell(self, wanted: dict[str, Any]) -> None:
        """Change what is named; frames that wait leave as they were to.

        ``delay``, ``jitter`` are in seconds, ``loss``, ``duplicate``, ``reorder``, ``corrupt`` in percent. ``whole``:
        frames may come in pieces of 64 kB, of which many become.
        """
        for name in ("delay", "jitter"):
            if name in wanted:
                setattr(self, f"_{name}", round(wanted[name] * _NANOSECONDS))
        for name in ("loss", "duplicate", "reorder", "corrupt"):
            if name in wanted:
                setattr(self, f"_{name}", wanted[name] / 100)
        if "whole" in wanted:
            self._whole = wanted["whole"]
            fcntl.ioctl(self._tap, _TUNSETOFFLOAD, _WHOLE if self._whole else 0)

    def counts(self) -> dict[str, int]:
        """Count frames."""
        return {"taken": self.taken, "sent": self.sent, "dropped": self.dropped, "held": len(self._heap)}

    def wait(self) -> float | None:
        """Give the seconds until the next one is to leave, or all are to be looked at; None: there is none."""
        if self.is_busy:
            return _PAUSE
        return max(0, self._heap[0][0] - time.monotonic_ns()) / _NANOSECONDS if self._heap else None

    def take(self) -> None:
        """Take what has come. Raises OSError: the device is gone."""
        before, now, known = self._looked, time.monotonic_ns(), self.taken
        self._take()
        self._looked = now
        self.is_busy = self._whole and self.taken > known and now - before < _BUSY

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                frame = os.read(self._tap, _LONGEST)
            except BlockingIOError:
                return
            self.taken += 1
            if self._happens(self._loss):
                continue
            for copy in (frame, frame) if self._happens(self._duplicate) else (frame,):
                self._hold(self._noisy(copy) if self._happens(self._corrupt) else copy)

    def release(self) -> None:
        """Let those go whose time has come."""
        heap, now = self._heap, time.monotonic_ns()
        if self.is_busy:
            now += round(_PAUSE * _NANOSECONDS / 2)
        while heap and heap[0][0] <= now:
            self._send(heapq.heappop(heap)[2])

    def _hold(self, frame: bytes) -> None:
        if not self._delay or self._happens(self._reorder):
            self._bytes += len(frame)
            self._send(frame)
            return
        if self._bytes > _ROOM:
            self.dropped += 1
            return
        jitter = random.randint(-self._jitter, self._jitter) if self._jitter else 0
        self._number += 1
        self._bytes += len(frame)
        heapq.heappush(self._heap, (time.monotonic_ns() + self._delay + jitter, self._number, frame))

    def _send(self, frame: bytes) -> None:
        self._bytes -= len(frame)
        try:
            os.write(self._out, frame)
            self.sent += 1
        except OSError:
            # The device is full, down, or too small for it.
            self.dropped += 1

    @staticmethod
    def _happens(chance: float) -> bool:
        return chance > 0 and random.random() < chance

    @staticmethod
    def _noisy(frame: bytes) -> bytes:
        """Turn one bit over, behind the Ethernet header."""
        if len(frame) <= _SPARED:
            return frame
        noisy = bytearray(frame)
        noisy[random.randrange(_SPARED, len(frame))] ^= 1 << random.randrange(8)
        return bytes(noisy)


def open_tap(name: str) -> int:
    """Attach to a tap that is there; only one program can. Raises OSError."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(tap, _TUNSETOFFLOAD, 0)
    return tap


def open_device(name: str, mark: int) -> socket.socket:
    """Open a device to send frames by, each with this mark. Raises OSError."""
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    out.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    out.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
    with contextlib.suppress(OSError):  # of a user who may not
        out.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 32 << 20)
    out.bind((name, 0))
    return out


def run(line: Line, tap: int, control: socket.socket) -> None:
    """Carry frames until somebody says that it is to end. Raises OSError: the device is gone."""
    while True:
        watched = [control.fileno()] if line.is_busy else [tap, control.fileno()]
        ready = select.select(watched, [], [], line.wait())[0]
        line.release()
        if line.is_busy or tap in ready:
            line.take()
            line.release()
        if control.fileno() in ready and answer(line, control):
            return


def answer(line: Line, control: socket.socket) -> bool:
    """Do what somebody asks; tells whether it is to end."""
    with contextlib.suppress(OSError, ValueError), control.accept()[0] as asked:
        asked.settimeout(_PATIENCE)
        wanted = json.loads(asked.recv(1 << 16))
        line.tell(wanted)
        asked.sendall(json.dumps(line.counts()).encode())
        return bool(wanted.get("end"))
    return False


def hurry() -> None:
    """Be woken in time: first of all others, where that is allowed, and not some time later to save power."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    with contextlib.suppress(OSError), open("/proc/self/timerslack_ns", "w") as slack:  # noqa: PTH123
        slack.write("1")


def main(tap_name: str, path: str, mark: str, device: str = "") -> None:
    """Open all that is needed, and carry frames."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tap = open_tap(tap_name)
    out = open_device(device, int(mark)) if device else None
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.bind(path)
        control.listen(16)
        hurry()
        line = Line(tap, out.fileno() if out else tap)
        try:
            run(line, tap, control)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108


if __name__ == "__main__":
    main(*sys.argv[1:])
