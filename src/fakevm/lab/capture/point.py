"""Where packets are seen: an interface of a guest, a link, a device of a host; by the words that users have for it."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from fakevm.agent.store import GuestRecord, Nic, Store
from fakevm.control.lookup import Candidate, find_guest
from fakevm.errors import Ambiguous, InvalidInput, LabFailed, NotFound
from fakevm.lab import outside, sandbox
from fakevm.link.devices import of_place
from fakevm.linux.kernel import SEARCH_PATH
from fakevm.model.interface import BridgePort, LinkEnd
from fakevm.model.lab import LabRecord
from fakevm.model.labfile.reference import suggestion
from fakevm.names import GUEST_NAMESPACE

# The lab around the hosts, where a host is named.
LAB = "lab"
_PATIENCE = 20.0
Where = TypeVar("Where", LinkEnd, BridgePort)
# Prints the network namespaces of a host, beside guests' and the lab's own, in which there is a device.
_SEARCH = (
    'ip link show dev "$0" >/dev/null 2>&1 && echo; for path in /run/netns/*; do name=${path##*/}; '
    'case $name in "*"|lab|' + GUEST_NAMESPACE + "*) continue;; esac; "
    'ip -n "$name" link show dev "$0" >/dev/null 2>&1 && echo "$name"; done; true'
)


class Place(NamedTuple):
    """A device of a network namespace: ``entrance`` are the words before a command that is to run there.

    ``incoming``: only what comes in at it is to be seen.
    """

    entrance: tuple[str, ...]
    device: str
    where: str
    incoming: bool = False


class Point(Protocol):
    """Where packets are seen, whatever becomes of the guests there. ``name`` is what the user calls it."""

    @property
    def name(self) -> str:
        """Its name in the capture."""

    @property
    def comes_back(self) -> bool:
        """Whether it may be there again after it was gone: what is a guest's."""

    def places(self) -> Sequence[Place]:
        """Say where it is now: nowhere while its guest is stopped, at two places while it moves. Raises NotFound."""


@dataclass(frozen=True)
class Joined(Generic[Where]):
    """An interface in the panel: at what, on which host; ``is_there`` tells whether its device is."""

    to: Where
    host: str
    is_there: bool


class Records:
    """The guests of a lab, as their hosts have written them down; read again only after one was changed."""

    def __init__(self, lab: LabRecord) -> None:
        self.lab = lab
        self._stores = {
            host.name: Store(lab.host_directory(host.name) / "agent")
            for host in lab.hosts
            if host.roles != (outside.ROLE,)
        }
        self._seen: tuple[int, ...] = ()
        self._known: list[tuple[str, GuestRecord]] = []

    def all(self) -> list[tuple[str, GuestRecord]]:
        """Give every record, with the host that has it."""
        # A record is replaced by one of another name in its folder (agent/store.py).
        changed = tuple(_changed(self.lab.host_directory(host) / "agent/guests") for host in self._stores)
        if changed != self._seen:
            self._seen = changed
            self._known = [(host, record) for host, store in self._stores.items() for record in store.all()]
        return self._known

    def joined(self, kind: type[Where]) -> Iterator[Joined[Where]]:
        """Give the interfaces that are at a link's end, or in a bridge: which of both ``kind`` says."""
        for host, record in self.all():
            for nic in record.nics:
                if isinstance(to := nic.interface.attachment, kind):
                    yield Joined(to, host, nic.state == "plugged" and record.state == "running")

    def place(self, one: Joined[Where]) -> Place:
        """Say where such an interface is in the panel."""
        return Place(tuple(sandbox.enter_lab(self.lab)), of_place(one.to, one.host), "the lab")


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


class GuestPoint(NamedTuple):
    """An interface of a guest, seen in the guest: wherever that is."""

    name: str
    guest: str
    device: str
    records: Records

    @property
    def comes_back(self) -> bool:
        """See Point."""
        return True

    def places(self) -> Sequence[Place]:
        """See Point."""
        found = [(host, record) for host, record in self.records.all() if record.guest.id == self.guest]
        nics = [(host, record, record.named(self.device)) for host, record in found]
        if not any(nic for *_, nic in nics):
            what = f"the guest has no interface {self.device} any more" if found else "the guest is gone"
            raise NotFound(what)
        return [
            Place((*sandbox.enter_host(self.records.lab, host), "ip", "netns", "exec", record.guest.namespace),
                  self.device, f"{host}, {record.guest.namespace}")
            for host, record, nic in nics
            if nic and nic.state == "plugged" and record.state == "running"
        ]  # fmt: skip


class LinkPoint(NamedTuple):
    """A link, seen at its place outside both guests: all that comes out of either is seen there once."""

    name: str
    records: Records

    @property
    def comes_back(self) -> bool:
        """See Point."""
        return True

    def places(self) -> Sequence[Place]:
        """See Point: where its first end is, or the second while the first is not there."""
        found = [one for one in self.records.joined(LinkEnd) if one.to.link == self.name]
        if not found:
            raise NotFound("the link is gone")
        running = [one for one in found if one.is_there]
        first = [one for one in running if one.to.end == "a"]
        return [self.records.place(one) for one in first or running]


class BridgePoint(NamedTuple):
    """A bridge between guests: what comes out of any of them, once."""

    name: str
    records: Records

    @property
    def comes_back(self) -> bool:
        """See Point."""
        return True

    def places(self) -> Sequence[Place]:
        """See Point: at each of its ports."""
        found = [one for one in self.records.joined(BridgePort) if one.to.bridge == self.name]
        if not found:
            raise NotFound("nothing is in the bridge any more")
        return [self.records.place(one)._replace(incoming=True) for one in found if one.is_there]


