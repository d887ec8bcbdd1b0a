"""A lab's doors: listening sockets of the machine's loopback, which its programs inherit (ADR 0008)."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from fakevm.errors import Conflict, InvalidInput


class Doors(NamedTuple):
    """To Neutron's API, the broker, the events, Keystone, the compute API: descriptors here, or their ports."""

    api: int
    broker: int
    events: int
    keystone: int = 0
    compute: int = 0


def listen(api_port: int, wanted: Collection[str], held: contextlib.ExitStack) -> Doors:
    """Open the ``wanted`` doors, by their names, which ``held`` closes; ``api_port`` may be 0: any.

    Others lead nowhere. Raises Conflict: that port is taken; InvalidInput: there is no API.
    """
    if api_port and "api" not in wanted:
        raise InvalidInput("--api-port: this lab has no Neutron (neutron: false), and no API", hint="Leave it out.")
    numbers = {"api": api_port}
    return Doors(*(_open(numbers.get(n, 0), held) if n in wanted else _wall(held) for n in Doors._fields))


def ports(doors: Doors) -> Doors:
    """Give the ports of descriptors; 0 of those that lead nowhere."""
    return Doors(*(_port(door) if stat.S_ISSOCK(os.fstat(door).st_mode) else 0 for door in doors))


def _wall(held: contextlib.ExitStack) -> int:
    """Give what stands in the place of a door, so that the others keep their numbers."""
    return held.enter_context(Path(os.devnull).open("rb")).fileno()


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
