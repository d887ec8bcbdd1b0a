"""The verbs about guests (see AgentApi)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakevm import errors, names
from fakevm.guest.checkpoint import folder as folders
from fakevm.model.checkpoint import Checkpoint, ProcessesSeen
from fakevm.model.daemon import Daemon
from fakevm.model.guest import Guest, GuestSeen, GuestState
from fakevm.model.impairment import Change
from fakevm.model.interface import Interface, alike
from fakevm.model.port import Port

from .attachments import require_room
from .store import GuestRecord, Nic
from .work import PARALLEL, Work

_log = logging.getLogger(__name__)


class Guests(Work):
    """Makes, ends and looks at guests, and gives them interfaces that are no ports."""

    def list_guests(self) -> list[GuestSeen]:
        """See AgentApi."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(self._seeing.guest, self._store.all()))

    def show_guest(self, guest_id: str) -> GuestSeen:
        """See AgentApi."""
        return self._seeing.guest(self._making.record(guest_id))

    def start(self, guest: Guest, asleep: bool = False, interfaces: tuple[Interface, ...] = ()) -> GuestSeen:
        """See AgentApi."""
        with self._making.locks[guest.id]:
            record = self._store.get(guest.id)
            if record is None:
                namespace = guest.namespace or names.guest_namespace(self._host, guest.id)
                nics = tuple(Nic(interface=interface) for interface in interfaces)
                record = GuestRecord(guest=guest.model_copy(update={"namespace": namespace}), nics=nics, asleep=asleep)
            elif record.state == "running" and not self._making.problem(record):
                return self._seeing.guest(record)
            else:
                if record.state != "stopped":
                    self._making.take_down(record)
                record = record.model_copy(update={"asleep": asleep, "saved": None if asleep else record.saved})
            return self._seeing.guest(self._remade(record))

    def stop(self, guest_id: str, patience: float = 0.0) -> GuestSeen:
        """See AgentApi. A guest that is asleep is stopped where it was paused, and forgets what it had saved."""
        with self._making.locks[guest_id]:
            record = self._making.record(guest_id)
            if record.state != "stopped":
                if patience and record.state == "running" and not record.asleep:
                    self._making.kind_of(record.guest).shut_down(record.guest, patience)
                self._making.take_down(record)
                changes = {"state": "stopped", "nics": record.all_nics("plugging"), "problem": "", "saved": None}
                record = record.model_copy(update={**changes, "asleep": False})
                self._store.put(record)
                _log.info("stopped the guest %s", record.guest.title)
            return self._seeing.guest(record)

    def keep(self, guest_id: str, daemons: tuple[Daemon, ...]) -> GuestSeen:
        """See AgentApi. One that is stopped, or asleep, has them when it starts, or wakes."""
        with self._making.locks[guest_id]:
            record = self._making.record(guest_id)
            record = record.model_copy(update={"guest": record.guest.model_copy(update={"daemons": daemons})})
            self._store.put(record)
            if record.state == "running" and not record.asleep:
                self._making.keep(record)
            return self._seeing.guest(record)

    def remove(self, guest_id: str) -> bool:
        """See AgentApi."""
        with self._making.locks[guest_id]:
            record = self._store.get(guest_id)
            if record is None:
                return False
            self._remove(record)
            return True

    def attach(self, guest_id: str, interface: Interface) -> GuestSeen:
        """See AgentApi."""
        return self.attach_all(guest_id, (interface,))

    def attach_all(self, guest_id: str, interfaces: tuple[Interface, ...]) -> GuestSeen:
        """See AgentApi."""
        with self._making.locks[guest_id]:
            record = self._making.record(guest_id)
            for interface in interfaces:
                record = self._attached(record, interface)
            return self._seeing.guest(record)

    def _attached(self, record: GuestRecord, interface: Interface) -> GuestRecord:
        if isinstance(interface.attachment, Port):
            raise errors.InvalidInput(f"{interface.words} is plugged, not attached")
        require_room(record.guest, record.interfaces, interface)
        nic = record.attached_to(interface.attachment)
        if nic is None:
            return self._with(record, interface.model_copy(update={"index": record.next_index()}))
        interface = interface.model_copy(update={"index": nic.interface.index})
        if alike(nic.interface, interface) and not self._broken(record, nic):
            return self._making.impair(record, nic, interface)
        return self._with(self._without(record, nic), interface)

    def detach(self, guest_id: str, name: str) -> bool:
        """See AgentApi."""
        with self._making.locks[guest_id]:
            record = self._making.record(guest_id)
            nic = record.named(name)
            if nic:
                self._without(record, nic)
            return nic is not None

    def impair(self, guest_id: str, name: str, sent: Change, received: Change) -> GuestSeen:
        """See AgentApi."""
        with self._making.locks[guest_id]:
            record = self._making.record(guest_id)
            nic = record.named(name)
            if nic is None:
                raise errors.NotFound(
                    f"the guest {record.guest.title} has no interface {name!r}",
                    hint=f"It has: {', '.join(interface.name for interface in record.interfaces) or 'none'}.",
                )
            was = nic.interface
            changes = {"sent": sent.of(was.sent), "received": received.of(was.received)}
            return self._seeing.guest(self._making.impair(record, nic, was.model_copy(update=changes)))

    def _broken(self, record: GuestRecord, nic: Nic) -> str:
        return self._making.nic_problem(record.guest, nic) if record.state == "running" else ""

    def _with(self, record: GuestRecord, interface: Interface) -> GuestRecord:
        """Give a guest an interface; one that is stopped gets it when it starts."""
        if record.state == "running":
            return self._making.add(record, interface)
        record = record.having(Nic(interface=interface))
        self._store.put(record)
        return record

    def console_log(self, guest_id: str, most: int) -> str:
        """See AgentApi."""
        record = self._making.record(guest_id)
        said = self._making.kind_of(record.guest).console_log(record.guest, max(0, most))
        return said.decode(errors="replace")

    def read_state(self, guest_id: str) -> GuestState:
        """See AgentApi."""
        return self._sleeping.read_state(guest_id)

    def prime(self, guest_id: str, state: GuestState) -> None:
        """See AgentApi."""
        self._sleeping.prime(guest_id, state)

    def pause(self, guest_id: str) -> GuestState:
        """See AgentApi."""
        return self._sleeping.pause(guest_id)

    def resume(self, guest_id: str, state: GuestState | None = None) -> GuestSeen:
        """See AgentApi."""
        return self._seeing.guest(self._sleeping.resume(guest_id, state))

    def processes(self, guest_id: str) -> ProcessesSeen:
        """See AgentApi."""
        return self._checkpoints.processes(guest_id)

    def checkpoint(self, guest_id: str, folder: str, seconds: float) -> Checkpoint:
        """See AgentApi."""
        return self._checkpoints.checkpoint(guest_id, Path(folder), seconds)

    def restore(self, guest_id: str, folder: str, seconds: float) -> GuestSeen:
        """See AgentApi."""
        return self._seeing.guest(self._checkpoints.restore(guest_id, Path(folder), seconds))

    @staticmethod
    def read_checkpoint(folder: str) -> Checkpoint:
        """See AgentApi."""
        return folders.read(Path(folder))

    @staticmethod
    def discard(folder: str) -> bool:
        """See AgentApi."""
        return folders.discard(Path(folder))

    def command(self, guest_id: str, command: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in a guest.

        :raises NotFound: this host has no such guest, or it is not there now
        """
        record = self._there(guest_id)
        return self._making.kind_of(record.guest).command(record.guest, record.interfaces, command)

    def program(self, guest_id: str, command: Sequence[str]) -> list[str]:
        """Build the argv that runs one of the host's programs in a guest's network. Raises NotFound."""
        record = self._there(guest_id)
        return self._making.kind_of(record.guest).program(record.guest, record.interfaces, command)

    def _there(self, guest_id: str) -> GuestRecord:
        record = self._making.record(guest_id)
        if record.state == "stopped":
            raise errors.NotFound(
                f"the guest {record.guest.title} on {self._host} is stopped",
                hint=f"Start it: fakevm guest start {record.guest.title}",
            )
        if gone := self._making.kind_of(record.guest).problem(record.guest):
            raise errors.NotFound(
                f"the guest {record.guest.title} is not on host {self._host}: {gone}", hint="Start it again."
            )
        return record
