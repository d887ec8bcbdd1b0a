"""Neutron's view and the agents' side by side."""

from __future__ import annotations

import pytest

from fakevm.cli.port import fixed_ip, security_groups
from fakevm.control.service import merge
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
