"""Which tools there are: Debian's packages, and the programs in them."""

from __future__ import annotations

import platform
from typing import NamedTuple

from fakevm.errors import NotFound


class Tool(NamedTuple):
    """A tool: what it is for, its packages, its programs by the paths that they are installed at; the first is needed.

    ``suite`` is the Debian whose packages are taken, where it is not the machine's own. ``trial`` is what the machine's
    own must be able to do to be used, as arguments of its first program: it may be older than the kernel.
    ``only_beside``: the machine's own is never taken, as it need not be what it is here. ``machine`` is what it is for,
    as uname(1) calls it, where it is not for all.
    """

    name: str
    about: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    suite: str = ""
    trial: tuple[str, ...] = ()
    only_beside: bool = False
    machine: str = ""

    @property
    def is_for_others(self) -> bool:
        """Tell whether it is for machines of another kind than this one."""
        return self.machine not in ("", platform.machine())

    @property
    def how_to_get(self) -> str:
        """Say how to get it: beside the system, or by it."""
        if self.is_for_others:
            return f"It cannot be had: it is for {self.machine} machines, and this one is {platform.machine()}."
        if self.suite or self.only_beside:
            return f"Run: fakevm tool install {self.name}."
        return f"Run: fakevm tool install {self.name} (or, as root: apt-get install {' '.join(self.packages)})."


_FRR = (
    "zebra", "mgmtd", "staticd", "ospfd", "ospf6d", "bgpd", "isisd", "ripd", "ripngd", "eigrpd", "babeld", "fabricd",
    "pimd", "pim6d", "ldpd", "nhrpd", "bfdd", "vrrpd", "pbrd", "pathd",
)  # fmt: skip
_ALL = (
    Tool("bird", "routers: BIRD 2", ("bird2",), ("/usr/sbin/bird", "/usr/sbin/birdc")),
    Tool(
        "criu",
        "running processes that move with their guest",
        ("criu",),
        ("/usr/sbin/criu",),
        suite="unstable",
        trial=("check",),
    ),
    Tool("frr", "routers: FRR", ("frr",), (*(f"/usr/lib/frr/{name}" for name in _FRR), "/usr/bin/vtysh")),
    Tool("lldpd", "an LLDP daemon for guests", ("lldpd",), ("/usr/sbin/lldpd", "/usr/sbin/lldpcli")),
    Tool(
        "qemu",
        "virtual machines, and far ends of links",
        ("qemu-system-x86", "qemu-utils"),
        ("/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-img"),
    ),
    Tool(
        "tiny-vm",
        "what virtual machines run that bring no image: Debian's cloud kernel, and busybox",
        ("linux-image-cloud-amd64", "busybox-static"),
        ("/bin/busybox", "/usr/bin/busybox"),
        only_beside=True,
        machine="x86_64",
    ),
)
TOOLS = {tool.name: tool for tool in _ALL}


def of(name: str) -> Tool:
    """Give a tool by its name. Raises NotFound."""
    if name not in TOOLS:
        raise NotFound(f"there is no tool {name!r}", hint=f"There are: {', '.join(TOOLS)}.")
    return TOOLS[name]
