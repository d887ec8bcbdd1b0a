"""What Neutron says of a port while it moves: its status and bindings, read again and again."""

from __future__ import annotations

import threading

from fakevm.control.binding import MIGRATING_TO
from fakevm.control.migration.course import Course
from fakevm.control.neutron import Neutron, Resource
from fakevm.errors import FakevmError
from fakevm.model.migration import PortSample

# Seconds between two looks; each is two requests, and Neutron has other work to do just now.
PAUSE = 0.15


class Samples:
    """Reads a port in a thread of its own, and keeps what changed."""

    def __init__(self, neutron: Neutron, port_id: str, course: Course) -> None:
        self._neutron = neutron
        self._port_id = port_id
        self._course = course
        self._ended = threading.Event()
        self._taken: list[PortSample] = []
        self._thread = threading.Thread(target=self._read, name="port-samples", daemon=True)
        self._thread.start()

    def stop(self) -> tuple[PortSample, ...]:
        """End the reading; returns the samples, the last of them as it was at the end."""
        self._ended.set()
        self._thread.join()
        self._sample()
        return tuple(self._taken)

    def _read(self) -> None:
        while not self._ended.is_set():
            self._sample()
            self._ended.wait(PAUSE)

    def _sample(self) -> None:
        at = self._course.seconds
        try:
            sample = sample_of(at, self._neutron.port(self._port_id), self._neutron.bindings(self._port_id))
        except FakevmError:  # a picture with a gap; the migration itself meets, and tells, the same trouble
            return
        if not self._taken or sample.model_copy(update={"at": self._taken[-1].at}) != self._taken[-1]:
            self._taken.append(sample)


def sample_of(at: float, port: Resource, bindings: list[Resource]) -> PortSample:
    """Take of a port and its bindings what a migration changes."""
    return PortSample(
        at=at,
        status=port["status"],
        host=port["binding:host_id"],
        bindings={binding["host"]: binding["status"] for binding in bindings},
        migrating_to=str((port["binding:profile"] or {}).get(MIGRATING_TO, "")),
    )
