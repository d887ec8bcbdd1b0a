"""The guests of one host: plug, address, unplug, look, put right."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from fakevm import errors, names
from fakevm.guest.base import Guest
from fakevm.model.guest import GuestState
from fakevm.model.port import Addressing, Port, Vif
from fakevm.vif.base import VifDriver

from .store import GuestRecord, Store

_log = logging.getLogger(__name__)

# Work on many guests at once is waiting for ``ip`` and Open vSwitch; more at a time than this is no faster.
PARALLEL = 8


class Manager:
    """Plugs ports of one host. Calls for one port wait for one another, those for different ports do not.

    :param host: this host's name in Neutron
    :param driver_name: how VIFs say which driver made them
    """

    def __init__(self, host: str, driver_name: str, driver: VifDriver, guest: Guest, store: Store) -> None:
        self._host = host
        self._driver_name = driver_name
        self._driver = driver
        self._guest = guest
        self._store = store
        self._wiring_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._address_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def count(self) -> int:
        """Count the guests."""
        return self._store.count()

    def plug(self, port: Port, asleep: bool = False) -> Vif:
        """See AgentApi. A guest that is there, but awake, is made anew asleep; one that was paused is woken for an
        awake one; one that was made asleep, and so has nothing yet, is made anew. A guest's further port stays that,
        also for a caller who does not know that it is one.
        """
        if port.binding.host != self._host:
            raise errors.Conflict(
                f"{port.words} is bound to host '{port.binding.host}', this agent is host '{self._host}'",
                hint="Bind the port to this host first.",
            )
        self._driver.check(port)
        with self._wiring_locks[port.id]:
            record = self._store.get(port.id)
            if record and not port.beside:
                port = port.model_copy(update={"beside": record.port.beside})
            if record and record.vif.state == "plugged" and record.wired_as(port):
                record = self._with_vlans(record, port)
                self._store.put(record)
                if not self._problem(port) and (vif := self._as_wanted(record, asleep)):
                    return vif
            if record:
                self._remove(record.port)
            return self._make(port, asleep=asleep)

    def _with_vlans(self, record: GuestRecord, port: Port) -> GuestRecord:
        """Let a guest that is there have the VLAN devices that its port has now."""
        vif = record.vif
        if record.port.vlans != port.vlans and not self._problem(port):
            vif = vif.model_copy(update={"lacks": self._guest.tag(port)})
        return record.model_copy(update={"port": port, "vif": vif})

    def _as_wanted(self, record: GuestRecord, asleep: bool) -> Vif | None:
        """Let a guest that is there be awake or asleep; None when it must be made anew for that."""
        if record.vif.asleep == asleep:
            return self._seen(record)
        return self._wake(record, record.saved) if record.saved else None

    def _make(
        self,
        port: Port,
        addressing: Addressing | None = None,
        *,
        asleep: bool = False,
        saved: GuestState | None = None,
        problem: str = "",
    ) -> Vif:
        vif = Vif(
            port_id=port.id,
            name=port.name,
            host=self._host,
            instance_id=port.instance_id,
            network_id=port.network_id,
            mac_address=port.mac_address,
            mtu=port.mtu,
            driver=self._driver_name,
            beside=port.beside,
            namespace=names.guest_namespace(self._host, port.guest_port),
            device=names.device(port.id),
            state="plugging",
            asleep=asleep,
            problem=problem,
        )
        record = GuestRecord(vif=vif, port=port, addressing=addressing, saved=saved)
        self._store.put(record)
        try:
            uplink = self._driver.prepare(port)
            self._guest.make(port, uplink, asleep=asleep)
            self._driver.connect(port)
            lacks = self._guest.tag(port) if port.vlans else ""
        except Exception as exc:
            self._undo(port, exc)
            raise
        vif = vif.model_copy(update={"state": "plugged", "problem": "", "lacks": lacks})
        self._store.put(record.model_copy(update={"vif": vif}))
        _log.info("plugged port %s of %s%s", port.id, port.title, ", asleep" if asleep else "")
        return vif

    def _undo(self, port: Port, cause: Exception) -> None:
        try:
            self._remove(port)
        except errors.FakevmError as exc:
            _log.error("cannot undo the plug of %s after '%s': %s", port.words, cause, exc)

    def unplug(self, port_id: str) -> bool:
        """See AgentApi."""
        with self._wiring_locks[port_id]:
            record = self._store.get(port_id)
            if record is None:
                return False
            vif = record.vif.model_copy(update={"state": "unplugging"})
            self._store.put(GuestRecord(vif=vif, port=record.port))
            self._remove(record.port)
            _log.info("unplugged %s", record.port.words)
            return True

    def _remove(self, port: Port) -> None:
        """Remove all of a port; what fails does not keep the rest from being tried, and keeps the record.

        :raises PlugFailed: tells all that failed
        """
        steps: Sequence[Callable[[], None]] = (
            lambda: self._guest.remove([port]),
            lambda: self._driver.unplug(port),
        )
        failures = []
        for step in steps:
            try:
                step()
            except errors.FakevmError as exc:
                failures.append(exc)
        if failures:
            said = "; ".join(failure.what for failure in failures)
            raise errors.PlugFailed(f"{port.words} is not wholly removed: {said}", hint="Repair that, unplug again.")
        self._store.delete(port.id)

    def address(self, port_id: str, mode: Addressing, timeout: float) -> Vif:
        """See AgentApi. An unplug does not wait for this: it ends it."""
        with self._address_locks[port_id]:
            record = self._record(port_id)
            if record.vif.asleep:
                raise errors.Conflict(
                    f"the guest of {record.port.words} on {self._host} is asleep: it cannot get an address now",
                    hint="It is migrating, or its migration was cut short: 'fakevm migrate --recover' mends that.",
                )
            self._guest.address(record.port, mode, timeout)
            self._remember(port_id, mode)
            return self._seen(record)

    def _remember(self, port_id: str, mode: Addressing) -> None:
        """Write down how a guest was addressed: one that must be made anew is addressed so again."""
        with self._wiring_locks[port_id]:
            record = self._store.get(port_id)
            if record and record.vif.state == "plugged":
                self._store.put(record.model_copy(update={"addressing": mode}))

    def read_state(self, port_id: str) -> GuestState:
        """See AgentApi."""
        with self._wiring_locks[port_id]:
            record = self._plugged(port_id)
            return record.saved or GuestState() if record.vif.asleep else self._guest.state(record.port)

    def prime(self, port_id: str, state: GuestState) -> None:
        """See AgentApi."""
        with self._wiring_locks[port_id]:
            record = self._plugged(port_id)
            if record.vif.asleep:
                self._guest.prime(record.port, state)

    def pause(self, port_id: str) -> GuestState:
        """See AgentApi. The guest's processes stay, without a network: they cannot move."""
        with self._wiring_locks[port_id]:
            record = self._plugged(port_id)
            if record.vif.asleep:
                return record.saved or GuestState()
            state = self._guest.state(record.port)
            self._store.put(record.paused(state))
            try:
                self._guest.silence(record.port)
            except errors.FakevmError:
                self._store.put(record)
                raise
            _log.info("paused the guest of port %s", port_id)
            return state

    def resume(self, port_id: str, state: GuestState | None = None) -> Vif:
        """See AgentApi. A guest that cannot have all of another's state stays asleep."""
        with self._wiring_locks[port_id]:
            record = self._plugged(port_id)
            if not record.vif.asleep:
                return self._seen(record)
            return self._wake(record, state or record.saved or GuestState())

    def _wake(self, record: GuestRecord, state: GuestState) -> Vif:
        """Wake a guest, then write it down: if we die between, it is silenced again when we are back."""
        self._guest.wake(record.port, state, moved=record.saved is None)
        awake = record.resumed(state)
        self._store.put(awake)
        _log.info("resumed the guest of %s", record.port.words)
        return awake.vif.model_copy(update={"addresses": tuple(self._guest.addresses(record.port))})

    def renew(self, port_id: str) -> bool:
        """See AgentApi."""
        with self._wiring_locks[port_id]:
            return self._driver.renew(self._plugged(port_id).port)

    def rewire(self, port_id: str, seconds: float) -> None:
        """See AgentApi."""
        with self._wiring_locks[port_id]:
            self._driver.rewire(self._plugged(port_id).port, seconds)
            _log.info("rewired port %s", port_id)

    def _plugged(self, port_id: str) -> GuestRecord:
        record = self._record(port_id)
        if record.vif.state != "plugged":
            raise errors.PlugFailed(f"{record.port.words} on {self._host} is {record.vif.state}", hint="Plug it again.")
        return record

    def list_vifs(self) -> list[Vif]:
        """See AgentApi."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(self._seen, self._store.all()))

    def show(self, port_id: str) -> Vif:
        """See AgentApi."""
        return self._seen(self._record(port_id))

    def command(self, port_id: str, command: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in a port's guest.

        :raises NotFound: this host has no such port, or it has no guest now
        """
        port = self._record(port_id).port
        if gone := self._guest.problem(port):
            raise errors.NotFound(f"{port.words} has no guest on host {self._host}: {gone}", hint="Plug it again.")
        return self._guest.command(port, command)

    def _record(self, port_id: str) -> GuestRecord:
        record = self._store.get(port_id)
        if record is None:
            raise errors.NotFound(
                f"host {self._host} has no VIF of port {port_id}", hint="'fakevm list' shows where it is."
            )
        return record

    def _seen(self, record: GuestRecord) -> Vif:
        problem = self._problem(record.port) if record.vif.state == "plugged" else record.vif.problem
        addresses = tuple(self._guest.addresses(record.port))
        taken = self._driver.taken(record.port)
        return record.vif.model_copy(update={"addresses": addresses, "problem": problem, "taken": taken})

    def _problem(self, port: Port) -> str:
        return "; ".join(filter(None, (self._guest.problem(port), self._driver.problem(port))))

    def ports(self) -> list[Port]:
        """List the ports of all guests."""
        return [record.port for record in self._store.all()]

    def wait_ready(self, timeout: float) -> None:
        """See VifDriver."""
        self._driver.wait_ready(timeout)

    def finish(self, port_id: str) -> Addressing | None:
        """Bring a guest to what was written down of it: finish what was begun, make anew what is broken.

        Returns how a guest that was made anew is to be addressed, None when there is nothing to do.

        Whatever keeps that from being done is raised; the guest is remembered, so that it can be tried again.
        """
        with self._wiring_locks[port_id]:
            record = self._store.get(port_id)
            if record is None:
                return None
            state = record.vif.state
            problem = self._problem(record.port) if state == "plugged" else record.vif.problem
            if state == "plugged" and not problem:
                self._found(record)
                return None
            doing = "finishing its removal" if state == "unplugging" else "making it anew"
            _log.warning("the guest of port %s was left %s%s: %s", port_id, state, problem and f" ({problem})", doing)
            self._remove(record.port)
            return None if state == "unplugging" else self._remake(record)

    def _remake(self, record: GuestRecord) -> Addressing | None:
        asleep = record.vif.asleep
        try:
            # What went wrong the last time is told until it goes well: trying again may take long.
            self._make(record.port, record.addressing, asleep=asleep, saved=record.saved, problem=record.vif.problem)
        except Exception as exc:
            self._store.put(record.unmade(exc.what if isinstance(exc, errors.FakevmError) else repr(exc)))
            raise
        return None if asleep else record.addressing

    def _found(self, record: GuestRecord) -> None:
        """Keep a guest that lived on; one that is asleep may have been written down so, and no more than that."""
        asleep = record.vif.asleep
        _log.info("found the guest of %s again%s", record.port.words, ", asleep" if asleep else "")
        if asleep:
            try:
                self._guest.silence(record.port)
            except errors.FakevmError as exc:
                _log.error("the guest of %s should be asleep, and may not be: %s", record.port.words, exc)
