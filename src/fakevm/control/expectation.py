"""The events that Neutron sent to Nova, as the receiver keeps them, and waiting for one of them."""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit

from fakevm.control.known import words
from fakevm.control.neutron import Resource
from fakevm.errors import FakevmError, InvalidInput, TimedOut, Unreachable
from fakevm.model.event import Event
from fakevm.model.identity import is_uuid

PLUGGED = "network-vif-plugged"
UNPLUGGED = "network-vif-unplugged"
COMPUTE = "compute:"

# Seconds: of one long poll, of an answer beyond that, and how long a receiver may
# be away (s6 brings it back in one second), and the pause between two attempts to reach it.
POLL = 20.0
PATIENCE = 10.0
AWAY = 10.0
PAUSE = 0.2


def why_no_event(events: Events | None, port: Resource) -> str:
    """Say why Neutron would send no event for a port, or nobody would receive it; empty when one will come.

    Neutron's rule is neutron.notifiers.nova.Notifier._is_compute_port.
    """
    if events is None:
        return "nobody is known who receives Neutron's events (FAKEVM_EVENTS)"
    if not is_uuid(port["device_id"]):
        return f"Neutron tells Nova of instances that have a UUID only, and {port['device_id']!r} is none"
    if not port["device_owner"].startswith(COMPUTE):
        return f"Neutron tells Nova of ports of compute:… only, and this one's device_owner is {port['device_owner']!r}"
    return ""


