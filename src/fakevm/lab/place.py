"""Where checks begin and end: guests, clients outside, hosts; how commands run there, and what their addresses are.

All is looked up anew for each attempt: guests move, hosts end and come back.
"""

from __future__ import annotations

import http.client
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fakevm import names
from fakevm.agent.store import GuestRecord, Store
from fakevm.errors import InvalidInput, NotFound, Unreachable
from fakevm.lab import outside, planning, readiness, sandbox
from fakevm.lab.entrance import enter_guest, enter_network
from fakevm.linux.kernel import SEARCH_PATH
from fakevm.model.interface import Interface
from fakevm.model.kind import VM_KIND
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.port import Port
from fakevm.model.resource import TAG
from fakevm.vm import access


@dataclass(frozen=True)
class Guest:
    """A guest that runs: its host, and what that has written down of it."""

    host: str
    record: GuestRecord

    @property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        """The addresses that Neutron gave it, each with its network's id, then the others, with the link or bridge."""
        given = ((fixed.address, port.network_id) for port in self.record.ports for fixed in port.fixed_ips)
        own = (
            (address.partition("/")[0], interface.words)
            for interface in self.record.interfaces
            for address in interface.addresses
            if interface.port is None
        )
        return (*given, *own)

    def first_port(self) -> tuple[Interface, Port]:
        """Give its first interface that has a port, with that. Raises NotFound."""
        for interface in self.record.interfaces:
            if interface.port:
                return interface, interface.port
        raise NotFound(f"guest {self.record.guest.title!r} has no port")


