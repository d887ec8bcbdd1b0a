"""TCP connections of processes that CRIU has left stopped: it leaves them in the state in which it read them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from pathlib import Path

# The same on all architectures: asm-generic/unistd.h
_PIDFD_GETFD = 438
# linux/tcp.h: the option, and what lets the connection go on with a word to the other end.
_TCP_REPAIR, _OFF = 19, 0


def let_go_on(pid: int) -> None:
    """Have the connections of a process take and send data again; what is no connection, or was none, is left alone."""
    try:
        process = os.pidfd_open(pid)
    except OSError:  # it has ended
        return
    try:
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(path.readlink()).startswith("socket:"):
                    _let_go_on(process, int(path.name))
    except OSError:  # it has ended
        pass
    finally:
        os.close(process)


def _let_go_on(process: int, number: int) -> None:
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, number, 0)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket(fileno=descriptor) as ours:
        if ours.type == socket.SOCK_STREAM and ours.family in (socket.AF_INET, socket.AF_INET6):
            ours.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, _OFF)