class Events:
    """Reads a receiver's events. ``endpoint`` is its root URL. To be used by many threads."""

    def __init__(self, endpoint: str) -> None:
        url = urlsplit(endpoint)
        if url.scheme != "http" or not url.hostname:
            raise InvalidInput(f"{endpoint!r} is no place of events", hint="It looks like http://ADDRESS:PORT.")
        # Without what follows, which may be a secret.
        self.endpoint = f"http://{url.netloc}"
        self._place = (url.hostname, url.port or 80)
        self._root = url.path.rstrip("/")
        self._life = ""
        self._expected: set[Expectation] = set()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def newest(self) -> int:
        """Give the number of the latest event, 0 when there is none. Raises Unreachable."""
        return int(self._get(limit=0)["newest"])

    def follow(self, after: int, wait: float) -> tuple[list[Event], int]:
        """Give the events after a number, and how many of those were dropped; waits for one, ``wait`` seconds at most.

        A receiver that was started anew meanwhile is read from its first event on. Raises Unreachable.
        """
        events, lost, self._life = self._read(after, wait, self._life)
        return events, lost

    def expect(self, name: str, tag: str) -> Expectation:
        """Begin to look out for an event, such as ``network-vif-plugged`` of a port; to be called before its cause.

        Events of before do not count. Use it in a ``with`` statement when it may be given up. Raises Unreachable.
        """
        answer = self._get(limit=0)
        expected = Expectation(self, name, tag, after=answer["newest"], life=answer["life"])
        with self._lock:
            self._expected.add(expected)
            if self._thread is None:
                place = (expected.after, expected.life)
                self._thread = threading.Thread(target=self._poll, args=place, name="events", daemon=True)
                self._thread.start()
        return expected

    def forget(self, expected: Expectation) -> None:
        """Look out for it no longer."""
        with self._lock:
            self._expected.discard(expected)

    # -- the one thread that polls for all -------------------------------------------------------------------

    def _poll(self, after: int, life: str) -> None:
        """Read events for as long as one is expected."""
        away = math.inf
        while self._is_needed():
            try:
                events, lost, life = self._read(after, POLL, life)
            except Unreachable as problem:
                away = min(away, time.monotonic())
                if time.monotonic() - away > AWAY:
                    for expected in self._all():
                        expected.fail(problem)
                time.sleep(PAUSE)
                continue
            away = math.inf
            if events:
                after = events[-1].number
                # Also those who joined while the poll was under way.
                for expected in self._all():
                    expected.look_at(events, lost, life)

    def _is_needed(self) -> bool:
        with self._lock:
            if not self._expected:
                self._thread = None
            return bool(self._expected)

    def _all(self) -> list[Expectation]:
        with self._lock:
            return list(self._expected)

    def _read(self, after: int, wait: float, life: str) -> tuple[list[Event], int, str]:
        """Read the events after a number of a receiver's life; gives them, how many were dropped, and their life."""
        answer = self._get(after=after, wait=wait, life=life)
        # The old life stays the reader's until it has a number of the new one.
        read_in = answer["life"] if answer["events"] or not life else life
        return [Event(**event) for event in answer["events"]], int(answer["lost"]), read_in

    def _get(self, **query: Any) -> dict[str, Any]:
        connection = http.client.HTTPConnection(*self._place, timeout=PATIENCE + float(query.get("wait", 0)))
        try:
            connection.request("GET", f"{self._root}/events?{urlencode(query)}", headers={"Connection": "close"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise Unreachable(f"{self.endpoint} is no receiver of events: it answers HTTP {answer.status}")
            return dict(json.loads(content))
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Unreachable(
                f"could not read Neutron's events at {self.endpoint}: {problem}",
                hint="In a lab: fakevm lab logs events. Else: does neutron-fakevm-events run there (FAKEVM_EVENTS)?",
            ) from problem
        finally:
            connection.close()


def events_at(endpoint: str | None) -> Events | None:
    """Give the events that can be read somewhere; None: nobody receives them. Raises as Events does."""
    return Events(endpoint) if endpoint else None


class Expectation:
    """An event that is looked out for since it was made."""

    def __init__(self, events: Events, name: str, tag: str, *, after: int, life: str) -> None:
        self.name = name
        self.tag = tag
        self.after = after
        self.life = life
        self._events = events
        self._came: Event | None = None
        self._problem: FakevmError | None = None
        self._instead: list[Event] = []
        self._lost = 0
        self._settled = threading.Event()

    def __enter__(self) -> Expectation:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.forget(self)

    def wait(self, timeout: float) -> Event | None:
        """Wait for the event, ``timeout`` seconds at most; None when something else sufficed.

        Raises TimedOut, saying which other events of the port came; FakevmError when Neutron says that it failed;
        Unreachable when the receiver is gone.
        """
        came = self._settled.wait(timeout)
        self._events.forget(self)
        if self._problem:
            raise self._problem
        if not came:
            raise self._timed_out(timeout)
        if self._came and self._came.status == "failed":
            raise FakevmError(
                f"Neutron says of {words(self.tag)}: {self.name} failed",
                hint="Neutron could not wire it: look at the log of its agent on that host.",
            )
        return self._came

    def look_at(self, events: Iterable[Event], lost: int, life: str) -> None:
        """Find the event among some that came; ``lost`` others were dropped before anybody read them."""
        self._lost += lost
        for event in events:
            of_before = event.number <= self.after and life == self.life
            if event.tag != self.tag or of_before or self._settled.is_set():
                continue
            if event.name == self.name and event.status != "in-progress":
                self._came = event
                self._settled.set()
            else:
                self._instead.append(event)

    def suffice(self) -> None:
        """Make ``wait`` return: what the event would tell is known."""
        self._settled.set()

    def fail(self, problem: FakevmError) -> None:
        """Make ``wait`` raise an error."""
        self._problem = problem
        self._settled.set()

    def _timed_out(self, timeout: float) -> TimedOut:
        seen = ", ".join(f"{event.name} ({event.status})" for event in self._instead) or "nothing"
        lost = f"; {self._lost} events were dropped unread" if self._lost else ""
        return TimedOut(
            f"no event {self.name} for {words(self.tag)} came within {timeout:g} s; Neutron said of it: {seen}{lost}",
            hint="Neutron's agent on that host did not wire it: look at its log. `fakevm events` shows all that came.",
        )
