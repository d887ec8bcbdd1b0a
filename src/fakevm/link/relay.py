"""Relays frames between a carrier's devices in the panel and its sockets; a program of its own, one for each link.

``python -m fakevm.link.relay FILE``: the file (JSON) says which link, by what it is carried, the devices, and, where
the far end is not ours, which inherited descriptors are its sockets. How the far end is stands in ``FILE.state``.

The devices outlive it, joined as they are: when it is started anew the guests at the ends notice nothing but a gap.
Standard library only: many links, many of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .carriers import CARRIERS
from .carriers.base import BATCH, LONGEST, Far, Side, Sockets, State, Wire

# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
# One that ends just now has the device still (seconds).
_PATIENCE = 5.0


class Loop:
    """Calls who waits for a socket, a device or a time; see carriers.base.Loop."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._acts: dict[int, list[Callable[[], None] | None]] = {}
        self._times: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def reading(self, sock: socket.socket | int, act: Callable[[], None] | None) -> None:
        """See carriers.base.Loop."""
        self._wait(sock, 0, act)

    def writing(self, sock: socket.socket | int, act: Callable[[], None] | None) -> None:
        """See carriers.base.Loop."""
        self._wait(sock, 1, act)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """See carriers.base.Loop."""
        heapq.heappush(self._times, (time.monotonic() + seconds, next(self._numbers), act))

    def turn(self, longest: float | None = None) -> None:
        """Wait until there is something to do, ``longest`` seconds at most, and do it."""
        for key, events in self._selector.select(self._pause(longest)):
            for place, event in enumerate((selectors.EVENT_READ, selectors.EVENT_WRITE)):
                # One act may end the wait for another.
                act = self._acts.get(key.fd, (None, None))[place] if events & event else None
                if act:
                    act()
        while self._times and self._times[0][0] <= time.monotonic():
            heapq.heappop(self._times)[2]()

    def _pause(self, longest: float | None) -> float | None:
        due = max(0.0, self._times[0][0] - time.monotonic()) if self._times else longest
        return due if longest is None or due is None else min(due, longest)

    def _wait(self, sock: socket.socket | int, place: int, act: Callable[[], None] | None) -> None:
        descriptor = sock if isinstance(sock, int) else sock.fileno()
        acts = self._acts.setdefault(descriptor, [None, None])
        was, acts[place] = any(acts), act
        events = (selectors.EVENT_READ if acts[0] else 0) | (selectors.EVENT_WRITE if acts[1] else 0)
        if not events:
            del self._acts[descriptor]
        if events and was:
            self._selector.modify(descriptor, events)
        elif events:
            self._selector.register(descriptor, events)
        elif was:
            self._selector.unregister(descriptor)


class Device(Side):
    """A carrier's device in front of one end: what leaves by it is ours to carry, what we write comes in by it."""

    def __init__(self, name: str, told: Callable[[State, str], None]) -> None:
        self._told = told
        self.wire: Wire | None = None
        self.descriptor = _opened(name)

    def take(self, frame: bytes) -> None:
        """See Side."""
        # Of a frame that the device does not take (it is shorter than a header, the device is down) nobody need know.
        with contextlib.suppress(OSError):
            os.write(self.descriptor, frame)

    def tell(self, state: State, why: str = "") -> None:
        """See Side."""
        self._told(state, why)

    def read(self) -> None:
        """Carry what has left by the device."""
        assert self.wire
        for _ in range(BATCH):
            try:
                frame = os.read(self.descriptor, LONGEST)
            except OSError:
                return
            self.wire.send(frame)


class Report:
    """How the far end is, in a file: who reads it finds the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: tuple[str, str] | None = None

    def tell(self, state: State, why: str = "") -> None:
        """Write it down when it is another."""
        if (state, why) == self._said:
            return
        self._said = state, why
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {state}{f': {why}' if why else ''}", flush=True)
        # A full disk is no reason to carry nothing.
        with contextlib.suppress(OSError):
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps({"state": state, "why": why, "since": time.time()}))
            new.replace(self._path)


def _opened(name: str) -> int:
    """Open a device that is there (a persistent tap). Raises OSError."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
        except OSError:
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return descriptor


def main(path: Path) -> None:
    """Relay for ever."""
    wanted: dict[str, Any] = json.loads(path.read_text())
    carrier, loop, report = CARRIERS[wanted["carrier"]], Loop(), Report(path.with_suffix(".state"))
    report.tell("waiting")
    sides: tuple[tuple[Sockets, Far], ...]
    if wanted["far"] is None:
        sides = carrier.pair()
    else:
        sides = (([socket.socket(fileno=fd) for fd in wanted["descriptors"]], Far(*wanted["far"])),)
    for name, (sockets, far) in zip(wanted["devices"], sides, strict=True):
        device = Device(name, report.tell)
        device.wire = carrier.wire(loop, device, sockets, far)
        loop.reading(device.descriptor, device.read)
    while True:
        loop.turn()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
