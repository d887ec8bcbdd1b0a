"""Links of a lab that runs: as they are seen, and what is done to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from fakevm.errors import Conflict, InvalidInput, NotFound
from fakevm.lab.apply import applying
from fakevm.link.devices import of_place
from fakevm.linux import process, supervision
from fakevm.model.interface import LinkEnd
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile, LinkEndFile, LinkFile
from fakevm.model.labfile.reference import suggestion
from fakevm.progress import Progress

from . import carrying, export, reading, registry, sandbox
from .place import Guest, Places
from .problem import InvalidFile

# A relay that has run for so long (seconds) has all that it needs.
_SETTLED = 5
_ENDS: tuple[Literal["a", "b"], ...] = ("a", "b")


class End(NamedTuple):
    """An end of a link that is ours: where it is, its device in the panel, and what has come from its guest.

    ``host`` and ``device`` are empty, and ``problem`` says why, where it is not there; ``missing``: it should be, as
    its guest runs and has the interface.
    """

    guest: str
    interface: str
    host: str = ""
    device: str = ""
    frames: int = 0
    bytes: int = 0
    problem: str = ""
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.guest}:{self.interface}"


class Seen(NamedTuple):
    """A link as it is: ``up`` when both ends are there and nothing keeps their frames; ``problem`` says why it is not.

    ``waiting``: nothing has come yet from a far end that is not ours; ``lost``: it is there no more.
    """

    name: str
    ends: tuple[End, ...]
    file: LinkFile
    state: Literal["up", "cut", "down", "waiting", "lost"]
    problem: str = ""

    @property
    def title(self) -> str:
        """Write it as a lab file does, with the address of a far end that is not ours."""
        far = [f"{self.file.carrier} {self.file.remote or self.file.local}"] if self.file.leads_out else []
        return " -- ".join((*map(str, self.ends), *far))


def seen(record: LabRecord) -> list[Seen]:
    """Look at all links of a lab. Raises LabFailed, CommandFailed."""
    lab = registry.lab_file(record)
    if not lab.links:
        return []
    look = _Look(record, lab)
    return [look.at(name, link) for name, link in lab.links.items()]


def one(record: LabRecord, name: str) -> Seen:
    """Look at one link. Raises NotFound, LabFailed, CommandFailed."""
    lab = registry.lab_file(record)
    return _Look(record, lab).at(name, known(record, lab, name))


def known(record: LabRecord, lab: LabFile, name: str) -> LinkFile:
    """Give what is to be of a link. Raises NotFound."""
    if name not in lab.links:
        raise NotFound(f"lab {record.name!r} has no link {name!r}", hint=suggestion(name, list(lab.links)))
    return lab.links[name]


class _Look:
    """One look at all that links are made of."""

    def __init__(self, record: LabRecord, lab: LabFile) -> None:
        self._record = record
        self._places = Places(record, lab)
        self._patch = carrying.patch(record)
        self._devices = _statistics(record)
        self._relays = supervision.status(record.directory / "service")

    def at(self, name: str, link: LinkFile) -> Seen:
        """Look at one link."""
        pairs = zip(_ENDS, link.interfaces, strict=False)
        ends = tuple(self._end(LinkEnd(link=name, end=letter), *end) for letter, end in pairs)
        missing = "; ".join(end.problem for end in ends if end.problem)
        if self._patch.is_cut(name):
            return Seen(name, ends, link, "cut", missing)
        if missing:
            return Seen(name, ends, link, "down", missing)
        if link.is_carried:
            return Seen(name, ends, link, *self._carried(name, link))
        return Seen(name, ends, link, "up")

    def _end(self, end: LinkEnd, guest: str, interface: str) -> End:
        try:
            found = self._places.guest(guest)
        except NotFound:
            return End(guest, interface, problem=f"{guest} is on no host")
        if problem := _lacks(found, guest, interface):
            return End(guest, interface, found.host, problem=problem)
        device = of_place(end, found.host)
        if device not in self._devices:
            problem = f"{guest}:{interface} has no device in the lab"
            return End(guest, interface, found.host, problem=problem, missing=True)
        # What the panel's device receives is what its guest has sent.
        counted = self._devices[device]
        return End(guest, interface, found.host, device, counted["packets"], counted["bytes"])

    def _carried(self, name: str, link: LinkFile) -> tuple[Literal["up", "down", "waiting", "lost"], str]:
        relay = self._relays.get(carrying.program(name))
        # Without its sockets it ends at once, and is started again and again.
        if relay and relay.seconds < _SETTLED and link.leads_out and carrying.is_unheld(self._record, name):
            return "down", f"its sockets are gone with who held them: fakevm link join {name}"
        if not relay or not relay.running:
            return "down", f"its relay does not run: fakevm lab logs {carrying.program(name)}"
        far = carrying.far_end(self._record, name)
        if not link.leads_out or (far and far.state == "answered"):
            return "up", ""
        why = f": {far.why}" if far and far.why else ""
        if far and far.state == "lost":
            return "lost", f"the far end is there no more{why}"
        return "waiting", f"the far end has not answered yet{why}"


def _lacks(found: Guest, guest: str, interface: str) -> str:
    if found.record.state != "running":
        return f"{guest} is {found.record.state}"
    nic = found.record.named(interface)
    return "" if nic and nic.state == "plugged" else f"{guest} has no {interface}"


def _statistics(record: LabRecord) -> dict[str, dict[str, int]]:
    """Give what the panel's devices have received, by their names."""
    said = process.run([*sandbox.enter_lab(record), "ip", "-json", "-statistics", "link", "show"])
    return {str(shown["ifname"]): shown["stats64"]["rx"] for shown in json.loads(said) if shown}


