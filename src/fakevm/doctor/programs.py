"""The programs that FakeVM, Neutron's agents and the guests call."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

from fakevm.backend import base as backends
from fakevm.linux.kernel import SEARCH_PATH

from .finding import Finding, Status

_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+[\w.+~-]*|\d{8})")
_PATIENCE = 5.0


@dataclass(frozen=True)
class Program:
    """A program: its package in Debian, what is off without it, how to ask for its version (empty: not).

    ``of_neutron``: a lab without Neutron needs it not.
    """

    name: str
    package: str
    without_it: str
    required: bool = True
    ask: tuple[str, ...] = ("--version",)
    of_neutron: bool = False


_LAB = "labs"
_GUESTS = "plugging guests"
_SERVERS = "what users and tests expect of guests that are servers"
_RELEASES = "installing Neutron 2026.1 and later, whose database driver is compiled"

PROGRAMS = (
    Program("unshare", "util-linux", _LAB),
    Program("nsenter", "util-linux", _LAB),
    Program("setpriv", "util-linux", _GUESTS),
    Program("ip", "iproute2", _LAB, ask=("-V",)),
    Program("tc", "iproute2", "traffic shaping", required=False, ask=("-V",)),
    Program("sysctl", "procps", "Neutron's agents", of_neutron=True),
    Program("pgrep", "procps", "Neutron's agents", of_neutron=True),
    Program("ethtool", "ethtool", "TCP through the userspace datapath (checksum offload)"),
    Program("s6-svscan", "s6", _LAB, ask=()),
    Program("ovs-vswitchd", "openvswitch-switch", "labs with Open vSwitch", of_neutron=True),
    Program("ovsdb-server", "openvswitch-switch", "labs with Open vSwitch", of_neutron=True),
    Program("ovs-vsctl", "openvswitch-switch", "labs with Open vSwitch", of_neutron=True),
    Program("mariadbd", "mariadb-server-core", "labs (Neutron's database)", of_neutron=True),
    Program("mariadb-install-db", "mariadb-server-core", "labs (Neutron's database)", ask=(), of_neutron=True),
    Program("mariadb", "mariadb-client-core", "labs (Neutron's database)", of_neutron=True),
    Program("rabbitmq-server", "rabbitmq-server", "labs (the message broker)", ask=(), of_neutron=True),
    Program("dnsmasq", "dnsmasq-base", "the DHCP agent", of_neutron=True),
    Program("dhcp_release", "dnsmasq-utils", "the DHCP agent's release of leases", ask=(), of_neutron=True),
    Program(
        "haproxy", "haproxy", "labs (the way to the message broker), the metadata service", ask=("-v",), of_neutron=True
    ),
    Program("catatonit", "catatonit", "guests that are containers", required=False, ask=("-V",)),
    Program("dhclient", "isc-dhcp-client", "DHCP in guests", of_neutron=True),
    Program("ping", "iputils-ping", "ping from guests", ask=("-V",)),
    Program("gcc", "gcc", _RELEASES, required=False),
    Program("pkg-config", "pkg-config", _RELEASES, required=False),
    Program("mariadb_config", "libmariadb-dev", _RELEASES, required=False),
    Program("iptables", "iptables", "Linux bridges under test, the iptables_hybrid firewall driver", required=False),
    Program("ipset", "ipset", "Linux bridges under test, the iptables_hybrid firewall driver", required=False),
    Program("nft", "nftables", "nftables rules", required=False),
    Program("conntrack", "conntrack", "security groups that forget closed connections", required=False),
    Program("keepalived", "keepalived", "highly available routers", required=False),
    Program("radvd", "radvd", "IPv6 router advertisements", required=False),
    Program("arping", "arping", "gratuitous ARP of routers", required=False),
    Program("tcpdump", "tcpdump", "captures", required=False),
    Program("dot", "graphviz", "pictures of labs as SVG", required=False, ask=("-V",)),
    Program("iperf3", "iperf3", "throughput measurements", required=False),
    Program("ifconfig", "net-tools", "the original tool's sessions, word for word", required=False, ask=()),
    Program("ssh", "openssh-client", "ssh into guests", required=False, ask=("-V",)),
    Program("sshd", "openssh-server", "ssh into guests", required=False, ask=("-V",)),
    Program("sudo", "sudo", _SERVERS, required=False, ask=("-V",)),
    Program("ncat", "ncat", _SERVERS, required=False),
    Program("nping", "nmap", _SERVERS, required=False),
    Program("curl", "curl", _SERVERS, required=False),
    Program("killall", "psmisc", _SERVERS, required=False, ask=("-V",)),
    Program("newuidmap", "uidmap", "more than one user id inside an ordinary user's lab", required=False, ask=()),
)


def version(path: str, ask: tuple[str, ...]) -> str:
    """Ask a program for its version; empty when it does not say."""
    try:
        done = subprocess.run(
            [path, *ask], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return parse_version(done.stdout + done.stderr)


def parse_version(text: str) -> str:
    """Find the version number in what a program said of itself."""
    match = _VERSION.search(text)
    return match[1].rstrip(".,-") if match else ""


def find(program: Program) -> Finding:
    """Look for one program."""
    path = shutil.which(program.name, path=SEARCH_PATH)
    release = version(path, program.ask) if path and program.ask else ""
    detail = f"{release} {path or ''}".strip()
    return Finding(
        kind="program",
        name=program.name,
        status=Status.OK if path else Status.MISSING,
        detail=detail,
        without_it=program.without_it,
        remedy=f"apt-get install {program.package}",
        required=program.required,
    )


def _of_backends() -> list[Program]:
    """Name what backends need beyond every lab's programs."""
    known = {program.name for program in PROGRAMS}
    return [
        Program(program, package, f"the backend {name}", required=False)
        for name, backend in sorted(backends.installed().items())
        for program, package in backend.requirements
        if program not in known
    ]


def check() -> list[Finding]:
    """Look for every program."""
    return [find(program) for program in (*PROGRAMS, *_of_backends())]
