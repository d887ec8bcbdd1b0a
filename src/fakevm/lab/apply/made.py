"""What ``lab apply`` has made already, for who goes on after a failure."""

from __future__ import annotations

from collections.abc import Collection

from fakevm.lab import registry
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import GuestFile, LabFile
from fakevm.model.labfile.guest import RunFile


class Made:
    """The lab's file when all is done but the commands in guests and the end of hosts.

    It is written down, and so is each command that has run: who goes on after a failure runs none again.
    """

    def __init__(self, record: LabRecord, old: LabFile, wanted: LabFile, started: Collection[str]) -> None:
        self._record = record
        run = {name: () if name in started else old.guests[name].run for name in wanted.guests}
        guests = {name: guest.model_copy(update={"run": run[name]}) for name, guest in wanted.guests.items()}
        self._write(wanted.model_copy(update={"hosts": {**old.hosts, **wanted.hosts}, "guests": guests}))
        self._wanted = wanted.guests

    def __getitem__(self, guest: str) -> GuestFile:
        return self._lab.guests[guest]

    def ran(self, guest: str, count: int) -> None:
        """Write down that so many of a new guest's commands have run."""
        self._has_run(guest, self._wanted[guest].run[:count])

    def ran_one(self, guest: str, command: RunFile) -> None:
        """Write down that one more of a guest's commands has run."""
        self._has_run(guest, (*self[guest].run, command))

    def _has_run(self, guest: str, run: tuple[RunFile, ...]) -> None:
        changed = self[guest].model_copy(update={"run": run})
        self._write(self._lab.model_copy(update={"guests": {**self._lab.guests, guest: changed}}))

    def _write(self, lab: LabFile) -> None:
        self._lab = lab
        registry.save_lab_file(self._record, lab)
