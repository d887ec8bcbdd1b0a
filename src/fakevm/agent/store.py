"""What the agent remembers over a restart: one file for each guest, ``<state_path>/guests/<guest id>.json``."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from fakevm import errors, names
from fakevm.model.guest import Guest, GuestState
from fakevm.model.interface import BridgePort, Interface, LinkEnd
from fakevm.model.port import Addressing, Binding, Port
from fakevm.model.value import Value

_log = logging.getLogger(__name__)


class Nic(Value):
    """An interface of a guest: as it is to be, how far that is done, and what this kernel cannot make of it."""

    interface: Interface
    state: Literal["plugging", "plugged", "unplugging"] = "plugging"
    lacks: str = ""

    @property
    def port(self) -> Port | None:
        """The port of Neutron's that it is attached to, if it is."""
        return self.interface.port

    def wired_as(self, port: Port) -> bool:
        """Whether this port would be wired just as it is, if it is that."""
        old = self.port
        alike = ("id", "mac_address", "mtu", "network_id")
        return (
            old is not None
            and all(getattr(old, name) == getattr(port, name) for name in alike)
            and port.device in ("", self.interface.name)
            and port.nic in ("", self.interface.nic)
            and _wiring(old.binding) == _wiring(port.binding)
        )


def _wiring(binding: Binding) -> tuple[str, dict[str, Any]]:
    """Tell what a binding says of how its port is wired; who bound it, Neutron adds when the binding is ACTIVE."""
    details = {name: value for name, value in binding.vif_details.items() if name != "bound_drivers"}
    return binding.vif_type, details


class GuestRecord(Value):
    """A guest with its interfaces, in the order in which it got them.

    ``saved`` is the state with which a guest was paused; None for one that is awake, and for one that was made asleep
    and waits for the state of another. ``problem`` says why one that is ``starting`` could not be made the last time.
    """

    guest: Guest
    nics: tuple[Nic, ...] = ()
    state: Literal["running", "stopped", "starting", "ending"] = "starting"
    asleep: bool = False
    saved: GuestState | None = None
    problem: str = ""

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """Its interfaces."""
        return tuple(nic.interface for nic in self.nics)

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports that its interfaces are attached to."""
        return tuple(nic.port for nic in self.nics if nic.port)

    def of_port(self, port_id: str) -> Nic | None:
        """Find the interface of a port."""
        return next((nic for nic in self.nics if nic.port and nic.port.id == port_id), None)

    def named(self, name: str) -> Nic | None:
        """Find an interface by its name in the guest."""
        return next((nic for nic in self.nics if nic.interface.name == name), None)

    def attached_to(self, place: LinkEnd | BridgePort) -> Nic | None:
        """Find the interface at a link's end, or in a bridge."""
        return next((nic for nic in self.nics if nic.interface.attachment == place), None)

    def having(self, nic: Nic) -> GuestRecord:
        """The record with this interface, in place of the one of its name or at the end."""
        names = [known.interface.name for known in self.nics]
        nics = list(self.nics)
        if nic.interface.name in names:
            nics[names.index(nic.interface.name)] = nic
        else:
            nics.append(nic)
        return self.model_copy(update={"nics": tuple(nics)})

    def lacking(self, name: str) -> GuestRecord:
        """The record without the interface of this name."""
        return self.model_copy(update={"nics": tuple(nic for nic in self.nics if nic.interface.name != name)})

    def all_nics(self, state: Literal["plugging", "plugged", "unplugging"]) -> tuple[Nic, ...]:
        """All its interfaces, in this state."""
        return tuple(nic.model_copy(update={"state": state}) for nic in self.nics)

    def next_index(self) -> int:
        """Number the next interface."""
        return max((nic.interface.index for nic in self.nics), default=-1) + 1

    def paused(self, state: GuestState) -> GuestRecord:
        """The record of the same guest, asleep with this state."""
        return self.model_copy(update={"asleep": True, "saved": state})

    def resumed(self, state: GuestState) -> GuestRecord:
        """The record of the same guest, awake with this state; should it be made anew, it is addressed as it was."""
        nics = tuple(_addressed(nic, state) for nic in self.nics)
        return self.model_copy(update={"asleep": False, "saved": None, "nics": nics})

    def unmade(self, problem: str) -> GuestRecord:
        """The record of the same guest, which is to be made anew and could not be."""
        return self.model_copy(update={"state": "starting", "problem": problem, "nics": self.all_nics("plugging")})


