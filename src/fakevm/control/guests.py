"""The guests of all hosts: found by the words that users have for them, and listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from fakevm.control.agents import GLANCE, Agents
from fakevm.control.known import guest_words, learn_guests
from fakevm.control.lookup import Candidate, listed, not_found
from fakevm.control.neutron import Neutron
from fakevm.control.whereabouts import Whereabouts
from fakevm.errors import AgentDown, Ambiguous, Conflict, FakevmError, NotFound
from fakevm.model.guest import GuestSeen
from fakevm.model.interface import InterfaceSeen
from fakevm.progress import SILENT, Progress

# More guests than this are looked for on all hosts at once, and not each by itself.
FEW = 3


class Guests:
    """Finds guests, and the hosts on which they are; what cannot be asked is named."""

    def __init__(self, neutron: Neutron, agents: Agents) -> None:
        self._neutron = neutron
        self._agents = agents
        agents.prepare()

    def rows(self, host: str | None = None) -> tuple[list[GuestSeen], list[str]]:
        """List the guests on one host, or all; also the hosts whose agents could not be asked, and why."""
        if host:
            self._agents.require(host)
            guests = self._agents.on(host).list_guests()
            learn_guests(guests)
            return _sorted(guests), []
        guests, unasked = self._all()
        return _sorted(guests), [f"{name}: {problem}" for name, problem in unasked.items()]

    def find(self, words: str, host: str | None = None) -> GuestSeen:
        """Find a guest where it is: by its name or id, one of its ports or a port's name, or the beginning of an id.

        Of one that moves just now it is the one that is awake. ``host``: where it is to be: of several that have the
        name the one there is meant. Raises NotFound, Ambiguous, AgentDown, Unreachable.
        """
        if host:
            self._agents.require(host)
        guests, unasked = self._all()
        wanted = self._id(words, host, guests, unasked)
        found = [guest for guest in guests if guest.id == wanted]
        if host and not any(guest.host == host for guest in found):
            where = ", ".join(guest.host for guest in found)
            raise NotFound(f"{guest_words(found[0].id)} is on {where}, not on {host}", hint="Leave --host out.")
        return _one([guest for guest in found if host in (None, guest.host)])

    def each(self, names: Sequence[str], host: str | None = None) -> dict[str, GuestSeen | FakevmError]:
        """Find guests as ``find`` does, by their names; one that cannot be found has the error."""
        found: dict[str, GuestSeen | FakevmError] = {}
        for name in names:
            try:
                found[name] = self.find(name, host)
            except FakevmError as problem:
                found[name] = problem
        return found

    def home(self, guest_id: str) -> str | None:
        """Name the host on which a guest is, by its id; None when none of those that answer has it."""
        found, _ = self._few([guest_id])
        return _one(found).host if found else None

    def refuse_elsewhere(self, wanted: Mapping[str, str]) -> None:
        """Make sure that guests, by their ids, are on no other host than the one that each is wanted on.

        To be asked while they are claimed. Raises Conflict that names the host, or says that one is stopped there;
        AgentDown when one may be on a host that does not answer, as a port of it is bound there.
        """
        seen, unasked = self._few(wanted) if len(wanted) <= FEW else self._all()
        for guest in seen:
            if guest.host != wanted.get(guest.id, guest.host):
                asleep = "It sleeps there: `fakevm migrate --recover` mends a migration that was cut short."
                raise Conflict(
                    f"{guest_words(guest.id)} is on {guest.host}: it cannot have an interface on {wanted[guest.id]}",
                    hint=asleep if guest.asleep else f"Choose --host {guest.host}, or another instance's id.",
                )
            if guest.id in wanted:
                refuse_stopped(guest)
        if unasked and self._neutron.there:
            self._refuse_unasked(wanted, unasked)

    @contextmanager
    def alone(
        self,
        guest: GuestSeen,
        doing: str,
        ports: Iterable[str],
        *,
        patience: float = 0.0,
        progress: Progress = SILENT,
    ) -> Iterator[GuestSeen]:
        """Have a guest and ports alone (see Agents.claimed), and give the guest as it is then.

        Raises Conflict while it is asleep, or when another command has one of them; NotFound when it is gone.
        """
        with self._agents.claimed(ports, doing, guests=[guest.id], patience=patience, progress=progress):
            seen = self._agents.on(guest.host).show_guest(guest.id)
            refuse_asleep(seen)
            yield seen

    # -- within ----------------------------------------------------------------------------------------------

    def _all(self) -> tuple[list[GuestSeen], dict[str, str]]:
        """Ask all hosts for all their guests; also which could not be asked, and why."""
        answers = self._agents.ask_all(self._agents.alive(), lambda host: self._agents.on(host, GLANCE).list_guests())
        guests, unasked = _sifted(answers)
        learn_guests(guests)
        return guests, unasked | self._dead()

    def _few(self, ids: Iterable[str]) -> tuple[list[GuestSeen], dict[str, str]]:
        """Ask all hosts for a few guests."""

        def ask(host: str) -> list[GuestSeen]:
            found = []
            for guest_id in ids:
                with suppress(NotFound):
                    found.append(self._agents.on(host, GLANCE).show_guest(guest_id))
            return found

        guests, unasked = _sifted(self._agents.ask_all(self._agents.alive(), ask))
        return guests, unasked | self._dead()

    def _dead(self) -> dict[str, str]:
        return Whereabouts(self._neutron, self._agents).dead_hosts()

    def _id(self, words: str, host: str | None, guests: Sequence[GuestSeen], unasked: Mapping[str, str]) -> str:
        for fits in (_is_called, _is_id):
            if chosen := {guest.id: guest for guest in guests if fits(words, guest)}:
                return _only(words, host, chosen)
        try:
            port = self._neutron.find_guest(words)[0]
        except NotFound:
            if chosen := {guest.id: guest for guest in guests if _begins_an_id(words, guest)}:
                return _only(words, host, chosen)
            raise not_found(words, map(candidate_of, guests), unasked) from None
        guest_id = port.instance or port.port_id
        if any(guest.id == guest_id for guest in guests):
            return guest_id
        if port.host in unasked:
            raise AgentDown(f"the guest of {port.words} may be on {port.host}: {unasked[port.host]}")
        plug = f"fakevm plug {port.port_id} --host HOST plugs it."
        raise NotFound(f"{port.words} is not plugged on any host: its guest is not there", hint=plug)

    def _refuse_unasked(self, wanted: Mapping[str, str], unasked: Mapping[str, str]) -> None:
        for port in self._neutron.ports(fields=("id", "name", "device_id", "binding:host_id")):
            host = port["binding:host_id"]
            if host in unasked and wanted.get(port["device_id"], host) != host:
                raise AgentDown(
                    f"{guest_words(port['device_id'])} may be on {host}, where its port {port['id']} is bound; "
                    f"that host cannot be asked: {unasked[host]}",
                    hint=f"Choose --host {host}, or bring {host} back first.",
                )


def candidate_of(guest: GuestSeen) -> Candidate:
    """Give a guest as one that may be meant, as if its id were that of a port."""
    return Candidate(guest.id, guest.name, guest.id, guest.host)


def ports_of(guest: GuestSeen) -> list[InterfaceSeen]:
    """List the interfaces of a guest that are ports of Neutron's."""
    return [interface for interface in guest.interfaces if interface.kind == "port"]


