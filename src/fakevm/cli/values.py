"""The values that a shell may complete: labs, hosts, guests… Asked at each Tab, so nothing heavy is imported here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from fakevm.errors import FakevmError

# A Tab does not wait longer for Neutron (seconds).
_PATIENCE = 1.0


def main(words: Sequence[str]) -> int:
    """Print the values of a kind that begin so: KIND SHELL BEGINNING WORD..., the words of the command line until now.

    What cannot be found out is not there: a Tab prints no error.
    """
    with suppress(FakevmError, OSError, ValueError, KeyError, TypeError):
        kind, shell, beginning, *line = words
        values = KINDS[kind](_lab(line))
        if shell == "bash":
            beginning, values = _after_colon(beginning, line, values)
        found = sorted({value for value in values if value.isprintable()})
        shown = map(_escaped, found) if shell == "bash" else found
        print("\n".join(value for value in shown if value.startswith(beginning)))
    return 0


def _after_colon(beginning: str, line: Sequence[str], values: Iterable[str]) -> tuple[str, Iterable[str]]:
    """Give the ends of words with a colon: there bash begins a new word, and another after it (COMP_WORDBREAKS)."""
    at = next((at for at in (-1, -2) if line[at:][:1] == [":"] and len(line) > 1 - at), 0)
    if not at:
        return beginning, values
    begun = f"{line[at - 1]}:"
    return "" if at == -1 else beginning, [value[len(begun) :] for value in values if value.startswith(begun)]


def _escaped(value: str) -> str:
    """Write a value as bash takes it for one word and for nothing else."""
    return re.sub(r"([^\w.,:/@%+=-])", r"\\\1", value)


def _lab(line: Sequence[str]) -> Path | None:
    """Find the folder of the lab that a command line means: the one it names, else the only one that runs."""
    from fakevm.lab import registry

    named = [after for word, after in pairwise(line) if word == "--lab"]
    named += [word.removeprefix("--lab=") for word in line if word.startswith("--lab=")]
    name = named[-1] if named else os.environ.get("FAKEVM_LAB")
    with suppress(FakevmError):
        return registry.root() / name if name else registry.choose().directory
    return None


def _read(path: Path) -> Any:
    with suppress(OSError, ValueError):
        return json.loads(path.read_text())
    return {}


def _labs(_lab: Path | None) -> Iterable[str]:
    from fakevm.lab import registry

    return registry.names()


def _hosts(lab: Path | None) -> Iterable[str]:
    return [host["name"] for host in _read(lab / "lab.json")["hosts"]] if lab else ()


def _clients(lab: Path | None) -> Iterable[str]:
    return _read(lab / "lab-file.json").get("outside", {}).get("clients", ()) if lab else ()


def _guests(lab: Path | None) -> Iterable[str]:
    """Name the guests that hosts have, and those of the lab file."""
    from fakevm.model.identity import called

    if lab is None:
        return ()
    made = [called(guest["name"], guest["id"], guest["id"]) for guest in (record["guest"] for record in _records(lab))]
    return (*_read(lab / "lab-file.json").get("guests", ()), *made)


def _interfaces(lab: Path | None) -> Iterable[str]:
    """Name the interfaces of all guests: who asks says the guest in any of its names."""
    return [nic["interface"]["name"] for record in _records(lab) for nic in record["nics"]] if lab else ()


def _points(lab: Path | None) -> Iterable[str]:
    """Name what can be captured: interfaces of guests, links, and the beginnings of hosts' devices."""
    from fakevm.model.identity import called

    if lab is None:
        return ()
    nics = [(record["guest"], nic["interface"]) for record in _records(lab) for nic in record["nics"]]
    links = (nic["attachment"]["link"] for _, nic in nics if "link" in nic["attachment"])
    guests = (f"{called(guest['name'], guest['id'], guest['id'])}:{nic['name']}" for guest, nic in nics)
    return (*guests, *links, *(f"{host}:" for host in (*_hosts(lab), "lab")))


def _records(lab: Path) -> list[Any]:
    return [record for path in lab.glob("hosts/*/agent/guests/*.json") if (record := _read(path))]


def _links(lab: Path | None) -> Iterable[str]:
    return _read(lab / "lab-file.json").get("links", ()) if lab else ()


def _carriers(_lab: Path | None) -> Iterable[str]:
    from fakevm.link.carriers import CARRIERS

    return ("veth", *CARRIERS)


def _checks(lab: Path | None) -> Iterable[str]:
    return _read(lab / "lab-file.json").get("checks", ()) if lab else ()


def _programs(lab: Path | None) -> Iterable[str]:
    if lab is None:
        return ()
    own = [path.stem for path in lab.glob("log/*.log")]
    return (*own, *(f"{path.parts[-3]}/{path.stem}" for path in lab.glob("hosts/*/log/*.log")))


def _networks(lab: Path | None) -> Iterable[str]:
    return [network["name"] for network in _asked(lab, "networks?fields=name")["networks"]] if lab else ()


def _ports(lab: Path | None) -> Iterable[str]:
    """Name the ports that nobody has."""
    ports = _asked(lab, "ports?device_id=&fields=id&fields=name")["ports"] if lab else ()
    return [port["name"] or port["id"] for port in ports]


def _asked(lab: Path, what: str) -> Any:
    from fakevm.control import credentials
    from fakevm.control.transport import fetch
    from fakevm.lab import registry

    record = registry.load(lab)
    return json.loads(fetch(f"{record.endpoint}/v2.0/{what}", credentials.headers(record), timeout=_PATIENCE))


def _backends(_lab: Path | None) -> Iterable[str]:
    from importlib.metadata import entry_points

    return entry_points(group="fakevm.backends").names


def _releases(_lab: Path | None) -> Iterable[str]:
    from fakevm import release

    versions = release.shipped()
    return (*versions, *map(release.series, versions))


def _templates(_lab: Path | None) -> Iterable[str]:
    folder = Path(__file__).parents[1] / "lab/templates"
    return [path.stem for path in folder.glob("*.yaml")]


def _tools(_lab: Path | None) -> Iterable[str]:
    from fakevm import tool

    return tool.TOOLS


KINDS: dict[str, Callable[[Path | None], Iterable[str]]] = {
    "labs": _labs,
    "hosts": _hosts,
    "clients": _clients,
    "guests": _guests,
    "interfaces": _interfaces,
    "points": _points,
    "links": _links,
    "carriers": _carriers,
    "checks": _checks,
    "programs": _programs,
    "networks": _networks,
    "ports": _ports,
    "backends": _backends,
    "releases": _releases,
    "templates": _templates,
    "tools": _tools,
}
