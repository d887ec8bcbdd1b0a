"""A guest's devices for the networks that come tagged over its port: VLAN devices of the kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from fakevm import names
from fakevm.control.neutron import Neutron
from fakevm.control.neutron import Resource as Seen
from fakevm.lab.entrance import enter_guest
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import GuestFile

from .guests import port_name, subport_name
from .resource import Ref
from .store import Store


def give_devices(record: LabRecord, name: str, guest: GuestFile, *, host: str, store: Store, neutron: Neutron) -> str:
    """Give a guest the devices ``vlanN`` with the addresses of its subports; returns why it cannot have them, if so.

    The kernel may have no VLAN devices (8021q): the trunk is there then, and the guest may tag frames by itself.
    """
    for index, port in enumerate(guest.ports):
        parent = store.ids[Ref("port", port_name(name, index))]
        for subport in port.trunk:
            seen = neutron.port(store.ids[Ref("port", subport_name(port_name(name, index), subport.vlan))])
            lines = "\n".join(steps(names.device(parent), subport.vlan, seen, _prefixes(neutron, seen)))
            words = enter_guest(record, host, _first(store, name), ["ip", "-batch", "-"])
            done = subprocess.run(words, input=lines, capture_output=True, text=True, timeout=30, check=False)
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
                return (
                    f"{name} has no device vlan{subport.vlan}, as this kernel makes none ({said}; module 8021q):"
                    " the trunk is there, and the guest may tag frames by itself"
                )
    return ""


def steps(parent: str, vlan: int, port: Seen, prefixes: dict[str, str]) -> Iterator[str]:
    """Write the ``ip`` commands that make a VLAN device; ``prefixes`` gives the prefix length of each subnet."""
    device = f"vlan{vlan}"
    yield f"link add link {parent} name {device} address {port['mac_address']} type vlan id {vlan}"
    yield f"link set {device} up"
    for fixed in port["fixed_ips"]:
        yield f"address replace {fixed['ip_address']}/{prefixes[fixed['subnet_id']]} dev {device}"


def _first(store: Store, name: str) -> str:
    return store.ids[Ref("port", port_name(name, 0))]


def _prefixes(neutron: Neutron, port: Seen) -> dict[str, str]:
    return {subnet["id"]: subnet["cidr"].partition("/")[2] for subnet in neutron.subnets(port["network_id"])}
