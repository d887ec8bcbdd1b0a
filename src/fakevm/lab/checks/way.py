"""The way of a packet through the hosts of a lab, as a watcher in the lab sees it (ADR 0020)."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from fakevm.lab.place import Places
from fakevm.model.labfile.check import TargetedCheck
from fakevm.probe import path
from fakevm.probe.base import Run
from fakevm.probe.path import PathProbe, Sighting

from .helper import Helper

# How long the watcher may still get what was sent, in seconds.
_SETTLING = 5.0

# Runs a probe at a check's source.
Runner = Callable[[TargetedCheck, PathProbe], Run]


def watched(
    places: Places, check: TargetedCheck, run: Runner, *, hosts: Collection[str] = (), avoids: Collection[str] = ()
) -> tuple[PathProbe, Run]:
    """Send packets from a check's source to its target, and look where they pass. ``hosts``, ``avoids``: see PathProbe.

    Raises FakevmError.
    """
    ends = {places.host_of(check.source), places.host_of(check.target)} - {None}
    probe = PathProbe(
        places.address(check.target, check.source, check.family),
        ends=frozenset(filter(None, ends)),
        links=places.links(),
        hosts=frozenset(hosts),
        avoids=frozenset(avoids),
    )
    with Helper(places.command_in_lab(probe.watcher()), path.READY) as watcher:
        done = run(check, probe)
        probe.sightings += [Sighting(*json.loads(line)) for line in watcher.end(_SETTLING)]
    return probe, done
