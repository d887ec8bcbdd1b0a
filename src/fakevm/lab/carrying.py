"""Links that a relay carries: their sockets, in the machine's network, and the relays, programs of the lab.

A lab has a network of its own, and what runs in an ordinary user's cannot enter the machine's. So the command that
makes a link opens its sockets and leaves them with a program in the lab that holds them (s6-fdholderd): a relay that is
started anew gets them there again.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fakevm.errors import Conflict, LabFailed, Prerequisite
from fakevm.link.carriers import CARRIERS
from fakevm.link.carriers.base import Far, Sockets, resolved
from fakevm.link.devices import of_carrier
from fakevm.link.patch import Patch
from fakevm.linux import permission, supervision
from fakevm.linux.kernel import SEARCH_PATH
from fakevm.model.interface import LinkEnd
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import BridgeFile, LinkFile
from fakevm.model.program import Program
from fakevm.waiting import until

from . import files, sandbox

FOLDER = "links"
HOLDER = "sockets-of-links"
_SEEN = f"/run/fakevm/{FOLDER}"
# The socket of the program that holds the sockets, in the folder.
_DOOR = "held"
# How long (seconds) that program may take to start.
_STARTING = 20.0
# How long (seconds) it may take to answer.
_ANSWERING = 10.0
# s6-fdholderd(8): who may do what. Nobody else comes into a lab's folder.
_RULES = {"allow": "", "env/S6_FDHOLDER_STORE_REGEX": ".*", "env/S6_FDHOLDER_RETRIEVE_REGEX": ".*"}


class Opened(NamedTuple):
    """The sockets of a link whose far end is not ours, and where that is, in figures."""

    sockets: Sockets
    far: Far


def program(link: str) -> str:
    """Name the program that relays a link's frames."""
    return f"link-{link}"


def patch(record: LabRecord) -> Patch:
    """Reach the panel of a lab that runs."""
    return Patch([*sandbox.enter_lab(record), "env", f"PATH={SEARCH_PATH}"], record.directory / FOLDER)


# -- sockets ----------------------------------------------------------------------------------------------------


def opened(links: Mapping[str, LinkFile], held: contextlib.ExitStack) -> dict[str, Opened]:
    """Open the sockets of links whose far ends are not ours, in our own network; ``held`` closes ours.

    Raises Conflict: an address is taken, or none of this machine's; there is no such host.
    """
    found = {}
    for name, link in links.items():
        if link.leads_out:
            found[name] = made = _opened(name, link)
            for each in made.sockets:
                held.callback(each.close)
    return found


def _opened(name: str, link: LinkFile) -> Opened:
    carrier = CARRIERS[link.carrier]
    try:
        far = Far(
            resolved(link.local, carrier.default_port), resolved(link.remote, carrier.default_port), link.vni or 0
        )
        return Opened(carrier.opened(far), far)
    except OSError as exc:
        addresses = ", ".join(f"{key} {value}" for key in ("local", "remote") if (value := getattr(link, key)))
        raise Conflict(
            f"link {name!r} has no {link.carrier} socket ({addresses}): {exc.strerror or exc}",
            hint="Choose a port that nobody uses, and an address that this machine has: ss -anp shows who has one.",
        ) from exc


def _hold(record: LabRecord, name: str, sockets: Sockets) -> None:
    """Leave a link's sockets with who holds them. Raises LabFailed, TimedOut."""
    folder = record.directory / FOLDER
    if not (record.directory / "service" / HOLDER).exists():
        for path, text in _RULES.items():
            files.write(folder / "rules/uid/default" / path, text)
        command = ("s6-fdholder-daemon", "-1", "-i", f"{_SEEN}/rules", f"{_SEEN}/{_DOOR}")
        _supervise(record, Program(name=HOLDER, command=command, held=False))
        supervision.rescan(record.directory / "service")
    until(
        lambda: "" if (folder / _DOOR).exists() else "it has no socket yet", f"{HOLDER} did not start", _STARTING,
        pause=0.02, hint=f"See its log: fakevm lab logs {HOLDER}",
    )  # fmt: skip
    for held, each in zip(_ids(name, len(sockets)), sockets, strict=True):
        _holder(folder, "store", held, stdin=each.fileno())


def _holder(folder: Path, verb: str, held: str, *words: str, stdin: int = subprocess.DEVNULL) -> bool:
    """Have the holder do something with a socket; tells whether it did. Raises LabFailed: it takes none."""
    # By a path without folders: a socket's has room for 107 bytes.
    argv = [f"s6-fdholder-{verb}", "-t", str(round(1000 * _ANSWERING)), _DOOR, held, *words]
    done = subprocess.run(argv, cwd=folder, stdin=stdin, capture_output=True, text=True, check=False)
    if done.returncode and verb == "store":
        raise LabFailed(f"{HOLDER} does not take the socket {held}: {done.stderr.strip()}")
    return not done.returncode


