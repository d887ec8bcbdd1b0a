"""A lab with warmed processes: each program stays one, whoever is killed, and is what it is in a lab without them.

Most of it is slow: test_deaths kills one of each kind in every run.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakevm.lab import readiness
from fakevm.linux import supervision
from fakevm.model.lab import LabRecord

from . import machine
from .conftest import Lab, Labs, until

ONE_HOST = "hosts: {host1: {roles: [compute, dhcp]}}\n"
AGENT = "neutron-openvswitch-agent"


@pytest.fixture(scope="module")
def warm_lab(own_labs: Labs) -> Lab:
    (own_labs.folder / "warm.yaml").write_text(ONE_HOST)
    own_labs.environment["FAKEVM_WARM"] = "1"
    return own_labs.up("warm", str(own_labs.folder / "warm.yaml"))


class Process:
    """A process of a lab, by its number on the machine."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        self.parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    @property
    def directory(self) -> str:
        return str(Path(f"/proc/{self.pid}/cwd").readlink())


def processes(lab: Lab) -> Iterator[Process]:
    for pid in machine.pids(lab.labs.mark):
        try:
            yield Process(pid)
        except OSError:  # it ended just now
            continue


def copies(lab: Lab, binary: str) -> list[Process]:
    """Give the processes that are a program, without those that they forked."""
    found = {one.pid: one for one in processes(lab) if one.words[1:2] and one.words[1].endswith(f"/{binary}".encode())}
    return [one for one in found.values() if one.parent not in found]


def cast(lab: Lab, binary: str) -> dict[str, int]:
    """Give the pids of all that stand for one program."""
    everybody = {one.pid: one for one in processes(lab)}
    (program,) = copies(lab, binary)
    (supervisor,) = [one for one in everybody.values() if one.words[:2] == [b"s6-supervise", binary.encode()]]
    (stub,) = [one for one in everybody.values() if one.parent == supervisor.pid]
    assert b"shepherd of" in everybody[program.parent].words[1]
    return {"program": program.pid, "stub": stub.pid, "shepherd": program.parent, "supervisor": supervisor.pid}


def started(record: LabRecord, binary: str) -> object:
    try:
        return next((a["started_at"] for a in readiness.agents(record) if a["binary"] == binary and a["alive"]), None)
    except OSError:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["program", "stub", "shepherd", "supervisor"])
def test_one_of_a_program_comes_back_whoever_is_killed(warm_lab: Lab, victim: str) -> None:
    before, old = started(warm_lab.record, AGENT), cast(warm_lab, AGENT)
    os.kill(old[victim], signal.SIGKILL)
    until(lambda: started(warm_lab.record, AGENT) not in (before, None), 240)
    new = cast(warm_lab, AGENT)
    assert not set(new.values()) & {old["program"], old["stub"], old["shepherd"]}


@pytest.mark.slow
def test_the_warmed_process_is_killed_and_programs_live_on(warm_lab: Lab) -> None:
    (warmed,) = [one for one in processes(warm_lab) if one.words[1:3] == [b"-m", b"fakevm_warm"] and neutrons(one)]
    old = cast(warm_lab, AGENT)
    os.kill(warmed.pid, signal.SIGKILL)
    service = warm_lab.record.host_directory("host1") / "service"
    before = started(warm_lab.record, "neutron-dhcp-agent")
    supervision.terminate(service, "neutron-dhcp-agent")
    until(lambda: started(warm_lab.record, "neutron-dhcp-agent") not in (before, None), 240)
    # Another one was warmed for it.
    assert cast(warm_lab, "neutron-dhcp-agent")
    assert cast(warm_lab, AGENT) == old


def neutrons(warmed: Process) -> bool:
    return any(word.endswith(b"/neutron-rpc-server") for word in warmed.words)


def inside(lab: Lab, *command: str) -> str:
    done = lab.fakevm("lab", "exec", "compute2", "--", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_agent_that_comes_back_is_asked_at_once_and_flows_stay(lab: Lab) -> None:
    """Until it listens the bridges' controller is nobody, and not none: then Open vSwitch would remove all flows."""
    addresses = ("ovs-vsctl", "--bare", "--columns=target,is_connected", "list", "controller")
    assert lab.fakevm("lab", "stop", f"compute2/{AGENT}").returncode == 0
    flows = inside(lab, "ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", "br-int").splitlines()
    inside(lab, "sh", "/run/fakevm/hosts/compute2/switch.sh")
    assert set(inside(lab, *addresses).split()) == {"tcp:127.0.0.1:6634", "false"}
    now = inside(lab, "ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", "br-int").splitlines()
    assert now == flows
    assert len(flows) > 5
    done = lab.fakevm("lab", "start", f"compute2/{AGENT}")
    assert done.returncode == 0, done.stderr
    until(lambda: set(inside(lab, *addresses).split()) == {"tcp:127.0.0.1:6633", "true"}, 60)


@pytest.mark.slow
def test_a_host_that_is_killed_leaves_no_shepherd(warm_lab: Lab) -> None:
    old = cast(warm_lab, AGENT)
    warm_lab.fakevm("host", "kill", "host1")
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old.values()), 60)
    done = warm_lab.fakevm("host", "start", "host1")
    assert done.returncode == 0, done.stderr
    assert len(copies(warm_lab, AGENT)) == 1


