"""Bringing guests to what was written down of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fakevm import errors, names
from fakevm.model.port import Addressing

from .store import GuestRecord, Nic
from .work import Work

_log = logging.getLogger(__name__)


class Mending(Work):
    """Finishes what was begun, and makes anew what is broken."""

    def finish(self, guest_id: str) -> list[tuple[str, Addressing]]:
        """Bring a guest to what was written down of it: finish what was begun, make anew what is broken.

        Returns the ports that are to be addressed again, and how: those of what was made anew.

        Whatever keeps that from being done is raised; the guest is remembered, so that it can be tried again.
        """
        with self._making.locks[guest_id]:
            record = self._store.get(guest_id)
            if record is None or record.state == "stopped":
                return []
            if record.state == "ending":
                _log.warning("the guest %s was left ending: finishing its removal", record.guest.title)
                self._making.remove_all(record)
                return []
            if record.state == "starting" or self._making.kind_of(record.guest).problem(record.guest):
                return self._finish_guest(record)
            anew = self._finish_nics(self._with_new_devices(record))
            record = self._store.get(guest_id)
            if record and not record.asleep:
                self._making.keep(record)
            return anew

    def replace_devices(self, guest_id: str) -> None:
        """Give a guest the devices that its switch, which started anew, has made in place of its own.

        Raises FakevmError: it has not got them yet; ``finish`` goes on then.
        """
        with self._making.locks[guest_id]:
            record = self._store.get(guest_id)
            if record and record.state == "running":
                self._with_new_devices(record)

    def guests_of_device(self, device: str) -> list[str]:
        """Name the guests, by their ids, of which a device in the host may be; of any, when it is ""."""
        ports = self._store.guests_of_ports()
        return [guest for port, guest in ports.items() if not device or names.tap(port) == device]

    def _with_new_devices(self, record: GuestRecord) -> GuestRecord:
        for nic in record.nics:
            if nic.port and nic.state == "plugged" and self._driver.made_anew(nic.port):
                record = self._making.replace(record, nic)
        return record

    def _finish_guest(self, record: GuestRecord) -> list[tuple[str, Addressing]]:
        problem = record.problem or self._making.kind_of(record.guest).problem(record.guest)
        _log.warning("the guest %s was left %s (%s): making it anew", record.guest.title, record.state, problem)
        self._making.take_down(record)
        nics = tuple(nic for nic in record.nics if nic.state != "unplugging")
        if record.nics and not nics:
            self._making.remove_all(record)
            return []
        made = self._remade(record.model_copy(update={"nics": nics}))
        return [] if made.asleep else _to_address(made.nics)

    def _finish_nics(self, record: GuestRecord) -> list[tuple[str, Addressing]]:
        anew = []
        for nic in record.nics:
            problem = self._making.nic_problem(record.guest, nic)
            if not problem:
                self._making.impairments.hold(record.guest, nic.interface)
                continue
            name = nic.interface.name
            _log.warning("%s of the guest %s: %s: putting it right", name, record.guest.title, problem)
            if nic.state == "unplugging" and len(record.nics) == 1:
                self._remove(record)
                return []
            record = self._renewed(record, nic)
            anew += [made for made in record.nics if made.interface.name == name]
        if not anew:
            self._sleeping.found(record)
        return [] if record.asleep else _to_address(anew)

    def _renewed(self, record: GuestRecord, nic: Nic) -> GuestRecord:
        """Give a guest an interface anew; it stays in the record whatever happens."""
        less = self._making.drop(record, nic)
        if nic.state == "unplugging":
            return less
        try:
            return self._making.add(less, nic.interface)
        except errors.FakevmError:
            self._store.put(less.having(nic.model_copy(update={"state": "plugging"})))
            raise


def _to_address(nics: Sequence[Nic]) -> list[tuple[str, Addressing]]:
    return [(nic.port.id, nic.interface.addressing) for nic in nics if nic.port and nic.interface.addressing]