def is_unheld(record: LabRecord, name: str) -> bool:
    """Tell whether a link lacks a socket that its relay would need to start anew: who holds them was killed."""
    folder = record.directory / FOLDER
    try:
        number = len(json.loads((folder / f"{name}.json").read_text()).get("descriptors", ()))
    except (OSError, ValueError):
        return False
    return not all(_holder(folder, "retrieve", held, "true") for held in _ids(name, number))


def _ids(name: str, number: int) -> list[str]:
    return [f"{name}.{place}" for place in range(number)]


# -- relays -----------------------------------------------------------------------------------------------------


def carry(record: LabRecord, links: Mapping[str, LinkFile], sockets: Mapping[str, Opened]) -> None:
    """Start the relays of links, of those that have none yet; returns before they carry anything.

    Raises Prerequisite, LabFailed, TimedOut, CommandFailed.
    """
    carried = {name: link for name, link in links.items() if link.is_carried}
    if not carried:
        return
    require(carried)
    for name, link in carried.items():
        _carry(record, name, link, sockets.get(name))
    supervision.rescan(record.directory / "service")


def require(links: Mapping[str, LinkFile]) -> None:
    """Make sure that relays of these links, if there are any, can have their devices. Raises Prerequisite."""
    if not any(link.is_carried for link in links.values()):
        return
    try:
        permission.try_tun()
    except OSError as exc:
        raise Prerequisite(
            f"links of the carriers {', '.join(CARRIERS)} need {permission.TUN}: {exc.strerror}",
            hint=f"Ask root: modprobe tun; chmod 666 {permission.TUN}",
        ) from exc


def _carry(record: LabRecord, name: str, link: LinkFile, sockets: Opened | None) -> None:
    ends = [LinkEnd(link=name, end=end) for end, _ in zip(("a", "b"), link.ends, strict=False)]  # type: ignore[arg-type]
    wanted: dict[str, Any] = {"carrier": link.carrier, "far": None, "devices": [of_carrier(end) for end in ends]}
    relay: tuple[str, ...] = (sys.executable, "-m", "fakevm.link.relay", f"{_SEEN}/{name}.json")
    if sockets:
        _hold(record, name, sockets.sockets)
        wanted |= {"far": sockets.far, "descriptors": _DESCRIPTORS[: len(sockets.sockets)]}
        relay = _with_held(_ids(name, len(sockets.sockets)), relay)
    files.write(record.directory / FOLDER / f"{name}.json", json.dumps(wanted))
    patch(record).carry(ends, link.mtu)
    _supervise(record, Program(name=program(name), command=relay, held=False, grace=2.0))


# Where a relay has its sockets.
_DESCRIPTORS = (6, 7)


def _with_held(ids: Iterable[str], command: tuple[str, ...]) -> tuple[str, ...]:
    """Write a command that has sockets which are held as its descriptors."""
    for held, descriptor in reversed(list(zip(ids, _DESCRIPTORS, strict=False))):
        there = ("sh", "-c", f'exec "$@" {descriptor}<&0', "sh")
        command = ("s6-fdholder-retrieve", f"{_SEEN}/{_DOOR}", held, *there, *command)
    return command


def _supervise(record: LabRecord, wanted: Program) -> None:
    supervision.write(record.directory / "service", wanted, f"/run/fakevm/log/{wanted.name}.log")


def drop(record: LabRecord, names: Collection[str]) -> None:
    """End the relays of links, and take their devices and sockets away; the ends are joined directly.

    Raises CommandFailed, TimedOut.
    """
    services, folder = record.directory / "service", record.directory / FOLDER
    there = [name for name in names if (services / program(name)).exists()]
    supervision.remove(services, *map(program, there))
    for name in there:
        patch(record).uncarry(name)
        for held in _ids(name, len(_DESCRIPTORS)):
            _holder(folder, "delete", held)
        for path in (folder / f"{name}.json", folder / f"{name}.state"):
            path.unlink(missing_ok=True)


def bridge(record: LabRecord, bridges: Mapping[str, BridgeFile]) -> None:
    """Make bridges, or change those that are there. Raises CommandFailed."""
    for name, wanted in bridges.items():
        patch(record).bridge(name, stp=wanted.stp, forward_delay=wanted.forward_delay)


def unbridge(record: LabRecord, names: Iterable[str]) -> None:
    """Remove bridges, in which nobody is any more. Raises CommandFailed."""
    for name in names:
        patch(record).unbridge(name)


def forget(record: LabRecord, names: Iterable[str]) -> None:
    """Forget what is remembered of links that are no more."""
    for name in names:
        patch(record).forget(name)


class FarEnd(NamedTuple):
    """How a far end is: ``state`` as in carriers.base, ``why`` in the kernel's words, since when (seconds)."""

    state: str
    why: str
    since: float


def far_end(record: LabRecord, link: str) -> FarEnd | None:
    """Read how a relay says that the far end is; None: it has said nothing."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return FarEnd(**json.loads((record.directory / FOLDER / f"{link}.state").read_text()))
    return None


def relayed(record: LabRecord) -> Iterator[str]:
    """Name the links that have relays."""
    for path in (record.directory / "service").glob(f"{program('*')}/run"):
        yield path.parent.name.removeprefix(program(""))
