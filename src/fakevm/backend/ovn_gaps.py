"""What a lab file can ask for and ML2/OVN silently does not do."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.model.labfile import LabFile, PortFile
from fakevm.model.labfile.security import SecurityGroupFile
from fakevm.model.labfile.unbound_port import UnboundPortFile
from fakevm.model.remark import Remark

# neutron.common.ovn.constants.SUPPORTED_DHCP_OPTS_MAPPING (29.0.0).
_DHCP_OPTIONS = frozenset((
    "arp-timeout", "tcp-keepalive", "netmask", "router", "dns-server", "log-server", "lpr-server", "domain-name",
    "domain-search", "swap-server", "policy-filter", "router-solicitation", "nis-server", "ntp-server", "tftp-server",
    "classless-static-route", "ip-forward-enable", "router-discovery", "ethernet-encap", "default-ttl", "tcp-ttl",
    "mtu", "T1", "T2", "bootfile-name", "tftp-server-address", "server-ip-address",
    "1", "3", "6", "7", "9", "15", "16", "19", "21", "23", "26", "31", "32", "35", "36", "37", "38", "41", "42", "51",
    "54", "58", "59", "66", "67", "119", "121", "150", "210", "249", "252", "255",
))  # fmt: skip
_DHCPV6_OPTIONS = frozenset(("dns-server", "domain-search", "2", "5", "23", "24", "59"))


def found(lab: LabFile) -> Iterator[Remark]:
    """Find it: OVN's own DHCP knows fewer options than dnsmasq, filters come first, and logs are of whole groups."""
    yield from _unknown_options(lab)
    yield from _shut_in(lab)
    yield from _shared_logs(lab)


def _shut_in(lab: LabFile) -> Iterator[Remark]:
    """Requests of DHCP are filtered as all else is (add_acls_for_drop_port_group, 29.0.0); ML2/OVS lets them out."""
    for guest, file in lab.guests.items():
        for port in file.ports_of(guest):
            network = lab.networks[port.file.network]
            served = any(subnet.dhcp and subnet.version == 4 for subnet in network.subnets.values())
            asks = served and port.file.addressing in ("auto", "dhcp")
            secure = network.port_security if port.file.port_security is None else port.file.port_security
            groups = [lab.security_groups.get(name) for name in _groups(port.file)]
            if secure and asks and not any(map(_lets_dhcp_out, groups)):
                what = f"DHCP does not answer {guest!r}: its groups let no request out, and OVN makes no exception"
                hint = "Let `{protocol: udp, direction: egress, ports: 67}` out, or say `addressing: static`."
                yield Remark(what, ("guests", guest, *port.at), hint)


def _lets_dhcp_out(group: SecurityGroupFile | None) -> bool:
    """Of a group that Neutron has made itself, None, that is so."""
    if group is None or group.all_egress:
        return True
    leaving = [rule for rule in group.rules if rule.direction == "egress" and rule.family == "IPv4"]
    return any(rule.protocol in (None, "udp", 17) for rule in leaving)


def _shared_logs(lab: LabFile) -> Iterator[Remark]:
    """A log of one port is one of that port's groups, with all their ports (OVNDriver._get_sg_port_groups, 29.0.0)."""
    of_guests = {port.name: port.file for guest, file in lab.guests.items() for port in file.ports_of(guest)}
    ports: dict[str, PortFile | UnboundPortFile] = {**lab.ports, **of_guests}
    groups = {name: _groups(port) for name, port in ports.items()}
    for name, log in lab.packet_logs.items():
        if target := log.port_name(lab):
            logged = {log.security_group} if log.security_group else groups[target]
            if others := [port for port, own in groups.items() if port != target and own & logged]:
                what = f"the packet log {name!r} tells of {', '.join(others[:3])}, too: OVN logs whole security groups"
                yield Remark(what, ("packet_logs", name), f"Give {target!r} a security group of its own.")


def _groups(port: PortFile | UnboundPortFile) -> frozenset[str]:
    return frozenset(("default",) if port.security_groups is None else port.security_groups)


def _unknown_options(lab: LabFile) -> Iterator[Remark]:
    """Neutron leaves them out with a warning in its log (neutron.common.ovn.utils.get_lsp_dhcp_opts, 29.0.0)."""
    for guest, file in lab.guests.items():
        for port in file.ports_of(guest):
            for key, known in (("dhcp_options", _DHCP_OPTIONS), ("dhcpv6_options", _DHCPV6_OPTIONS)):
                for option in getattr(port.file, key):
                    if option not in known:
                        what = f"OVN's DHCP has no option {option!r}: {guest!r} does not get it"
                        yield Remark(what, ("guests", guest, *port.at, key, option))
