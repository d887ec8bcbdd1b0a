"""What the OpenFlow controller tells Neutron of ports, and when."""

from __future__ import annotations

import dataclasses

import pytest
from fakevm_openflow.ledger import Ledger, News
from fakevm_openflow.world import Port, Segment, Switch, World

from fakevm import names

ID = "00000001-0000-4000-8000-000000000000"
PORT = Port(ID, "fa:16:3e:00:00:01", "one", Segment("n", "vxlan", "", 5), "DOWN", 1)


def world_of(port: Port, **numbers: int) -> World:
    """Give hosts their OpenFlow numbers of the port; 0: it is not plugged there."""
    switches = {
        host: Switch(host, "", {names.tap(port.id): number} if number else {}) for host, number in numbers.items()
    }
    return World({port.id: port}, switches)


@pytest.fixture
def ledger() -> Ledger:
    """Have the port wired on one host, and said so."""
    made = Ledger()
    assert made.news("one", world_of(PORT, one=3)) == [News("up", ID, "one")]
    return made


def test_what_was_said_is_not_said_again(ledger: Ledger) -> None:
    assert ledger.news("one", world_of(PORT, one=3)) == []
    active = dataclasses.replace(PORT, status="ACTIVE", revision=2)
    assert ledger.news("one", world_of(active, one=3)) == []


def test_neutron_that_waits_anew_hears_it_again(ledger: Ledger) -> None:
    again = dataclasses.replace(PORT, revision=2)
    assert ledger.news("one", world_of(again, one=3)) == [News("up", ID, "one")]


def test_a_port_that_was_plugged_anew_has_come(ledger: Ledger) -> None:
    assert ledger.news("one", world_of(PORT, one=4)) == [News("up", ID, "one")]


def test_a_port_that_is_gone_is_told_once(ledger: Ledger) -> None:
    assert ledger.news("one", world_of(PORT, one=0)) == [News("down", ID, "one")]
    assert ledger.news("one", world_of(PORT, one=0)) == []


def test_a_moving_port_is_told_on_its_destination_then_where_it_is_bound(ledger: Ledger) -> None:
    assert ledger.news("two", world_of(PORT, one=3, two=8)) == [News("up", ID, "two")]
    moved = dataclasses.replace(PORT, host="two", revision=5)
    assert ledger.news("two", world_of(moved, one=3, two=8)) == [News("up", ID, "two")]
    assert ledger.news("one", world_of(moved, one=3, two=8)) == []


def test_what_neutron_believes_in_vain_is_put_right_once() -> None:
    active = dataclasses.replace(PORT, status="ACTIVE")
    fresh = Ledger()
    assert fresh.news("two", world_of(active, one=0, two=0)) == []
    assert fresh.news("one", world_of(active, one=0, two=0)) == [News("down", ID, "one")]
    assert fresh.news("one", world_of(active, one=0, two=0)) == []


def test_an_unbound_port_is_not_wired() -> None:
    assert Ledger().news("one", world_of(dataclasses.replace(PORT, segment=None), one=3)) == []


def test_after_a_host_came_back_all_is_said_anew(ledger: Ledger) -> None:
    ledger.forget("one")
    assert ledger.news("one", world_of(PORT, one=3)) == [News("up", ID, "one")]
