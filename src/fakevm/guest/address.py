"""Which address a guest gets in which way, and the wait until it has it."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Protocol

from fakevm import errors
from fakevm.linux import link, namespace, process
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
    """A guest's device that is to get its addresses; the routes of the guest's first (``index`` 0) come first."""

    namespace: str
    device: str
    port: Port
    index: int

    def problem(self) -> str:
        """Say why it cannot be addressed any more."""

    def addresses(self) -> list[str]:
        """List the addresses on it."""

    def command(self, command: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in the guest."""

    def set_dns(self, servers: Sequence[str]) -> None:
        """Write the guest's resolv.conf."""


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


def assign(to: Addressed, mode: Addressing, timeout: float) -> None:
    """Give a guest's device its addresses; see Kind.address."""
    deadline = time.monotonic() + timeout
    if mode == "none" or not (missing := _missing(to)):
        return
    ways = {fixed: way(fixed, mode) for fixed in missing}
    if static := [fixed for fixed, how in ways.items() if how == "static"]:
        set_static(to, static)
    words = ""
    for version in (4, 6):
        if any(how == "dhcp" and _version(fixed) == version for fixed, how in ways.items()):
            words = lease(to, version, deadline) or words

    def lacking() -> str:
        return ", ".join(f"{fixed.address} ({ways.get(fixed, 'lost')})" for fixed in _missing(to))

    if lacks := remains(lacking, deadline - time.monotonic(), pause=_LOOK):
        last = f"; the DHCP client's last words: {words}" if words else ""
        raise errors.TimedOut(
            f"the guest of {to.port.words} did not get {lacks} in {timeout:g} s{last}",
            hint="Look at the port's status and at the DHCP server's host, or try --addressing static.",
        )
    if any(how == "slaac" and fixed.ipv6_address_mode == "dhcpv6-stateless" for fixed, how in ways.items()):
        _ask_for_the_rest(to)
    announce(to)


def _ask_for_the_rest(to: Addressed) -> None:
    """Ask DHCPv6 for name servers; the guest has its addresses, so it is no failure when nobody answers."""
    if words := lease(to, 6, time.monotonic() + _PATIENCE, stateless=True):
        _log.warning("the guest of port %s was told nothing by DHCPv6: %s", to.port.id, words)


def announce(to: Addressed) -> None:
    """Tell the network whose the addresses are now, as RFC 2131 (4.4.1) wants of a DHCP client; dhclient does not.

    Neutron soon gives a free address away again: who has the earlier guest's MAC in mind would go on sending to that.

    :raises CommandFailed: the guest is gone
    """
    process.run(["ip", "netns", "exec", to.namespace, "sh", "-c", _ANNOUNCE, "sh", to.device])


def _version(fixed: FixedIp) -> int:
    return ipaddress.ip_address(fixed.address).version


def _missing(to: Addressed) -> list[FixedIp]:
    if gone := to.problem():
        raise errors.NotFound(f"{to.port.words} has no guest on this host: {gone}")
    seen = {ipaddress.ip_interface(address).ip for address in to.addresses()}
    return [fixed for fixed in to.port.fixed_ips if ipaddress.ip_address(fixed.address) not in seen]


def lease(to: Addressed, version: int, deadline: float, *, stateless: bool = False) -> str:
    """Run the DHCP client until it has a lease; returns its last words when it got none in time."""
    inside = namespace.identities([to.namespace])
    dhcp.stop(to.namespace, to.device, version=version)
    words = _try_to_lease(to, version, deadline, stateless)
    if gone := to.problem():
        # A client that was on its way into the guest while that went was seen by nobody.
        dhcp.stop_left(inside, to.device, version=version)
        return words or gone
    return words


def _try_to_lease(to: Addressed, version: int, deadline: float, stateless: bool) -> str:
    words = "nothing"
    argv = to.command(dhcp.command(to.device, version=version, metric=metric(to.index), stateless=stateless))
    while time.monotonic() < deadline and not to.problem():
        try:
            dhcp.lease(argv, deadline=deadline)
            return ""
        except (errors.CommandFailed, errors.TimedOut) as exc:
            words = exc.what
            dhcp.stop(to.namespace, to.device, version=version)
            time.sleep(_LOOK)
    return words


def set_static(to: Addressed, fixed_ips: list[FixedIp]) -> None:
    """Set addresses, gateways, routes and DNS servers as Neutron says they are.

    :raises CommandFailed: the kernel refused one
    """
    steps = [step for fixed in fixed_ips for step in static_steps(fixed, to.device, metric(to.index))]
    link.batch(steps, namespace=to.namespace)
    servers = dict.fromkeys(server for fixed in fixed_ips for server in fixed.dns_servers)
    if servers:
        to.set_dns(list(servers))


def metric(index: int) -> int:
    """Choose the metric of an interface's routes: 0, the kernel's default, for the guest's first."""
    return _FURTHER_METRIC if index else 0


def static_steps(fixed: FixedIp, device: str, metric: int = 0) -> Iterator[str]:
    """Write the ``ip`` commands of one address: itself, its subnet's routes, its gateway, unless it is that itself."""
    later = f" metric {metric}" if metric else ""
    # the port's address is nobody else's: Neutron saw to that
    no_check = " nodad" if ":" in fixed.address else ""
    yield f"address replace {fixed.address}/{fixed.prefix_length} dev {device}{no_check}"
    for route in (route for route in fixed.routes if not _is_same(route.nexthop, fixed.address)):
        yield f"route replace {route.destination} via {route.nexthop} dev {device}{later}"
    if fixed.gateway and not _is_same(fixed.gateway, fixed.address):
        default = "default" if ":" not in fixed.address else "::/0"
        yield f"route replace {default} via {fixed.gateway} dev {device} onlink{later}"


def _is_same(one: str, other: str) -> bool:
    return ipaddress.ip_address(one) == ipaddress.ip_address(other)
