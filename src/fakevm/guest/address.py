"""Which address a guest gets in which way, and the wait until it has it."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Protocol

from fakevm import errors, names
from fakevm.linux import link, process
from fakevm.waiting import remains

from . import dhcp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fakevm.model.port import Addressing, FixedIp, Port

_log = logging.getLogger(__name__)

Way = Literal["dhcp", "slaac", "static"]

# How long (seconds) a server of stateless DHCPv6 is waited for.
_PATIENCE = 8.0
# IPv6 takes 0 for 1024, and its own default routes have that: further ports come after both.
_FURTHER_METRIC = 2048
# How often (seconds) to look whether the kernel has made an address of a router advertisement.
_LOOK = 0.1
# The kernel announces the addresses of a device whose MAC is set, be it the same (ip-sysctl: arp_notify, ndisc_notify).
_ANNOUNCE = """\
for switch in ipv4/conf/$1/arp_notify ipv6/conf/$1/ndisc_notify; do
    test ! -e /proc/sys/net/$switch || echo 1 > /proc/sys/net/$switch
done
read -r mac < /sys/class/net/$1/address
ip link set dev "$1" address "$mac"
"""


class Addressed(Protocol):
    """What is asked of a guest that is to get its addresses; see Guest."""

    def name(self, port: Port) -> str:
        """Name its namespace."""

    def problem(self, port: Port) -> str:
        """Say what is wrong with it."""

    def addresses(self, port: Port) -> list[str]:
        """List the addresses on its device."""

    def command(self, port: Port, command: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in it."""

    def set_dns(self, port: Port, servers: Sequence[str]) -> None:
        """Write its resolv.conf."""


def way(fixed: FixedIp, mode: Addressing) -> Way:
    """Decide how one address gets onto the device.

    ``auto`` and ``dhcp`` differ where the subnet serves no DHCP: ``auto`` sets the address, ``dhcp`` insists.
    SLAAC is the kernel's work in both.
    """
    if mode == "static":
        return "static"
    if ":" in fixed.address and fixed.ipv6_address_mode in {"slaac", "dhcpv6-stateless"}:
        return "slaac"
    served = fixed.enable_dhcp and (":" not in fixed.address or fixed.ipv6_address_mode == "dhcpv6-stateful")
    return "dhcp" if served or mode == "dhcp" else "static"


def assign(guest: Addressed, port: Port, mode: Addressing, timeout: float) -> None:
    """Give a guest its addresses; see Guest.address."""
    deadline = time.monotonic() + timeout
    if mode == "none" or not (missing := _missing(guest, port)):
        return
    ways = {fixed: way(fixed, mode) for fixed in missing}
    if static := [fixed for fixed, how in ways.items() if how == "static"]:
        set_static(guest, port, static)
    words = ""
    for version in (4, 6):
        if any(how == "dhcp" and _version(fixed) == version for fixed, how in ways.items()):
            words = lease(guest, port, version, deadline) or words

    def lacking() -> str:
        return ", ".join(f"{fixed.address} ({ways.get(fixed, 'lost')})" for fixed in _missing(guest, port))

    if lacks := remains(lacking, deadline - time.monotonic(), pause=_LOOK):
        last = f"; the DHCP client's last words: {words}" if words else ""
        raise errors.TimedOut(
            f"the guest of {port.words} did not get {lacks} in {timeout:g} s{last}",
            hint="Look at the port's status and at the DHCP server's host, or try --addressing static.",
        )
    if any(how == "slaac" and fixed.ipv6_address_mode == "dhcpv6-stateless" for fixed, how in ways.items()):
        _ask_for_the_rest(guest, port)
    announce(guest, port)


def _ask_for_the_rest(guest: Addressed, port: Port) -> None:
    """Ask DHCPv6 for name servers; the guest has its addresses, so it is no failure when nobody answers."""
    if words := lease(guest, port, 6, time.monotonic() + _PATIENCE, stateless=True):
        _log.warning("the guest of port %s was told nothing by DHCPv6: %s", port.id, words)


def announce(guest: Addressed, port: Port) -> None:
    """Tell the network whose the addresses are now, as RFC 2131 (4.4.1) wants of a DHCP client; dhclient does not.

    Neutron soon gives a free address away again: who has the earlier guest's MAC in mind would go on sending to that.

    :raises CommandFailed: the guest is gone
    """
    process.run(["ip", "netns", "exec", guest.name(port), "sh", "-c", _ANNOUNCE, "sh", names.device(port.id)])


def _version(fixed: FixedIp) -> int:
    return ipaddress.ip_address(fixed.address).version


def _missing(guest: Addressed, port: Port) -> list[FixedIp]:
    if gone := guest.problem(port):
        raise errors.NotFound(f"{port.words} has no guest on this host: {gone}")
    seen = {ipaddress.ip_interface(address).ip for address in guest.addresses(port)}
    return [fixed for fixed in port.fixed_ips if ipaddress.ip_address(fixed.address) not in seen]


def lease(guest: Addressed, port: Port, version: int, deadline: float, *, stateless: bool = False) -> str:
    """Run the DHCP client until it has a lease; returns its last words when it got none in time."""
    words = "nothing"
    device = names.device(port.id)
    dhcp.stop(guest.name(port), device, version=version)
    argv = guest.command(port, dhcp.command(device, version=version, metric=metric(port), stateless=stateless))
    while time.monotonic() < deadline and not guest.problem(port):
        try:
            dhcp.lease(argv, deadline=deadline)
            return ""
        except (errors.CommandFailed, errors.TimedOut) as exc:
            words = exc.what
            dhcp.stop(guest.name(port), device, version=version)
            time.sleep(_LOOK)
    return words


def set_static(guest: Addressed, port: Port, fixed_ips: list[FixedIp]) -> None:
    """Set addresses, gateways, routes and DNS servers as Neutron says they are.

    :raises CommandFailed: the kernel refused one
    """
    steps = [step for fixed in fixed_ips for step in static_steps(fixed, names.device(port.id), metric(port))]
    link.batch(steps, namespace=guest.name(port))
    servers = dict.fromkeys(server for fixed in fixed_ips for server in fixed.dns_servers)
    if servers:
        guest.set_dns(port, list(servers))


def metric(port: Port) -> int:
    """Choose the metric of a port's routes: 0, the kernel's default, for the guest's first."""
    return _FURTHER_METRIC if port.beside else 0


def static_steps(fixed: FixedIp, device: str, metric: int = 0) -> Iterator[str]:
    """Write the ``ip`` commands of one address: itself, its subnet's routes, its gateway."""
    later = f" metric {metric}" if metric else ""
    # the port's address is nobody else's: Neutron saw to that
    no_check = " nodad" if ":" in fixed.address else ""
    yield f"address replace {fixed.address}/{fixed.prefix_length} dev {device}{no_check}"
    for route in fixed.routes:
        yield f"route replace {route.destination} via {route.nexthop} dev {device}{later}"
    if fixed.gateway:
        default = "default" if ":" not in fixed.address else "::/0"
        yield f"route replace {default} via {fixed.gateway} dev {device} onlink{later}"