class Places:
    """The places of a lab, by the names that its file gives them.

    :param lab: the file whose checks are run, ``lab`` from then on
    """

    def __init__(self, record: LabRecord, lab: LabFile) -> None:
        self._record = record
        self.lab = lab

    @property
    def record(self) -> LabRecord:
        """The lab's own record."""
        return self._record

    def guest(self, name: str) -> Guest:
        """Find a guest where it is now. Raises NotFound: it is not plugged anywhere."""
        server = names.instance_id(self._record.name, name)
        for host in self._record.hosts:
            if host.roles == (outside.ROLE,):
                continue
            found = Store(self._record.host_directory(host.name) / "agent").get(server)
            if found and not found.asleep:
                return Guest(host.name, found)
        raise NotFound(f"guest {name!r} is not plugged on any host of lab {self._record.name!r}")

    def host_of(self, name: str) -> str | None:
        """Name the host of a guest, or of what a floating IP leads to; None for what is outside, and for addresses."""
        guest = self.guest_behind(name)
        return self.guest(guest).host if guest else None

    def guest_behind(self, name: str) -> str | None:
        """Name the guest that is meant: by its own name, or by that of its floating IP."""
        if name in self.lab.guests:
            return name
        return self.lab.floating_ips[name].guest if name in self.lab.floating_ips else None

    def forwarded(self, target: str, protocol: str, port: int) -> tuple[str, int]:
        """Give the guest, and its port, to which a floating IP forwards a port; what is not forwarded as it is."""
        floating = self.lab.floating_ips.get(target)
        for one in floating.port_forwardings if floating else ():
            first, last = one.ports
            if one.protocol == protocol and first <= port <= last and one.guest:
                low, high = one.inside
                return one.guest, min(low + port - first, high)
        return target, port

    def can_listen(self, target: str) -> bool:
        """Tell whether something of ours can be started at a target: not at an address, nor where nobody gets in."""
        guest = self.guest_behind(target)
        if guest:
            return not self.closed(guest)
        return target in self.lab.outside.clients

    def closed(self, guest: str) -> str:
        """Say why nothing can be run in a guest; empty when something can."""
        file = self.lab.guests[guest]
        if file.kind == VM_KIND and access.of(file.settings) == "none":
            return f"nobody gets into {guest}: it is a virtual machine without `machine: {{access: …}}`"
        return ""

    # -- how to get there ------------------------------------------------------------------------------------

    def command(self, name: str, words: Sequence[str], *, own: bool = True) -> list[str]:
        """Build the argv that runs a program of ours, or the machine's, at a host, a guest, a floating IP's guest or a
        client. Not ``own``: of a guest, one of the guest's.

        Raises NotFound, LabFailed: that host does not run.
        """
        if guest := self.guest_behind(name):
            found = self.guest(guest)
            enter = enter_network if own else enter_guest
            return enter(self._record, found.host, found.record.guest.id, words)
        words = ["env", f"PATH={SEARCH_PATH}", *words]
        if name in self.lab.hosts:
            return [*sandbox.enter_host(self._known_host(name), name), *words]
        return [*sandbox.enter_host(self._known_host(outside.NAME), outside.NAME), *outside.command(name, words)]

    def command_in_lab(self, words: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in the lab around the hosts."""
        return [*sandbox.enter_lab(self._record), *words]

    def _known_host(self, name: str) -> LabRecord:
        if name not in [host.name for host in self._record.hosts]:
            raise NotFound(f"lab {self._record.name!r} has no host {name!r}", hint="Was it started from another file?")
        return self._record

    def links(self) -> dict[str, str]:
        """Say whose link a device of the lab is, by the device's name."""
        found = {}
        for host in self._record.hosts:
            if host.roles != (outside.ROLE,):
                index = planning.number_of(host.management_address)
                found[names.underlay_peer(index)] = host.name
                found |= {names.physical_peer(index, network): host.name for network in self.lab.physical_networks}
        return found

    # -- addresses -------------------------------------------------------------------------------------------

    def address(self, target: str, source: str, version: int) -> str:
        """Find the address by which ``source`` reaches a target. Raises NotFound, Unreachable.

        Of a guest with several ports it is one in a network that both are in, if there is one; else the first.
        """
        if target in self.lab.guests:
            near = {network for _, network in self.guest(source).addresses} if source in self.lab.guests else set()
            found = [item for item in self.guest(target).addresses if _version(item[0]) == version]
            found.sort(key=lambda item: item[1] not in near)
            return _first([address for address, _ in found], target, version)
        if target in self.lab.floating_ips:
            return _first(self._floating(target), target, version)
        if target in self.lab.ports:
            return _first([a for a in self._unbound(target) if _version(a) == version], target, version)
        if target in self.lab.outside.clients:
            given = [address.partition("/")[0] for address in self.lab.outside.clients[target].addresses]
            return _first([address for address in given if _version(address) == version], target, version)
        try:
            return str(ipaddress.ip_address(target))
        except ValueError:
            raise InvalidInput(f"{target!r} is neither in the lab file nor an address") from None

    def _floating(self, name: str) -> list[str]:
        found = self.found("floatingips", f"floating IP {name!r}", description=name)
        return [str(ip["floating_ip_address"]) for ip in found]

    def _unbound(self, name: str) -> list[str]:
        found = self.found("ports", f"port {name!r}", name=name, tags=TAG)
        return [str(fixed["ip_address"]) for port in found for fixed in port["fixed_ips"]]

    def found(self, collection: str, what: str, **query: str) -> list[dict[str, Any]]:
        """List what Neutron has of a collection. Raises Unreachable, NotFound: nothing of it."""
        try:
            answer = readiness.get(self._record, f"/v2.0/{collection}?{urlencode(query)}")
        except (OSError, http.client.HTTPException) as exc:
            raise Unreachable(f"Neutron's API did not tell of {what}: {exc}") from exc
        rows = list(answer[collection.rpartition("/")[2].replace("-", "_")])
        if not rows:
            raise NotFound(f"Neutron has no {what}")
        return rows


def _version(address: str) -> int:
    return ipaddress.ip_address(address).version


def _first(addresses: Sequence[str], name: str, version: int) -> str:
    if not addresses:
        raise NotFound(f"{name!r} has no IPv{version} address")
    return addresses[0]
