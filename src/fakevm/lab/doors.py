"""A lab's doors: listening sockets of the machine's loopback, which its programs inherit (ADR 0008)."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import NamedTuple

from fakevm.errors import Conflict


class Doors(NamedTuple):
    """To Neutron's API, the broker and the events: descriptors here, or their ports."""

    api: int
    broker: int
    events: int


def listen(api_port: int, held: contextlib.ExitStack) -> Doors:
    """Open the doors, which ``held`` closes; ``api_port`` may be 0: any. Raises Conflict: that port is taken."""
    return Doors(*(_open(port, held) for port in (api_port, 0, 0)))


def ports(doors: Doors) -> Doors:
    """Give the ports of descriptors."""
    return Doors(*map(_port, doors))


def _open(port: int, held: contextlib.ExitStack) -> int:
    door = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(("127.0.0.1", port))
        door.listen(128)
    except (OSError, OverflowError) as exc:
        raise Conflict(
            f"port {port} of 127.0.0.1 cannot be used for Neutron's API: {getattr(exc, 'strerror', None) or exc}",
            hint="Choose another one with --api-port, or leave it out.",
        ) from exc
    return door.fileno()


def _port(door: int) -> int:
    with socket.socket(fileno=os.dup(door)) as listener:
        return int(listener.getsockname()[1])
