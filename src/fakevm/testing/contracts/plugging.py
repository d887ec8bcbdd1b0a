"""What plugging must do on every backend, in a lab with the hosts ``compute1`` and ``compute2``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from fakevm.backend import base as backends
from fakevm.control import neutron as neutrons
from fakevm.control.access import Access
from fakevm.control.binding import bind, describe
from fakevm.linux import supervision
from fakevm.testing.labs import Lab
from fakevm.waiting import remains

AGENT = "neutron-fakevm-agent"
# Seconds that Neutron's agents may take to put away what is theirs; that a restarted agent may take.
_PATIENCE = 60.0
# All that a port may leave on a host.
_LOOK = """
ls /sys/class/net | sed 's/^/device /'
ip netns list | sed 's/ .*//; s/^/namespace /'
ovs-vsctl --bare --columns=name list Port 2>/dev/null | sed '/^$/d; s/^/switch port /'
ls /run/fakevm/hosts/$(hostname)/agent/guests | sed 's/^/record /'
"""

Guest = dict[str, Any]


class PlugContract:
    """Plugging in a lab, which the fixture ``lab`` gives; ``backend`` is the backend's name."""

    backend: str

    @pytest.fixture(scope="class")
    @classmethod
    def pair(cls, lab: Lab) -> tuple[Guest, Guest]:
        """Make two guests of one network on two hosts."""
        dhcp = "dhcp" not in backends.load(cls.backend).lacks
        network = lab.network("contract-plug", "10.91.0.0/24", dhcp=dhcp)
        return lab.guest(network, "plug-a", "compute1"), lab.guest(network, "plug-b", "compute2")

    def test_ports_become_active_and_guests_reach_one_another(self, lab: Lab, pair: tuple[Guest, Guest]) -> None:
        """With the addresses that Neutron gave them."""
        one, other = pair
        assert [guest["status"] for guest in pair] == ["ACTIVE", "ACTIVE"]
        assert [guest["addresses"][0].partition("/")[2] for guest in pair] == ["24", "24"]
        assert lab.reaches(one, other, within=60)
        assert not [row["problem"] for row in lab.told("list") if row["problem"]]

    def test_plug_is_idempotent(self, lab: Lab, pair: tuple[Guest, Guest]) -> None:
        """A port that is plugged stays as it is."""
        before = _seen(lab, "compute1")
        again = lab.told("plug", pair[0]["vif_id"], "--host", "compute1")
        assert again["status"] == "ACTIVE"
        assert _seen(lab, "compute1") == before
        assert lab.reaches(*pair, within=60)

    def test_a_deleted_guest_leaves_nothing(self, lab: Lab, pair: tuple[Guest, Guest]) -> None:
        """Neither on the host nor in Neutron, also when it was unplugged before."""
        before = _seen(lab, "compute2")
        short = lab.guest(pair[0]["network_id"], "plug-short", "compute2")
        assert _seen(lab, "compute2") > before
        lab.told("unplug", short["vif_id"], "--host", "compute2")
        _wait(lambda: _seen(lab, "compute2") == before, lambda: _seen(lab, "compute2") ^ before)
        assert lab.told("plug", short["vif_id"], "--host", "compute2")["status"] == "ACTIVE"
        assert lab.reaches(pair[0], short, within=60)
        assert lab.fakevm("delete-port", short["vif_id"]).returncode == 0
        _wait(lambda: _seen(lab, "compute2") == before, lambda: _seen(lab, "compute2") ^ before)

    def test_a_half_made_plug_is_undone(self, lab: Lab, pair: tuple[Guest, Guest]) -> None:
        """What ``prepare`` made goes with ``unplug``, which may be called twice; the others of the network stay."""
        access = Access.of(lab.record)
        neutron = neutrons.connect(access)
        network = neutron.network(pair[0]["network_id"])
        (made,) = neutron.create_ports([{"network_id": network["id"], "device_id": "plug-half"}])
        before = _seen(lab, "compute1")
        port = describe(bind(neutron, made, "compute1"), network, neutron.subnets(network["id"]))
        config = [f"/run/fakevm/hosts/compute1/{name}" for name in ("neutron.conf", "fakevm.ini")]
        words = ["--config-file", config[0], "--config-file", config[1]]
        half = (sys.executable, "-m", "fakevm.testing.half_made", *words)
        done = lab.fakevm("lab", "exec", "compute1", "--", *half, input=port.model_dump_json())
        assert done.returncode == 0, done.stderr
        assert neutron.delete_port(made["id"])
        _wait(lambda: _seen(lab, "compute1") == before, lambda: _seen(lab, "compute1") ^ before)
        assert lab.reaches(*pair, within=60)

    def test_an_agent_finds_its_guests_again(self, lab: Lab, pair: tuple[Guest, Guest]) -> None:
        """A restart of FakeVM's agent touches no guest, and it goes on with them."""
        services = lab.record.host_directory("compute1") / "service"
        before, deaths = _seen(lab, "compute1"), supervision.status(services)[AGENT].deaths
        supervision.terminate(services, AGENT)
        _wait(lambda: supervision.status(services)[AGENT].deaths > deaths, lambda: supervision.status(services)[AGENT])
        _wait(lambda: not _problem(lab, pair[0]), lambda: _problem(lab, pair[0]))
        assert _seen(lab, "compute1") == before
        assert lab.reaches(*pair, within=60)

    def test_a_guest_moves(self, lab: Lab, pair: tuple[Guest, Guest]) -> None:
        """Cold, and live where the backend has that: it is there, and nothing of it is where it was."""
        one, other = pair
        ways = ["--cold"] if "live-migration" in backends.load(self.backend).lacks else ["--cold", "--live"]
        for way, host, left in zip(ways, ("compute1", "compute2"), ("compute2", "compute1"), strict=False):
            moved = lab.told("migrate", host, other["vif_id"], way)
            assert moved["host"] == host
            assert lab.reaches(one, other, within=60)
            _wait(lambda left=left: not _of(lab, left, other), lambda left=left: _of(lab, left, other))  # type: ignore[misc]


def _seen(lab: Lab, host: str) -> set[str]:
    done = lab.fakevm("lab", "exec", host, "--", "sh", "-c", _LOOK)
    return set(done.stdout.splitlines())


def _of(lab: Lab, host: str, guest: Guest) -> set[str]:
    """Find what of a guest is on a host: what has the beginning of its port's id in its name."""
    return {line for line in _seen(lab, host) if guest["vif_id"][:10] in line}


def _problem(lab: Lab, guest: Guest) -> str:
    """Say why a guest is not as it should be, as its agent sees it; empty when it is."""
    done = lab.fakevm("show", guest["vif_id"], "-f", "json")
    if done.returncode:
        return done.stderr
    seen = json.loads(done.stdout)
    return "" if "compute1" in seen["plugged_on"] else f"plugged on {seen['plugged_on']}"


def _wait(true: Callable[[], bool], seen: Callable[[], object]) -> None:
    last = remains(lambda: "" if true() else f"{seen()}" or "nothing", _PATIENCE, pause=0.5)
    assert not last, f"not so within {_PATIENCE:g} s; last seen: {last}"
