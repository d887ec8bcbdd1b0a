"""What a lab has written down of packets: routers' counters, packet logs; and what Neutron's API tells users."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from fakevm.backend import base as backends
from fakevm.control import credentials
from fakevm.control.transport import refusal
from fakevm.errors import CommandFailed, LabFailed, NotFound
from fakevm.lab.place import Places
from fakevm.linux import process
from fakevm.model.check import Observed
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import check as files
from fakevm.model.resource import TAG
from fakevm.probe import logged, metered
from fakevm.probe.base import Probe
from fakevm.probe.ping import PingProbe
from fakevm.probe.tcp import TcpProbe
from fakevm.waiting import remains

# Seconds until a packet is in a log: agents write what the switch has told them.
_WRITING = 5.0
# What users are answered who may not see something.
_OF_USERS = (403, 404)

# Runs a probe at a check's source, whatever comes of it.
Runner = Callable[[Probe], object]


def of_label(places: Places, check: files.MeteredCheck, run: Runner) -> Observed:
    """Send pings, and see what a metering label's counters have more than before."""
    what = f"metering label {check.label!r}"
    label, *_ = places.found("metering/metering-labels", what, name=check.label, description=TAG)
    hosts = [name for name, host in places.lab.hosts.items() if "l3" in host.roles]

    def counted() -> int:
        return metered.counted(_told(places, hosts, metered.LIST), str(label["id"]))

    before = counted()
    run(PingProbe(places.address(check.target, check.source, check.family), check.count))
    return metered.read(check.label, check.count, before, counted())


def of_connection(places: Places, check: files.LoggedCheck, run: Runner) -> Observed:
    """Make a connection, and see whether a packet log says more of such than before."""
    address = places.address(check.target, check.source, check.family)
    hosts = [name for name, host in places.lab.hosts.items() if "compute" in host.roles]
    log = backends.load(places.lab.backend).packet_log

    def lines() -> int:
        return logged.told(_told(places, hosts, log), address, check.port, check.event)

    before = lines()
    run(TcpProbe(address, check.port, echo=False))
    words = f"of {check.event} to {address} port {check.port}"
    if remains(lambda: "" if lines() > before else "nothing new", _WRITING):
        return Observed(verdict="blocked", words=f"no packet log tells {words}")
    return Observed(verdict="passes", words=f"a packet log tells {words}")


def of_api(record: LabRecord, check: files.ApiCheck) -> Observed:
    """Ask Neutron's API as a user. Raises Refused, Unreachable, InvalidInput: what it answers is not about the user."""
    # Not at the top: what it imports takes a second, and few checks ask as somebody else.
    from fakevm.control import cloud

    asking = cloud.of(credentials.settings(record, check.source))
    what = f"answer {check.source} for {check.get}"
    answer = asking.request("GET", check.get, what)
    if answer.status >= 400 and answer.status not in _OF_USERS:
        raise refusal(what, answer.status, answer.reason, answer.url)
    found = re.compile(check.shows, re.MULTILINE).search(answer.text())
    shown = f"shows {found[0][:80]!r}" if found else f"does not show {check.shows!r}"
    return Observed(verdict="passes" if found else "blocked", words=f"HTTP {answer.status}, {shown}")


def _told(places: Places, hosts: Iterable[str], line: str) -> str:
    """Run a line of shell on hosts; those that do not run say nothing."""
    said = []
    for host in hosts:
        try:
            said.append(process.run(places.command(host, ["sh", "-c", line])))
        except (NotFound, LabFailed, CommandFailed):
            continue
    return "\n".join(said)
