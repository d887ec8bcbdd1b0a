"""What a machine has only so much of, beside memory: it bites where there are many hosts, and says little."""

from __future__ import annotations

import math
import resource
import sys
from pathlib import Path

_NEIGHBOURS = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_PIDS = Path("/proc/sys/kernel/pid_max")


def neighbours() -> int:
    """Tell how many neighbours (ARP) the kernel keeps, in all network namespaces together; 0 when it does not say.

    The table is one for all (neigh_table in net/core/neighbour.c), its limit can be changed by the machine's root only.
    """
    return _number(_NEIGHBOURS)


def talkers() -> int:
    """Tell how many guests can all talk to one another: each is a neighbour of every other."""
    return math.isqrt(neighbours())


def inotify_instances() -> int:
    """Tell how many inotify instances a user may have; each dnsmasq, that is each network with DHCP, takes one."""
    return _number(_INOTIFY)


def pids() -> int:
    """Tell how many processes and threads there can be."""
    return _number(_PIDS)


def open_files() -> int:
    """Tell how many files a program may have open, if it asks for as many as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def memory() -> int:
    """Tell how much memory is available, in MB."""
    # Imported here alone: it takes longer than all else of this module does, and most labs do not ask.
    import psutil

    return int(psutil.virtual_memory().available) >> 20


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