def refuse_asleep(guest: GuestSeen) -> None:
    """Make sure that a guest is awake. Raises Conflict."""
    if guest.asleep:
        raise Conflict(
            f"{guest_words(guest.id)} is asleep on {guest.host}: it is being moved, or its move was cut short",
            hint=f"If nobody moves it just now: fakevm migrate --recover {guest.title}",
        )


def refuse_stopped(guest: GuestSeen) -> None:
    """Make sure that a guest is not stopped. Raises Conflict."""
    if guest.state == "stopped":
        raise Conflict(
            f"{guest_words(guest.id)} is stopped on {guest.host}",
            hint=f"Start it first: fakevm guest start {guest.title}",
        )


def _sifted(answers: Mapping[str, list[GuestSeen] | FakevmError]) -> tuple[list[GuestSeen], dict[str, str]]:
    unasked = {
        host: "; ".join(filter(None, (answer.what, answer.hint)))  # such as what to upgrade
        for host, answer in answers.items()
        if isinstance(answer, FakevmError)
    }
    return [guest for a in answers.values() if not isinstance(a, FakevmError) for guest in a], unasked


def _sorted(guests: Iterable[GuestSeen]) -> list[GuestSeen]:
    return sorted(guests, key=lambda guest: (guest.title, guest.id, guest.host))


def _is_called(words: str, guest: GuestSeen) -> bool:
    return words in (guest.name, guest.id)


def _is_id(words: str, guest: GuestSeen) -> bool:
    return words.lower() in _ids(guest)


def _begins_an_id(words: str, guest: GuestSeen) -> bool:
    return any(known.startswith(words.lower()) for known in _ids(guest))


def _ids(guest: GuestSeen) -> tuple[str, ...]:
    return (guest.id, *(interface.attached for interface in ports_of(guest)))


def _only(words: str, host: str | None, fitting: Mapping[str, GuestSeen]) -> str:
    there = {guest.id: guest for guest in fitting.values() if guest.host == host}
    chosen = there or fitting
    if len(chosen) > 1:
        lines = listed([candidate_of(guest) for guest in chosen.values()])
        raise Ambiguous(f"{len(chosen)} guests fit {words!r}:{lines}", hint="Give a name, or more of the id.")
    return next(iter(chosen))


def _one(found: Sequence[GuestSeen]) -> GuestSeen:
    """Choose among the places of one guest: it has two while it moves, and sleeps in one of them."""
    awake = [guest for guest in found if not guest.asleep] or found
    if len(awake) > 1:
        hosts = ", ".join(guest.host for guest in awake)
        raise Ambiguous(f"{guest_words(awake[0].id)} is on {hosts}", hint="Say --host HOST.")
    return awake[0]