class DevicePoint(NamedTuple):
    """A device of a host, in the host itself or in a namespace of it."""

    name: str
    place: Place

    @property
    def comes_back(self) -> bool:
        """See Point."""
        return False

    def places(self) -> Sequence[Place]:
        """See Point."""
        return [self.place]


def split(lab: LabRecord, words: Sequence[str]) -> tuple[list[Point], list[str]]:
    """Tell points from the words of a filter, which begins with the first word that is no point.

    Raises NotFound, Ambiguous, LabFailed: a host does not run.
    """
    records = Records(lab)
    points: list[Point] = []
    for number, word in enumerate(words):
        found = _find(records, word, must=number == 0)
        if not found:
            return points, list(words[number:])
        points += [point for point in found if point.name not in {known.name for known in points}]
    return points, []


def _find(records: Records, word: str, *, must: bool) -> list[Point]:
    """Find the points that a word names: none for a word that may be one of a filter, unless it ``must`` be a point."""
    lab = records.lab
    begin, colon, rest = word.partition(":")
    if colon and (begin == LAB or begin in {host.name for host in lab.hosts}):
        return [_device(lab, word, begin, rest)]
    if not colon and word in _joining(records):
        return [LinkPoint(word, records) if _joining(records)[word] == "link" else BridgePoint(word, records)]
    if not must and begin not in {record.guest.name for _, record in records.all()}:
        # Of a filter, such as a MAC address: only who has just this name is meant.
        return []
    try:
        guest = _guest(records, begin)
    except NotFound as nobody:
        raise NotFound(f"there is nothing to capture at {word!r}", hint=_known(records, word)) from nobody
    nics = list({nic.interface.name: nic for nic in guest.nics}.values())
    if colon:
        nics = [nic for nic in nics if _is_called(nic, rest)]
    if not nics:
        there = [nic.interface.name for nic in guest.nics]
        raise NotFound(
            f"the guest {guest.guest.title} has no interface {rest!r}" if colon else f"{word} has no interface",
            hint=suggestion(rest, there) if there else "",
        )
    return [GuestPoint(f"{begin}:{nic.interface.name}", guest.guest.id, nic.interface.name, records) for nic in nics]


def _is_called(nic: Nic, word: str) -> bool:
    return word == nic.interface.name or bool(nic.port and word in (nic.port.id, nic.port.name))


def _joining(records: Records) -> dict[str, str]:
    """Name the links and bridges, and say which of both each is."""
    links = {one.to.link: "link" for one in records.joined(LinkEnd)}
    return links | {one.to.bridge: "bridge" for one in records.joined(BridgePort)}


def _guest(records: Records, words: str) -> GuestRecord:
    candidates = list(_candidates(records))
    wanted = find_guest(words, candidates)[0].guest_id
    return next(record for _, record in records.all() if record.guest.id == wanted)


def _candidates(records: Records) -> Iterator[Candidate]:
    for host, record in records.all():
        yield from (Candidate(port.id, port.name, record.guest.id, host) for port in record.ports)
        if not record.ports:
            yield Candidate(record.guest.id, record.guest.name, record.guest.id, host)


def _known(records: Records, word: str) -> str:
    guests = [f"{record.guest.title}:{nic.interface.name}" for _, record in records.all() for nic in record.nics]
    known = [*guests, *_joining(records), *(host.name for host in records.lab.hosts)]
    forms = "Points are GUEST:INTERFACE, LINK, BRIDGE and HOST:DEVICE."
    return f"{forms} {suggestion(word, known)}" if known else forms


# -- devices of hosts --------------------------------------------------------------------------------------------


def _device(lab: LabRecord, word: str, host: str, rest: str) -> DevicePoint:
    """Find a device: in the host, else in the one namespace of the host that has it."""
    entrance = tuple(sandbox.enter_lab(lab) if host == LAB else sandbox.enter_host(lab, host))
    namespace, colon, device = rest.rpartition(":")
    if not device or re.search(r"[\s/]", device):
        raise InvalidInput(f"{word!r} names no device", hint="HOST:DEVICE, or HOST:NAMESPACE:DEVICE.")
    if colon:
        _require(entrance, host, namespace, device)
    else:
        namespace = _namespace_of(entrance, host, device)
    inside = ("ip", "netns", "exec", namespace) if namespace else ()
    return DevicePoint(word, Place((*entrance, *inside), device, ", ".join(filter(None, (host, namespace)))))


def _require(entrance: Sequence[str], host: str, namespace: str, device: str) -> None:
    said = _run([*entrance, "ip", "-n", namespace, "link", "show", "dev", device])
    if said.returncode:
        raise NotFound(
            f"{host} has no device {device} in a namespace {namespace}: {said.stderr.strip()}",
            hint=f"See: fakevm lab exec {host} -- ip netns",
        )


def _namespace_of(entrance: Sequence[str], host: str, device: str) -> str:
    said = _run([*entrance, "env", f"PATH={SEARCH_PATH}", "sh", "-c", _SEARCH, device])
    if said.returncode:
        raise LabFailed(f"{host} cannot be entered: {said.stderr.strip()}", hint=f"See: fakevm lab status; {host}")
    found = said.stdout.splitlines()
    if not found:
        raise NotFound(f"{host} has no device {device}", hint=f"See: fakevm lab exec {shlex.quote(host)} -- ip link")
    if "" in found:
        return ""
    if len(found) > 1:
        raise Ambiguous(
            f"{device} is in several namespaces of {host}: {', '.join(found)}",
            hint=f"Say which: {host}:{found[0]}:{device}",
        )
    return found[0]


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False
    )
