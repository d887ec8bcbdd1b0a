"""What makes routers of a lab file's guests: the daemons that each is to keep running."""

from __future__ import annotations

from collections.abc import Mapping

from fakevm import tool
from fakevm.lab.topology.links import ends
from fakevm.model.daemon import Daemon
from fakevm.model.labfile import GuestFile, LabFile
from fakevm.tool import Found

from . import bird, frr
from .router import Router, described, router_ids


def daemons(lab: LabFile) -> dict[str, tuple[Daemon, ...]]:
    """Give what each router of a file is to keep running, by the guests' names.

    Raises Prerequisite: a tool is not there.
    """
    found = {program: tool.find(program) for program in programs(lab)}
    return {name: _daemons(lab.guests[name], router, found) for name, router in routers(lab).items()}


def routers(lab: LabFile) -> dict[str, Router]:
    """Describe the routers of a file, by the guests' names."""
    ids = router_ids(lab)
    linked = ends(lab) if ids else {}
    return {
        name: described(lab, name, guest.routing.router, ids, linked)
        for name, guest in lab.guests.items()
        if guest.routing
    }


def programs(lab: LabFile) -> list[str]:
    """Name the tools that a file's routers need."""
    return sorted({guest.routing.program for guest in lab.guests.values() if guest.routing})


def _daemons(guest: GuestFile, router: Router, found: Mapping[str, Found]) -> tuple[Daemon, ...]:
    routing = guest.routing
    if routing and routing.frr:
        return frr.daemons(router, routing.frr, found["frr"])
    assert routing and routing.bird
    return bird.daemons(router, routing.bird, found["bird"])
