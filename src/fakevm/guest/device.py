"""The devices of guests that are network namespaces: addresses, silence, and what they take along."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fakevm import errors
from fakevm.linux import link

from . import address, dhcp, state
from .place import ETC, LEASES, command_in_guest, runtime_directory
from .sleep import QUIETED, Waker, Wakers, silence, waker_command

if TYPE_CHECKING:
    from fakevm.model.guest import Guest, InterfaceState
    from fakevm.model.interface import Interface

_log = logging.getLogger(__name__)

# How long (seconds) a helper may announce the guest that it woke.
_ANNOUNCING = 5.0
# How long (seconds) a DHCP client that starts anew in a woken guest may ask for its lease again.
_RENEWING = 300.0

_Key = tuple[str, str]


class Addressed:
    """One device of a guest that is to get its port's addresses."""

    def __init__(self, guest: Guest, interface: Interface) -> None:
        assert interface.port
        self.namespace = guest.namespace
        self.device = interface.name
        self.port = interface.port
        self.index = interface.index

    def problem(self) -> str:
        """Say why it cannot be addressed any more."""
        there = link.is_inside(self.device, namespace=self.namespace)
        return "" if there else f"the namespace {self.namespace} has no device {self.device}"

    def addresses(self) -> list[str]:
        """List the addresses on the device."""
        try:
            return link.addresses(self.device, namespace=self.namespace)
        except errors.CommandFailed:
            return []

    def command(self, command: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in the guest, with the device's own DHCP files."""
        return command_in_guest(self.namespace, self.device, command)

    def set_dns(self, servers: Sequence[str]) -> None:
        """Write the guest's resolv.conf."""
        (ETC / self.namespace / "resolv.conf").write_text("".join(f"nameserver {server}\n" for server in servers))


class Devices:
    """All devices of this host's guests: the helpers that wait in sleeping ones, the DHCP clients they are owed."""

    def __init__(self) -> None:
        self._wakers = Wakers()
        # Of each woken device: the files of leases whose DHCP clients are yet to be started.
        self._owed: dict[_Key, set[str]] = {}
        # Those that were made asleep: IPv6 is quiet there, until they wake.
        self._quieted: set[_Key] = set()

    @staticmethod
    def addressed(guest: Guest, interface: Interface) -> Addressed:
        """Give a device that is to get its addresses."""
        return Addressed(guest, interface)

    def expect(self, guest: Guest, interface: Interface) -> None:
        """Start the helper that will wake a device. Raises Prerequisite."""
        self._quieted.add(_key(guest, interface))
        self._wakers.expect(_key(guest, interface), _waker_command(guest, interface))

    def forget(self, guest: Guest, interface: Interface, *, stop_clients: bool = False) -> None:
        """End what there is for a device, and its DHCP clients where the guest stays."""
        self._wakers.end(_key(guest, interface))
        self._owed.pop(_key(guest, interface), None)
        self._quieted.discard(_key(guest, interface))
        for version in LEASES if stop_clients else ():
            dhcp.stop(guest.namespace, interface.name, version=version)

    def state(self, guest: Guest, interface: Interface) -> InterfaceState:
        """Read what a device is to take along. Raises CommandFailed, OSError."""
        run = runtime_directory(guest.namespace, interface.name)
        owed = self._owed.get(_key(guest, interface), ())
        files = [
            run / file
            for version, file in LEASES.items()
            if file in owed or dhcp.running(guest.namespace, interface.name, version=version)
        ]
        # a client that was told to keep its leases elsewhere asks for a new one
        leases = {file.name: file.read_text() if file.exists() else "" for file in files}
        read = state.read(guest.namespace, interface.name)
        return read.model_copy(update={"leases": leases})

    @staticmethod
    def silence(guest: Guest, interface: Interface) -> None:
        """Let nothing leave a device. Raises CommandFailed."""
        silence(guest.namespace, interface.name)

    def prime(self, guest: Guest, interface: Interface, wanted: InterfaceState) -> None:
        """Give a silent device what it can have of a state. Raises CommandFailed, TimedOut."""
        if waker := self._wakers.waiting(_key(guest, interface)):
            waker.prime(list(state.commands(wanted, interface.name, moved=True)))

    def wake(self, guest: Guest, interface: Interface, wanted: InterfaceState, *, moved: bool) -> None:
        """Give a silent device its state and let it speak. Raises CommandFailed, TimedOut, PlugFailed, OSError."""
        key = _key(guest, interface)
        commands = list(state.commands(wanted, interface.name, moved=moved))
        addresses = [words.partition("/")[0].split()[0] for words in wanted.addresses]
        waker = self._wakers.take(key, _waker_command(guest, interface))
        try:
            if moved:
                _write_leases(guest, interface, wanted)
            # A device that was awake before has its own settings.
            quieted = moved or key in self._quieted
            failed = waker.wake(commands, addresses=addresses, strict=moved, defaults=QUIETED if quieted else ())
            self._quieted.discard(key)
        except BaseException:
            waker.end()
            raise
        owed = self._owed[key] = set(wanted.leases)
        settle = threading.Thread(target=self._settle, args=(guest, interface, owed, waker), name="settle", daemon=True)
        settle.start()
        if failed and moved:
            raise errors.PlugFailed(f"the guest {guest.title} cannot have its state: {'; '.join(failed)}")
        if failed:
            _log.warning("the guest %s is awake without: %s", guest.title, "; ".join(failed))

    def _settle(self, guest: Guest, interface: Interface, owed: set[str], waker: Waker) -> None:
        """See a woken device through its announcements, then start what DHCP clients it had."""
        waker.join(_ANNOUNCING)
        deadline = time.monotonic() + _RENEWING
        for version, name in LEASES.items():
            if name not in owed or self._owed.get(_key(guest, interface)) is not owed:
                continue
            words = _renew(guest, interface, version, deadline)
            owed.discard(name)
            # Else it was removed meanwhile.
            if words and not Addressed(guest, interface).problem():
                _log.error("%s of %s has no DHCP client any more: %s", interface.name, guest.title, words)


def _renew(guest: Guest, interface: Interface, version: int, deadline: float) -> str:
    """Start a DHCP client unless it runs; returns what went wrong."""
    if interface.port is None or dhcp.running(guest.namespace, interface.name, version=version):
        return ""
    try:
        return address.lease(Addressed(guest, interface), version, deadline)
    except errors.FakevmError as exc:
        return exc.what


def _write_leases(guest: Guest, interface: Interface, wanted: InterfaceState) -> None:
    for name in LEASES.values():
        if name in wanted.leases:
            (runtime_directory(guest.namespace, interface.name) / name).write_text(wanted.leases[name])


def _waker_command(guest: Guest, interface: Interface) -> list[str]:
    return command_in_guest(guest.namespace, interface.name, waker_command(interface.name))


def _key(guest: Guest, interface: Interface) -> _Key:
    return guest.namespace, interface.name
