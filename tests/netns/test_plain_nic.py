"""Plain interfaces: ports of Open vSwitch's own, moved into guests; and what becomes of them when it is killed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from fakevm import errors
from fakevm.agent import config
from fakevm.agent.kinds import Kinds
from fakevm.agent.manager import Manager
from fakevm.agent.recovery import recover
from fakevm.agent.store import Store
from fakevm.agent.watching import Watching
from fakevm.model.port import Port
from fakevm.vif.ovs import OvsVifDriver

from .conftest import VSWITCHD, until

Restart = Callable[[], None]


@pytest.fixture
def make_manager(switch: str) -> Iterator[Callable[[], Manager]]:
    """Make managers of host h1 as its agents do, one after the other."""
    all_kinds: list[Kinds] = []

    def make() -> Manager:
        cfg.CONF.reset()
        conf = config.load(["--config-file", "/dev/null"])
        all_kinds.append(Kinds("h1", Path("/run/state")))
        return Manager("h1", "ovs", OvsVifDriver(conf), all_kinds[-1], Store(Path("/run/state")))

    yield make
    while all_kinds:  # what wakes their guests ends with them
        all_kinds.pop().close()


@pytest.fixture
def manager(make_manager: Callable[[], Manager]) -> Manager:
    """The first manager."""
    return make_manager()


@pytest.fixture
def kill_switch(switch_daemons: list[subprocess.Popen[bytes]]) -> Restart:
    """Kill ovs-vswitchd, and start it anew as a host's supervisor does."""

    def kill() -> None:
        switch_daemons[-1].kill()
        switch_daemons[-1].wait()
        switch_daemons[-1] = subprocess.Popen(VSWITCHD)

    return kill


