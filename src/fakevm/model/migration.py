"""A migration as it went: its steps, what Neutron said meanwhile, and what another guest saw of it.

All times are seconds since the migration began (``began``, seconds since the epoch), but for those of the events: they
are the receiver's, in seconds since the epoch.
"""

from __future__ import annotations

from typing import Literal

from .event import Event
from .identity import called
from .value import Value


class Step(Value):
    """A step: when it began, how long it took, and why it failed, if it did."""

    name: str
    start: float
    seconds: float
    error: str = ""


class PortSample(Value):
    """The port in Neutron at one moment; ``bindings`` gives each host's binding its status (ACTIVE, INACTIVE)."""

    at: float
    status: str
    host: str
    bindings: dict[str, str] = {}
    migrating_to: str = ""


class Probe(Value):
    """One probe: its number, when it was sent, and when each answer to it came (none: it was lost)."""

    number: int
    sent: float
    answers: tuple[float, ...] = ()


class Outage(Value):
    """What the probes say. ``interval`` and ``longest_gap`` are seconds.

    ``longest_gap`` is the longest time from one first answer to the next; a silence before the first answer, or after
    the last one, counts when probes were lost in it. ``duplicated`` counts the answers beyond the first to a probe,
    ``reordered`` the first answers that came after the answer to a later probe. ``median_rtt`` is None when nobody
    answered.
    """

    observer: str
    interval: float
    sent: int
    lost: int
    duplicated: int
    reordered: int
    longest_gap: float
    median_rtt: float | None = None


class InterfaceReport(Value):
    """An interface of a guest that moved, and what another guest saw of its outage.

    ``name`` is its device's, ``attached`` says to what: a port's id, or the name of a link or bridge. ``network`` is
    the name of a port's; ``addresses`` are in CIDR form.
    """

    name: str
    kind: Literal["port", "link", "bridge"]
    attached: str
    network: str = ""
    mac_address: str
    addresses: tuple[str, ...]
    outage: Outage | None = None
    samples: tuple[PortSample, ...] = ()
    probes: tuple[Probe, ...] = ()


class MigrationReport(Value):
    """One migration of one guest, with all its interfaces.

    ``name`` is that of its first port, ``guest_id`` its own, ``instance_id`` the ``device_id`` of its ports. ``error``
    is empty when it went well; ``result`` says where that left the guest.
    """

    name: str = ""
    guest_id: str
    instance_id: str
    source: str
    destination: str
    kind: Literal["live", "cold"]
    result: Literal["moved", "rolled back", "left half-way"]
    error: str = ""
    began: float
    seconds: float
    steps: tuple[Step, ...]
    events: tuple[Event, ...] = ()
    interfaces: tuple[InterfaceReport, ...] = ()

    @property
    def title(self) -> str:
        """What people call the guest."""
        return called(self.name, self.instance_id, self.guest_id)

    @property
    def first(self) -> InterfaceReport | None:
        """The first interface that is attached to a port; of a guest without one, the first."""
        ports = [one for one in self.interfaces if one.kind == "port"]
        return next(iter(ports or self.interfaces), None)

    @property
    def worst(self) -> Outage | None:
        """The outage of the interface that was longest without an answer; None when none was watched."""
        watched = [one.outage for one in self.interfaces if one.outage and one.outage.sent]
        return max(watched, key=lambda outage: outage.longest_gap, default=None)
