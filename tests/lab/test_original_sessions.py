"""The sessions of the original tool's README (2013, "Example"), word for word but for quantum → neutron and addresses.

What else differs, and why: ``quantum net-list`` and ``port-list`` are ``openstack network list`` and ``port list`` now;
``--verbose`` is gone from oslo.log; the agent's plugin is named by its entry point; commands for guest3 are typed on
guest3, which is a machine of its own now (``fakevm host exec``). The machines are hosts of a lab whose own agents are
stopped first: the sessions start them by hand.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakevm.lab import readiness

from .conftest import BIN, FAKEVM, Lab, Labs

LAB = """\
name: sessions
firewall: iptables_hybrid
physical_networks: {phy1: {vlans: [200, 300]}}
hosts:
  guest1: {roles: [compute, dhcp]}
  guest2: {}
"""

FAKEVM_INI = """\
[default]
debug = True
verbose = True

[fakevm]
host = guest1
nova_conf = /etc/nova/nova.conf
fakevm_agent_plugin = ovs
enable_multi_node_emulate = False
"""

EMULATING = FAKEVM_INI.replace("emulate = False", "emulate = True\nuse_tunnel = False\nvir_bridge = br-fakevm")

GUEST3_INI = """\
[ovs]
integration_bridge = br-int2
bridge_mappings = phy1:br-eth2

[fakevm]
host = guest3
"""

# A lab's file system is read-only but for /tmp and the lab's folder, so this stands for /var/lib/fakevm.
PLACES = ["env", "FAKEVM_HOSTS=/run/fakevm/emulated", f"PATH={BIN}:/usr/sbin:/usr/bin:/sbin:/bin"]


class Machines:
    """The shells of a session: each on a machine, all in one folder with the configuration files."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def words(self, machine: str) -> list[str]:
        if machine == "guest3":
            return [*self.words("guest1"), *PLACES, "fakevm", "host", "exec", "guest3", "--"]
        return [FAKEVM, "--lab", self.lab.record.name, "lab", "exec", machine, "--"]

    def run(self, machine: str, line: str) -> str:
        done = self.lab.fakevm(*self.words(machine)[1:], "sh", "-c", line, cwd=self.folder, timeout=180)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, machine: str, line: str, ready: Callable[[], bool]) -> subprocess.Popen[bytes]:
        """Start a program in the foreground of a shell and wait until it serves."""
        log = self.folder / f"{machine}-{len(self._running)}.log"
        command = [*self.words(machine), *PLACES, *shlex.split(line)]
        env = self.lab.labs.env(FAKEVM_LAB=self.lab.record.name)
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=output, stderr=output)
        self._running.append(process)
        deadline = time.monotonic() + 300
        while not ready():
            said = log.read_text()[-2000:]
            assert process.poll() is None, f"{line}\n{said}"
            assert time.monotonic() < deadline, f"{line} did not serve in time; it said:\n{said}"
            time.sleep(0.5)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        process.wait(timeout=60)

    def stop_all(self) -> None:
        for process in self._running:
            if process.poll() is None:
                self.stop(process)

    def alive(self, host: str, binary: str) -> Callable[[], bool]:
        """Tell whether an agent that is started only now is alive: of one before it Neutron says so for a while yet."""
        before = {agent["started_at"] for agent in self._agents(host, binary)}

        def check() -> bool:
            try:
                live = {agent["started_at"] for agent in self._agents(host, binary) if agent["alive"]}
            except OSError:
                return False
            return bool(live - before) and self._serves(host, binary)

        return check

    def _agents(self, host: str, binary: str) -> list[dict[str, object]]:
        """Ask Neutron for an agent: none when it never heard of it."""
        return [a for a in readiness.agents(self.lab.record) if (a["host"], a["binary"]) == (host, binary)]

    def _serves(self, host: str, binary: str) -> bool:
        """Ask the agent itself, too."""
        if binary != "neutron-fakevm-agent":
            return True
        return self.lab.fakevm("list", "--host", host).returncode == 0


@pytest.fixture
def machines(labs: Labs) -> Iterator[Machines]:
    (labs.folder / "lab.yaml").write_text(LAB)
    lab = labs.up("sessions", str(labs.folder / "lab.yaml"))
    folder = labs.folder / "session"
    folder.mkdir()
    made = Machines(lab, folder)
    _configure(lab, folder)
    for machine, programs in {"guest1": [""], "guest2": ["", "neutron-openvswitch-agent"]}.items():
        for program in programs:
            service = f"/run/fakevm/hosts/{machine}/service/{program or 'neutron-fakevm-agent'}"
            # An agent that is still starting ignores SIGTERM, so SIGKILL goes with it.
            made.run(machine, f"touch {service}/down && s6-svc -wd -T 20000 -dk {service}")
    yield made
    made.stop_all()


def _configure(lab: Lab, folder: Path) -> None:
    """Write what a devstack would have left in /etc/neutron: no host name, no tunnels."""
    source = lab.record.host_directory("guest1")
    neutron = (source / "neutron.conf").read_text()
    (folder / "neutron.conf").write_text(re.sub(r"(?m)^host = .*\n", "", neutron))
    agent = (source / "ovs_agent.ini").read_text()
    (folder / "openvswitch_agent.ini").write_text(re.sub(r"(?m)^(tunnel_types|local_ip) = .*\n", "", agent))
    state = "state_path = /run/fakevm-agent\n"
    (folder / "fakevm.ini").write_text(FAKEVM_INI + state)
    (folder / "guest2.ini").write_text(FAKEVM_INI.replace("guest1", "guest2") + state)
    (folder / "emulating.ini").write_text(EMULATING + state)
    (folder / "guest3.ini").write_text(GUEST3_INI)


