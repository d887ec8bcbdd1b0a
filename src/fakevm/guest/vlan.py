"""The devices of networks that come tagged over a guest's port: the ends of Neutron's trunks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fakevm import errors, names
from fakevm.linux import process

if TYPE_CHECKING:
    from fakevm.model.port import Vlan


def give(namespace: str, device: str, wanted: Sequence[Vlan]) -> str:
    """Give a guest these VLAN devices over ``device``, and no others; those that are there stay.

    Returns why it cannot have one, if so: a kernel may make none (8021q). Raises CommandFailed for anything else.
    """
    there = _there(namespace, device)
    unwanted = there - {names.vlan(vlan.tag) for vlan in wanted}
    _run(namespace, [f"link del {name}" for name in sorted(unwanted)])
    for vlan in wanted:
        made = names.vlan(vlan.tag) in there
        try:
            _run(namespace, [] if made else [link_step(device, vlan)])
        except errors.CommandFailed as problem:
            said = problem.what.partition(" ended with status ")[2].partition(": ")[2].splitlines() or [
                "no reason given"
            ]
            return (
                f"no device {names.vlan(vlan.tag)}, as this kernel makes none ({said[0]}; module 8021q):"
                " the trunk is there, and the guest may tag frames by itself"
            )
        _run(namespace, list(steps(vlan)))
    return ""


def link_step(device: str, vlan: Vlan) -> str:
    """Write the ``ip`` command that makes a device."""
    return f"link add link {device} name {names.vlan(vlan.tag)} address {vlan.mac_address} type vlan id {vlan.tag}"


def steps(vlan: Vlan) -> Iterator[str]:
    """Write the ``ip`` commands that bring a device to what it is to be."""
    yield f"link set {names.vlan(vlan.tag)} address {vlan.mac_address} up"
    for address in vlan.addresses:
        yield f"address replace {address} dev {names.vlan(vlan.tag)}"


def _there(namespace: str, device: str) -> set[str]:
    said = process.run(["ip", "-n", namespace, "-json", "link", "show", "type", "vlan"])
    return {link["ifname"] for link in json.loads(said or "[]") if link.get("link") == device}


def _run(namespace: str, lines: Sequence[str]) -> None:
    if lines:
        process.run(["ip", "-n", namespace, "-batch", "-"], stdin="".join(f"{line}\n" for line in lines))
