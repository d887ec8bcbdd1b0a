"""What the kernel lets this process do."""

from __future__ import annotations

import os
from pathlib import Path

# What Open vSwitch's userspace datapath makes its internal ports with.
TUN = Path("/dev/net/tun")

_CAP_SYS_ADMIN = 21  # linux/capability.h


def needs_user_namespace(status: Path = Path("/proc/self/status")) -> bool:
    """Tell whether this process may not make namespaces without a user namespace of its own."""
    effective = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("CapEff:"))
    return not int(effective, 16) >> _CAP_SYS_ADMIN & 1


def try_tun(device: Path = TUN) -> None:
    """Open the device that makes interfaces of programs.

    :raises OSError: it is not there, or not for us
    """
    os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