COMPARED = """\
hosts:
  compute1: {}
  network1: {roles: [compute, dhcp, l3, metadata]}
networks:
  private: {subnets: {private-v4: {cidr: 10.0.0.0/24}}}
  public: {external: true, type: flat, physical_network: physnet1, subnets: {public-v4: {cidr: 203.0.113.0/24}}}
routers: {r1: {external_gateway: public, interfaces: [private-v4]}}
guests:
  one: {host: compute1, ports: [private]}
  two: {host: network1, ports: [private]}
checks:
  they reach one another: {kind: ping, from: one, to: two, within: 60s}
  they reach the world: {kind: ping, from: one, to: client, within: 60s}
"""
# What must differ: addresses of this lab's doors, secrets, and how helpers are started.
_OWN = (
    "transport_url", "connection", "helper_command", "metadata_proxy_shared_secret", "ha_vrrp_auth_password",
    "nova.token",
)  # fmt: skip


def reports(lab: Lab) -> dict[str, dict[str, str]]:
    """Ask Neutron's programs for their options: at SIGUSR2 each writes a report (oslo.reports) into its log."""
    found = {}
    for host, services in lab.record.services().items():
        for run in services.glob("neutron-*/run"):
            name = run.parent.name
            if name in ("neutron-api", "neutron-fakevm-agent"):
                continue
            log = services.parent / "log" / f"{name}.log"
            size = log.stat().st_size
            subprocess.run(["s6-svc", "-2", run.parent], check=True)
            found[f"{host}/{name}"] = whole(log, size)
    return found


def whole(log: Path, size: int) -> dict[str, str]:
    """Read the options of a report when no more come."""
    deadline = time.monotonic() + 60
    seen: dict[str, str] = {}
    while len(seen) < 100 or seen != options(log.read_bytes()[size:].decode()):
        assert time.monotonic() < deadline, f"{log}: no report"
        time.sleep(1)
        seen = options(log.read_bytes()[size:].decode())
    return seen


def options(report: str) -> dict[str, str]:
    text = report.partition("Configuration")[2]
    found, group = {}, ""
    for line in text.splitlines():
        if section := re.fullmatch(r"(\S+): ", line):
            group = section[1]
        elif option := re.fullmatch(r"  (\S+) = (.*)", line):
            found[f"{group}.{option[1]}"] = option[2]
    return found


# What agents count of what they serve is as old as their last report.
COUNTED = ("devices", "networks", "ports", "subnets")


def look(labs: Labs, name: str, wanted: str) -> dict[str, Any]:
    labs.environment["FAKEVM_WARM"] = wanted
    (labs.folder / "compared.yaml").write_text(COMPARED)
    lab = labs.up(name, str(labs.folder / "compared.yaml"))
    status = [row for row in lab.told("lab", "status") if not row["program"].startswith("warm-")]
    agents = [
        (
            a["host"],
            a["binary"],
            a["alive"],
            json.dumps({n: v for n, v in a["configurations"].items() if n not in COUNTED}),
        )
        for a in readiness.agents(lab.record)
    ]
    seen = {
        "status": [(row["host"], row["program"], row["state"], row["agent"]) for row in status],
        "agents": sorted(agents),
        "options": reports(lab),
        "checks": [(row["name"], row["status"]) for row in lab.told("check")],
        "scratch": [log.name for log in labs.logs() if "started from scratch" in log.read_text(errors="replace")],
    }
    assert labs.fakevm("lab", "down", name).returncode == 0
    return seen


@pytest.mark.slow
def test_a_warm_lab_is_what_a_cold_one_is(labs: Labs) -> None:
    cold, warm = look(labs, "same", "0"), look(labs, "same", "1")
    assert warm["status"] == cold["status"]
    assert warm["agents"] == cold["agents"]
    assert warm["checks"] == cold["checks"]
    assert not warm["scratch"]
    # In a warmed process options of other programs are known, too: nobody in this one asks for them.
    differing = {
        (program, name): (value, warm["options"][program].get(name))
        for program, options_ in cold["options"].items()
        for name, value in options_.items()
        if not name.endswith(_OWN) and warm["options"][program].get(name) != value
    }
    assert not differing
    assert all(len(options_) > 100 for options_ in cold["options"].values())


@pytest.mark.slow
def test_nothing_is_left(warm_lab: Lab) -> None:
    done = warm_lab.labs.fakevm("lab", "down", "warm")
    assert done.returncode == 0, done.stderr
    until(lambda: not list(processes(warm_lab)), 30)
