"""Routers that cannot be: what their file says of them, and what the daemon itself refuses of its configuration."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator

from fakevm import tool
from fakevm.lab.topology.links import ends
from fakevm.lab.topology.routing.router import router_ids
from fakevm.model.labfile import GuestFile, LabFile
from fakevm.model.labfile.routing import OspfFile, RoutingFile
from fakevm.model.remark import Location, Remark

# Seconds that a look at a configuration may take.
_PATIENCE = 20.0
# Beyond them nobody reads on.
_MOST = 10
_FRR_LINE = re.compile(r"^line (\d+): (.*)$", re.MULTILINE)
_BIRD_LINE = re.compile(r"^(?:bird: )?\S*?:(\d+):(\d+) (.*)$", re.MULTILINE)


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find what is wrong with the routers of a file."""
    taken: dict[str, str] = {}
    for name, router_id in router_ids(lab).items():
        if taken.setdefault(router_id, name) != name:
            at: Location = ("guests", name, "routing", _routing(lab.guests[name]).program)
            yield Remark(f"the router {taken[router_id]!r} has this id, too", (*at, "router_id"))
    linked = ends(lab)
    for name, guest in lab.guests.items():
        if guest.routing:
            at = ("guests", name, "routing", guest.routing.program)
            yield from _router(guest.routing, [*linked[name]], {*guest.interfaces, *linked[name]}, at)


def _routing(guest: GuestFile) -> RoutingFile:
    assert guest.routing
    return guest.routing


def _router(routing: RoutingFile, links: list[str], devices: set[str], at: Location) -> Iterator[Remark]:
    router = routing.router
    if router.file:
        yield Remark(f"nobody knows in which folder {router.file} is", (*at, "file"))
    if router.ospf:
        yield from _ospf(router.ospf, links, devices, (*at, "ospf"))
    for peer in router.bgp.neighbours if router.bgp else ():
        if re.fullmatch(r"[0-9.]+|.*:.*", peer):
            continue
        if routing.bird:
            what = f"BIRD knows a neighbour by its address, and {peer!r} is an interface"
            yield Remark(what, (*at, "bgp", "neighbours", peer), "Give both ends addresses; FRR needs none.")
        elif peer not in devices:
            yield Remark(f"the guest has no interface {peer!r}", (*at, "bgp", "neighbours", peer))
    if router.config:
        yield from (Remark(said, at) for said in refused(routing.program, router.config)[:_MOST])


def _ospf(ospf: OspfFile, links: list[str], devices: set[str], at: Location) -> Iterator[Remark]:
    if ospf.interfaces is None and not links:
        yield Remark("the guest is at the end of no link, and OSPF needs one", at, "Name it in `links`.")
    for index, device in enumerate(ospf.interfaces or ()):
        if device not in devices:
            yield Remark(f"the guest has no interface {device!r}", (*at, "interfaces", index))


@functools.cache
def refused(program: str, text: str) -> list[str]:
    """Say what a daemon refuses of a configuration, in its own words; nothing where the daemon is not there."""
    found = tool.look(program)
    if found is None:
        return []
    if program == "frr":
        said = _said([*found.command("vtysh"), "--config_dir", "/dev/null", "-C", "-f", "/dev/stdin"], text)
        return [f"FRR refuses line {line}: {_frr_words(words)}" for line, words in _FRR_LINE.findall(said)]
    said = _said([*found.command("bird"), "-p", "-c", "/dev/stdin"], text)
    return [f"BIRD refuses line {line}, column {column}: {words}" for line, column, words in _BIRD_LINE.findall(said)]


def _said(command: list[str], text: str) -> str:
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _frr_words(words: str) -> str:
    return re.sub(r"^% (.*?)\[\d+\]: +", r"\1: ", words).strip()
