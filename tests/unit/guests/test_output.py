"""Guests as tables for people, and as JSON."""

from __future__ import annotations

import json
from typing import Any

from cliff.columns import FormattableColumn

from fakevm.cli.guest_output import guest_one, guest_table, powered_table
from fakevm.control.power import Powered
from fakevm.errors import FakevmError
from fakevm.model.guest import GuestSeen

from .world import guest, interface


def seen() -> GuestSeen:
    return guest(
        "a",
        "h1",
        interface("eth0", "p0", addresses=("10.0.0.5/24", "fd00::5/64"), addressing="dhcp"),
        interface("vlan5", "eth0, VLAN 5", kind="vlan", lacks="this kernel has no 8021q"),
        interface("eth1", "core", kind="link", problem="it is down"),
    )


def told(cell: Any, *, for_people: bool = True) -> Any:
    if isinstance(cell, FormattableColumn):
        return cell.human_readable() if for_people else cell.machine_readable()
    return cell


def test_a_list_has_a_row_for_each_guest_with_its_addresses_and_what_is_wrong() -> None:
    columns, rows = guest_table([seen(), guest("b", "h2", asleep=True), guest("c", "h2", state="stopped", asleep=True)])
    row = dict(zip(columns, map(told, rows[0]), strict=True))
    assert row["interfaces"] == "eth0 10.0.0.5/24 fd00::5/64, vlan5, eth1"
    assert row["problem"] == "vlan5: this kernel has no 8021q; eth1: it is down"
    assert [row[columns.index("state")] for row in rows] == ["running", "asleep", "stopped"]


def test_one_guest_has_a_line_for_each_interface_and_structure_in_json() -> None:
    columns, values = guest_one(seen())
    lines = told(values[columns.index("interfaces")]).splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["eth0", "port", "p0"],
        ["vlan5", "vlan", "eth0,"],
        ["eth1", "link", "core"],
    ]
    assert lines[1].endswith("this kernel has no 8021q")
    interfaces = json.loads(json.dumps(told(values[columns.index("interfaces")], for_people=False)))
    assert interfaces[0]["addresses"] == ["10.0.0.5/24", "fd00::5/64"]
    assert {"name", "kind", "attached", "mac_address", "mtu", "addresses", "problem", "lacks", "nic"} == interfaces[
        0
    ].keys()
    assert told(guest_one(guest("b", "h1"))[1][columns.index("interfaces")]) == ""


def test_what_could_not_be_done_has_no_row() -> None:
    done = Powered(guest=seen(), result="stopped", seconds={"total": 0.1})
    columns, rows = powered_table({"a": done, "b": FakevmError("no")})
    assert [row[columns.index("result")] for row in rows] == ["stopped"]
