"""Pausing and resuming guests: above making them."""

from __future__ import annotations

import logging

from fakevm import errors
from fakevm.model.guest import GuestState

from .making import Making
from .store import GuestRecord

_log = logging.getLogger(__name__)


class Sleeping:
    """Puts the guests of one host to sleep, and wakes them."""

    def __init__(self, making: Making) -> None:
        self._making = making

    def read_state(self, guest_id: str) -> GuestState:
        """See AgentApi."""
        with self._making.locks[guest_id]:
            record = self._making.running(guest_id)
            return record.saved or GuestState() if record.asleep else self._state(record)

    def _state(self, record: GuestRecord) -> GuestState:
        return self._making.kind_of(record.guest).state(record.guest, record.interfaces)

    def prime(self, guest_id: str, state: GuestState) -> None:
        """See AgentApi."""
        with self._making.locks[guest_id]:
            record = self._making.running(guest_id)
            if record.asleep:
                self._making.kind_of(record.guest).prime(record.guest, record.interfaces, state)

    def pause(self, guest_id: str) -> GuestState:
        """See AgentApi. The guest's processes go on, without a network."""
        with self._making.locks[guest_id]:
            record = self._making.running(guest_id)
            if record.asleep:
                return record.saved or GuestState()
            state = self._state(record)
            self._making.store.put(record.paused(state))
            try:
                self._making.kind_of(record.guest).silence(record.guest, record.interfaces)
            except errors.FakevmError:
                self._making.store.put(record)
                raise
            _log.info("paused the guest %s", record.guest.title)
            return state

    def resume(self, guest_id: str, state: GuestState | None = None) -> GuestRecord:
        """See AgentApi. A guest that cannot have all of another's state stays asleep."""
        with self._making.locks[guest_id]:
            record = self._making.running(guest_id)
            if not record.asleep:
                return record
            return self.wake(record, state or record.saved or GuestState())

    def wake(self, record: GuestRecord, state: GuestState) -> GuestRecord:
        """Wake a guest, then write it down: if we die between, it is silenced again when we are back."""
        self._making.kind_of(record.guest).thaw(record.guest)
        self.rouse(record, state)
        return self.awake(record, state)

    def rouse(self, record: GuestRecord, state: GuestState) -> None:
        """Let a guest speak, with a state."""
        for interface in record.interfaces:
            self._making.attachments.woken(interface)
        self._making.kind_of(record.guest).wake(record.guest, record.interfaces, state, moved=record.saved is None)

    def awake(self, record: GuestRecord, state: GuestState) -> GuestRecord:
        """Write down that a guest is awake, and keep running in it what it is to keep running."""
        awake = record.resumed(state)
        self._making.store.put(awake)
        self._making.keep(awake)
        _log.info("resumed the guest %s", record.guest.title)
        return awake

    def found(self, record: GuestRecord) -> None:
        """Keep a guest that lived on; one that is asleep may have been written down so, and no more than that."""
        _log.info("found the guest %s again%s", record.guest.title, ", asleep" if record.asleep else "")
        if record.asleep:
            try:
                self._making.kind_of(record.guest).silence(record.guest, record.interfaces)
            except errors.FakevmError as exc:
                _log.error("the guest %s should be asleep, and may not be: %s", record.guest.title, exc)