# -- what is done to them ---------------------------------------------------------------------------------------


def add(record: LabRecord, name: str, spec: Mapping[str, Any], progress: Progress, timeout: float) -> None:
    """Make a link, while all goes on: the lab's file has it from now on.

    Raises Conflict: there is one of that name; InvalidInput, and what ``apply`` raises.
    """
    lab = _own_file(record)
    if name in lab.links:
        raise Conflict(f"there is a link {name!r} already", hint=f"Remove it first: fakevm link remove {name}")
    try:
        link = reading.link(lab, name, {key: value for key, value in spec.items() if value not in (None, "")})
        _apply(record, lab.model_copy(update={"links": {**lab.links, name: link}}), progress, timeout)
    except InvalidFile as exc:
        own = [problem for problem in exc.problems if problem.path.startswith(f"links.{name}")]
        if len(own) < len(exc.problems):
            raise
        raise InvalidInput(
            f"there cannot be such a link: {'; '.join(problem.message for problem in own)}",
            hint="\n".join(problem.hint for problem in own if problem.hint),
        ) from exc


def remove(record: LabRecord, names: Mapping[str, LinkFile], progress: Progress, timeout: float) -> None:
    """Remove links, with the interfaces at their ends, and from the lab's file. Raises what ``apply`` raises."""
    lab = _own_file(record)
    gone = {end for link in names.values() for end in link.interfaces}
    guests = {
        guest: file.model_copy(
            update={"interfaces": {device: nic for device, nic in file.interfaces.items() if (guest, device) not in gone
                                   or not isinstance(nic, LinkEndFile)}}
        )
        for guest, file in lab.guests.items()
    }  # fmt: skip
    links = {name: link for name, link in lab.links.items() if name not in names}
    _apply(record, lab.model_copy(update={"guests": guests, "links": links}), progress, timeout)


def _own_file(record: LabRecord) -> LabFile:
    """Read the lab's file as somebody would have written it: it says nothing that is as by default."""
    return reading.parse(export.written(registry.lab_file(record)), "")


def _apply(record: LabRecord, lab: LabFile, progress: Progress, timeout: float) -> None:
    settled, todo = applying.plan(record, lab)
    applying.apply(record, settled, todo, progress, timeout)


def cut(record: LabRecord, name: str) -> bool:
    """Let nothing pass a link; its interfaces keep their carrier. False when it is cut. Raises FakevmError."""
    return carrying.patch(record).cut(name)


def join(record: LabRecord, name: str, link: LinkFile, progress: Progress, timeout: float) -> bool:
    """Let all pass a link again, and bring back what it lacks: ends that were detached, a relay.

    False when it was as it is to be. Raises FakevmError.
    """
    changed = carrying.patch(record).uncut(name)
    todo = applying.mending(record, name, link)
    if any(todo.steps()):
        applying.carry_out(record, todo, progress, timeout)
        return True
    return changed
