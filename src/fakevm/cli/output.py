"""Results as columns: text for people and shells, structure for JSON and YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml
from cliff.columns import FormattableColumn

from fakevm.control.listing import GuestRow
from fakevm.control.lookup import Candidate
from fakevm.control.removal import Deleted, Unplugged
from fakevm.control.wiring import WiredPort
from fakevm.model.identity import called
from fakevm.model.port import Vif
from fakevm.model.series import spans

Columns = tuple[tuple[str, ...], tuple[Any, ...]]
Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]


class Joined(list[str]):
    """A list that reads ``a, b`` where text is wanted, and stays a list in JSON and YAML."""

    def __str__(self) -> str:
        return ", ".join(self)


yaml.SafeDumper.add_representer(Joined, yaml.SafeDumper.represent_list)


class Several(FormattableColumn[list[str]]):
    """A column of several words."""

    def human_readable(self) -> str:
        """Join them."""
        return ", ".join(self._value)

    def machine_readable(self) -> Joined:
        """Keep the list."""
        return Joined(self._value)


class Hosts(FormattableColumn[str]):
    """The hosts of a lab, of which there may be a hundred."""

    def human_readable(self) -> str:
        """Name the first and the last of those that count on."""
        return spans(self._value.split(", "))

    def machine_readable(self) -> str:
        """Name every one."""
        return self._value


class Details(FormattableColumn[dict[str, Any]]):
    """A mapping, such as ``binding:vif_details``."""

    def human_readable(self) -> str:
        """Write a line for each."""
        return "\n".join(f"{name}={value}" for name, value in sorted(self._value.items()))

    def machine_readable(self) -> dict[str, Any]:
        """Keep the mapping."""
        return dict(self._value)


class Seconds(FormattableColumn[dict[str, float]]):
    """How long the steps took."""

    def human_readable(self) -> str:
        """Write them in a row."""
        return ", ".join(f"{step} {taken:.2f}" for step, taken in self._value.items())

    def machine_readable(self) -> dict[str, float]:
        """Keep the numbers."""
        return dict(self._value)


def wired_one(wired: WiredPort) -> Columns:
    """Show one port that was created, plugged or moved."""
    fields = wired_fields(wired)
    return tuple(fields), tuple(fields.values())


def wired_fields(wired: WiredPort) -> dict[str, Any]:
    """Name the fields of a wired port as commands show them."""
    fields = {
        "name": wired.name,
        "vif_id": wired.port_id,
        "instance": wired.instance_id,
        "host": wired.host,
        "network": wired.network,
        "network_id": wired.network_id,
        "mac_address": wired.mac_address,
        "addresses": Several(list(wired.addresses)),
        "project_id": wired.project_id,
        "status": wired.status,
        "seconds": Seconds(wired.seconds),
    }
    return fields | ({"problem": wired.problem} if wired.problem else {})


def wired_table(many: Iterable[WiredPort]) -> Table:
    """Show many ports, with a column for each step's seconds."""
    steps = ("create", "bind", "plug", "active", "address", "total")
    columns = ("name", "vif_id", "instance", "host", "mac_address", "addresses", "status", *steps)
    rows = [
        (
            *(w.name, w.port_id, w.instance_id, w.host, w.mac_address, Several(list(w.addresses)), w.status),
            *(w.seconds.get(step, 0.0) for step in steps),
        )
        for w in many
    ]
    return columns, rows


def unplugged_table(port: Candidate, results: Iterable[Unplugged]) -> Table:
    """Show what unplugging did on each host."""
    rows = [(port.title, port.port_id, result.host, result.result) for result in results]
    return ("name", "vif_id", "host", "result"), rows


def deleted_table(deleted: Iterable[Deleted]) -> Table:
    """Show what deleting ports did, where there was something to do."""
    rows = [(port.title, port.port_id, r.host, r.result) for port, results in deleted for r in results]
    return ("name", "vif_id", "host", "result"), [row for row in rows if row[-1] != "was not plugged"]


def guest_table(rows: Iterable[GuestRow]) -> Table:
    """Show the fake VMs."""
    columns = (
        "name",
        "vif_id",
        "instance",
        "network",
        "host",
        "addresses",
        "mac_address",
        "status",
        "plugged_on",
        "problem",
    )
    return columns, [
        (
            row.name,
            row.port_id,
            row.instance_id,
            row.network,
            row.bound_host,
            Several(list(row.addresses)),
            row.mac_address,
            row.status,
            Several(list(row.plugged_on)),
            row.problem,
        )
        for row in rows
    ]


def shown(
    port: Mapping[str, Any] | None, vifs: Mapping[str, Vif], migration: Sequence[str], others: Sequence[Candidate] = ()
) -> Columns:
    """Show Neutron's view of one port, then that of each host that holds it; and what a ``migration`` left.

    ``others`` are the further ports of its guest.
    """
    fields: dict[str, Any] = {}
    if port is None:
        fields |= _orphan(next(iter(vifs.values()), None)) | {"status": "not in Neutron"}
    else:
        fields |= {
            "name": called(port["name"], port["device_id"], port["id"]),
            "vif_id": port["id"],
            "instance": port["device_id"],
            "port_name": port["name"],
            "network_id": port["network_id"],
            "host": port["binding:host_id"],
            "status": port["status"],
            "mac_address": port["mac_address"],
            "fixed_ips": Several([fixed["ip_address"] for fixed in port["fixed_ips"]]),
            "vif_type": port["binding:vif_type"],
            "vif_details": Details(port["binding:vif_details"]),
            "device_owner": port["device_owner"],
            "project_id": port["project_id"],
        }
    fields["plugged_on"] = Several(list(vifs))
    if others:
        fields["other_ports"] = Several([f"{other.title} ({other.port_id})" for other in others])
    if port and migration:
        repair = f"fakevm migrate --recover {port['id']}"
        fields["migration"] = f"under way or cut short: {'; '.join(migration)}. If nobody moves it just now: {repair}"
    for host, vif in vifs.items():
        seen = vif.model_dump(mode="json", exclude={"port_id", "name", "host", "instance_id", "network_id"})
        fields |= {f"{host}.{name}": Several(value) if name == "addresses" else value for name, value in seen.items()}
    return tuple(fields), tuple(fields.values())


def _orphan(vif: Vif | None) -> dict[str, Any]:
    return {"name": vif.title, "vif_id": vif.port_id, "instance": vif.instance_id} if vif else {}
