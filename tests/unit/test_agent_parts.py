"""The pure logic of the host side: addresses, records, what os-vif is told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fakevm import names
from fakevm.agent.attachments import interface_of
from fakevm.agent.earlier import convert
from fakevm.agent.store import GuestRecord, Nic, Store
from fakevm.guest import address, place
from fakevm.model.guest import Guest
from fakevm.model.port import Addressing, Binding, FixedIp, Port, Route
from fakevm.ovs.interface import Interface

PORT_ID = "00000003-90ab-4cde-8f01-234567890abc"


def fixed(where: str, **changes: object) -> FixedIp:
    values = {"address": where, "prefix_length": 64 if ":" in where else 24, "subnet_id": "s", **changes}
    return FixedIp(**values)  # type: ignore[arg-type]


def port(**binding: object) -> Port:
    values = {"host": "h1", "vif_type": "ovs", **binding}
    return Port(
        id=PORT_ID,
        mac_address="fa:16:3e:00:00:03",
        mtu=1450,
        network_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
        instance_id="i-xxxx",
        binding=Binding(**values),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("one", "mode", "expected"),
    [
        (fixed("10.0.0.3"), "auto", "dhcp"),
        (fixed("10.0.0.3", enable_dhcp=False), "auto", "static"),
        (fixed("10.0.0.3", enable_dhcp=False), "dhcp", "dhcp"),
        (fixed("10.0.0.3"), "static", "static"),
        (fixed("fd00::3", ipv6_address_mode="slaac"), "auto", "slaac"),
        (fixed("fd00::3", ipv6_address_mode="dhcpv6-stateless"), "dhcp", "slaac"),
        (fixed("fd00::3", ipv6_address_mode="dhcpv6-stateful"), "auto", "dhcp"),
        (fixed("fd00::3"), "auto", "static"),
    ],
)
def test_way_of_an_address(one: FixedIp, mode: Addressing, expected: str) -> None:
    assert address.way(one, mode) == expected


@pytest.mark.parametrize(("own", "gateway"), [("10.0.0.1", "10.0.0.1"), ("fd00::1", "fd00:0::1")])
def test_who_is_the_gateway_has_no_route_by_itself(own: str, gateway: str) -> None:
    routes = (Route(destination="10.9.0.0/16", nexthop=own), Route(destination="10.8.0.0/16", nexthop="10.0.0.9"))
    steps = list(address.static_steps(fixed(own, gateway=gateway).model_copy(update={"routes": routes}), "eth0"))
    assert [step.split()[2] for step in steps if step.startswith("route")] == ["10.8.0.0/16"]


def test_static_steps_have_the_address_before_the_gateway() -> None:
    assert list(address.static_steps(fixed("fd00::3", gateway="fe80::1"), "qfv1")) == [
        "address replace fd00::3/64 dev qfv1 nodad",
        "route replace ::/0 via fe80::1 dev qfv1 onlink",
    ]


def test_command_in_guest_keeps_words_that_look_like_options() -> None:
    argv = place.command_in_guest("ns", PORT_ID, ["-x", "--"])
    assert argv[:6] == ["ip", "netns", "exec", "ns", "env", "--"]
    assert argv[-2:] == ["-x", "--"]


def test_dhclient_script_can_be_run() -> None:
    script = Path(place.__file__).parent / "dhclient" / "dhclient-script.sh"
    assert os.access(script, os.X_OK)


def record() -> GuestRecord:
    made = port(vif_details={"ovs_hybrid_plug": True})
    guest = Guest(id=made.instance_id, name="vm", namespace=f"fakevm-h1-{PORT_ID}")
    return GuestRecord(guest=guest, nics=(Nic(interface=interface_of(made, 0)),))


def test_what_a_migration_leaves_in_the_binding_is_no_other_wiring() -> None:
    (nic,) = record().nics
    details = {"ovs_hybrid_plug": True, "bound_drivers": {"0": "openvswitch"}}
    assert nic.wired_as(port(vif_details=details))
    assert not nic.wired_as(port(vif_details={**details, "ovs_hybrid_plug": False}))


def test_store_finds_again_what_it_wrote(tmp_path: Path) -> None:
    Store(tmp_path).put(record())
    again = Store(tmp_path)
    assert again.all() == [record()]
    assert again.count() == 1
    assert again.guest_of(PORT_ID) == "i-xxxx"
    again.delete("i-xxxx")
    assert again.get("i-xxxx") is None
    assert again.guest_of(PORT_ID) is None


def test_store_goes_on_beside_a_broken_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(record())
    (tmp_path / "guests" / "broken.json").write_text("{")
    assert store.all() == [record()]


@pytest.mark.parametrize("guest_id", ["../x", "a/b", ".", "..", "", "ü" * 255, "a b"])
def test_store_takes_whatever_id_neutron_takes(tmp_path: Path, guest_id: str) -> None:
    store = Store(tmp_path)
    named = record().model_copy(update={"guest": Guest(id=guest_id)})
    store.put(named)
    assert store.all() == [store.get(guest_id)] == [named]
    assert len(list((tmp_path / "guests").iterdir())) == 1


def test_records_of_an_earlier_version_become_guests(tmp_path: Path) -> None:
    def earlier(port_id: str, **changes: object) -> None:
        made = port().model_copy(update={"id": port_id})
        vif = {"namespace": f"fakevm-h1-{PORT_ID}", "device": names.device(port_id), "state": "plugged", "asleep": True}
        state = {"addresses": ["10.0.0.3/24"], "mtu": 1400, "resolv_conf": "nameserver 10.0.0.2\n", "leases": {}}
        said = {"vif": vif, "port": made.model_dump(mode="json"), "addressing": "dhcp", "saved": state}
        del said["port"]["device"]  # type: ignore[attr-defined]
        said["port"] |= changes  # type: ignore[operator]
        (tmp_path / f"guests/{port_id}.json").write_text(json.dumps(said))

    store = Store(tmp_path)
    further = f"1{PORT_ID[1:]}"
    earlier(PORT_ID)
    earlier(further, beside=PORT_ID)
    (tmp_path / "guests/broken.json").write_text("{")
    convert(store, tmp_path)
    (made,) = store.all()
    assert (made.guest.id, made.guest.namespace, made.state) == ("i-xxxx", f"fakevm-h1-{PORT_ID}", "running")
    assert [(each.name, each.index, each.addressing) for each in made.interfaces] == [
        (names.device(PORT_ID), 0, "dhcp"),
        (names.device(further), 1, "dhcp"),
    ]
    assert made.saved
    assert made.saved.of(names.device(further)).addresses == ("10.0.0.3/24",)
    assert made.saved.resolv_conf == "nameserver 10.0.0.2\n"
    convert(store, tmp_path)
    assert store.all() == [made]


@pytest.mark.parametrize(("hybrid", "kind"), [(True, "VIFBridge"), (False, "VIFOpenVSwitch")])
def test_description_for_os_vif(hybrid: bool, kind: str) -> None:
    import os_vif

    from fakevm.vif import description

    os_vif.initialize()
    details = {"ovs_hybrid_plug": hybrid, "ovs_create_tap": True, "datapath_type": "netdev", "bridge_name": "br-x"}
    vif = description.vif(port(vif_details=details))
    assert type(vif).__name__ == kind
    assert vif.network.bridge == "br-x"
    assert vif.port_profile.datapath_type == "netdev"
    assert (vif.port_profile.create_port, vif.port_profile.create_tap) == (not hybrid, not hybrid)


@pytest.mark.parametrize(
    ("seen", "wired"),
    [
        (Interface("tap", "br-int", 5, ""), True),
        (Interface("tap", "br-int", None, ""), False),
        (Interface("tap", "br-int", -1, "no such device"), False),
        (Interface("tap", "br-other", 5, ""), False),
    ],
)
def test_only_a_forwarding_interface_is_wired(seen: Interface, wired: bool) -> None:
    assert seen.wired("br-int") is wired