def created(machines: Machines, host: str, network: str, instance: str) -> tuple[str, str]:
    """``create-port`` as the README types it; returns the VIF and its probe's device."""
    done = machines.lab.fakevm("create-port", "--host", host, network, instance, "-f", "json")
    assert done.returncode == 0, done.stderr
    vif = json.loads(done.stdout)["vif_id"]
    return vif, f"qfv{vif}"[:13]


def run_in(machines: Machines, host: str, vif: str, command: str) -> str:
    done = machines.lab.fakevm("exec", "--host", host, vif, command, timeout=180)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def look_and_address(machines: Machines, host: str, vif: str, device: str) -> str:
    """The four commands that every session runs in its new probe; returns the address it got."""
    assert device in run_in(machines, host, vif, "ip link")
    assert "bound to" in run_in(machines, host, vif, f"dhclient -4 -v {device}")
    seen = run_in(machines, host, vif, "ifconfig")
    address = re.search(r"inet (10\.0\.0\.\d+)", seen)
    assert address, seen
    return address[1]


def ping(machines: Machines, host: str, vif: str, address: str) -> None:
    assert "1 received" in run_in(machines, host, vif, f"ping -c1 -w30 {address}")


def test_sessions(machines: Machines) -> None:
    lab = machines.lab
    network = lab.network(
        "private", "10.0.0.0/24", "--provider-network-type", "vlan", "--provider-physical-network", "phy1"
    )
    config = "--config-file neutron.conf --config-file openvswitch_agent.ini"

    # * Single node, create a port and do ping from the probe
    first = machines.start(
        "guest1",
        f"neutron-fakevm-agent {config} --config-file ./fakevm.ini",
        machines.alive("guest1", "neutron-fakevm-agent"),
    )
    assert "private" in lab.openstack("network", "list").stdout
    x, x_device = created(machines, "guest1", network, "i-xxxx")
    assert x in lab.openstack("port", "list").stdout
    x_address = look_and_address(machines, "guest1", x, x_device)
    ping(machines, "guest1", x, "10.0.0.2")

    # * Multi node and emulate live-migration
    machines.start(
        "guest2",
        f"neutron-fakevm-agent {config} --config-file ./guest2.ini",
        machines.alive("guest2", "neutron-fakevm-agent"),
    )
    machines.run("guest2", "ovs-vsctl --may-exist add-br br-int -- set bridge br-int datapath_type=netdev")
    stock = str(_venv(lab) / "bin/neutron-openvswitch-agent")
    machines.start("guest2", f"{stock} --debug {config}", machines.alive("guest2", "neutron-openvswitch-agent"))
    y, y_device = created(machines, "guest2", network, "i-yyyy")
    look_and_address(machines, "guest2", y, y_device)
    ping(machines, "guest2", y, x_address)
    run_in(machines, "guest2", y, f"dhclient -4 -r {y_device}")
    moved = lab.fakevm("migrate", "--host", "guest2", "guest1", y)
    assert moved.returncode == 0, moved.stderr
    switched = machines.run("guest1", "ip link|grep qvo")
    assert f"qvo{x}"[:14] in switched
    assert f"qvo{y}"[:14] in switched

    # * Multi node emulation
    machines.stop(first)
    machines.start(
        "guest1",
        f"neutron-fakevm-agent {config} --config-file ./emulating.ini",
        machines.alive("guest1", "neutron-fakevm-agent"),
    )
    machines.start(
        "guest1",
        f"neutron-fakevm-agent {config} --config-file ./emulating.ini --config-file ./guest3.ini",
        machines.alive("guest3", "neutron-fakevm-agent"),
    )
    machines.start(
        "guest3",
        f"{stock} --debug {config} --config-file ./guest3.ini",
        machines.alive("guest3", "neutron-openvswitch-agent"),
    )
    z, z_device = created(machines, "guest3", network, "i-zzzz")
    look_and_address(machines, "guest3", z, z_device)
    ping(machines, "guest3", z, x_address)
    # What the original could not: both hosts are on one machine.
    assert lab.fakevm("migrate", "--host", "guest3", "guest1", z).returncode == 0
    ping(machines, "guest1", z, x_address)

    # Nothing of the emulated host is left on the machine.
    for words in ("down guest3", "down --machine"):
        machines.run("guest1", f"{' '.join(PLACES)} fakevm host {words}")
    left = machines.run("guest1", "ip -br link; ip netns; ovs-vsctl list-ports br-phy1")
    assert not re.search(r"bfv-|br-eth2|qf[ob]br-|guest3", left), left


def _venv(lab: Lab) -> Path:
    """Find the release's environment in the configuration that the lab wrote."""
    helper = re.search(
        r"helper_command = (\S+)/bin/", (lab.record.host_directory("guest1") / "neutron.conf").read_text()
    )
    assert helper
    return Path(helper[1])
