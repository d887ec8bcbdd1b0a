"""The ways that frames of an interface go, and what stands there when something is to befall them.

A guest's frames on a link are led through devices of the panel (``OnLink``). Others meet rules where they leave a
device (``OnDevice``): what a guest sends where they leave it, as a switch that reads its ports as a program (AF_PACKET)
has them before any rule where they come in; what it receives where they leave the host, or the panel, for it.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from fakevm.linux import kernel, link
from fakevm.model.impairment import Conditions, Effect, Impairment
from fakevm.model.interface import LinkEnd

from . import filter as rules
from . import joining
from .delay import DEVICE, MARK, Lines, Spot
from .detour import LEAVING, USED, Detour
from .devices import joints
from .joining import Joint
from .patch import Patch
from .queue import Queue, tc

# The panel's name in its hosts.
NAMESPACE = "lab"


@functools.cache
def has_netem() -> bool:
    """Try whether this kernel has netem."""
    return not kernel.missing(kernel.NETEM, user=False)


class Way(ABC):
    """The frames of one direction of an interface."""

    lines: Lines
    spot: Spot

    @abstractmethod
    def hold(self, now: Conditions, before: Conditions) -> None:
        """Bring them under these conditions, from those before. Raises FakevmError."""

    @abstractmethod
    def release(self) -> None:
        """Take away what there is for them, since the interface goes; what is not there is no error."""

    def by_line(self, impairment: Impairment) -> list[Effect]:
        """Name what a delay line does of this."""
        return (
            [] if has_netem() else [effect for effect in impairment.named if effect != "loss" or not self.loses_by_rule]
        )

    loses_by_rule = True

    def means(self, conditions: Conditions) -> Iterator[str]:
        """Say by what these conditions are made."""
        if has_netem() and conditions.impair.named:
            yield "netem"
        by_line = self.by_line(conditions.impair)
        if conditions.impair.loss and not has_netem() and "loss" not in by_line:
            yield "rule: loss"
        if by_line:
            yield f"delay line: {', '.join(by_line)}"
        if conditions.shape:
            yield "tbf" if conditions.shape.tbf else "htb"

    def problem(self, conditions: Conditions) -> str:
        """Say what is wrong; empty when frames suffer what they should."""
        lost = self.by_line(conditions.impair) and not self.lines.counts(self.spot)
        return "its delay line does not answer" if lost else ""

    def counts(self, conditions: Conditions) -> dict[str, int]:
        """Count the frames of the delay line; empty when there is none."""
        return self.lines.counts(self.spot) if self.by_line(conditions.impair) else {}

    def _hold_line(self, impairment: Impairment) -> bool:
        """See to the delay line, if there is to be one; tells whether."""
        effects = self.by_line(impairment)
        if effects:
            wanted = {
                effect: getattr(impairment, effect) if effect in effects else 0.0 for effect in Impairment.model_fields
            }
            # Frames of 64 kB, of which many become, may pass whole where each fares alike.
            self.lines.hold(self.spot, {**wanted, "whole": impairment.named.keys() <= {"delay"}})
        return bool(effects)


@dataclass(frozen=True)
class OnLink(Way):
    """What the guest at one end of a link sends; ``source`` is the device by which it comes into the panel."""

    patch: Patch
    lines: Lines
    end: LinkEnd
    source: str
    mtu: int

    @property
    def _detour(self) -> Detour:
        return Detour(self.source)

    @property
    def spot(self) -> Spot:  # type: ignore[override]
        """Where the delay line is."""
        return Spot(NAMESPACE, self._detour.tap)

    def hold(self, now: Conditions, before: Conditions) -> None:
        """See Way. What is new is made first, then frames are led there, then what is old is emptied and goes."""
        detour = self._detour
        pair = bool(now.shape or (now.impair.named if has_netem() else now.impair.loss))
        with self.patch.alone(self.end.link):
            there = self.patch.devices()
            if pair:
                self._hold_pair(now, before, new=detour.inlet not in there)
            line = self._hold_line(now.impair)
            self._lead(pair=pair, line=line, there=there)
        if not line and detour.tap in there:
            self.lines.end(self.spot)
        if not pair and detour.inlet in there:
            self._queue.clear(before)
            self.patch.ip([f"link del dev {detour.inlet}"])

    @property
    def _queue(self) -> Queue:
        return Queue(NAMESPACE, self._detour.inlet, self.mtu)

    def _hold_pair(self, now: Conditions, before: Conditions, *, new: bool) -> None:
        detour = self._detour
        if new:
            pair = f"link add name {detour.inlet} {DEVICE} type veth peer name {detour.exit} {DEVICE}"
            ends = [f"link set dev {name} addrgenmode none arp off" for name in (detour.inlet, detour.exit)]
            self.patch.ip([pair, *ends])
            link.frame_by_frame(detour.inlet, namespace=NAMESPACE)
            self._drop_at(detour.inlet, detour.exit)
            self.patch.ip([f"link set dev {name} up" for name in (detour.inlet, detour.exit)])
        loss = 0.0 if has_netem() else now.impair.loss
        self.patch.tc([rules.gate(detour.exit, "ingress", loss, MARK)])
        self._queue.hold(now, Conditions() if new else before, netem=has_netem())

    def _drop_at(self, *devices: str) -> None:
        """Let nothing that comes in by a device get any further, until it is led somewhere."""
        self.patch.tc([step for name in devices for step in joining.steps(Joint(name))])

    def _lead(self, *, pair: bool, line: bool, there: dict[str, str]) -> None:
        """Lead frames through what is wanted: from the far end on, so that all is ready where they come to.

        What comes in at last is joined to the far end, as the panel does it.
        """
        detour = self._detour
        if line and detour.tap not in there:
            self._drop_at(detour.tap)
        stages = detour.stages(pair=pair, line=line)
        used = {name for stage in stages for name in stage}
        present = [name for name in (detour.inlet, detour.exit, detour.tap) if name in used or name in there]
        self.patch.ip([f"link set dev {name} alias {USED if name in used else LEAVING}" for name in present])
        now = self.patch.devices()
        self.patch.join(self.end.link, [joint for joint in joints(self.end.link, now) if joint.source == self.source])
        pairs = list(zip([("", self.source), *stages], stages, strict=False))
        led = [Joint(source, target) for (_, source), (target, _) in reversed(pairs)]
        self.patch.tc([step for joint in led for step in joining.steps(joint)])

    def release(self) -> None:
        """See Way."""
        self.lines.end(self.spot, drain=False)
        if link.is_inside(self._detour.inlet, namespace=NAMESPACE):
            self.patch.ip([f"link del dev {self._detour.inlet}"])


@dataclass(frozen=True)
class OnDevice(Way):
    """What leaves a device; ``in_guest``: that of a guest, else the other end of it.

    In the guest a rule loses frames, and the guest is made to give them one by one; elsewhere they come as somebody
    else made them, in pieces of 64 kB perhaps, and the delay line's tap cuts them before any is lost.
    """

    lines: Lines
    spot: Spot
    mtu: int
    in_guest: bool

    @property
    def loses_by_rule(self) -> bool:  # type: ignore[override]
        """See Way."""
        return self.in_guest

    def hold(self, now: Conditions, before: Conditions) -> None:
        """See Way. A frame that the delay line sends on carries a mark, and passes the rules."""
        namespace, device = self.spot.namespace, self.spot.device
        gated = bool(now.impair.named) and not has_netem()
        if self.in_guest and not has_netem():
            each = bool(now.impair.named.keys() - {"delay"})
            link.frame_by_frame(device, namespace=namespace, on=each)
        line = self._hold_line(now.impair)
        if gated:
            loss = now.impair.loss if self.loses_by_rule else 0.0
            tc(namespace, [rules.clsact(device), rules.gate(device, "egress", loss, MARK)])
        if line:
            tc(namespace, [rules.turn(device, self.spot.tap)])
        else:
            tc(namespace, [rules.without(device, rules.TURN)], force=True)
            self.lines.end(self.spot)
        if not gated:
            tc(namespace, [rules.without(device, rules.GATE)], force=True)
        Queue(namespace, device, self.mtu).hold(now, before, netem=has_netem())

    def release(self) -> None:
        """See Way. The device goes, and all that hangs on it."""
        self.lines.end(self.spot, drain=False)
