"""A capture, from its first packet to its end: points whose guests move are followed, what is gone is told."""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from fakevm.errors import FakevmError, NotFound

from .listener import Line, Listener, Wanted
from .output import Output
from .pcap import Packet
from .point import Place, Point

# Seconds: how often points are looked for anew; how long a packet waits for earlier ones of other points, which the
# kernel, or a sniffer that has no processor, gives later; how long a sniffer may take to end.
_LOOK = 0.3
_ORDER = 0.5
_END = 5.0
# A place where the sniffer ended at once is tried again after so long (seconds), and so often.
_AGAIN = 1.0
_TRIES = 5


@dataclass
class Limits:
    """When a capture ends by itself: after so many packets, after so many seconds."""

    packets: int | None = None
    seconds: float | None = None


@dataclass
class Watched:
    """A point of a capture, and what was seen there."""

    point: Point
    listeners: dict[Place, Listener] = field(default_factory=dict)
    packets: int = 0
    dropped: int = 0
    gone: str = ""
    told: str = ""
    again: dict[Place, float] = field(default_factory=dict)
    tries: int = 0
    was_seen: bool = False

    @property
    def is_seen(self) -> bool:
        """Whether its packets are taken now."""
        return any(listener.listening for listener in self.listeners.values())


class Capture:
    """Takes packets at points until it is to end.

    :param tell: told what becomes of points
    """

    def __init__(
        self, points: Sequence[Point], wanted: Wanted, output: Output, limits: Limits, tell: Callable[[str], None]
    ) -> None:
        self.watched = [Watched(point) for point in points]
        self._wanted = wanted
        self._output = output
        self._limits = limits
        self._tell = tell
        self._selector = selectors.DefaultSelector()
        self._waiting: list[tuple[int, int, int, Packet | Line]] = []
        self._taken = 0
        self._written = 0
        self._began = False

    def run(self) -> int:
        """Capture; returns the signal that ended it, 0 for none. Raises FakevmError; BrokenPipeError."""
        with self._signals() as signalled:
            try:
                self._until(signalled)
                self._finish()
                if not any(watched.was_seen for watched in self.watched):
                    raise FakevmError(f"nothing was captured: {self.watched[0].gone or 'no guest ran'}")
            finally:
                for watched in self.watched:
                    for listener in watched.listeners.values():
                        listener.close()
                self._selector.close()
            return signalled[0] if signalled else 0

    def _until(self, signalled: list[int]) -> None:
        end = time.monotonic() + self._limits.seconds if self._limits.seconds else None
        look = 0.0
        while not signalled and not self._is_enough():
            now = time.monotonic()
            if end and now >= end:
                return
            if now >= look:
                self._look(now)
                look = now + _LOOK
                if all(watched.gone for watched in self.watched):
                    return
            pause = min(look, end or look) - now
            self._take(max(0.0, min(pause, _ORDER / 5 if self._waiting else pause)))
            self._release(time.time_ns() - int(_ORDER * 1e9) if self._has_several() else None)

    def _is_enough(self) -> bool:
        return self._limits.packets is not None and self._written >= self._limits.packets

    def _has_several(self) -> bool:
        return sum(len(watched.listeners) for watched in self.watched) > 1 or len(self.watched) > 1

    # -- points ------------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """Listen wherever a point is now; tell what has become of one."""
        for watched in self.watched:
            if watched.gone:
                continue
            try:
                places = watched.point.places()
            except FakevmError as problem:
                # Its host or its guest has ended.
                watched.gone = problem.what
                self._tell(f"{watched.point.name}: ended: {problem.what}")
                for listener in watched.listeners.values():
                    listener.stop()
                continue
            for place in places:
                if place not in watched.listeners and now >= watched.again.get(place, 0.0):
                    watched.again[place] = now + _AGAIN
                    self._listen(watched, place)
            if not places and not watched.listeners:
                self._say(watched, "it is not running now; what comes once it does is captured")
        if not self._began and all(w.gone or w.told or w.is_seen for w in self.watched):
            self._began = True
            if names := [watched.point.name for watched in self.watched if watched.is_seen]:
                self._tell(f"capturing at {', '.join(names)}; Ctrl-C ends it")

    def _say(self, watched: Watched, what: str) -> None:
        if watched.told != what:
            watched.told = what
            self._tell(f"{watched.point.name}: {what}")

    def _listen(self, watched: Watched, place: Place) -> None:
        listener = Listener(place, self._wanted)
        watched.listeners[place] = listener
        self._selector.register(listener.seen, selectors.EVENT_READ, (watched, listener))
        self._selector.register(listener.said, selectors.EVENT_READ, (watched, listener))

    def _ended(self, watched: Watched, listener: Listener) -> None:
        for descriptor in (listener.seen, listener.said):
            self._selector.unregister(descriptor)
        del watched.listeners[listener.place]
        watched.dropped += listener.dropped
        listener.close()
        if watched.gone:
            return
        if listener.problem and not watched.listeners:
            self._lost(watched, listener)

    def _lost(self, watched: Watched, listener: Listener) -> None:
        """Tell that a point is not seen any more; what can come back is looked for again."""
        try:
            watched.point.places()
        except NotFound as gone:
            watched.gone = gone.what
            self._tell(f"{watched.point.name}: ended: {gone.what}")
            return
        watched.tries = 0 if listener.listening else watched.tries + 1
        if not watched.point.comes_back or watched.tries >= _TRIES:
            watched.gone = listener.problem
            self._tell(f"{watched.point.name}: ended: {listener.problem}")
        else:
            self._say(watched, f"{listener.problem}; what comes once it is back is captured")

    # -- packets -----------------------------------------------------------------------------------------------

    def _take(self, pause: float) -> None:
        """Read what there is, or wait for it, ``pause`` seconds at most."""
        for key, _ in self._selector.select(pause):
            if key.data is None:
                # A signal: it is noted.
                return
            watched, listener = key.data
            if listener.ended:
                continue
            if key.fd == listener.said:
                listener.listen()
                watched.was_seen = watched.was_seen or listener.listening
                if listener.listening and watched.told:
                    watched.told = ""
                    self._tell(f"{watched.point.name}: it is back")
                if not self._began:
                    self._look(time.monotonic())
                continue
            number = self.watched.index(watched)
            for packet in listener.packets():
                self._taken += 1
                heapq.heappush(self._waiting, (packet.at, self._taken, number, packet))
            if listener.link_type is not None:
                about = f"{listener.place.device} in {listener.place.where}"
                self._output.add(number, watched.point.name, about, listener.link_type, self._wanted.longest)
            if listener.ended:
                self._ended(watched, listener)

    def _release(self, until: int | None) -> None:
        """Write packets in the order of their times, those of before ``until`` (ns since 1970), or all."""
        while self._waiting and not self._is_enough() and (until is None or self._waiting[0][0] <= until):
            _, _, number, packet = heapq.heappop(self._waiting)
            self._output.write(number, packet)
            self.watched[number].packets += 1
            self._written += 1
        self._output.flush()

    def _finish(self) -> None:
        """Let every sniffer give what it still has, and write it."""
        for watched in self.watched:
            for listener in watched.listeners.values():
                listener.stop()
        deadline = time.monotonic() + _END
        while any(watched.listeners for watched in self.watched) and time.monotonic() < deadline:
            for watched in self.watched:
                watched.gone = watched.gone or "it was ended before"
            self._take(0.1)
        self._release(None)
        self._output.end([(watched.packets, watched.dropped) for watched in self.watched])

    @contextmanager
    def _signals(self) -> Iterator[list[int]]:
        """Note Ctrl-C and its like instead of raising: a block must not be half written. A second one ends at once."""
        noted: list[int] = []
        before: dict[int, Any] = {}
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def note(signum: int, frame: FrameType | None) -> None:
            if noted:
                handler = before[signum]
                if callable(handler):
                    handler(signum, frame)
            noted.append(signum)

        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(signum) != signal.SIG_IGN:
                before[signum] = signal.signal(signum, note)
        woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, None)
        try:
            yield noted
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)
