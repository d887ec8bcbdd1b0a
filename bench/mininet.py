"""Mininet, the peer of some measurements.

It ends what it finds by name, and sets limits of the whole machine: so it is process 1 of namespaces of its own, in
which what is not theirs of /proc/sys cannot be written.
"""

from __future__ import annotations

from fakevm.linux.permission import needs_user_namespace

from .command import run

_ALONE = """\
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs none /run
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
ip link set lo up
exec """


def alone(words: str, timeout: float = 600.0) -> str:
    """Run a program of Mininet's, written as a shell has it, to its end (``timeout`` in seconds); gives what it said.

    Exits with its last words when it fails.
    """
    user = ("--user", "--map-root-user") if needs_user_namespace() else ()
    namespaces = (*user, "--pid", "--mount", "--net", "--ipc", "--uts", "--fork", "--kill-child")
    return run(["unshare", *namespaces, "sh", "-ec", _ALONE + words], timeout=timeout)
