"""Faults of a lab's hosts, made on purpose, and their repair. Each is safe to repeat."""

from __future__ import annotations

import functools
import http.client
import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Concatenate, ParamSpec

from fakevm.errors import CommandFailed, FakevmError, Gone, NotFound, TimedOut
from fakevm.host import folder as host_folder
from fakevm.linux import lock, process, supervision
from fakevm.model.lab import LabRecord
from fakevm.model.series import spans
from fakevm.progress import Progress
from fakevm.waiting import until

from . import readiness, sandbox, serving

P = ParamSpec("P")
# Seconds for the programs of a host to end in; then it is killed. Neutron's agents take some.
_ENDING = 30.0
_KILLING = 30.0
# The states of a host that does not run.
ENDED = ("stopped", "killed")


def states(record: LabRecord, *hosts: str) -> dict[str, str]:
    """Tell of each host whether it is ``running``, or ``cut``: running without a network; ``stopped``, or ``killed``.

    ``killed`` is one, too, whose processes were killed by others: its supervisor is about to start it anew. ``hosts``
    are all of the lab when none is named.
    """
    services = record.directory / "service"
    wanted = hosts or tuple(host.name for host in record.hosts)
    programs = supervision.status(services, *wanted)
    up = _links_up(record)
    found = {}
    for host in wanted:
        if programs[host].running:
            cut = not any(up.get(link, False) for link in _links(record, host))
            found[host] = "cut" if cut else "running"
        else:
            found[host] = "stopped" if supervision.was_stopped(services, host) else "killed"
    return found


def away(record: LabRecord) -> dict[str, str]:
    """Say of each host that is cut off, or does not run, that nobody there can be asked, and what brings it back."""
    words = {"cut": ("is cut off", "join"), "stopped": ("is stopped", "start"), "killed": ("was killed", "start")}
    try:
        seen = {host: words[state] for host, state in states(record).items() if state in words}
    except (FakevmError, OSError):  # the lab is about to end, or to begin
        return {}
    return {host: f"the host {what} (fakevm host {back} {host})" for host, (what, back) in seen.items()}


def _alone(change: Callable[Concatenate[LabRecord, str, P], bool]) -> Callable[Concatenate[LabRecord, str, P], bool]:
    """Let nobody else start or stop the same host meanwhile; but its power may fail at any time."""

    @functools.wraps(change)
    def changed(record: LabRecord, host: str, /, *arguments: P.args, **named: P.kwargs) -> bool:
        _state(record, host)
        with lock.alone(record.host_directory(host) / "changing", f"{host}: host {change.__name__}"):
            return change(record, host, *arguments, **named)

    return changed


@_alone
def stop(record: LabRecord, host: str) -> bool:
    """End a host in order: its programs first, then all else in it; False when it does not run.

    Raises NotFound, TimedOut, Conflict while another command starts or stops it.
    """
    if _state(record, host) in ENDED:
        return False
    services = record.directory / "service"
    supervision.release(services, host)
    with suppress(CommandFailed, TimedOut):
        supervision.end_all(record.host_directory(host) / "service")
        _wait_stopped(record, host, _ENDING)
    _end(record, host)
    # That was firm, but meant as a stop.
    supervision.release(services, host)
    return True


def kill(record: LabRecord, host: str) -> bool:
    """End a host as a power cut does; False when it does not run. Raises NotFound, TimedOut."""
    if _state(record, host) in ENDED:
        return False
    _end(record, host)
    return True


@_alone
def start(record: LabRecord, host: str, progress: Progress, timeout: float = 180.0) -> bool:
    """Start a host that was stopped or killed, and wait until Neutron has heard of all its agents and they serve.

    Its guests are made anew by its agent. False when it runs already. Raises NotFound, TimedOut, Conflict while another
    command starts or stops it, Gone when it is killed meanwhile.
    """
    if _state(record, host) not in ENDED:
        return False
    since = time.time()
    supervision.start(record.directory / "service", host)
    until(lambda: state if (state := _state(record, host)) in ENDED else "", f"host {host} was not back", timeout)
    services, agents = record.host_directory(host) / "service", next(h.agents for h in record.hosts if h.name == host)
    # One that was stopped by its name stays so.
    expected = [binary for binary in agents if not supervision.is_held(services, binary)]
    check = functools.partial(_require_running, record, host)
    what = f"the agents of {host} were not heard of"
    until(lambda: unheard(record, host, expected, since, progress), what, timeout, require=check)
    serving.wait(record, host, progress, timeout, check)
    return True


