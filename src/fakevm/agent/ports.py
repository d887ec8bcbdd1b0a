"""The verbs about ports, each of which is an interface of a guest (see AgentApi)."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from fakevm import errors, names
from fakevm.model.guest import Guest
from fakevm.model.kind import COUNTING_KINDS
from fakevm.model.port import Addressing, Port, Vif
from fakevm.vif.base import VifDriver

from .attachments import interface_of, require_room
from .kinds import Kinds
from .store import GuestRecord, Nic, Store
from .work import PARALLEL, Work

_log = logging.getLogger(__name__)


class Ports(Work):
    """Plugs ports into guests."""

    def __init__(self, host: str, driver_name: str, driver: VifDriver, kinds: Kinds, store: Store) -> None:
        super().__init__(host, driver_name, driver, kinds, store)
        self._address_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def plug(self, port: Port, asleep: bool = False) -> Vif:
        """See AgentApi. A guest that is there, but awake, is made anew asleep; one that was paused is woken for an
        awake one; one that was made asleep, and so has nothing yet, is made anew.
        """
        if port.binding.host != self._host:
            raise errors.Conflict(
                f"{port.words} is bound to host '{port.binding.host}', this agent is host '{self._host}'",
                hint="Bind the port to this host first.",
            )
        self._driver.check(port)
        self._leave_another(port)
        with self._making.locks[port.instance_id]:
            record = self._store.get(port.instance_id)
            self._require_nic(record.guest if record else self._guest_of(port), port)
            if record is None:
                record = GuestRecord(guest=self._guest_of(port), asleep=asleep)
                port = _named(port, record)
                require_room(record.guest, (), interface_of(port, 0))
                made = self._making.make(record.having(Nic(interface=interface_of(port, 0))))
                return self._seeing.made(made, _nic(made, port.id))
            return self._plug_into(record, port, asleep)

    def _guest_of(self, port: Port) -> Guest:
        namespace = names.guest_namespace(self._host, port.id)
        return Guest(
            id=port.instance_id,
            name=port.name,
            hostname=port.hostname,
            namespace=namespace,
            kind=port.guest_kind,
        )

    def _require_nic(self, guest: Guest, port: Port) -> None:
        """Refuse an interface of what a guest's kind cannot have. Raises InvalidInput."""
        if port.nic and port.nic not in (known := self._making.kind_of(guest).nics):
            raise errors.InvalidInput(
                f"{port.words} cannot have nic {port.nic}: a guest of the kind {guest.kind} has {' or '.join(known)}",
                hint="Leave it out.",
            )

    def _leave_another(self, port: Port) -> None:
        """Take a port that was given to another guest from the one that has it."""
        before = self._store.guest_of(port.id)
        if before not in (None, port.instance_id):
            self.unplug(port.id)

    def _plug_into(self, record: GuestRecord, port: Port, asleep: bool) -> Vif:
        nic = record.of_port(port.id)
        port = _named(port, record)
        if record.state != "running" or (record.nics and record.asleep != asleep and nic):
            return self._plug_anew(record, port, asleep)
        if nic and nic.wired_as(port):
            record = self._with_port(record, nic, port)
            if not self._making.problem(record):
                return self._seeing.vif(record, _nic(record, port.id))
        if self._making.kind_of(record.guest).problem(record.guest) or (nic and len(record.nics) == 1):
            return self._plug_anew(record, port, asleep)
        if nic is None and asleep and not record.asleep:
            raise errors.Conflict(
                f"{port.words} cannot be plugged asleep: its guest is awake on {self._host}",
                hint="Is it to be moved to where it is?",
            )
        return self._plug_one(record, nic, port)

    def _with_port(self, record: GuestRecord, nic: Nic, port: Port) -> GuestRecord:
        """Let a guest that is there have what its port says now, and the VLAN devices that the port has now."""
        assert nic.port
        before, lacks = nic.port.vlans, nic.lacks
        interface = nic.interface.model_copy(update={"attachment": port})
        if before != port.vlans and not self._making.problem(record):
            lacks = self._making.kind_of(record.guest).tag(record.guest, interface)
        record = record.having(nic.model_copy(update={"interface": interface, "lacks": lacks}))
        self._store.put(record)
        return record

    def _plug_one(self, record: GuestRecord, nic: Nic | None, port: Port) -> Vif:
        """Give a guest that goes on one interface more, or one of its own anew."""
        index = nic.interface.index if nic else record.next_index()
        interface = interface_of(port, index, nic.interface if nic else None)
        require_room(record.guest, tuple(i for i in record.interfaces if not nic or i is not nic.interface), interface)
        if nic:
            record = self._making.drop(record, nic)
        record = self._making.add(record, interface)
        return self._seeing.made(record, _nic(record, port.id))

    def _plug_anew(self, record: GuestRecord, port: Port, asleep: bool) -> Vif:
        """Make a guest anew, or wake it, so that it has this port and is as awake as it should be."""
        nic = record.of_port(port.id)
        if nic and not asleep and self._can_wake(record) and nic.wired_as(port):
            assert record.saved
            record = self._sleeping.wake(record, record.saved)
            return self._seeing.vif(record, _nic(record, port.id))
        index = nic.interface.index if nic else record.next_index()
        interface = interface_of(port, index, nic.interface if nic else None)
        others = record.lacking(nic.interface.name) if nic else record
        require_room(record.guest, others.interfaces, interface)
        if record.state != "stopped":
            self._making.take_down(record)
        wanted = others.having(Nic(interface=interface)).model_copy(update={"asleep": asleep, "saved": None})
        made = self._making.make(wanted) if len(wanted.nics) == 1 else self._remade(wanted)
        return self._seeing.made(made, _nic(made, port.id))

    def _can_wake(self, record: GuestRecord) -> bool:
        paused = record.state == "running" and record.asleep and record.saved is not None
        return paused and not self._making.problem(record)

    def unplug(self, port_id: str) -> bool:
        """See AgentApi."""
        guest_id = self._store.guest_of(port_id)
        if guest_id is None:
            return False
        with self._making.locks[guest_id]:
            record = self._store.get(guest_id)
            nic = record.of_port(port_id) if record else None
            if record is None or nic is None:
                return False
            if len(record.nics) == 1:
                self._remove(record)
            else:
                self._without(record, nic)
            _log.info("unplugged %s", nic.interface.words)
            return True

    def address(self, port_id: str, mode: Addressing, timeout: float) -> Vif:
        """See AgentApi. An unplug does not wait for this: it ends it."""
        with self._address_locks[port_id]:
            record, nic = self._of_port(port_id)
            if record.asleep:
                raise errors.Conflict(
                    f"the guest of {nic.interface.words} on {self._host} is asleep: it cannot get an address now",
                    hint="It is migrating, or its migration was cut short: 'fakevm migrate --recover' mends that.",
                )
            self._making.kind_of(record.guest).address(record.guest, nic.interface, mode, timeout)
            self._remember(record.guest.id, port_id, mode)
            return self._seeing.vif(record, nic)

    def _remember(self, guest_id: str, port_id: str, mode: Addressing) -> None:
        """Write down how an interface was addressed: one that must be made anew is addressed so again."""
        with self._making.locks[guest_id]:
            record = self._store.get(guest_id)
            nic = record.of_port(port_id) if record else None
            if record and nic and nic.state == "plugged":
                interface = nic.interface.model_copy(update={"addressing": mode})
                self._store.put(record.having(nic.model_copy(update={"interface": interface})))

    def renew(self, port_id: str) -> bool:
        """See AgentApi."""
        record, _ = self._of_port(port_id)
        with self._making.locks[record.guest.id]:
            return self._driver.renew(self._plugged(port_id))

    def rewire(self, port_id: str, seconds: float) -> None:
        """See AgentApi."""
        record, _ = self._of_port(port_id)
        with self._making.locks[record.guest.id]:
            self._driver.rewire(self._plugged(port_id), seconds)
            _log.info("rewired port %s", port_id)

    def _plugged(self, port_id: str) -> Port:
        record, nic = self._of_port(port_id)
        assert nic.port
        if record.state != "running" or nic.state != "plugged":
            raise errors.PlugFailed(
                f"{nic.port.words} on {self._host} is {self._seeing.made(record, nic).state}", hint="Plug it again."
            )
        return nic.port

    def _of_port(self, port_id: str) -> tuple[GuestRecord, Nic]:
        guest_id = self._store.guest_of(port_id)
        record = self._store.get(guest_id) if guest_id else None
        nic = record.of_port(port_id) if record else None
        if record is None or nic is None:
            raise errors.NotFound(
                f"host {self._host} has no VIF of port {port_id}", hint="'fakevm list' shows where it is."
            )
        return record, nic

    def list_vifs(self) -> list[Vif]:
        """See AgentApi."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return [vif for vifs in pool.map(self._seeing.vifs, self._store.all()) for vif in vifs]

    def show(self, port_id: str) -> Vif:
        """See AgentApi."""
        return self._seeing.vif(*self._of_port(port_id))


def _named(port: Port, record: GuestRecord) -> Port:
    """Say how a port's interface is called, and of what it is, where nobody said: as before, also when made anew."""
    nic = record.of_port(port.id)
    if nic and not port.nic:
        port = port.model_copy(update={"nic": nic.interface.nic})
    if port.device:
        return port
    if nic:
        return port.model_copy(update={"device": nic.interface.name})
    if record.guest.kind not in COUNTING_KINDS:
        return port
    taken = {interface.name for interface in record.interfaces}
    return port.model_copy(update={"device": next(name for name in map("eth{}".format, count()) if name not in taken)})


def _nic(record: GuestRecord, port_id: str) -> Nic:
    nic = record.of_port(port_id)
    assert nic
    return nic
