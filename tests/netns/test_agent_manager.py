"""Plug, address and unplug through the real os-vif, Open vSwitch, dhclient and dnsmasq."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakevm import errors
from fakevm.agent import config
from fakevm.agent.manager import Manager
from fakevm.agent.store import Store
from fakevm.guest.namespace import NamespaceGuest
from fakevm.model.port import Port
from fakevm.vif.ovs import OvsVifDriver


@pytest.fixture
def manager(switch: str) -> Manager:
    """The manager of host h1 as the agent makes it."""
    return new_manager()


def new_manager() -> Manager:
    conf = config.load(["--config-file", "/dev/null"])
    return Manager("h1", "ovs", OvsVifDriver(conf), NamespaceGuest("h1"), Store(Path("/run/state")))


@pytest.mark.parametrize("hybrid", [False, True])
def test_plug_address_ping_unplug(
    manager: Manager, dhcp_server: str, make_port: Callable[..., Port], sh: Callable[..., str], hybrid: bool
) -> None:
    ports = [make_port(number, hybrid=hybrid) for number in (3, 4)]
    for port in ports:
        began = time.monotonic()
        vif = manager.plug(port)
        plugged = time.monotonic()
        assert (vif.state, vif.addresses) == ("plugged", ())
        vif = manager.address(port.id, "auto", 10)
        print(f"plug {plugged - began:.3f} s, address {time.monotonic() - plugged:.3f} s")
        assert vif.addresses == (f"{port.fixed_ips[0].address}/24",)
        assert not vif.problem
        assert time.monotonic() - plugged < 1.5
    sh(" ".join(manager.command(ports[0].id, ["ping", "-c1", "-W2", "10.0.0.4"])))
    sh(" ".join(manager.command(ports[0].id, ["ping", "-c1", "-W2", dhcp_server])))
    assert [vif.port_id for vif in manager.list_vifs()] == [port.id for port in ports]
    assert [manager.unplug(port.id) for port in ports] == [True, True]
    assert manager.unplug(ports[0].id) is False
    assert manager.list_vifs() == []
