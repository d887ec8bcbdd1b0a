"""Neutron's view and the agents' side by side."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fakevm.cli.output import shown
from fakevm.cli.wish import fixed_ip, security_groups
from fakevm.control.agents import GLANCE, SILENCE, Agents
from fakevm.control.listing import merge
from fakevm.control.lookup import Candidate
from fakevm.control.whereabouts import Whereabouts
from fakevm.errors import AgentDown
from fakevm.model.port import Vif


def _vif(port_id: str, host: str) -> Vif:
    return Vif(
        port_id=port_id, host=host, instance_id="i-1", network_id="n", mac_address="fa:16:3e:00:00:01", mtu=1450,
        driver="ovs", namespace="x", device="y", state="plugged", addresses=("10.0.0.5/24",),
    )  # fmt: skip


PORT = {
    "id": "p1", "name": "", "device_id": "i-1", "network_id": "n", "binding:host_id": "compute1", "status": "ACTIVE",
    "mac_address": "fa:16:3e:00:00:01", "fixed_ips": [{"ip_address": "10.0.0.5"}],
}  # fmt: skip


def test_a_row_shows_where_a_port_is_bound_and_where_it_is_plugged() -> None:
    (row,) = merge([PORT], [_vif("p1", "compute2")], {"n": "private"})
    assert (row.network, row.bound_host, row.plugged_on, row.addresses) == (
        "private", "compute1", ("compute2",), ("10.0.0.5/24",)
    )  # fmt: skip


def test_a_port_of_a_guest_that_is_stopped_tells_what_starts_it() -> None:
    (row,) = merge([PORT], [_vif("p1", "compute1").model_copy(update={"state": "stopped"})], {})
    assert row.problem == "stopped: fakevm guest start i-1"


def test_what_neutron_forgot_is_listed_as_a_problem() -> None:
    (row,) = merge([], [_vif("p1", "compute1")], {})
    assert row.status == "not in Neutron"
    assert "unplug-all-host" in row.problem


def test_options_become_what_neutrons_api_takes() -> None:
    assert fixed_ip("subnet=s,ip-address=10.0.0.9") == {"subnet_id": "s", "ip_address": "10.0.0.9"}
    assert security_groups(None) is None
    assert security_groups(["none"]) == ()
    assert security_groups(["a", "b"]) == ("a", "b")


@pytest.mark.parametrize("words", ["10.0.0.9", "subnet=", "net=x"])
def test_a_malformed_fixed_ip_is_refused(words: str) -> None:
    import argparse

    with pytest.raises(argparse.ArgumentTypeError):
        fixed_ip(words)


class Looked:
    """Agents of three hosts, of which one is cut off; notes whom a look was for, and how long it may take."""

    def __init__(self) -> None:
        self.asked: dict[str, float] = {}

    def prepare(self) -> None:
        """Do nothing."""

    def alive(self) -> list[str]:
        """List the hosts."""
        return ["compute1", "compute2", "compute3"]

    def show(self, host: str, port_id: str, silence: float = SILENCE) -> Vif | None:
        """Look."""
        self.asked[host] = silence
        if host == "compute2":
            raise AgentDown("compute2 did not answer")
        return _vif(port_id, host) if host == "compute1" else None

    ask_all = Agents.ask_all


def test_a_look_waits_long_for_the_bound_host_only_and_says_who_was_not_asked() -> None:
    looked = Looked()
    found = Whereabouts(cast(Any, None), cast(Any, looked)).where("p1", bound="compute1")
    assert list(found.vifs) == ["compute1"]
    assert list(found.unasked) == ["compute2"]
    assert looked.asked == {"compute1": SILENCE, "compute2": GLANCE, "compute3": GLANCE}


def test_a_guest_that_is_where_it_is_bound_is_found_without_the_other_hosts() -> None:
    looked = Looked()
    assert Whereabouts(cast(Any, None), cast(Any, looked)).host_of(Candidate("p1", host="compute1")) == "compute1"
    assert list(looked.asked) == ["compute1"]


def test_a_guest_that_is_elsewhere_is_found_though_its_bound_host_is_cut_off() -> None:
    looked = Looked()
    assert Whereabouts(cast(Any, None), cast(Any, looked)).host_of(Candidate("p1", host="compute2")) == "compute1"


def test_a_guest_with_several_ports_is_shown_with_the_others() -> None:
    port = PORT | {"name": "router1", "fixed_ips": [], "binding:vif_type": "ovs", "binding:vif_details": {}}
    port |= {"device_owner": "compute:nova", "project_id": ""}
    names, values = shown(port, {}, [], [Candidate("p2", "router1-1", "i-1")])
    assert dict(zip(names, values, strict=True))["other_ports"].human_readable() == "i-1 (p2)"
    assert "other_ports" not in shown(port, {}, [])[0]
