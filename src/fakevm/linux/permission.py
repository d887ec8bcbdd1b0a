"""What the kernel lets this process do."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

# What Open vSwitch's userspace datapath makes its internal ports with.
TUN = Path("/dev/net/tun")

_ALONE = ("--user", "--map-root-user")
_PATIENCE = 10.0
_CAP_SYS_ADMIN = 21  # linux/capability.h


def needs_user_namespace(status: Path = Path("/proc/self/status")) -> bool:
    """Tell whether this process may not make namespaces without a user namespace of its own."""
    effective = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("CapEff:"))
    return not int(effective, 16) >> _CAP_SYS_ADMIN & 1


def become_root() -> list[str]:
    """Give unshare(1)'s options by which this user becomes root of a user namespace; none for who needs no such.

    It has as many ids as the user has subordinate ones (/etc/subuid, /etc/subgid), where newuidmap gives them; else
    there is nobody in it but root.
    """
    if not needs_user_namespace():
        return []
    return [*_ALONE, "--map-auto"] if has_subordinate_ids() else list(_ALONE)


@functools.cache
def has_subordinate_ids() -> bool:
    """Try whether this user can have more than one id in a user namespace."""
    if not shutil.which("newuidmap"):
        return False
    argv = ["unshare", *_ALONE, "--map-auto", "true"]
    try:
        tried = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return not tried.returncode


def try_tun(device: Path = TUN) -> None:
    """Open the device that makes interfaces of programs.

    :raises OSError: it is not there, or not for us
    """
    os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
