"""Making, undoing and removing the guests of one host, and looking for what is wrong with them."""

from __future__ import annotations

import functools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence

from fakevm import errors
from fakevm.guest.base import Kind
from fakevm.model.guest import Guest
from fakevm.model.interface import Interface

from .attachments import Attachments
from .daemons import Daemons
from .kinds import Kinds
from .store import GuestRecord, Nic, Store

_log = logging.getLogger(__name__)


class Making:
    """The guests of one host, on whose records all work is done.

    Calls for one guest wait for one another, those for different guests do not.

    :param host: this host's name in Neutron
    """

    def __init__(self, host: str, attachments: Attachments, kinds: Kinds, store: Store, daemons: Daemons) -> None:
        self.host = host
        self.attachments = attachments
        self.impairments = attachments.impairments
        self._kinds = kinds
        self.store = store
        self.daemons = daemons
        self.locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def kind_of(self, guest: Guest) -> Kind:
        """Give a guest's kind. Raises InvalidInput: it is not installed here."""
        return self._kinds.of(guest)

    # -- finding ---------------------------------------------------------------------------------------------

    def record(self, guest_id: str) -> GuestRecord:
        """Read a guest's record. Raises NotFound."""
        record = self.store.get(guest_id)
        if record is None:
            raise errors.NotFound(
                f"host {self.host} has no guest {guest_id}", hint="'fakevm guest list' shows where it is."
            )
        return record

    def running(self, guest_id: str) -> GuestRecord:
        """Read the record of a guest that must be there. Raises NotFound, PlugFailed."""
        record = self.record(guest_id)
        if record.state != "running":
            hint = "fakevm guest start starts it." if record.state == "stopped" else "Start it again."
            raise errors.PlugFailed(f"the guest {record.guest.title} on {self.host} is {record.state}", hint=hint)
        return record

    def problem(self, record: GuestRecord) -> str:
        """Say what is wrong with a guest that should run, its interfaces included."""
        if gone := self.kind_of(record.guest).problem(record.guest):
            return gone
        return "; ".join(filter(None, (self.nic_problem(record.guest, nic) for nic in record.nics)))

    def nic_problem(self, guest: Guest, nic: Nic) -> str:
        """Say what is wrong with an interface of a guest that is there."""
        if nic.state != "plugged":
            return f"{nic.interface.name} was left {nic.state}"
        device = self.kind_of(guest).device_problem(guest, nic.interface)
        return "; ".join(filter(None, (device, self.attachments.problem(nic.interface))))

    # -- whole guests ----------------------------------------------------------------------------------------

    def make(self, record: GuestRecord) -> GuestRecord:
        """Make a guest as its record says, with all interfaces; what went wrong the last time is told until it is made.

        What was made is undone, record and all, when it fails.
        """
        if record.guest.settings.server and not self.kind_of(record.guest).serves:
            raise errors.InvalidInput(
                f"the guest {record.guest.title} cannot be a server: it is of the kind {record.guest.kind}",
                hint="Containers can: --kind container, or `kind: container`.",
            )
        record = record.model_copy(update={"state": "starting", "nics": record.all_nics("plugging")})
        self.store.put(record)
        try:
            wired = [self.attachments.prepare(interface) for interface in record.interfaces]
            self.kind_of(record.guest).make(record.guest, wired, asleep=record.asleep)
            self.attachments.connect_all(record.interfaces, asleep=record.asleep)
            nics = tuple(self._complete(record, nic) for nic in record.nics)
        except Exception as exc:
            self._undo(record, exc)
            raise
        record = record.model_copy(update={"state": "running", "problem": "", "nics": nics})
        self.store.put(record)
        _log.info("made the guest %s%s", record.guest.title, ", asleep" if record.asleep else "")
        for interface in record.interfaces:
            _log_plugged(record, interface)
        if not record.asleep:
            self.keep(record)
        return record

    def keep(self, record: GuestRecord) -> None:
        """Keep running in a guest, which is awake, what it is to keep running."""
        kind = self.kind_of(record.guest)
        enter = functools.partial(kind.command, record.guest, record.interfaces)
        self.daemons.keep(record.guest, enter, functools.partial(kind.daemon, record.guest, record.interfaces))

    def _connected(self, record: GuestRecord, nic: Nic) -> Nic:
        self.attachments.connect(nic.interface, asleep=record.asleep)
        return self._complete(record, nic)

    def _complete(self, record: GuestRecord, nic: Nic) -> Nic:
        self.impairments.hold(record.guest, nic.interface)
        lacks = self.kind_of(record.guest).tag(record.guest, nic.interface) if nic.port and nic.port.vlans else ""
        return nic.model_copy(update={"state": "plugged", "lacks": lacks})

    def _undo(self, record: GuestRecord, cause: Exception) -> None:
        try:
            self.remove_all(record)
        except errors.FakevmError as exc:
            _log.error("cannot undo what was made of %s after '%s': %s", record.guest.title, cause, exc)

    def remove_all(self, record: GuestRecord) -> None:
        """Remove all of a guest, its record, too. Raises PlugFailed: the record stays."""
        self.take_down(record)
        self.kind_of(record.guest).forget(record.guest)
        self.store.delete(record.guest.id)

    def take_down(self, record: GuestRecord) -> None:
        """Remove all of a guest but its record; what fails does not keep the rest from being tried.

        Raises PlugFailed: tells all that failed.
        """
        interfaces = record.interfaces
        self.abandon(record)
        steps: list[Callable[[], None]] = [self._releasing(record.guest, interface) for interface in interfaces]
        steps += [lambda: self.kind_of(record.guest).remove(record.guest, interfaces)]
        steps += [_unplugging(self.attachments, interface) for interface in interfaces]
        _try_all(steps, f"the guest {_words(record)}")

    def abandon(self, record: GuestRecord) -> None:
        """End a guest's daemons, and what of it is frozen, which could not end by itself."""
        kind = self.kind_of(record.guest)
        self.daemons.end(record.guest, lambda: kind.abandon(record.guest))

    # -- single interfaces -----------------------------------------------------------------------------------

    def add(self, record: GuestRecord, interface: Interface) -> GuestRecord:
        """Give a guest that runs one interface more. What was made of it is undone when it fails."""
        nic = Nic(interface=interface)
        record = record.having(nic)
        self.store.put(record)
        try:
            wired = self.attachments.prepare(interface)
            self.kind_of(record.guest).attach(record.guest, wired, asleep=record.asleep)
            nic = self._connected(record, nic)
        except Exception as exc:
            try:
                self.drop(record, nic)
            except errors.FakevmError as problem:
                _log.error("cannot undo what was made of %s after '%s': %s", interface.words, exc, problem)
            raise
        record = record.having(nic)
        self.store.put(record)
        _log_plugged(record, interface)
        return record

    def drop(self, record: GuestRecord, nic: Nic) -> GuestRecord:
        """Take an interface from a guest that stays. Raises PlugFailed: it is still in the record."""
        leaving = record.having(nic.model_copy(update={"state": "unplugging"}))
        self.store.put(leaving)
        interface = nic.interface
        steps = [
            self._releasing(record.guest, interface),
            lambda: self.kind_of(record.guest).detach(record.guest, interface),
            _unplugging(self.attachments, interface),
        ]
        _try_all(steps, interface.words)
        record = record.lacking(interface.name)
        self.store.put(record)
        return record

    def replace(self, record: GuestRecord, nic: Nic) -> GuestRecord:
        """Give an interface the device that its switch has made anew; what hung on the old one hangs on this.

        Raises FakevmError: it is ``plugging`` then, and to be made anew.
        """
        self.store.put(record.having(nic.model_copy(update={"state": "plugging"})))
        self.impairments.release(record.guest, nic.interface)
        wired = self.attachments.prepare(nic.interface)
        self.kind_of(record.guest).replace(record.guest, wired, record.saved, asleep=record.asleep)
        record = record.having(self._connected(record, nic))
        self.store.put(record)
        _log.info("%s of %s has a new device", nic.interface.name, record.guest.title)
        return record

    def impair(self, record: GuestRecord, nic: Nic, wanted: Interface) -> GuestRecord:
        """Bring an interface under the conditions of ``wanted``, which is else as it is.

        Raises InvalidInput, PlugFailed.
        """
        before = nic.interface
        if before.nic == "plain" and wanted.received:
            raise errors.InvalidInput(
                f"{before.name} of {record.guest.title} is plain: what it receives can be neither impaired nor shaped",
                hint="What it sends can be; or give the guest a veth.",
            )
        for conditions in (wanted.sent, wanted.received):
            if problem := conditions.problem(before.mtu):
                raise errors.InvalidInput(f"{before.name} of {record.guest.title} cannot be impaired so: {problem}")
        if wanted == before:
            return record
        after = record.having(nic.model_copy(update={"interface": wanted}))
        # If we die between, what is written down is done when we are back.
        self.store.put(after)
        if record.state == "running":
            try:
                self.impairments.hold(record.guest, wanted, before)
            except errors.FakevmError:
                self.store.put(record)
                raise
        _log.info("%s of %s: sent %s, received %s", *_conditions(record, wanted))
        return after

    def _releasing(self, guest: Guest, interface: Interface) -> Callable[[], None]:
        return lambda: self.impairments.release(guest, interface)


def _unplugging(attachments: Attachments, interface: Interface) -> Callable[[], None]:
    return lambda: attachments.unplug(interface)


def _conditions(record: GuestRecord, interface: Interface) -> tuple[str, str, str, str]:
    sent, received = interface.sent.words or "as is", interface.received.words or "as is"
    return interface.name, record.guest.title, sent, received


def _log_plugged(record: GuestRecord, interface: Interface) -> None:
    what = f"port {interface.port.id}" if interface.port else interface.words
    _log.info("plugged %s of %s", what, record.guest.title)


def _try_all(steps: Sequence[Callable[[], None]], what: str) -> None:
    failures = []
    for step in steps:
        try:
            step()
        except errors.FakevmError as exc:
            failures.append(exc)
    if failures:
        said = "; ".join(failure.what for failure in failures)
        raise errors.PlugFailed(f"{what} is not wholly removed: {said}", hint="Repair that, unplug again.")


def _words(record: GuestRecord) -> str:
    ports = ", ".join(interface.words for interface in record.interfaces)
    return f"{record.guest.title} ({ports})" if ports else record.guest.title