def inside(manager: Manager, port: Port, command: str) -> str:
    done = subprocess.run(
        manager.command(port.instance_id, command.split()), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def reaches(manager: Manager, port: Port, address: str) -> bool:
    argv = manager.command(port.instance_id, ["ping", "-c1", "-W1", address])
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


# Each takes a few seconds; guests of the other kind have their device in the same way.
@pytest.fixture(params=["namespace", pytest.param("container", marks=pytest.mark.slow)])
def plain(request: pytest.FixtureRequest, make_port: Callable[..., Port]) -> Port:
    """Describe a port of which a guest of either kind has a plain interface."""
    return make_port(3, nic="plain", device="eth0", guest_kind=request.param)


def test_it_looks_like_a_machines_own(
    manager: Manager, dhcp_server: str, plain: Port, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    other = make_port(4)
    manager.plug(other)
    assert manager.plug(plain).problem == ""
    shown = inside(manager, plain, "ip -o link show eth0")
    assert ": eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 " in shown
    assert " state UP " in shown
    assert plain.mac_address in shown
    assert manager.address(plain.id, "dhcp", 60).addresses == ("10.0.0.3/24",)
    manager.address(other.id, "static", 60)
    until(lambda: reaches(manager, other, "10.0.0.3"))
    assert [each.nic for port in (plain, other) for each in manager.show_guest(port.instance_id).interfaces] == [
        "plain",
        "veth",
    ]
    # Who says nothing of it finds it as it is.
    before = inside(manager, plain, "ip -o link")
    assert manager.plug(plain.model_copy(update={"nic": "", "device": ""})).problem == ""
    assert inside(manager, plain, "ip -o link") == before
    # Who wants another gets it.
    manager.plug(plain.model_copy(update={"nic": "veth"}))
    assert "eth0@if" in inside(manager, plain, "ip -o link")
    manager.plug(plain)
    assert ": eth0: " in inside(manager, plain, "ip -o link")
    assert "tap00000003" not in sh("ip -o link")
    assert [manager.unplug(port.id) for port in (plain, other)] == [True, True]
    assert "tap00000003" not in sh("ovs-vsctl list-ports br-int")


@pytest.mark.slow
def test_its_guest_is_stopped_started_and_has_a_veth_beside(
    manager: Manager, plain: Port, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    beside = make_port(4, instance_id=plain.instance_id, device="eth1")
    for port in (plain, beside):
        manager.plug(port)
        manager.address(port.id, "static", 60)
    for _ in range(2):
        manager.stop(plain.instance_id)
        assert "tap00000003" not in sh("ovs-vsctl list-ports br-int")
        manager.start(manager.show_guest(plain.instance_id).same)
        shown = inside(manager, plain, "ip -o link")
        assert ": eth0: " in shown
        assert ": eth1@if" in shown
    assert manager.unplug(plain.id)
    assert ": eth0: " not in inside(manager, beside, "ip -o link")
    assert manager.unplug(beside.id)


@pytest.fixture
def furnished(manager: Manager, dhcp_server: str, plain: Port, make_port: Callable[..., Port]) -> Iterator[Port]:
    """Plug it, with addresses by DHCP, and what else may hang on a device; beside it the guest has a veth."""
    beside = make_port(4, instance_id=plain.instance_id, device="eth1")
    for port in (plain, beside):
        manager.plug(port)
    manager.address(plain.id, "dhcp", 60)
    inside(manager, plain, "ip address add 10.77.0.1/24 dev eth0")
    inside(manager, plain, "ip route add 10.78.0.0/16 via 10.0.0.2 dev eth0 metric 7")
    inside(manager, plain, "ip neighbour replace 10.0.0.9 lladdr fa:16:3e:00:00:09 dev eth0 nud permanent")
    until(lambda: reaches(manager, plain, dhcp_server))
    number = inside(manager, plain, "cat /sys/class/net/eth1/ifindex")
    had = hanging(manager, plain)
    yield plain
    until(lambda: reaches(manager, plain, dhcp_server))
    assert hanging(manager, plain) == had
    assert " state UP " in inside(manager, plain, "ip -o link show eth0")
    assert inside(manager, plain, "cat /sys/class/net/eth1/ifindex") == number
    assert [vif.problem for vif in manager.list_vifs()] == ["", ""]
    manager.address(beside.id, "static", 60)
    assert [manager.unplug(port.id) for port in (plain, beside)] == [True, True]


def hanging(manager: Manager, port: Port) -> list[str]:
    """Give what hangs on eth0, but for what goes by."""
    shown = ("ip -4 -o address show dev eth0", "ip route show dev eth0", "ip neighbour show nud permanent")
    words = [word for line in shown for word in inside(manager, port, line).split()]
    return [word for word in words if not re.fullmatch(r"\d+(sec|:)?", word) and word != "linkdown"]


def test_when_its_switch_was_killed_it_works_again_as_it_was(
    manager: Manager, furnished: Port, kill_switch: Restart, sh: Callable[..., str]
) -> None:
    """The guest keeps its veth meanwhile, and may do so twice."""
    Watching(manager)
    for _ in range(2):
        before = inside(manager, furnished, "cat /sys/class/net/eth0/ifindex")
        kill_switch()
        until(lambda before=before: number_of(manager, furnished) not in ("", before))
    assert "tap00000003" not in sh("ip -o link")


def number_of(manager: Manager, port: Port) -> str:
    """Give the number of eth0, empty while it is being replaced."""
    argv = manager.command(port.instance_id, ["cat", "/sys/class/net/eth0/ifindex"])
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
def test_an_agent_that_was_away_meanwhile_finds_the_new_device(
    manager: Manager,
    make_manager: Callable[[], Manager],
    furnished: Port,
    kill_switch: Restart,
    sh: Callable[..., str],
) -> None:
    kill_switch()
    until(lambda: "tap00000003" in sh("ip -o link"))
    assert "new device" in manager.show(furnished.id).problem
    recover(make_manager())
    assert "tap00000003" not in sh("ip -o link")


@pytest.mark.slow
def test_a_guest_that_sleeps_meanwhile_has_it_all_when_it_wakes(
    manager: Manager,
    make_manager: Callable[[], Manager],
    furnished: Port,
    kill_switch: Restart,
    sh: Callable[..., str],
) -> None:
    manager.pause(furnished.instance_id)
    kill_switch()
    until(lambda: "tap00000003" in sh("ip -o link"))
    recover(make_manager())
    assert "tap00000003" not in sh("ip -o link")
    assert not reaches(manager, furnished, "10.0.0.2")
    manager.resume(furnished.instance_id)


def test_where_it_would_not_do_it_is_refused_and_nothing_is_made(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    for wrong, why in (
        (make_port(3, nic="plain", mtu=1501), "at most 1500 bytes"),
        (make_port(3, nic="plain", hybrid=True), "iptables_hybrid"),
    ):
        with pytest.raises(errors.PlugFailed, match=why):
            manager.plug(wrong)
    assert manager.list_guests() == []
    assert sh("ovs-vsctl list-ports br-int") == ""