def _addressed(nic: Nic, state: GuestState) -> Nic:
    had = state.of(nic.interface.name)
    if nic.port is None or nic.interface.addressing is not None or not had.addresses:
        return nic
    finite = any("valid_lft" in words for words in had.addresses)
    addressing: Addressing = "auto" if had.leases or finite else "static"
    return nic.model_copy(update={"interface": nic.interface.model_copy(update={"addressing": addressing})})


class Store:
    """The guests of this agent.

    A record is written before anything is made, and removed after everything is gone.

    Files are replaced in one step but not synced: after a crash of the machine the guests are gone too.

    :param state_path: the agent's own directory
    :raises Prerequisite: it cannot be written
    """

    def __init__(self, state_path: Path) -> None:
        self._directory = state_path / "guests"
        # An emulated host has one for all its programs.
        beside = state_path.parent / "log"
        self.logs = beside if beside.is_dir() else state_path / "log"
        """Where the logs of what runs in guests belong."""
        self._lock = threading.Lock()
        self._guest_of: dict[str, str] | None = None
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise errors.Prerequisite(
                f"cannot keep state in {self._directory}: {exc}", hint="Set state_path in [fakevm]."
            ) from exc

    def all(self) -> list[GuestRecord]:
        """Read all records; one that cannot be read is logged and left alone."""
        paths = sorted(self._directory.glob("*.json"))
        return [record for path in paths if (record := self._read(path))]

    def count(self) -> int:
        """Count the guests."""
        return sum(1 for _ in self._directory.glob("*.json"))

    def get(self, guest_id: str) -> GuestRecord | None:
        """Read one record."""
        return self._read(self._path(guest_id))

    def guest_of(self, port_id: str) -> str | None:
        """Give the id of the guest that has an interface on a port."""
        return self.guests_of_ports().get(port_id)

    def guests_of_ports(self) -> Mapping[str, str]:
        """Give the ids of the guests that have interfaces on ports, by the ports' ids."""
        with self._lock:
            if self._guest_of is None:
                self._guest_of = {port.id: record.guest.id for record in self.all() for port in record.ports}
            return self._guest_of

    def put(self, record: GuestRecord) -> None:
        """Write a record.

        :raises PlugFailed: it could not be written (disk full…)
        """
        path = self._path(record.guest.id)
        new = path.with_suffix(".new")
        try:
            new.write_text(record.model_dump_json())
            new.replace(path)
        except OSError as exc:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise errors.PlugFailed(f"cannot write down guest {record.guest.id} in {path}: {exc}") from exc
        self._index(record.guest.id, record.ports)

    def delete(self, guest_id: str) -> None:
        """Forget a guest."""
        self._path(guest_id).unlink(missing_ok=True)
        self._index(guest_id, ())

    def _index(self, guest_id: str, ports: tuple[Port, ...]) -> None:
        with self._lock:
            if self._guest_of is not None:
                left = {port: guest for port, guest in self._guest_of.items() if guest != guest_id}
                self._guest_of = left | {port.id: guest_id for port in ports}

    @staticmethod
    def _read(path: Path) -> GuestRecord | None:
        try:
            return GuestRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as exc:
            _log.error("cannot read the record of a guest, %s: %s", path, exc)
            return None

    def _path(self, guest_id: str) -> Path:
        return self._directory / names.guest_file(guest_id)
