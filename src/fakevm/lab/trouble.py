"""What is wrong with a lab that runs, and the command that mends it.

The agents' word is not enough: a process may hang, an agent may be alive and what it made be gone. So the lab's
programs are asked for what they serve, and the hosts' switches for the ports that should be in them.
"""

from __future__ import annotations

import http.client
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from fakevm.errors import FakevmError
from fakevm.linux import supervision
from fakevm.linux.supervision import Status
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.rpc.contract import AGENT_BINARY

from . import carrying, fault, leases, links, programs, readiness, serving
from .programs import Program

# Most of it is waiting for answers.
_PARALLEL = 8
# A program that died more often, and last so short a time (seconds) ago, is in trouble.
_RECENT = 10
_SWITCH = "ovs-vswitchd"


class Trouble(NamedTuple):
    """What is wrong, and the command that mends it."""

    what: str
    mend: str


Agents = Sequence[Mapping[str, object]]
Troubles = dict[Program, Trouble]


def find(
    record: LabRecord, seen: Mapping[Program, Status], hosts: Mapping[str, str], agents: Agents | None
) -> Troubles:
    """Look for what is wrong with a lab's programs and hosts, of which each has one trouble at most: the gravest.

    ``hosts`` are the hosts' states, ``agents`` what Neutron says of its agents (None: it says nothing).
    """
    found: Troubles = {}
    run = f"fakevm --lab {record.name}"
    for program, status in seen.items():
        if not program.host and program.name in hosts:
            trouble = _of_host(run, program.name, hosts[program.name], stays=_stays(record, program))
        elif hosts.get(program.host) in fault.ENDED:
            continue
        else:
            trouble = _of_process(run, program, status, stopped=_stays(record, program))
        if trouble:
            found[program] = trouble
    running = [host for host in record.hosts if hosts[host.name] not in fault.ENDED]
    for trouble_of in (_of_signs(record, run, seen), _of_agents(run, record, hosts, agents)):
        found = trouble_of | found
    found = _of_links(record, run, {host.name for host in running}) | found
    return _of_clients(record, run, running) | _of_data_plane(record, run, running, agents or ()) | found


def _stays(record: LabRecord, program: Program) -> bool:
    return supervision.is_held(record.services()[program.host], program.name)


def _of_host(run: str, host: str, state: str, *, stays: bool) -> Trouble | None:
    if state == "cut":
        return Trouble("it has no network", f"{run} host join {host}")
    if state == "killed" and not stays:
        return Trouble("its processes were killed; its supervisor starts it anew", f"{run} host start {host}")
    return Trouble(f"it is {state}", f"{run} host start {host}") if state in fault.ENDED else None


def _of_process(run: str, program: Program, status: Status, *, stopped: bool) -> Trouble | None:
    if not status.running:
        if stopped:
            return Trouble("it is stopped", f"{run} lab start {program}")
        return Trouble("it has ended; its supervisor starts it anew", f"{run} lab restart {program}")
    if status.deaths > readiness.DEATHS_ALLOWED and status.seconds < _RECENT:
        return Trouble(f"it died {status.deaths} times, last {status.seconds} s ago", f"{run} lab logs {program}")
    return None


def _of_signs(record: LabRecord, run: str, seen: Mapping[Program, Status]) -> Troubles:
    """Ask the lab's programs for a sign that they serve."""
    running = {program for program, status in seen.items() if status.running}
    asked = [program for name in readiness.SIGNS if (program := Program("", name)) in running]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        said = dict(zip(asked, pool.map(lambda program: readiness.SIGNS[program.name](record), asked), strict=True))
    # Who is asked through another one is not blamed for that one, which may not even run.
    through = {"broker-relay": "broker", "neutron-rpc-server": "broker", "database": "neutron-api"}
    return {
        program: Trouble(f"it does not serve: {' '.join(what.split())}", f"{run} lab restart {program}")
        for program, what in said.items()
        if what and (program.name not in through or said.get(Program("", through[program.name])) == "")
    }


