"""Checkpoints of guests: their processes stopped and written down, and made to run again in others."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

from fakevm import errors
from fakevm.guest.base import Revival
from fakevm.guest.checkpoint import folder as folders
from fakevm.model.checkpoint import Checkpoint, ProcessesSeen

from .making import Making
from .sleeping import Sleeping
from .store import GuestRecord

_log = logging.getLogger(__name__)


class Checkpoints:
    """Writes the guests of one host down, and gives new ones what was written down."""

    def __init__(self, making: Making, sleeping: Sleeping) -> None:
        self._making = making
        self._sleeping = sleeping

    def processes(self, guest_id: str) -> ProcessesSeen:
        """See AgentApi."""
        record = self._making.running(guest_id)
        kept = self._making.daemons.running(record.guest)
        return self._making.kind_of(record.guest).processes(record.guest, kept)

    def checkpoint(self, guest_id: str, folder: Path, seconds: float) -> Checkpoint:
        """See AgentApi."""
        state = self._sleeping.pause(guest_id)
        with self._making.locks[guest_id]:
            record = self._making.running(guest_id)
            with folders.written(folder) as new:
                kept = self._making.daemons.running(record.guest)
                trees = self._making.kind_of(record.guest).freeze(record.guest, new, kept, seconds)
                written = Checkpoint(
                    guest=record.guest,
                    interfaces=record.interfaces,
                    state=state,
                    trees=trees,
                    machine=platform.machine(),
                )
                folders.describe(new, written)
            _log.info("wrote the guest %s down in %s", record.guest.title, folder)
            return written

    def restore(self, guest_id: str, folder: Path, seconds: float) -> GuestRecord:
        """See AgentApi."""
        written = folders.read(folder)
        with self._making.locks[guest_id]:
            record = self._making.running(guest_id)
            if not record.asleep:
                raise errors.Conflict(
                    f"the guest {record.guest.title} on {self._making.host} is awake",
                    hint="It can be given processes only while it is asleep.",
                )
            _require_alike(record, written, folder)
            logs = {daemon.name: self._making.daemons.log(record.guest, daemon) for daemon in record.guest.daemons}
            revival = Revival(lambda: self._sleeping.rouse(record, written.state), logs, seconds)
            kind = self._making.kind_of(record.guest)
            # What was frozen here has gone on elsewhere since.
            self._making.abandon(record)
            # Sockets are bound to addresses.
            kind.prime(record.guest, record.interfaces, written.state)
            running = kind.revive(record.guest, folder, written.trees, revival)
            self._making.daemons.adopt(record.guest, running)
            _log.info("gave the guest %s its processes, from %s", record.guest.title, folder)
            return self._sleeping.awake(record, written.state)


def _require_alike(record: GuestRecord, written: Checkpoint, folder: Path) -> None:
    """Refuse a guest whose connections could not go on. Raises Conflict."""
    if written.machine != platform.machine():
        raise errors.Conflict(f"the checkpoint {folder} was made on {written.machine}, this is {platform.machine()}")
    if misfit := written.misfit(record.guest.title, record.interfaces):
        raise errors.Conflict(
            f"the checkpoint {folder} {misfit}",
            hint="Its connections need the same interfaces with the same MAC addresses.",
        )
