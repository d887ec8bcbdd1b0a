"""A port that cannot be its guest's is refused before Neutron has it, where Neutron knows of the guest."""

from __future__ import annotations

import pytest

from fakevm.control.creation import Order, create_ports
from fakevm.control.wiring import Wish
from fakevm.errors import Conflict

from .world import World, guest, interface, port


def world() -> World:
    return World(
        guest("a", "h1", interface("eth0", "aa10")),
        guest("vm-2", "h1", interface("eth0", "bb10")),
        guest("asleep", "h1", interface("eth0", "cc10"), state="stopped"),
        ports=[port("aa10", device_id="a"), port("bb10", device_id="vm-2"), port("cc10", device_id="asleep")],
    )


@pytest.mark.parametrize(
    ("order", "host", "says"),
    [
        (Order("net", "a"), "h2", "guest a is on h1: it cannot have an interface on h2"),
        (Order("net", "vm", count=3), "h2", "guest vm-2 is on h1"),
        (Order("net", "asleep"), "h1", "guest asleep is stopped on h1"),
    ],
)
def test_a_port_of_a_guest_that_cannot_have_it_is_never_made(order: Order, host: str, says: str) -> None:
    made = world()
    with pytest.raises(Conflict, match=says) as caught:
        create_ports(made.neutron, made.agents, order, [Wish(host)])
    assert made.done == []
    assert "Undone" not in caught.value.hint
