"""What befalls the frames of links and of guests' interfaces: changed while they run, and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from fakevm.control.agents import Agents
from fakevm.control.guests import Guests
from fakevm.control.known import guest_words
from fakevm.control.neutron import Neutron
from fakevm.errors import InvalidInput, NotFound
from fakevm.model.guest import GuestSeen
from fakevm.model.impairment import Change, Conditions
from fakevm.model.interface import InterfaceSeen
from fakevm.model.value import Value

Direction = Literal["sent", "received"]


class Impaired(Value):
    """What befalls the frames of one direction of an interface, and by what."""

    guest: str
    host: str
    interface: str
    attached: str
    direction: Direction
    conditions: Conditions
    means: str
    problem: str = ""


class _At(Value):
    """An interface of a guest, as it was seen."""

    guest: GuestSeen
    interface: InterfaceSeen


class Impairing:
    """Finds links and interfaces by the words that users have for them: ``LINK`` or ``GUEST:INTERFACE``."""

    def __init__(self, neutron: Neutron, agents: Agents) -> None:
        self._guests = Guests(neutron, agents)
        self._agents = agents

    def rows(self, words: str | None = None) -> tuple[list[Impaired], list[str]]:
        """List what befalls frames, of a link or an interface, else of all; also the hosts that could not be asked."""
        if words:
            found = self._meant(words)
            return [row for at in found for row in _rows(at, every=True)], []
        guests, unasked = self._guests.rows()
        return [row for at in _all(guests) for row in _rows(at, every=False)], unasked

    def change(self, words: str, change: Change, *, sender: str = "", ways: Sequence[Direction] = ()) -> list[Impaired]:
        """Change what is named; gives how it is then.

        :param words: of a link both ends' frames change, of an interface what it sends and what it receives
        :param sender: of a link the guest whose frames alone are meant
        :param ways: of an interface the directions that are meant
        :raises NotFound: there is no such link, guest or interface, or it is not there now
        :raises InvalidInput: what is asked for cannot be
        """
        found = self._meant(words)
        if ":" not in words:
            if ways:
                raise InvalidInput(f"{words} is a link: say --from GUEST to change one direction")
            ends = [at for at in found if sender in ("", at.guest.name, at.guest.id)]
            if not ends:
                names = " and ".join(at.guest.title for at in found)
                raise NotFound(f"{sender} is at neither end of the link {words}: {names}")
            return [row for at in ends for row in self._one_way(at, "sent", change)]
        if sender:
            raise InvalidInput(f"{words} is an interface: say --sent or --received to change one direction")
        return [row for way in ways or ("sent", "received") for row in self._one_way(found[0], way, change)]

    # -- within ----------------------------------------------------------------------------------------------

    def _one_way(self, at: _At, way: Direction, change: Change) -> list[Impaired]:
        """Change one direction of an interface."""
        with self._guests.alone(at.guest, f"the impairment of {at.guest.title}:{at.interface.name}", ()) as guest:
            other: Direction = "received" if way == "sent" else "sent"
            wanted = {way: change, other: Change()}
            seen = self._agents.on(guest.host).impair(guest.id, at.interface.name, **wanted)
        now = next(each for each in seen.interfaces if each.name == at.interface.name)
        return [row for row in _rows(_At(guest=seen, interface=now), every=True) if row.direction == way]

    def _meant(self, words: str) -> list[_At]:
        guest_said, colon, name = words.partition(":")
        if not colon:
            return self._ends(words)
        guest = self._guests.find(guest_said)
        own = [interface for interface in guest.interfaces if interface.kind != "vlan"]
        for interface in own:
            if interface.name == name:
                return [_At(guest=guest, interface=interface)]
        there = ", ".join(interface.name for interface in own) or "none"
        raise NotFound(f"{guest_words(guest.id)} has no interface {name!r}", hint=f"It has: {there}.")

    def _ends(self, link: str) -> list[_At]:
        guests, unasked = self._guests.rows()
        found = [at for at in _all(guests) if (at.interface.kind, at.interface.attached) == ("link", link)]
        if found:
            # Of a guest that moves the one that is awake.
            awake = [at for at in found if not at.guest.asleep]
            return awake or found
        links = sorted({at.interface.attached for at in _all(guests) if at.interface.kind == "link"})
        more = f" These hosts could not be asked: {'; '.join(unasked)}." if unasked else ""
        known = f"There are: {', '.join(links)}." if links else "There is none."
        raise NotFound(f"there is no link {link!r}", hint=f"{known} An interface is written GUEST:INTERFACE.{more}")


def _all(guests: Sequence[GuestSeen]) -> Iterator[_At]:
    for guest in guests:
        for interface in guest.interfaces:
            if interface.kind != "vlan":
                yield _At(guest=guest, interface=interface)


def _rows(at: _At, *, every: bool) -> Iterator[Impaired]:
    """Give a row for each direction; of those that nothing befalls only when all are wanted."""
    interface = at.interface
    ways: tuple[tuple[Direction, Conditions], ...] = (("sent", interface.sent), ("received", interface.received))
    for (direction, conditions), means in zip(ways, interface.means, strict=True):
        if conditions or (every and (direction == "sent" or interface.kind != "link")):
            yield Impaired(
                guest=at.guest.title,
                host=at.guest.host,
                interface=interface.name,
                attached=interface.attached,
                direction=direction,
                conditions=conditions,
                means=means,
                problem=interface.problem,
            )
