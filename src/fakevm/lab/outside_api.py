"""A lab's endpoints for the clients of the world outside, at the addresses that Keystone's catalogue has.

``python -m fakevm.lab.outside_api CLIENT…``, a program of the lab: it listens on the loopback of each client, a network
namespace of the host ``outside``, and relays what comes to the same address in the lab. So one URL means the same on
the machine, in the lab and in a client, whose other packets all go through the world outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from fakevm.control import credentials
from fakevm.linux import namespace

_LAB = Path("/run/fakevm")
_HOST = _LAB / "hosts/outside"
_LOOPBACK = "127.0.0.1"
# Seconds between two looks for a host that is not there yet.
_PAUSE = 0.2
_PIECE = 65536


def ports(lab: Path) -> list[int]:
    """List the ports of what the lab's Keystone has in its catalogue, its own, too."""
    known = json.loads((lab / credentials.KNOWN).read_text())
    urls = [known["url"], *(service["url"] for service in known["services"].values())]
    return sorted({port for url in urls if (port := urlsplit(url).port)})


def main(clients: Iterable[str]) -> None:
    """Relay until the host ends; a supervisor starts this program again, for the host's next life."""
    names = list(clients)
    pid = _holder(names)
    listening = [door for name in names for door in namespace.inside_of(pid, name, lambda: _doors(ports(_LAB)))]
    asyncio.run(_serve(listening, pid))


def _holder(names: Iterable[str]) -> int:
    """Wait for the host; gives the process that holds its namespaces. As long as the lab: a host may be stopped."""
    while True:
        with contextlib.suppress(OSError, ValueError):
            pid = int((_HOST / "pid").read_text())
            if all(namespace.exists_of(pid, name) for name in names):
                return pid
        time.sleep(_PAUSE)


def _doors(numbers: Iterable[int]) -> list[socket.socket]:
    """Listen here, in the namespace of the thread."""
    return [socket.create_server((_LOOPBACK, number)) for number in numbers]


async def _serve(listening: Iterable[socket.socket], pid: int) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for door in listening:
        await asyncio.start_server(_Relay(door.getsockname()[1]), sock=door)
    loop.add_reader(os.pidfd_open(pid), ended.set)
    await ended.wait()


class _Relay:
    """Relays connections to a port of the lab's loopback, where this process is."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one, to its end."""
        try:
            back, forth = await asyncio.open_connection(_LOOPBACK, self._port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_copied(reader, forth), _copied(back, writer))
        for end in (forth, writer):
            end.close()


async def _copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Relay one direction; whoever sends no more is told of to the other end."""
    try:
        while piece := await source.read(_PIECE):
            target.write(piece)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
    except OSError:
        target.transport.abort()


if __name__ == "__main__":
    main(sys.argv[1:])
