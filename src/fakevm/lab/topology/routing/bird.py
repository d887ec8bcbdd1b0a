"""BIRD in a guest: one daemon, with its configuration and its control socket by the guest's name.

Guests that share a file system keep them apart so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fakevm.model.daemon import Daemon
from fakevm.model.labfile.routing import BirdFile
from fakevm.tool import Found

from .router import Router

_START = (Path(__file__).parent / "bird.sh").read_text()


def daemons(router: Router, wanted: BirdFile, found: Found) -> tuple[Daemon, ...]:
    """Give what is to run in a guest."""
    own = (router.name, "", "") if wanted.config else (router.name, router.id, " ".join(router.borrowing))
    files = {f"/etc/bird/{router.name}.conf": wanted.config or configuration(router)}
    command = ("sh", "-c", _START, "sh", *own, *found.command("bird"))
    return (Daemon(name="bird", command=command, files=files),)


def configuration(router: Router) -> str:
    """Write the configuration of a router of which a file says a few words."""
    return "\n".join(_lines(router)) + "\n"


def _lines(router: Router) -> Iterator[str]:
    yield from ("log stderr all;", f"router id {router.id};", "protocol device { scan time 10; }")
    for family in ("ipv4", "ipv6"):
        prefer = f"krt_prefsrc = {router.id}; " if family == "ipv4" and router.ospf else ""
        yield f"protocol kernel kernel_{family} {{"
        yield "  merge paths on;"
        yield f"  {family} {{ export filter {{ if source ~ [ RTS_OSPF, RTS_OSPF_IA, RTS_OSPF_EXT1, RTS_OSPF_EXT2 ]"
        yield f"    then {{ {prefer}accept; }} if source = RTS_BGP then accept; reject; }}; }};"
        yield "}"
    if router.ospf:
        yield from _ospf(router)
    if router.bgp:
        yield from _bgp(router)


def _ospf(router: Router) -> Iterator[str]:
    assert router.ospf
    yield from ("protocol ospf v2 {", "  ipv4 { export none; };", f"  area {router.ospf.area} {{")
    yield '    interface "lo" { stub yes; };'
    for link in router.links:
        kind = "type ptp; " if link.point_to_point else ""
        # What was lost is sent again after 5 s by default: a fabric that begins all at once would wait for that.
        times = f"hello {router.ospf.hello:.0f}; dead {router.ospf.dead:.0f}; retransmit 2;"
        yield f'    interface "{link.name}" {{ {kind}{times} }};'
    yield from ("  };", "}")


def _bgp(router: Router) -> Iterator[str]:
    assert router.bgp
    for family in ("ipv4", "ipv6"):
        own = [network for network in router.bgp.networks if (":" in network) == (family == "ipv6")]
        if own:
            yield f"protocol static announced_{family} {{ {family};"
            yield from (f"  route {network} unreachable;" for network in own)
            yield "}"
    for number, (peer, system) in enumerate(router.bgp.neighbours.items(), start=1):
        family = "ipv6" if ":" in peer else "ipv4"
        yield f"protocol bgp neighbour{number} {{"
        yield f"  local as {router.bgp.as_}; neighbor {peer} as {system};"
        yield "  hold time 9; keepalive time 3; connect delay time 1; connect retry time 1; error wait time 1, 5;"
        # Else routes of a neighbour that is gone stay for two minutes: FRR, which says that it knows the way, is meant.
        yield "  graceful restart off;"
        yield f"  {family} {{ import all; export where source = RTS_BGP || (source = RTS_STATIC"
        yield f'    && proto = "announced_{family}"); }};'
        yield "}"
