"""The patch panel, in which links and bridges end: a network namespace around the hosts, where those of a lab all meet.

A guest's device is one end of a veth pair; the pair's other end is in the panel. There the frames of one end of a link
are redirected to the other, and nothing looks into them: a link carries what a Linux bridge keeps to itself, too (LACP,
LLDP, spanning tree). When a guest ends, or moves, its own pair goes; the other guest's stays as it is, with its number
and its carrier, and is joined to what comes.

While a guest moves its end is in the panel twice, for two hosts: the awake one is the one that carries the mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from fakevm import errors
from fakevm.guest.base import Uplink
from fakevm.linux import link, namespace
from fakevm.model.interface import BridgePort, LinkEnd

from . import joining
from .devices import ASLEEP, AWAKE, Place, ends, joints, of_place
from .joining import Joint
from .patch import Patch, up

# The name that a lab's own network namespace has in its hosts (host/scripts/host-init.sh).
NAMESPACE = "lab"
# Not by 'ip -n', which mounts a /sys for each command.
_ENTER = ("nsenter", f"--net={namespace.DIRECTORY / NAMESPACE}", "--")
# A lab's folder, as its hosts see it.
_FOLDER = Path("/run/fakevm/links")


class Panel:
    """The ends of links, and the places in bridges, of one host's guests."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.patch = Patch(_ENTER, _FOLDER)

    def prepare(self, place: Place) -> Uplink:
        """Say where the other end of the guest's device goes; what was left there by an earlier one is removed.

        :raises PlugFailed: there is no panel here, or it cannot be used
        """
        if not namespace.exists(NAMESPACE):
            raise errors.PlugFailed(
                f"{_words(place)} cannot be made: this host is in no lab, and has no others around it",
                hint="Links and bridges join guests of a lab: fakevm lab up FILE.",
            )
        self.unplug(place)
        return Uplink(of_place(place, self._host), namespace=NAMESPACE)

    def connect(self, place: Place, *, asleep: bool = False) -> None:
        """Bring the other end up, and while its guest is awake join it to what is there. Raises PlugFailed.

        What comes in by it gets no further until it is joined: the lab's own addresses must not answer a guest.
        """
        self.connect_all([place], asleep=asleep)

    def connect_all(self, places: Sequence[Place], *, asleep: bool = False) -> None:
        """Do that for all places of a guest, in few programs. Raises PlugFailed."""
        links = [place for place in places if isinstance(place, LinkEnd)]
        try:
            with ExitStack() as held:
                # In one order, so that no two wait for one another.
                for name in sorted({end.link for end in links}):
                    held.enter_context(self.patch.alone(name))
                self._connect(links, asleep)
            for place in places:
                if isinstance(place, BridgePort):
                    self._plug_in(place, asleep)
        except errors.CommandFailed as exc:
            words = ", ".join(map(_words, places))
            raise errors.PlugFailed(f"{words} cannot be joined: {exc.what}", hint=exc.hint) from exc

    def _plug_in(self, place: BridgePort, asleep: bool) -> None:
        own = of_place(place, self._host)
        if asleep:
            self.patch.tc(joining.steps(Joint(own)))
        else:
            self.patch.plug_in(own, place.bridge)
        self.patch.ip(up(own))

    def _connect(self, places: Sequence[LinkEnd], asleep: bool) -> None:
        devices, joined, steps = self.patch.devices() if places else {}, [], []
        for end in places:
            own = of_place(end, self._host)
            if own not in devices:
                raise errors.PlugFailed(
                    f"link {end.link} has no device {own} in the lab", hint="Start the guest again."
                )
            marks = {} if asleep else dict.fromkeys(ends(end, devices), ASLEEP) | {own: AWAKE}
            devices |= marks
            known = [Joint(own)] if asleep else [joint for joint in joints(end.link, devices) if own in joint]
            joined += [(end.link, joint) for joint in known]
            steps += [*(f"link set dev {name} alias {mark}" for name, mark in marks.items()), *up(own)]
        self.patch.join_all(joined)
        self.patch.ip(steps)

    def unplug(self, place: Place) -> None:
        """Remove this host's end, if it is there. Raises PlugFailed."""
        own = of_place(place, self._host)
        if not link.is_inside(own, namespace=NAMESPACE):
            return
        try:
            self.patch.ip([f"link del dev {own}"])
        except errors.CommandFailed as exc:
            # The guest's namespace may take it along just now.
            if link.is_inside(own, namespace=NAMESPACE):
                raise errors.PlugFailed(f"{_words(place)}: its end is left: {exc.what}") from exc

    def problem(self, place: Place) -> str:
        """Say what is wrong with this host's end; empty when it is there."""
        own = of_place(place, self._host)
        return "" if link.is_inside(own, namespace=NAMESPACE) else f"{_words(place)} has no device {own} in the lab"


def _words(place: Place) -> str:
    return f"link {place.link}" if isinstance(place, LinkEnd) else f"bridge {place.bridge}"
