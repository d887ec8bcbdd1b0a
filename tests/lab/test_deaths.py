"""Whatever single process of a lab is killed: soon there is one copy of each program, all agents live, DHCP serves.

One of each kind in one small lab; the whole list, on a default lab, is slow.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fakevm import names
from fakevm.lab import fault
from fakevm.progress import Progress

from .conftest import BIN, Lab, Labs, until

# Seconds within which the lab is whole again on a quiet machine; a busy one may be so many times slower.
WHOLE, SLOWER = 60, 4
SMALL = "hosts: {host1: {roles: [compute, dhcp]}}\n"
# Who is the parent of a program that a warmed process has forked (ADR 0034).
SHEPHERD = "fakevm_warm shepherd of process "
CONTEXT = re.compile(r"--privsep_context (\S+)")


class Process(NamedTuple):
    """A process of a lab: ``place`` is the scan directory above it, empty for what is above all."""

    pid: int
    parent: int
    session: int
    words: str
    place: str
    supervisor: str


def look(lab: Lab) -> list[Process]:
    """List the processes of a lab, from its handle down.

    What was forked is not below its supervisor, but runs in the folder of what it is supervised as; a helper has left
    its agent, but the supervisor knows its group.
    """
    raw: dict[int, tuple[int, int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:  # it ended just now
                continue
            raw[int(entry.name)] = (int(fields[1]), int(fields[3]), words)
    found: list[Process] = []

    def walk(pid: int, place: str, supervisor: str) -> None:
        parent, session, words = raw[pid]
        children = [child for child, row in raw.items() if row[0] == pid]
        if words.startswith("s6-svscan "):
            place, supervisor = words.split()[-1], ""
        elif words.startswith("s6-supervise "):
            supervisor = words.split()[1]
        elif words.startswith(SHEPHERD) and children:
            place, _, supervisor = directory(children[0]).rpartition("/")
        elif CONTEXT.search(words) and not supervisor:
            supervisor = owner(lab, place, pid)
        found.append(Process(pid, parent, session, words, place, supervisor))
        for child in children:
            walk(child, place, supervisor)

    if lab.record.pid in raw:
        walk(lab.record.pid, "", "")
    return found


def read(path: str) -> str:
    """Read a file; nothing when it is gone, as its process may be."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def directory(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def owner(lab: Lab, place: str, pid: int) -> str:
    """Name the program of a host with which a helper is to end; empty when there is none."""
    groups = re.findall(r"^NSpgid:.*\s(\d+)$", read(f"/proc/{pid}/status"), re.MULTILINE)
    noted = (lab.record.directory / place.removeprefix("/run/fakevm/")).glob("*/group")
    return next((note.parent.name for note in noted if set(read(str(note)).split()) & set(groups)), "")


def supervisors(seen: list[Process]) -> dict[int, Process]:
    return {process.pid: process for process in seen if process.words.startswith("s6-supervise ")}


def programs(seen: list[Process]) -> list[Process]:
    """List the processes that supervisors started; each leads a session."""
    above = supervisors(seen)
    return [process for process in seen if process.parent in above]


def shepherds(seen: list[Process]) -> list[Process]:
    return [process for process in seen if process.words.startswith(SHEPHERD)]


def forked(seen: list[Process]) -> list[Process]:
    """List the programs that warmed processes forked; each leads a session, too.

    What has no words has just ended, and what has its warmed process's is just beginning: a helper's, too, whose daemon
    stays in its session.
    """
    above = {process.pid for process in shepherds(seen)}
    # One without a folder is about to end.
    mine = [process for process in seen if process.parent in above and process.supervisor]
    named = [process for process in mine if process.words and " -m fakevm_warm " not in process.words]
    return [process for process in named if not CONTEXT.search(process.words)]


def doubles(seen: list[Process], before: list[Process]) -> list[str]:
    """Say what there is not exactly one of, and what is left of sessions whose program is dead."""
    found = []
    for what, kind in (("supervisor", supervised), ("program", programs), ("forked program", forked)):
        wanted = {(process.place, process.supervisor) for process in kind(before)}
        count = Counter((process.place, process.supervisor) for process in kind(seen))
        found += [f"{count[key]} of the {what} {key}" for key in wanted | set(count) if count[key] != 1]
    # An agent has one for each of its contexts, as soon as it needs it.
    helpers = Counter((p.place, p.supervisor, *CONTEXT.findall(p.words)) for p in seen if CONTEXT.search(p.words))
    found += [f"{count} of the helper {key}" for key, count in helpers.items() if count != 1 or not key[1]]
    dead = {p.pid for p in leaders(before)} - {p.pid for p in leaders(seen)}
    return [*found, *(f"left of a dead program: {p.pid} {p.words[:80]}" for p in seen if p.session in dead)]