def _of_agents(run: str, record: LabRecord, hosts: Mapping[str, str], agents: Agents | None) -> Troubles:
    """Compare what Neutron says of its agents with those that should be alive; of a host without a network none are."""
    if agents is None:
        return {}
    alive = {(agent["host"], agent["binary"]): bool(agent["alive"]) for agent in agents}
    found = {}
    for host in record.hosts:
        if hosts[host.name] != "running":
            continue
        for binary in host.agents:
            if not alive.get((host.name, binary)):
                what = "Neutron does not hear of it" if (host.name, binary) in alive else "Neutron does not know of it"
                if not record.neutron:
                    what = "it does not answer at its socket"
                found[Program(host.name, binary)] = Trouble(what, f"{run} lab restart {host.name}/{binary}")
    return found


def _of_links(record: LabRecord, run: str, hosts: Collection[str]) -> Troubles:
    """Look at links: an end that is missing on one of the hosts is told of its agent, a silent far end of its relay."""
    try:
        seen = links.seen(record)
    except FakevmError:
        # Of a lab that is not up yet nobody knows what links it is to have.
        return {}
    missing: defaultdict[str, list[links.End]] = defaultdict(list)
    found = {}
    for link in seen:
        for end in (end for end in link.ends if end.missing and end.host in hosts):
            missing[end.host].append(end)
        if link.state in ("waiting", "lost"):
            relay = Program("", carrying.program(link.name))
            found[relay] = Trouble(f"link {link.name}: {link.problem}", f"{run} link show {link.name}")
    of_agents = {
        Program(host, AGENT_BINARY): Trouble(
            f"an end of a link is gone: {ends[0].problem}{_and_more(ends)}", f"{run} guest reboot {ends[0].guest}"
        )
        for host, ends in missing.items()
    }
    return found | of_agents


def _of_data_plane(record: LabRecord, run: str, hosts: Sequence[HostRecord], agents: Agents) -> Troubles:
    """Ask the switches of hosts, which run, whether they have the ports of DHCP servers, routers and guests."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        found = pool.map(lambda host: dict(_of_switch(record, run, host.name, agents)), hosts)
        return {program: trouble for troubles in found for program, trouble in troubles.items()}


def _of_clients(record: LabRecord, run: str, hosts: Sequence[HostRecord]) -> Troubles:
    """Look whether the guests' DHCP clients run; it is told of the agent that started them."""

    def look(host: HostRecord) -> Sequence[leases.LostClient]:
        with suppress(FakevmError):
            return leases.lost(record, host.name)
        return ()

    with ThreadPoolExecutor(_PARALLEL) as pool:
        found = dict(zip(hosts, pool.map(look, hosts), strict=True))
    return {
        Program(host.name, AGENT_BINARY): Trouble(
            f"the DHCP client (IPv{lost[0].version}) of guest {lost[0].guest} was killed{_and_more(lost)}",
            f"{run} exec {lost[0].guest} -- {lost[0].command}",
        )
        for host, lost in found.items()
        if lost
    }


def _and_more(found: Sequence[object]) -> str:
    return f" and {len(found) - 1} more" if len(found) > 1 else ""


def _of_switch(record: LabRecord, run: str, host: str, agents: Agents) -> Iterator[tuple[Program, Trouble]]:
    switch = Program(host, _SWITCH)
    has_switch = (record.services()[host] / _SWITCH).exists()
    if has_switch and (what := programs.silent(record, host)):
        yield switch, Trouble(f"it does not answer: {' '.join(what.split())}", f"{run} lab restart {switch}")
        return
    try:
        duties = [*serving.of_agents(record, host, agents), *serving.of_guests(record, host)]
        undone = serving.undone(record, host, duties)
    except (OSError, http.client.HTTPException, FakevmError, ValueError) as exc:
        yield switch, Trouble(f"its ports cannot be seen: {' '.join(str(exc).split())}", f"{run} lab restart {switch}")
        return
    of: defaultdict[str, list[str]] = defaultdict(list)
    for duty in undone:
        of[duty.program].append(duty.what)
    for name, whats in of.items():
        program = Program(host, name)
        yield program, Trouble(f"not wired: {whats[0]}{_and_more(whats)}", f"{run} lab restart {program}")