def cut(record: LabRecord, host: str) -> bool:
    """Take a host's links down, where the lab is: management, underlay, physical networks; False when they are."""
    return _set_links(record, host, "cut", "down")


def join(record: LabRecord, host: str) -> bool:
    """Take a host's links up again; False when they are."""
    return _set_links(record, host, "running", "up")


def unheard(record: LabRecord, host: str, expected: Collection[str], since: float, progress: Progress) -> str:
    """Name the agents, by their binaries, of which Neutron has not heard since they were started anew.

    ``since`` is in seconds since the epoch.
    """
    try:
        agents = readiness.agents(record, host=host)
    except (OSError, http.client.HTTPException) as exc:
        return str(exc)
    # Neutron gives whole seconds, in UTC.
    limit = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(since))
    heard = {str(a["binary"]) for a in agents if a["alive"] and _sign_of_life(a) >= limit}
    missing = [binary for binary in expected if binary not in heard]
    progress.seen(f"{len(expected) - len(missing)} of {len(expected)} alive")
    return f"not alive: {', '.join(missing)}" if missing else ""


def _sign_of_life(agent: Mapping[str, object]) -> str:
    """Give a time at which an agent can only have been heard if it ran.

    OVN's do not say when they started. Their heartbeat is when ovn-controller had last done all that it was told, which
    Neutron asks for twice within ``agent_down_time`` as somebody lists agents (29.0.0, ``ping_all_chassis``).
    """
    return str(agent.get("started_at") or agent["heartbeat_timestamp"])


# -- within ------------------------------------------------------------------------------------------------------


def _state(record: LabRecord, host: str) -> str:
    """Look at one host. Raises NotFound."""
    known = [known.name for known in record.hosts]
    if host not in known:
        raise NotFound(f"lab {record.name!r} has no host {host!r}", hint=f"Hosts: {spans(known)}.")
    return states(record, host)[host]


def _end(record: LabRecord, host: str) -> None:
    supervision.kill(record.directory / "service", host)
    _wait_stopped(record, host, _KILLING)
    # Open vSwitch in the kernel would go on forwarding what it has learnt.
    gone = host_folder.remains(host, f"/run/fakevm/hosts/{host}")
    process.run([*sandbox.enter_lab(record), *gone])
    _forget_connections(record, host)


def _forget_connections(record: LabRecord, host: str) -> None:
    """End the lab's side of a host's TCP connections, which nobody ended from there if the host was cut off.

    RabbitMQ would go on giving a dead agent every other call that is meant for the one which comes after it, until it
    notices: TCP's back-off makes that up to a minute. A kernel without CONFIG_INET_DIAG_DESTROY leaves it at that.
    """
    address = next(known.management_address for known in record.hosts if known.name == host)
    # The outside has none.
    if address:
        process.run([*sandbox.enter_lab(record), "ss", "--kill", "--no-header", "--tcp", "dst", address])


def _set_links(record: LabRecord, host: str, wanted: str, way: str) -> bool:
    state = _state(record, host)
    if state == wanted:
        return False
    if state in ENDED:
        raise NotFound(f"host {host!r} does not run: it has no links", hint=f"Start it: fakevm host start {host}")
    for link in _links(record, host):
        process.run([*sandbox.enter_lab(record), "ip", "link", "set", link, way])
    return True


def _links(record: LabRecord, host: str) -> list[str]:
    return (record.host_directory(host) / "links.txt").read_text().split()


def _links_up(record: LabRecord) -> dict[str, bool]:
    """Tell of each device of the lab whether it is up."""
    listed = json.loads(process.run([*sandbox.enter_lab(record), "ip", "-json", "link", "show"]))
    return {str(link["ifname"]): "UP" in link["flags"] for link in listed}


def _wait_stopped(record: LabRecord, host: str, timeout: float) -> None:
    services = record.directory / "service"
    until(lambda: "it runs" if supervision.status(services, host)[host].running else "", f"{host} did not end", timeout)


def _require_running(record: LabRecord, host: str) -> None:
    """Raise Gone when the host does not run any more."""
    if _state(record, host) in ENDED:
        raise Gone(f"host {host!r} was killed meanwhile")