def supervised(seen: list[Process]) -> list[Process]:
    return list(supervisors(seen).values())


def leaders(seen: list[Process]) -> list[Process]:
    return [*programs(seen), *forked(seen)]


def troubles(lab: Lab) -> list[str]:
    """Say what ``lab status`` says is wrong, and which agents are not alive."""
    done = lab.fakevm("lab", "status", "-f", "json")
    if done.returncode:
        return [done.stderr]
    rows = json.loads(done.stdout)
    assert all(row["mend"] for row in rows if row["problem"]), "a problem without a command that mends it"
    # What was killed on purpose many times has died often.
    wrong = [row for row in rows if row["problem"] and "it died" not in row["problem"]]
    return [f"{row['host']}/{row['program']}: {row['problem']}" for row in wrong] + [
        f"{row['host']}/{row['program']} is {row['agent']}" for row in rows if row["agent"] not in ("", "alive")
    ]


def silent(lab: Lab, seen: list[Process], before: list[Process], since: float) -> list[str]:
    """Say of which agents, started anew, Neutron has not heard yet: so long it believes the last words of the dead."""
    old = {process.pid for process in before}
    new = {(p.place, p.supervisor) for p in programs(seen) if p.pid not in old}
    return [
        said
        for host in lab.record.hosts
        if (mine := [b for b in host.agents if (f"/run/fakevm/hosts/{host.name}/service", b) in new])
        and (said := fault.unheard(lab.record, host.name, mine, since, Progress()))
    ]


def kill(lab: Lab, find: Callable[[list[Process]], Process | None]) -> None:
    """Kill what ``find`` finds, and wait until the lab is whole; tells how long that took."""
    before = look(lab)
    victim = find(before)
    if victim is None:
        return
    print(f"killing {victim.pid} {victim.place}/{victim.supervisor}: {victim.words[:100]}", flush=True)
    began, since = time.monotonic(), time.time()
    os.kill(victim.pid, signal.SIGKILL)
    while wrong := doubles(now := look(lab), before) or silent(lab, now, before, since) or troubles(lab):
        assert time.monotonic() < began + WHOLE * SLOWER, f"after {victim}: {wrong}"
        time.sleep(0.5)
    print(f"  whole after {time.monotonic() - began:.1f} s", flush=True)


def serves(lab: Lab, names: Iterator[int], host: str) -> None:
    """A new guest gets its address by DHCP."""
    name = f"new-{next(names)}"
    made = lab.told("create-port", "private", name, "--host", host, "--addressing", "dhcp")
    assert made["addresses"], made
    lab.told("delete-port", made["vif_id"])


def supervisor_of(name: str) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in supervisors(seen).values() if p.supervisor == name)


def program_of(name: str) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in programs(seen) if p.supervisor == name)


def fork_of(name: str) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in forked(seen) if p.supervisor == name)


def child_of(name: str) -> Callable[[list[Process]], Process | None]:
    def find(seen: list[Process]) -> Process | None:
        parents = {p.pid for p in forked(seen) if p.supervisor == name}
        return next(p for p in seen if p.parent in parents)

    return find


def helper_of(name: str) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in seen if p.supervisor == name and CONTEXT.search(p.words))


def shepherd_of(name: str) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in shepherds(seen) if p.supervisor == name)


def warmed_for(program: str) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in programs(seen) if p.supervisor.startswith("warm-") and program in p.words)


def first_process_of(host: str) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in seen if p.words == f"s6-svscan /run/fakevm/hosts/{host}/service")


KINDS = {
    "supervisor of the broker": supervisor_of("broker"),
    "supervisor of an agent": supervisor_of("neutron-dhcp-agent"),
    "supervisor of a host": supervisor_of("host1"),
    "first process of a host": first_process_of("host1"),
    "master of the API": program_of("neutron-api"),
    "worker of an agent": child_of("neutron-dhcp-agent"),
    "helper of an agent": helper_of("neutron-dhcp-agent"),
    "forked agent": fork_of("neutron-openvswitch-agent"),
    "stub of a forked agent": program_of("neutron-openvswitch-agent"),
    "shepherd of a forked agent": shepherd_of("neutron-openvswitch-agent"),
    "forked server": fork_of("neutron-rpc-server"),
    "warmed process": warmed_for("/neutron-rpc-server "),
    "warmed process of FakeVM's own": warmed_for("/neutron-fakevm-agent "),
    "switch": program_of("ovs-vswitchd"),
}


