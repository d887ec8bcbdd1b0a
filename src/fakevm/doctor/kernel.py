"""What the kernel can do: tried, each in a network namespace that ends with the attempt."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fakevm.linux import kernel

from .finding import Finding, Status


@dataclass(frozen=True)
class Feature:
    """A kernel feature: the shell words that need it, what is off without it, and the module that has it.

    ``spills`` says that loading the module makes devices in the machine's own network namespace: such a one
    is tried only when it is loaded already or built in.
    """

    name: str
    attempt: str
    without_it: str
    module: str
    required: bool = False
    spills: bool = False


OPENVSWITCH = "openvswitch datapath"
_FEATURES = (
    Feature("veth", kernel.PAIR, "labs", "veth", required=True),
    Feature("bridge", "ip link add fakevm0 type bridge", "labs", "bridge", required=True),
    Feature(
        OPENVSWITCH,
        "ovs-dpctl add-dp fakevm",
        "the kernel datapath: labs use the userspace one",
        "openvswitch",
    ),
    Feature(
        "vxlan",
        "ip link add fakevm0 type vxlan id 1 dstport 4789",
        "VXLAN made by the kernel (Linux bridges)",
        "vxlan",
    ),
    Feature(
        "geneve",
        "ip link add fakevm0 type geneve id 1 remote 192.0.2.1",
        "Geneve made by the kernel (the userspace datapath has its own)",
        "geneve",
    ),
    Feature(
        "8021q",
        kernel.VLAN_DEVICES,
        "VLAN devices: in guests, and on hosts with Linux bridges (Open vSwitch does without)",
        "8021q",
    ),
    Feature(
        "netem",
        kernel.NETEM,
        "impairments by the kernel itself; without it FakeVM's own rules and delay lines make them",
        "sch_netem",
    ),
    Feature(
        "clsact",
        f"{kernel.PAIR} && tc qdisc add dev fakevm0 clsact"
        " && tc filter add dev fakevm0 egress protocol all bpf da bytecode '1,6 0 0 2'",
        "a guest's own queues (tc) are kept while it is paused",
        "cls_bpf",
    ),
    Feature("dummy", "ip link add fakevm0 type dummy", "dummy devices in guests", "dummy", spills=True),
    Feature("nft", "nft add table inet fakevm", "nftables rules, and iptables on top of them", "nf_tables"),
    Feature(
        "iptables",
        "XTABLES_LOCKFILE=/dev/null iptables --new-chain fakevm",
        "Linux bridges under test, the iptables_hybrid firewall driver",
        "nft_compat",
    ),
    Feature(
        "bridge filter",
        kernel.BRIDGE_FILTER,
        "security groups on Linux bridges: Linux bridges under test, the iptables_hybrid firewall driver",
        "br_netfilter",
    ),
    Feature(
        "ipset",
        "ipset create fakevm hash:ip",
        "Linux bridges under test, the iptables_hybrid firewall driver",
        "ip_set",
    ),
)


def _is_loaded(module: str) -> bool:
    # /sys/module shows a built-in module only when it has parameters.
    if Path("/sys/module", module).exists():
        return True
    builtin = Path("/lib/modules", os.uname().release, "modules.builtin")
    try:
        return f"/{module}.ko" in builtin.read_text()
    except OSError:
        return False


def _is_loadable(module: str) -> bool:
    folder = Path("/lib/modules", os.uname().release)
    try:
        return f"/{module}.ko" in (folder / "modules.dep").read_text()
    except OSError:
        return False


def find(feature: Feature, *, user: bool) -> Finding:
    """Try one feature."""
    if feature.spills and not _is_loaded(feature.module) and _is_loadable(feature.module):
        status, detail = Status.OK, "its module is there, not tried: loading it makes a device on the machine"
    else:
        said = kernel.missing(feature.attempt, user=user)
        status, detail = (Status.MISSING, said) if said else (Status.OK, "tried")
    return Finding(
        kind="kernel",
        name=feature.name,
        status=status,
        detail=detail,
        without_it=feature.without_it,
        remedy=f"a kernel with the module {feature.module}: modprobe {feature.module}",
        required=feature.required,
    )


def check(*, user: bool) -> list[Finding]:
    """Try every feature, in a user namespace when ``user``."""
    return [find(feature, user=user) for feature in _FEATURES]
