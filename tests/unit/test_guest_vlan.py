"""The devices of networks that come tagged: what Neutron says of a trunk, and the commands that make them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fakevm.control.binding import tagged
from fakevm.errors import CommandFailed
from fakevm.guest import vlan
from fakevm.linux import process
from fakevm.model.port import Vlan

SEVEN = Vlan(tag=7, mac_address="fa:16:3e:00:00:07", addresses=("10.0.7.3/24",))


class Trunks:
    """Neutron with a subport."""

    def port(self, port_id: str) -> dict[str, Any]:
        fixed = {"subnet_id": "s", "ip_address": "10.0.7.3"}
        return {"id": port_id, "mac_address": SEVEN.mac_address, "network_id": "n", "fixed_ips": [fixed]}

    def subnets(self, network_id: str) -> list[dict[str, Any]]:
        return [{"id": "s", "cidr": "10.0.7.0/24"}]


def test_a_trunk_s_subports_are_described() -> None:
    neutron = cast(Any, Trunks())
    subport = {"segmentation_type": "vlan", "segmentation_id": 7, "port_id": "p7"}
    port = {"trunk_details": {"trunk_id": "t", "sub_ports": [subport]}}
    assert list(tagged(neutron, port)) == [SEVEN]
    assert list(tagged(neutron, {"trunk_details": None})) == []
    assert list(tagged(neutron, {})) == []


class Kernel:
    """``ip``, as ``give`` calls it."""

    def __init__(self, there: str, *, makes: bool) -> None:
        self.there = there
        self.makes = makes
        self.told: list[str] = []

    def run(self, argv: list[str], *, stdin: str = "") -> str:
        self.told += stdin.splitlines()
        if "type vlan id" in stdin and not self.makes:
            raise CommandFailed(
                f"'{' '.join(argv)}' ended with status 2: Error: Unknown device type.\nCommand failed -:1"
            )
        return self.there if "show" in argv else ""


def test_devices_are_made_once_and_unwanted_ones_go(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("", makes=True)
    monkeypatch.setattr(process, "run", kernel.run)
    assert vlan.give("ns", "qfv1", [SEVEN]) == ""
    own = ["link set vlan7 address fa:16:3e:00:00:07 up", "address replace 10.0.7.3/24 dev vlan7"]
    assert kernel.told == ["link add link qfv1 name vlan7 address fa:16:3e:00:00:07 type vlan id 7", *own]
    kernel = Kernel(
        '[{"ifname": "vlan7", "link": "qfv1"}, {"ifname": "vlan8", "link": "qfv1"}, {"ifname": "x", "link": "y"}]',
        makes=True,
    )
    monkeypatch.setattr(process, "run", kernel.run)
    assert vlan.give("ns", "qfv1", [SEVEN]) == ""
    assert kernel.told == ["link del vlan8", *own]


def test_a_kernel_without_vlan_devices_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run", Kernel("", makes=False).run)
    assert vlan.give("ns", "qfv1", [SEVEN]).startswith(
        "no device vlan7, as this kernel makes none (Error: Unknown device type.; module 8021q)"
    )