@pytest.fixture(scope="module")
def small(own_labs: Labs) -> Lab:
    # Where nothing is kept: with kept imports, a warmed process is not what its supervisor started, but below the lab.
    own_labs.environment["FAKEVM_KEPT"] = str(own_labs.folder / "kept")
    path = own_labs.folder / "deaths.yaml"
    path.write_text(SMALL)
    lab = own_labs.up("deaths", str(path))
    lab.network("private", "10.0.0.0/24")
    serves(lab, itertools.count(100), "host1")
    return lab


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_killed_leaves_a_lab_that_is_whole(small: Lab, kind: str) -> None:
    kill(small, KINDS[kind])
    serves(small, itertools.count(), "host1")


def test_a_guest_s_dhcp_client_that_was_killed_is_told_with_what_mends_it(small: Lab) -> None:
    """It is not started anew: its end may be what somebody tries."""
    made = small.told("create-port", "private", "leased", "--host", "host1", "--addressing", "dhcp")

    def clients() -> list[int]:
        return [p.pid for p in look(small) if "dhclient" in p.words and names.device(made["vif_id"]) in p.words]

    def wrong() -> list[dict[str, str]]:
        return [row for row in small.told("lab", "status") if "DHCP client" in row["problem"]]

    (pid,) = clients()
    assert wrong() == []
    os.kill(pid, signal.SIGKILL)
    until(lambda: not clients())
    (row,) = wrong()
    assert (row["host"], row["problem"]) == ("host1", "the DHCP client (IPv4) of guest leased was killed")
    # No pipe: the client in the background would keep it open.
    env, to = small.labs.env(PATH=f"{BIN}:{os.environ['PATH']}"), subprocess.DEVNULL
    subprocess.run(row["mend"], shell=True, env=env, stdout=to, stderr=to, check=True, timeout=120)
    assert (wrong(), len(clients())) == ([], 1)
    # Who gives the lease back has ended it himself.
    assert small.fakevm("exec", "leased", "--", "dhclient", "-r", names.device(made["vif_id"])).returncode == 0
    assert (wrong(), clients()) == ([], [])
    small.told("delete-port", made["vif_id"])


def test_a_lab_whose_first_process_is_killed_is_gone_and_status_says_so(small: Lab) -> None:
    first = next(p for p in look(small) if p.words.startswith("s6-svscan ") and p.place == "/run/fakevm/service")
    os.kill(first.pid, signal.SIGKILL)
    deadline = time.monotonic() + WHOLE * SLOWER
    while left := look(small):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    done = small.fakevm("lab", "status", small.record.name)
    assert (done.returncode, "does not run any more" in done.stderr) == (2, True), done.stderr
    assert small.fakevm("lab", "down", small.record.name).returncode == 0


@pytest.fixture(scope="module")
def default(own_labs: Labs) -> Lab:
    lab = own_labs.up("all")
    lab.network("private", "10.0.0.0/24")
    serves(lab, itertools.count(100), "compute1")
    return lab


@pytest.mark.slow
@pytest.mark.parametrize("place", ["hosts/compute1/", "hosts/compute2/", "hosts/network1/", ""])
def test_every_process_of_a_default_lab(default: Lab, place: str) -> None:
    """All supervisors, programs and their children, and the hosts' first processes, one after another."""
    numbers = itertools.count()
    victims: list[Callable[[list[Process]], Process | None]] = []
    if place:
        victims.append(first_process_of(place.split("/")[1]))
    keys = {(p.place, p.supervisor) for p in supervised(look(default))}
    for key in sorted(key for key in keys if key[0] == f"/run/fakevm/{place}service"):
        victims += [_supervisor(key), _program(key), _shepherd(key), _fork(key), _child(key)]
    assert len(victims) > 10
    for victim in victims:
        kill(default, victim)
        serves(default, numbers, "compute1")


Key = tuple[str, str]


def _supervisor(key: Key) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in supervised(seen) if (p.place, p.supervisor) == key)


def _program(key: Key) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next(p for p in programs(seen) if (p.place, p.supervisor) == key)


def _fork(key: Key) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next((p for p in forked(seen) if (p.place, p.supervisor) == key), None)


def _shepherd(key: Key) -> Callable[[list[Process]], Process | None]:
    return lambda seen: next((p for p in shepherds(seen) if (p.place, p.supervisor) == key), None)


def _child(key: Key) -> Callable[[list[Process]], Process | None]:
    """The last process of a program that is not the program itself, if there is one."""

    def find(seen: list[Process]) -> Process | None:
        others = {p.pid for p in (*supervised(seen), *shepherds(seen), *leaders(seen))}
        below = (p for p in reversed(seen) if (p.place, p.supervisor) == key and p.pid not in others)
        return next(below, None)

    return find
