"""Interfaces are taken from guests as Nova takes them, and what cannot be one is refused with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from fakevm.control.attaching import Attaching
from fakevm.control.creation import Order
from fakevm.control.wiring import Wish
from fakevm.errors import Conflict, InvalidInput, NotFound

from .world import World, guest, interface, port

MAC = "fa:16:3e:aa:aa:aa"


def world(**more: Any) -> World:
    """A guest with a port, its trunk's network, and a link; ports that are nobody's, another's, bound elsewhere."""
    interfaces = (
        interface("eth0", "p0", mac_address=MAC),
        interface("vlan5", "eth0, VLAN 5", kind="vlan"),
        interface("eth1", "core", kind="link"),
    )
    return World(
        guest("a", "h1", *interfaces, **more),
        ports=[
            port("p0", device_id="a", device_owner="compute:nova", mac_address=MAC, **{"binding:host_id": "h1"}),
            port("free"),
            port("others", device_id="b"),
            port("bound", **{"binding:host_id": "h2"}),
            port("twin", mac_address=MAC.upper()),
        ],
    )


def attaching(made: World) -> Attaching:
    return Attaching(made.neutron, made.agents)


@pytest.mark.parametrize("words", ["eth0", "p0", "P"])
def test_a_detached_port_is_nobodys(words: str) -> None:
    made = world()
    detached = attaching(made).detach("a", words)
    assert (detached.interface.name, detached.port) == ("eth0", "nobody's")
    assert made.done[0] == "detach a eth0"
    left = made.ports["p0"]
    assert (left["device_id"], left["device_owner"], left["binding:host_id"]) == ("", "", "")
    assert made.claimed == ["p0", "a"]


def test_a_detached_port_is_deleted_if_that_is_wanted_and_one_that_is_gone_is_no_error() -> None:
    made = world()
    assert attaching(made).detach("a", "eth0", delete=True).port == "deleted"
    assert "p0" not in made.ports
    made = world()
    del made.ports["p0"]
    assert attaching(made).detach("a", "eth0").port == "was not there"


def test_an_interface_of_a_link_is_detached_without_neutron() -> None:
    made = world()
    assert attaching(made).detach("a", "eth1").port == ""
    assert made.done == ["detach a eth1"]


def test_what_is_no_interface_of_its_own_is_refused() -> None:
    made = world()
    with pytest.raises(InvalidInput, match="vlan5 comes with the trunk"):
        attaching(made).detach("a", "vlan5")
    with pytest.raises(NotFound, match="guest a has no interface 'eth7'") as caught:
        attaching(made).detach("a", "eth7")
    assert "eth0 (p0), vlan5 (eth0, VLAN 5), eth1 (core)" in caught.value.hint
    with pytest.raises(NotFound, match="guest a is on h1, not on h2"):
        attaching(made).detach("a", "eth0", host="h2")
    assert made.done == []


@pytest.mark.parametrize(
    ("name", "device", "says"),
    [
        ("others", "", "port others belongs to guest b"),
        ("bound", "", "port bound is bound to h2, guest a is on h1"),
        ("twin", "", "guest a has an interface with the MAC address FA:16:3E:AA:AA:AA: eth0"),
        ("free", "eth1", "guest a has an interface eth1 already, attached to core"),
        ("p0", "eth9", "port p0 .a. is attached to guest a already, as eth0"),
    ],
)
def test_a_port_that_cannot_be_an_interface_is_refused_before_anything_is_done(
    name: str, device: str, says: str
) -> None:
    made = world()
    with pytest.raises(Conflict, match=says):
        attaching(made).attach_port("a", name, Wish("", device=device))
    assert made.done == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"state": "stopped"}, "guest a is stopped on h1"), ({"asleep": True}, "guest a is asleep on h1")],
)
def test_only_a_guest_that_runs_gets_an_interface(changes: dict[str, Any], says: str) -> None:
    made = world(**changes)
    with pytest.raises(Conflict, match=says):
        attaching(made).attach_port("a", "free", Wish(""))
    with pytest.raises(Conflict, match=says):
        attaching(made).attach_network("a", Order("net", ""), Wish(""))
    assert made.done == []
