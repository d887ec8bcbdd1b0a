"""Plugging into Linux bridges, with nobody else there: what Neutron's agent does is done by hand here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from fakevm import errors
from fakevm.agent.kinds import Kinds
from fakevm.agent.manager import Manager
from fakevm.agent.store import Store
from fakevm.model.port import Binding, Port
from fakevm.vif.linuxbridge import LinuxBridgeVifDriver

BRIDGE = "brq7c9e6679-74"


@pytest.fixture
def manager(sh: Callable[..., str]) -> Iterator[Manager]:
    """The manager of host h1; the bridges that it leaves to Neutron's agent are removed in the end."""
    yield Manager(
        "h1",
        "linuxbridge",
        LinuxBridgeVifDriver(cfg.ConfigOpts()),
        Kinds("h1", Path("/run/state")),
        Store(Path("/run/state")),
    )
    sh("for bridge in $(ls /sys/class/net | grep -e ^brq -e ^br-own); do ip link del $bridge; done")


def bridged(make_port: Callable[..., Port], number: int, **details: object) -> Port:
    return make_port(number, binding=Binding(host="h1", vif_type="bridge", vif_details=details))


def test_guests_of_a_network_share_its_bridge_which_stays(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    ports = [bridged(make_port, number) for number in (3, 4)]
    for port in ports:
        manager.plug(port)
        manager.address(port.id, "static", 10)
    taps = sh(f"ls /sys/class/net/{BRIDGE}/brif").split()
    assert taps == ["tap00000003-90", "tap00000004-90"]
    assert "inet6" not in sh(f"ip -o addr show dev {BRIDGE}")
    sh(" ".join(manager.command(ports[0].instance_id, ["ping", "-c1", "-w20", "10.0.0.4"])))
    assert [manager.unplug(port.id) for port in ports] == [True, True]
    assert sh(f"ls /sys/class/net/{BRIDGE}/brif").split() == []


def test_it_tells_when_neutrons_agent_has_joined_the_network(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port = bridged(make_port, 3)
    manager.plug(port)
    assert manager.show(port.id).taken is False
    sh(f"ip link add vxlan-7 type vxlan id 7 dstport 8472 local 127.0.0.1 && ip link set vxlan-7 master {BRIDGE}")
    assert manager.show(port.id).taken is True
    sh("ip link del vxlan-7")
    manager.unplug(port.id)


def test_a_device_that_left_its_bridge_is_a_problem_and_is_put_back(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port = bridged(make_port, 3)
    manager.plug(port)
    sh("ip link set tap00000003-90 nomaster")
    assert f"tap00000003-90 is in no bridge, not in {BRIDGE}" in manager.show(port.id).problem
    manager.plug(port)
    assert not manager.show(port.id).problem
    sh(f"ip link del {BRIDGE}")
    assert "in no bridge" in manager.show(port.id).problem
    manager.plug(port)
    assert not manager.show(port.id).problem
    manager.unplug(port.id)


def test_an_operators_own_bridge_is_used_where_neutron_names_it_if_it_can_be(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port = bridged(make_port, 3, bridge_name="br-own")
    manager.plug(port)
    assert sh("ls /sys/class/net/br-own/brif").split() == ["tap00000003-90"]
    manager.unplug(port.id)
    with pytest.raises(errors.PlugFailed, match="cannot make the bridge of port"):
        manager.plug(bridged(make_port, 3, bridge_name="no/bridge"))
    assert manager.list_vifs() == []
