"""Guests and their interfaces as columns: text for people and shells, structure for JSON and YAML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from cliff.columns import FormattableColumn

from fakevm.cli.output import Columns, Seconds, Several, Table, wired_fields
from fakevm.control.attaching import Attached, Detached
from fakevm.control.power import Powered
from fakevm.errors import FakevmError
from fakevm.model.daemon import DaemonSeen
from fakevm.model.guest import GuestSeen
from fakevm.model.interface import InterfaceSeen
from fakevm.model.nic import DEFAULT_NIC

# What is not told of an interface: what it is to be on another host is between hosts, and its frames have a command.
_UNTOLD = {"wanted", "addressing", "sent", "received", "means"}


class Rows(list[dict[str, Any]]):
    """Interfaces that read ``eth0 10.0.0.5/24, eth1`` where a word is wanted, and stay a list in JSON and YAML."""

    def __str__(self) -> str:
        return ", ".join(" ".join((row["name"], *row["addresses"])) for row in self)


yaml.SafeDumper.add_representer(Rows, yaml.SafeDumper.represent_list)


class Interfaces(FormattableColumn[Any]):
    """The interfaces of a guest: each by its name, with its addresses."""

    def human_readable(self) -> str:
        """Write them in a row."""
        return str(self.machine_readable())

    def machine_readable(self) -> Rows:
        """Keep all that is known of them."""
        return Rows(_told(interface) for interface in self._value)


class InterfaceTable(Interfaces):
    """The same with a line for each: name, what it is attached to, MAC address, MTU, addresses, what is wrong."""

    def human_readable(self) -> str:
        """Write them below one another."""
        lines = [_cells(interface) for interface in self._value]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = ("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join(line.rstrip() for line in padded)


class DaemonTable(FormattableColumn[Any]):
    """What a guest is kept running, a line for each: name, process, how often it was started again, what is wrong."""

    def human_readable(self) -> str:
        """Write them below one another."""
        return "\n".join(_daemon(daemon) for daemon in self._value)

    def machine_readable(self) -> list[dict[str, Any]]:
        """Keep all that is known of them."""
        return [_daemon_told(daemon) for daemon in self._value]


def _daemon(daemon: DaemonSeen) -> str:
    runs = f"pid {daemon.pid}" if daemon.pid else "not running"
    again = f"restarted {daemon.restarts} times" if daemon.restarts else ""
    return "  ".join(filter(None, (daemon.wanted.name, runs, again, daemon.problem)))


def _daemon_told(daemon: DaemonSeen) -> dict[str, Any]:
    told = daemon.model_dump(mode="json", exclude={"wanted"})
    return {"name": daemon.wanted.name, "command": list(daemon.wanted.command), **told}


def _told(interface: InterfaceSeen) -> dict[str, Any]:
    return interface.model_dump(mode="json", exclude=_UNTOLD)


def _cells(interface: InterfaceSeen) -> tuple[str, ...]:
    wrong = "; ".join(_wrong(interface))
    return (
        interface.name,
        f"{interface.kind} {interface.attached}",
        interface.mac_address,
        f"mtu {interface.mtu}" + ("" if interface.nic == DEFAULT_NIC else f", {interface.nic}"),
        " ".join(interface.addresses),
        wrong,
    )


def guest_table(guests: Iterable[GuestSeen]) -> Table:
    """Show guests, a row for each."""
    columns = ("name", "id", "host", "kind", "state", "interfaces", "problem")
    return columns, [
        (
            guest.title,
            guest.id,
            guest.host,
            guest.kind,
            state_of(guest),
            Interfaces(guest.interfaces),
            "; ".join(filter(None, _problems(guest))),
        )
        for guest in guests
    ]


def guest_one(guest: GuestSeen) -> Columns:
    """Show one guest, with a line for each of its interfaces."""
    fields = {
        "name": guest.title,
        "id": guest.id,
        "host": guest.host,
        "kind": guest.kind,
        "state": state_of(guest),
        "hostname": guest.hostname,
        "namespace": guest.namespace,
        "interfaces": InterfaceTable(guest.interfaces),
    }
    fields |= {"daemons": DaemonTable(guest.daemons)} if guest.daemons else {}
    fields |= {"problem": guest.problem} if guest.problem else {}
    return tuple(fields), tuple(fields.values())


def powered_table(outcomes: Mapping[str, Powered | FakevmError]) -> Table:
    """Show what was done to guests; those to which it could not be done are not among them."""
    columns = ("name", "id", "host", "result", "state", "addresses", "problem", "seconds")
    done = [outcome for outcome in outcomes.values() if isinstance(outcome, Powered)]
    return columns, [
        (
            powered.guest.title,
            powered.guest.id,
            powered.guest.host,
            powered.result,
            "" if powered.result == "removed" else state_of(powered.guest),
            Several([address for each in powered.guest.interfaces for address in each.addresses]),
            powered.problem,
            Seconds(powered.seconds),
        )
        for powered in done
    ]


def attached_one(attached: Attached) -> Columns:
    """Show an interface that was attached, and its port."""
    fields = {"interface": attached.name, **wired_fields(attached.wired)}
    return tuple(fields), tuple(fields.values())


def detached_one(detached: Detached) -> Columns:
    """Show what was detached from a guest, and what became of its port."""
    fields = {
        "guest": detached.guest.title,
        "host": detached.guest.host,
        "interface": detached.interface.name,
        "kind": detached.interface.kind,
        "attached": detached.interface.attached,
        "result": "detached",
    }
    fields |= {"port": detached.port} if detached.port else {}
    return tuple(fields), tuple(fields.values())


def state_of(guest: GuestSeen) -> str:
    """Say in a word how a guest is."""
    return "asleep" if guest.asleep and guest.state == "running" else guest.state


def _problems(guest: GuestSeen) -> Iterator[str]:
    yield guest.problem
    yield from map(_named, guest.interfaces)
    yield from (daemon.problem for daemon in guest.daemons)


def _named(interface: InterfaceSeen) -> str:
    wrong = _wrong(interface)
    return f"{interface.name}: {'; '.join(wrong)}" if wrong else ""


def _wrong(interface: InterfaceSeen) -> list[str]:
    """Say what is wrong with an interface; what a trunk's port lacks is told of its VLANs' devices."""
    lacks = interface.lacks if interface.kind != "port" else ""
    return [said for said in (interface.problem, lacks) if said]
