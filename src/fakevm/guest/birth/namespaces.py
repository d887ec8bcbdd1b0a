"""The namespaces that a guest begins with: of users, of its network and of its processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from . import kernel

# Bytes that one process says to another, at most.
_MOST = 1 << 16


class First(NamedTuple):
    """The first process of a guest, in namespaces that are its own, which are open as these."""

    pid: int
    user: int
    network: int
    processes: int


def made(become: Callable[[], NoReturn]) -> First:
    """Make a user namespace, and network and process namespaces that belong to it, with a first process."""
    ready, said = os.pipe()
    going, go = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(go)
            os.close(ready)
            _begin_first(become, said, going)
        finally:
            os._exit(0)
    os.close(said)
    os.close(going)
    try:
        if (answer := os.read(ready, _MOST)) != b"made":
            raise OSError(answer.decode() or "cannot make a user namespace: its process ended")
        _map(pid)
        os.write(go, b"!")
        if not (answer := os.read(ready, _MOST)).isdigit():
            raise OSError(answer.decode() or "cannot make a process namespace: its process ended")
        first = int(answer)
        return First(first, *(os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY) for name in ("user", "net", "pid")))
    finally:
        os.close(go)
        os.close(ready)
        os.waitpid(pid, 0)


def _begin_first(become: Callable[[], NoReturn], said: int, going: int) -> None:
    try:
        kernel.unshare(kernel.NEWUSER | kernel.NEWNET, "make a user namespace")
        _keep_from_control_groups()
        os.write(said, b"made")
        if not os.read(going, 1):
            return
        # Of the guest's own, so that who rules the guest may say which numbers its processes have (CRIU does).
        kernel.unshare(kernel.NEWPID, "make a process namespace")
        pid = os.fork()
        if not pid:
            os.close(said)
            become()
        os.write(said, str(pid).encode())
        os.read(going, 1)
    except OSError as exc:
        os.write(said, kernel.words(exc).encode())


def _keep_from_control_groups() -> None:
    """Let nobody in this user namespace, nor below it, have a cgroup namespace, without which they mount no cgroups.

    Who is 0 here is 0 outside, so the owner of the groups' files: nothing else would keep root of the guest from the
    groups around its own, the machine's among them.
    """
    with open("/proc/sys/user/max_cgroup_namespaces", "w") as file:  # noqa: PTH123
        file.write("0")


def _map(pid: int) -> None:
    """Let everybody be in the user namespace who he is here."""
    for file in ("uid_map", "gid_map"):
        with open(f"/proc/self/{file}") as ours, open(f"/proc/{pid}/{file}", "w") as theirs:  # noqa: PTH123
            ranges = [line.split() for line in ours]
            theirs.write("".join(f"{first} {first} {count}\n" for first, _, count in ranges))
