"""Options that DHCP gives one port alone: where to boot from, and the like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from fakevm.model.resource import Seen

from .reference import suggestion

# Those of dnsmasq (2.89, `dnsmasq --help dhcp`, `dhcp6`), which does not start with a word that it does not know, and
# those of OVN that have no word there (neutron/common/ovn/constants.py, 29.0.0).
_WORDS = {
    4: (
        "netmask", "time-offset", "router", "dns-server", "log-server", "lpr-server", "boot-file-size", "domain-name",
        "swap-server", "root-path", "extension-path", "ip-forward-enable", "non-local-source-routing", "policy-filter",
        "max-datagram-reassembly", "default-ttl", "mtu", "all-subnets-local", "router-discovery", "router-solicitation",
        "static-route", "trailer-encapsulation", "arp-timeout", "ethernet-encap", "tcp-ttl", "tcp-keepalive",
        "nis-domain", "nis-server", "ntp-server", "netbios-ns", "netbios-dd", "netbios-nodetype", "netbios-scope",
        "x-windows-fs", "x-windows-dm", "T1", "T2", "vendor-class", "nis+-domain", "nis+-server", "tftp-server",
        "bootfile-name", "mobile-ip-home", "smtp-server", "pop3-server", "nntp-server", "irc-server", "user-class",
        "rapid-commit", "client-arch", "client-interface-id", "client-machine-id", "posix-timezone", "tzdb-timezone",
        "ipv6-only", "domain-search", "sip-server", "classless-static-route", "vendor-id-encap", "tftp-server-address",
        "server-ip-address",
    ),
    6: (
        "sip-server-domain", "sip-server", "dns-server", "domain-search", "nis-server", "nis+-server", "nis-domain",
        "nis+-domain", "sntp-server", "information-refresh-time", "posix-timezone", "tzdb-timezone", "ntp-server",
        "bootfile-url", "bootfile-param",
    ),
}  # fmt: skip
SEEN: Mapping[str, tuple[str, ...]] = {
    "bootfile-name": ("filename", "bootfile_name", "dhcp6_bootfile_url"),
    "bootfile-url": ("dhcp6_bootfile_url",),
    "server-ip-address": ("next_server",),
    "tftp-server": ("tftp_server_name", "server_name"),
    "tftp-server-address": ("tftp_server_address",),
    "path-prefix": ("path_prefix",),
    "dns-server": ("domain_name_servers", "dhcp6_name_servers"),
    "domain-name": ("domain_name",),
    "domain-search": ("domain_search", "dhcp6_domain_search"),
    "ntp-server": ("ntp_servers",),
    "mtu": ("interface_mtu",),
    "router": ("routers",),
}
"""By what names dhclient knows the options that a client can be seen to get: the first that it has is it."""
# neutron_lib.api.definitions.extra_dhcp_opt, and the database.
_LONGEST = 255


def _word(version: int) -> Any:
    def check(word: str) -> str:
        if word not in _WORDS[version] and not (re.fullmatch("[0-9]{1,3}", word) and 1 <= int(word) <= 255):
            kind = "DHCP" if version == 4 else "DHCPv6"
            hint = suggestion(word, sorted(_WORDS[version]))
            raise ValueError(f"{kind} has no option {word!r}. {hint} Any other by its number")
        return word

    return check


def _got(word: str) -> str:
    if word not in SEEN:
        raise ValueError(f"what a client gets of {word!r} cannot be seen. {suggestion(word, sorted(SEEN))}")
    return word


def _text(given: Any) -> Any:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


OptionValue = Annotated[
    str, Field(min_length=1, max_length=_LONGEST), BeforeValidator(_text, json_schema_input_type=str | int)
]
Option = Annotated[str, BeforeValidator(_text), AfterValidator(_word(4))]
Optionv6 = Annotated[str, BeforeValidator(_text), AfterValidator(_word(6))]

# What a client can be seen to get.
GotValue = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | int)]
GotOption = Annotated[str, BeforeValidator(_text), AfterValidator(_got)]


def described(options: Mapping[str, str], options_v6: Mapping[str, str]) -> list[dict[str, Any]]:
    """Describe the options of a port to Neutron."""
    return [
        {"opt_name": name, "opt_value": value, "ip_version": version}
        for version, given in ((4, options), (6, options_v6))
        for name, value in given.items()
    ]


def forgetting(now: Iterable[Seen], wanted: Iterable[Seen]) -> list[Seen]:
    """Say which options there are to be: what is not spoken of would stay (ExtraDhcpOptMixin, 29.0.0)."""
    kept = list(wanted)
    named = {(one["opt_name"], one["ip_version"]) for one in kept}
    gone = [one for one in now if (one["opt_name"], one["ip_version"]) not in named]
    return [*kept, *({**one, "opt_value": None} for one in gone)]
