"""What the agent remembers over a restart: one file per guest, ``<state_path>/guests/<port-id>.json``."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from pydantic import ValidationError

from fakevm import errors
from fakevm.model.guest import GuestState
from fakevm.model.port import Addressing, Port, Vif
from fakevm.model.value import Value

_log = logging.getLogger(__name__)


class GuestRecord(Value):
    """A guest: the port as the control side gave it, the VIF made of it, and how it was addressed (None: not yet).

    ``saved`` is the state with which a guest was paused; None for one that is awake, and for one that was made asleep
    and waits for the state of another.
    """

    vif: Vif
    port: Port
    addressing: Addressing | None = None
    saved: GuestState | None = None

    def paused(self, state: GuestState) -> GuestRecord:
        """The record of the same guest, asleep with this state."""
        return self.model_copy(update={"vif": self.vif.model_copy(update={"asleep": True}), "saved": state})

    def resumed(self, state: GuestState) -> GuestRecord:
        """The record of the same guest, awake with this state; should it be made anew, it is addressed as it was."""
        addressing = self.addressing
        if addressing is None and state.addresses:
            finite = any("valid_lft" in words for words in state.addresses)
            addressing = "auto" if state.leases or finite else "static"
        awake = self.vif.model_copy(update={"asleep": False})
        return self.model_copy(update={"vif": awake, "saved": None, "addressing": addressing})

    def unmade(self, problem: str) -> GuestRecord:
        """The record of the same guest, which is to be made anew and could not be."""
        return self.model_copy(update={"vif": self.vif.model_copy(update={"state": "plugging", "problem": problem})})

    def wired_as(self, port: Port) -> bool:
        """Whether this port would be wired just as it is."""
        old, new = self.port, port
        alike = ("mac_address", "mtu", "network_id", "instance_id")
        return all(getattr(old, name) == getattr(new, name) for name in alike) and (
            (old.binding.vif_type, old.binding.vif_details) == (new.binding.vif_type, new.binding.vif_details)
        )


class Store:
    """The guests of this agent.

    A record is written before anything is made, and removed after everything is gone.

    Files are replaced in one step but not synced: after a crash of the machine the guests are gone too.

    :param state_path: the agent's own directory
    :raises Prerequisite: it cannot be written
    """

    def __init__(self, state_path: Path) -> None:
        self._directory = state_path / "guests"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise errors.Prerequisite(
                f"cannot keep state in {self._directory}: {exc}", hint="Set state_path in [fakevm]."
            ) from exc

    def all(self) -> list[GuestRecord]:
        """Read all records; one that cannot be read is logged and left alone."""
        ids = sorted(path.stem for path in self._directory.glob("*.json"))
        return [record for port_id in ids if (record := self.get(port_id))]

    def count(self) -> int:
        """Count the guests."""
        return sum(1 for _ in self._directory.glob("*.json"))

    def get(self, port_id: str) -> GuestRecord | None:
        """Read one record."""
        try:
            return GuestRecord.model_validate_json(self._path(port_id).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as exc:
            _log.error("cannot read the record of guest %s: %s", port_id, exc)
            return None

    def put(self, record: GuestRecord) -> None:
        """Write a record.

        :raises PlugFailed: it could not be written (disk full…)
        """
        path = self._path(record.vif.port_id)
        new = path.with_suffix(".new")
        try:
            new.write_text(record.model_dump_json())
            new.replace(path)
        except OSError as exc:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise errors.PlugFailed(f"cannot write down guest {record.vif.port_id} in {path}: {exc}") from exc

    def delete(self, port_id: str) -> None:
        """Forget a guest."""
        self._path(port_id).unlink(missing_ok=True)

    def _path(self, port_id: str) -> Path:
        # the id comes over the broker
        if "/" in port_id or port_id.startswith("."):
            raise errors.InvalidInput(f"'{port_id}' is not a port's id")
        return self._directory / f"{port_id}.json"
