"""Waiting until Neutron calls ports ACTIVE: one query for all of them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from fakevm.control.known import words
from fakevm.control.neutron import Neutron, Resource
from fakevm.errors import Busy, FakevmError, Gone, TimedOut

# Seconds between two queries: wiring takes an agent of Neutron's a second or two; a query costs its server some 30 ms.
FIRST_PAUSE = 0.06
LAST_PAUSE = 0.25


class ActiveWatch:
    """Reads all ports that somebody waits for, in one thread, for as long as somebody waits."""

    def __init__(self, neutron: Neutron) -> None:
        self._neutron = neutron
        self._waiting: dict[str, Future[None]] = {}
        self._seen: dict[str, str] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def wait(self, port_id: str, timeout: float) -> None:
        """Wait, ``timeout`` seconds at most, until the port is ACTIVE. Raises TimedOut with its last status, Gone."""
        future = self._join(port_id)
        try:
            future.result(timeout)
        except FutureTimeout as problem:
            seen = self._seen.get(port_id, "nothing")
            raise TimedOut(
                f"{words(port_id)} was not ACTIVE within {timeout:.0f} s; last seen: {seen}",
                hint="Neutron's agent on that host did not wire it: look at its log.",
            ) from problem
        finally:
            with self._lock:
                self._waiting.pop(port_id, None)

    def _join(self, port_id: str) -> Future[None]:
        with self._lock:
            future = self._waiting.setdefault(port_id, Future())
            if self._thread is None:
                self._thread = threading.Thread(target=self._poll, name="active-watch", daemon=True)
                self._thread.start()
            return future

    def _poll(self) -> None:
        pause = FIRST_PAUSE
        while True:
            time.sleep(pause)
            pause = min(pause * 1.5, LAST_PAUSE)
            with self._lock:
                waiting = dict(self._waiting)
                if not waiting:
                    self._thread = None
                    return
            try:
                ports = self._neutron.ports(waiting, fields=("id", "status", "binding:vif_type"))
            except Busy:
                # It has much to do: who waits may wait on, for as long as he wants to.
                continue
            except FakevmError as problem:
                for future in waiting.values():
                    _settle(future, problem)
            else:
                self._tell(waiting, {port["id"]: port for port in ports})

    def _tell(self, waiting: dict[str, Future[None]], ports: dict[str, Resource]) -> None:
        for port_id, future in waiting.items():
            port = ports.get(port_id)
            if port is None:
                _settle(future, Gone(f"{words(port_id)} was deleted meanwhile"))
                continue
            self._seen[port_id] = f"{port['status']}, {port['binding:vif_type']}"
            if port["status"] == "ACTIVE":
                _settle(future)


def _settle(future: Future[None], problem: FakevmError | None = None) -> None:
    if future.done():
        return
    if problem:
        future.set_exception(problem)
    else:
        future.set_result(None)
