"""How the driver tells the controller of ports."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fakevm_openflow.telling import Listener, Teller
from fakevm_openflow.world import Port, Segment

PORT = Port("p1", "fa:16:3e:00:00:01", "one", Segment("n", "vlan", "physnet1", 5), "DOWN", 3)


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    return Teller(tmp_path / "ports")


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    return Listener(tmp_path / "ports")


def test_what_was_told_is_heard_once_also_before_the_listener_came(teller: Teller, listener: Listener) -> None:
    unbound = dataclasses.replace(PORT, id="p2", segment=None)
    teller.tell(PORT)
    teller.tell(unbound)
    assert listener.changed()
    assert listener.ports == {"p1": PORT, "p2": unbound}
    assert not listener.changed()


def test_a_change_is_heard_however_soon(teller: Teller, listener: Listener) -> None:
    for revision in range(4, 40):
        new = dataclasses.replace(PORT, revision=revision)
        teller.tell(new)
        assert listener.changed()
        assert listener.ports == {"p1": new}


def test_old_news_are_not_told(teller: Teller, listener: Listener) -> None:
    teller.tell(PORT)
    teller.tell(dataclasses.replace(PORT, host="two", revision=2))
    listener.changed()
    assert listener.ports["p1"].host == "one"


def test_a_deleted_port_stays_away_though_another_process_is_late(teller: Teller, listener: Listener) -> None:
    teller.tell(PORT)
    teller.forget("p1")
    teller.tell(dataclasses.replace(PORT, revision=9))
    listener.changed()
    assert listener.ports == {}
