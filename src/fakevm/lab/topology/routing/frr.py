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


def daemons(router: Router, wanted: FrrFile, found: Found) -> tuple[Daemon, ...]:
    """Give what is to run in a guest."""
    text = wanted.config or configuration(router)
    names = ["mgmtd"] * found.has("mgmtd") + ["zebra", *(wanted.daemons or needed(text))]
    files = {f"/etc/frr/{router.name}/frr.conf": text, f"/etc/frr/{router.name}/vtysh.conf": ""}
    return tuple(
        Daemon(name=name, command=_command(router.name, name, found), files=files if name == names[0] else {})
        for name in names
    )


def needed(text: str) -> list[str]:
    """Name the daemons beside zebra that a configuration has words of."""
    return [name for name, words in _WORDS.items() if re.search(rf"^({words})", text, re.MULTILINE)]


def configuration(router: Router) -> str:
    """Write the configuration of a router of which a file says a few words."""
    return "\n".join(_lines(router)) + "\n"


def _command(guest: str, name: str, found: Found) -> tuple[str, ...]:
    return (
        "env",
        f"VTYSH={' '.join(found.command('vtysh'))}",
        "sh",
        "-c",
        _START,
        "sh",
        guest,
        name,
        *found.command(name),
    )


def _lines(router: Router) -> Iterator[str]:
    yield from ("frr defaults traditional", f"hostname {router.name}", "!")
    yield from ("interface lo", f" ip address {router.id}/32")
    if router.ospf:
        yield from (f" ip ospf area {router.ospf.area}", " ip ospf passive")
    yield "exit"
    for link in router.links:
        assert router.ospf
        yield f"interface {link.name}"
        if link.borrows:
            yield f" ip address {router.id}/32"
        if link.point_to_point:
            yield " ip ospf network point-to-point"
        yield f" ip ospf area {router.ospf.area}"
        yield f" ip ospf hello-interval {router.ospf.hello:.0f}"
        yield f" ip ospf dead-interval {router.ospf.dead:.0f}"
        yield "exit"
    if router.ospf:
        yield from ("router ospf", f" ospf router-id {router.id}", "exit")
    if router.bgp:
        yield from _bgp(router)


def _bgp(router: Router) -> Iterator[str]:
    assert router.bgp
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
