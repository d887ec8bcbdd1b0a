"""What a port that moved is waited for, and how it is helped."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fakevm.control.agents import Agents
from fakevm.control.migration import settling
from fakevm.control.neutron import Neutron
from fakevm.errors import TimedOut
from fakevm.model.port import Vif

GUEST, PORT, HOST = "guest", "0d5d6a1a-6f4a-4f43-8b66-6d1c0e1f2a3b", "compute2"


class Sides:
    """Neutron and the host's agent: each question is answered by the next of ``seen``, the last one for good."""

    def __init__(self, *seen: tuple[str, bool | None], driver: str = "openvswitch") -> None:
        self.seen = list(seen)
        self.driver = driver
        self.helped: list[str] = []
        self.rewired_is_seen = False

    def show(self, host: str, port_id: str) -> Vif:
        values = {"port_id": port_id, "host": host, "instance_id": "i", "network_id": "n", "mac_address": "m"}
        rest = {"mtu": 1450, "driver": "ovs", "namespace": "s", "device": "d", "state": "plugged"}
        return Vif.model_validate({**values, **rest, "taken": self.seen[0][1]})

    def port(self, port_id: str) -> dict[str, Any]:
        status, _ = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        return {"id": port_id, "status": status, "binding:vif_details": {"bound_drivers": {"0": self.driver}}}

    def update_port(self, port_id: str, what: str, **fields: Any) -> None:
        self.helped.append(f"{port_id} {fields}")

    def on(self, host: str) -> Sides:
        return self

    def renew(self, port_id: str) -> bool:
        self.helped.append("renewed")
        return True

    def rewire(self, port_id: str, seconds: float) -> None:
        self.helped.append("rewired")
        if self.rewired_is_seen:
            self.seen = [("ACTIVE", True)]


def settle(sides: Sides, timeout: float = 5.0) -> list[str]:
    noted: list[str] = []
    neutron, agents = cast("Neutron", sides), cast("Agents", sides)
    waited = settling.Settling(
        neutron, agents, GUEST, {PORT: "eth0"}, host=HOST, note=lambda name, words: noted.append(name)
    )
    waited.settle(timeout)
    return noted


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help at once."""
    monkeypatch.setattr(settling, "FIRST_PATIENCE", 0.0)
    monkeypatch.setattr(settling, "PAUSE", 0.01)


@pytest.mark.parametrize("wired", [True, None])
def test_an_active_port_that_is_wired_as_far_as_is_seen_needs_no_help(wired: bool | None) -> None:
    assert settle(Sides(("ACTIVE", wired))) == []


@pytest.mark.parametrize("first", [("DOWN", True), ("ACTIVE", False)])
def test_neutron_is_told_once_more_of_a_port_that_is_not_active_or_not_wired(first: tuple[str, bool]) -> None:
    sides = Sides(first, ("ACTIVE", True))
    assert settle(sides) == ["nudge"]
    assert sides.helped == [f"{PORT} {{'binding_host_id': '{HOST}'}}"]


def test_ovn_says_again_what_neutron_may_miss_again_and_only_then_the_port_is_taken_from_it() -> None:
    sides = Sides(("DOWN", True), driver="ovn")
    sides.rewired_is_seen = True
    settle(sides, timeout=60)
    assert sides.helped == ["renewed"] * settling.RENEWALS + ["rewired"]


def test_what_was_last_seen_is_told_in_the_end() -> None:
    with pytest.raises(TimedOut, match="last seen: ACTIVE, but not wired"):
        settle(Sides(("ACTIVE", False)), timeout=0.05)
