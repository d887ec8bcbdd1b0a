"""What is said of a guest that no longer answers the one that watches its migration."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

import pytest

from fakevm.control.agents import Agents
from fakevm.control.lookup import Candidate
from fakevm.control.migration import witness
from fakevm.control.neutron import Neutron
from fakevm.errors import InvalidInput
from fakevm.model.guest import GuestSeen
from fakevm.model.interface import InterfaceSeen
from fakevm.model.port import Vif

SENT, ANSWER = json.dumps(["sent", 1, 100.0]), json.dumps(["answer", 1, 100.01])


class Prober:
    """Has said what it has said: nothing more comes."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def lines(self) -> list[str]:
        return self._lines

    stop = lines


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Callable[..., witness.Witness]:
    """Give a witness whose prober has said certain lines."""
    monkeypatch.setattr(witness, "PATIENCE", 0.1)
    monkeypatch.setattr(witness, "STEADY", 0.0)
    watcher = witness.Watcher("watcher", "watcher", "h", "n", ("10.0.0.6/24",), "p")

    def made(*lines: str) -> witness.Witness:
        monkeypatch.setattr(witness, "Observer", lambda *_: Prober(*lines))
        return witness.Witness(cast("Agents", None), watcher, "10.0.0.5", 0.01)

    return made


def test_a_guest_that_fell_silent_is_told(
    watching: Callable[..., witness.Witness], caplog: pytest.LogCaptureFixture
) -> None:
    probes, _ = watching(SENT, ANSWER).stop(began=0.0)
    assert [bool(probe.answers) for probe in probes] == [True]
    assert "watcher has had no answer from 10.0.0.5 for 0.1 s" in caplog.text


def test_of_one_that_never_answered_that_was_told_before(
    watching: Callable[..., witness.Witness], caplog: pytest.LogCaptureFixture
) -> None:
    watching(SENT).stop(began=0.0)
    assert caplog.text == ""


# -- who watches what ---------------------------------------------------------------------------------------------


def vif(instance: str, network: str, host: str, *addresses: str) -> Vif:
    values = {"port_id": f"{instance}-{network}", "host": host, "instance_id": instance, "network_id": network}
    rest = {"mac_address": "m", "mtu": 1450, "driver": "ovs", "namespace": "s", "device": "d", "state": "plugged"}
    return Vif.model_validate({**values, **rest, "addresses": addresses})


class Hosts:
    """Neutron and the agents, as far as they are asked who could watch."""

    def __init__(self, *vifs: Vif) -> None:
        self.vifs = vifs
        self.far = InterfaceSeen(
            name="eth0", mac_address="m", mtu=1500, kind="link", attached="core", addresses=("10.9.0.2/24",)
        )

    def find_guest(self, words: str) -> tuple[Candidate, ...]:
        return tuple(Candidate(vif.port_id, instance=words) for vif in self.vifs if words in vif.port_id)

    def alive(self) -> list[str]:
        return ["a", "b", "c"]

    def list_vifs(self, host: str) -> list[Vif]:
        return [vif for vif in self.vifs if vif.host == host]

    def on(self, host: str) -> Hosts:
        return self

    def list_guests(self) -> list[GuestSeen]:
        values = {"id": "far", "host": "c", "kind": "namespace", "namespace": "s", "state": "running"}
        return [GuestSeen.model_validate({**values, "interfaces": (self.far,)})]

    def ask_all(self, hosts: list[str], ask: Callable[[str], object]) -> dict[str, object]:
        return {host: ask(host) for host in hosts}


LEFT = witness.Watched("eth0", "port left", "left", ("10.1.0.9",))
RIGHT = witness.Watched("eth1", "port right", "right", ("10.2.0.9",))
LINK = witness.Watched("eth2", "eth2 (link core)", "core", ("fe80::1", "10.9.0.1"), is_link=True)


@pytest.fixture
def hosts() -> Hosts:
    """Give a guest that moves (mover), one in each network, and one in both that is where the mover is."""
    return Hosts(
        vif("mover", "left", "a", "10.1.0.9/24"), vif("mover", "right", "a", "10.2.0.9/24"),
        vif("both", "left", "a", "10.1.0.2/24"), vif("both", "right", "a", "10.2.0.2/24"),
        vif("one", "left", "c", "10.1.0.3/24"), vif("six", "right", "c", "2001:db8::3/64"),
    )  # fmt: skip


def chosen(
    hosts: Hosts, *interfaces: witness.Watched, wanted: str | None = None, never: tuple[str, ...] = ()
) -> dict[str, tuple[str, str]]:
    neutron, agents = cast("Neutron", hosts), cast("Agents", hosts)
    found = witness.find_witnesses(
        neutron, agents, "mover", interfaces, wanted=wanted, interval=0.01, last=("a", "b"), never=never
    )
    return {device: (one._watcher.guest_id, one._address) for device, one in found.items()}


def test_each_interface_is_watched_from_its_own_network_or_the_far_end_of_its_link(hosts: Hosts) -> None:
    assert chosen(hosts, LEFT, RIGHT, LINK) == {
        "eth0": ("one", "10.1.0.9"), "eth1": ("both", "10.2.0.9"), "eth2": ("far", "10.9.0.1"),
    }  # fmt: skip


def test_the_guest_that_is_wanted_watches_what_it_can_and_others_the_rest(hosts: Hosts) -> None:
    assert chosen(hosts, LEFT, RIGHT, LINK, wanted="both") == {
        "eth0": ("both", "10.1.0.9"), "eth1": ("both", "10.2.0.9"), "eth2": ("far", "10.9.0.1"),
    }  # fmt: skip
    with pytest.raises(InvalidInput, match=r"six cannot watch port left or port right"):
        chosen(hosts, LEFT, RIGHT, wanted="six")


def test_a_single_interface_may_be_watched_from_elsewhere_if_that_is_wanted(hosts: Hosts) -> None:
    assert chosen(hosts, RIGHT, wanted="one") == {"eth1": ("one", "10.2.0.9")}
    with pytest.raises(InvalidInput, match="mover-left cannot watch port left"):
        chosen(hosts, LEFT, wanted="mover-left")


def test_what_nobody_can_watch_is_told(hosts: Hosts, caplog: pytest.LogCaptureFixture) -> None:
    assert set(chosen(hosts, LEFT, RIGHT, never=("a",))) == {"eth0"}
    assert "nobody watches the outage of port right: no other guest of the network has an address" in caplog.text
