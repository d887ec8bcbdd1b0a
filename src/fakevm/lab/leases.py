"""Whether the DHCP clients that guests were given still run. Nobody starts one anew: its end may be what is tried.

A client that was killed leaves the file with its process's number; one that gave its lease back (``dhclient -r``) does
not (ISC DHCP 4.4).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from fakevm.agent.store import GuestRecord, Store
from fakevm.guest import address, dhcp
from fakevm.guest.place import runtime_directory
from fakevm.linux import process
from fakevm.model.interface import Interface
from fakevm.model.lab import LabRecord

from . import sandbox

_FILES = {4: "dhclient.pid", 6: "dhclient6.pid"}
_LOOK = 'for file in "$@"; do test ! -e $file || kill -0 $(cat $file) 2>/dev/null || echo $file; done'


class LostClient(NamedTuple):
    """A DHCP client that was killed: its guest, in words, and the command that runs it there again."""

    guest: str
    version: int
    command: str


def lost(record: LabRecord, host: str) -> list[LostClient]:
    """Look for the clients that were killed in a host's guests. Raises FakevmError: they cannot be seen."""
    given = {
        str(runtime_directory(guest.guest.namespace, interface.name) / name): (guest, interface, version)
        for guest in _guests(record, host)
        for interface in guest.interfaces
        for version, name in _FILES.items()
    }
    if not given:
        return []
    listed = process.run([*sandbox.enter_host(record, host), "sh", "-c", _LOOK, "sh", *given])
    return [_client(*given[file]) for file in listed.split()]


def _guests(record: LabRecord, host: str) -> Iterator[GuestRecord]:
    for found in Store(record.host_directory(host) / "agent").all():
        if found.state == "running" and not found.asleep:
            yield found


def _client(guest: GuestRecord, interface: Interface, version: int) -> LostClient:
    command = dhcp.command(interface.name, version=version, metric=address.metric(interface.index))
    return LostClient(guest.guest.title, version, shlex.join(command))
