"""FRR in a guest: zebra, and the daemons that its configuration needs, each kept running by itself.

Guests that share a file system share FRR's folders, too: each has a pathspace of its own, by its name
(https://docs.frrouting.org/en/latest/basic.html, --pathspace)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fakevm.model.daemon import Daemon
from fakevm.model.labfile.routing import FrrFile
from fakevm.tool import Found

from .router import Router

# What in a configuration needs which daemon beside zebra.
_WORDS = {
    "bgpd": r"router bgp\b",
    "ospfd": r"router ospf\b|\s*ip ospf\b",
    "ospf6d": r"router ospf6\b|\s*ipv6 ospf6\b",
    "isisd": r"router isis\b|\s*ip(v6)? router isis\b",
    "ripd": r"router rip\b",
    "ripngd": r"router ripng\b",
    "eigrpd": r"router eigrp\b",
    "babeld": r"router babel\b",
    "fabricd": r"router openfabric\b",
    "pimd": r"router pim\b|\s*ip (pim|igmp)\b",
    "pim6d": r"router pim6\b|\s*ipv6 (pim|mld)\b",
    "ldpd": r"mpls ldp\b",
    "nhrpd": r"\s*ip(v6)? nhrp\b|nhrp\b",
    "bfdd": r"bfd\b|.*\bbfd\b",
    "vrrpd": r"\s*vrrp\b",
    "pbrd": r"pbr-map\b|\s*pbr-policy\b",
    "pathd": r"segment-routing\b",
    "staticd": r"\s*ip(v6)? route\b",
}
_START = (Path(__file__).parent / "frr.sh").read_text()
# Else vtysh asks PAM, which knows of it only where FRR's package is installed, fails, and ends with 0.
_NO_PASSWORD = "username root nopassword\n"


def daemons(router: Router, wanted: FrrFile, found: Found) -> tuple[Daemon, ...]:
    """Give what is to run in a guest.

    A daemon reads what is its own of a configuration of a few words. A whole one is written for vtysh, which tells each
    daemon its part: that is a program more for each, at each start. With mgmtd it is the only way: zebra reads nothing.
    """
    own = {} if wanted.config or found.has("mgmtd") else sections(router)
    text = wanted.config or configuration(router)
    names = ["mgmtd"] * found.has("mgmtd") + ["zebra", *(wanted.daemons or needed(text))]
    files = {f"/etc/frr/{router.name}/vtysh.conf": _NO_PASSWORD} | (
        {} if own else {f"/etc/frr/{router.name}/frr.conf": text}
    )
    return tuple(
        Daemon(
            name=name,
            command=_command(router.name, name, found, alone=bool(own)),
            files=(files if name == names[0] else {})
            | ({_own_file(router.name, name): _head(router) + own.get(name, "")} if own else {}),
        )
        for name in names
    )


def needed(text: str) -> list[str]:
    """Name the daemons beside zebra that a configuration has words of."""
    return [name for name, words in _WORDS.items() if re.search(rf"^({words})", text, re.MULTILINE)]


def configuration(router: Router) -> str:
    """Write the configuration of a router of which a file says a few words."""
    return _head(router) + "".join(sections(router).values())


def sections(router: Router) -> dict[str, str]:
    """Write the parts of that configuration, by the daemons whose they are."""
    lines = {"zebra": _zebra(router), "ospfd": _ospf(router), "bgpd": _bgp(router)}
    return {name: text for name, own in lines.items() if (text := "".join(f"{line}\n" for line in own))}


def _command(guest: str, name: str, found: Found, *, alone: bool) -> tuple[str, ...]:
    """Build the command of a daemon; ``alone``: it reads a file of its own, and needs no vtysh."""
    start, program = ("sh", "-c", _START, "sh", guest, name), found.command(name)
    if alone:
        return (*start, *program, "-f", _own_file(guest, name))
    return ("env", f"VTYSH={' '.join(found.command('vtysh'))}", *start, *program)


def _own_file(guest: str, name: str) -> str:
    """Name the file that a daemon reads itself: it has no rights to pass by those of Debian's /etc/frr."""
    return f"/run/frr/{guest}/{name}.conf"


def _head(router: Router) -> str:
    return f"frr defaults traditional\nhostname {router.name}\n!\n"


def _zebra(router: Router) -> Iterator[str]:
    for name in ("lo", *router.borrowing):
        yield from (f"interface {name}", f" ip address {router.id}/32", "exit")


def _ospf(router: Router) -> Iterator[str]:
    """Write what OSPF is to do. Its own times are for networks in which changes are seldom.

    What begins all at once, or is broken to be looked at, would wait for them: for 5 s until a router may say again
    what its neighbours are, for up to 5 s from one calculation to the next, for 5 s until what was lost is sent again.
    """
    if router.ospf is None:
        return
    yield from ("interface lo", f" ip ospf area {router.ospf.area}", " ip ospf passive", "exit")
    for link in router.links:
        yield f"interface {link.name}"
        if link.point_to_point:
            yield " ip ospf network point-to-point"
        yield f" ip ospf area {router.ospf.area}"
        yield f" ip ospf hello-interval {router.ospf.hello:.0f}"
        yield f" ip ospf dead-interval {router.ospf.dead:.0f}"
        yield " ip ospf retransmit-interval 1"
        yield "exit"
    yield from ("router ospf", f" ospf router-id {router.id}")
    yield from (" timers throttle spf 0 50 500", " timers throttle lsa all 200", " timers lsa min-arrival 100", "exit")


def _bgp(router: Router) -> Iterator[str]:
    if router.bgp is None:
        return
    yield f"router bgp {router.bgp.as_}"
    yield f" bgp router-id {router.id}"
    yield from (" no bgp ebgp-requires-policy", " no bgp network import-check", " timers bgp 3 9")
    for peer, number in router.bgp.neighbours.items():
        by_interface = not re.fullmatch(r"[0-9.]+|.*:.*", peer)
        yield f" neighbor {peer} {'interface ' if by_interface else ''}remote-as {number}"
        yield f" neighbor {peer} timers connect 1"
    for version in (4, 6):
        own = [network for network in router.bgp.networks if (":" in network) == (version == 6)]
        peers = [
            peer
            for peer in router.bgp.neighbours
            if version == 6 and (":" in peer or not re.fullmatch(r"[0-9.]+", peer))
        ]
        if own or peers:
            yield f" address-family ipv{version} unicast"
            yield from (f"  network {network}" for network in own)
            yield from (f"  neighbor {peer} activate" for peer in peers)
            yield " exit-address-family"
    yield "exit"
