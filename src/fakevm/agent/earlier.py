"""Records of an earlier version (RPC 1 and 2), which had one for each port: made into those of guests."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fakevm import names
from fakevm.model.guest import Guest, GuestState, InterfaceState
from fakevm.model.interface import Interface
from fakevm.model.port import Port

from .store import GuestRecord, Nic, Store

_log = logging.getLogger(__name__)

_STATES = {"plugging": "starting", "unplugging": "ending"}


def convert(store: Store, state_path: Path) -> None:
    """Give what an earlier agent has left behind as guests; one that cannot be read is logged and left alone.

    Ports that were plugged into one namespace are one guest. Two guests with one ``device_id``, which an earlier
    version allowed, stay two: the second has its port's id. Raises PlugFailed: a record cannot be written.
    """
    found: defaultdict[str, list[tuple[Path, dict[str, Any]]]] = defaultdict(list)
    for path in sorted((state_path / "guests").glob("*.json")):
        try:
            said = json.loads(path.read_bytes())
            if "vif" in said and "port" in said:
                found[said["vif"]["namespace"]].append((path, said))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            _log.error("cannot read the record of a guest, %s: %s", path, exc)
    for namespace, records in found.items():
        records.sort(key=lambda record: bool(record[1]["port"].get("beside")))
        try:
            record = _guest(store, namespace, [said for _, said in records])
        except (ValidationError, KeyError) as exc:
            _log.error("cannot read the records of the guest %s: %s", namespace, exc)
            continue
        store.put(record)
        for path, _ in records:
            if path.name != names.guest_file(record.guest.id):
                path.unlink()
        _log.info("took over the guest %s from an earlier version", record.guest.title)


def _guest(store: Store, namespace: str, records: list[dict[str, Any]]) -> GuestRecord:
    nics = tuple(_nic(index, said) for index, said in enumerate(records))
    first = nics[0].port
    assert first
    guest_id = first.instance_id if store.get(first.instance_id) is None else first.id
    vif = records[0]["vif"]
    saved = {said["vif"]["device"]: said["saved"] for said in records if said.get("saved")}
    return GuestRecord(
        guest=Guest(id=guest_id, name=first.name, hostname=first.hostname, namespace=namespace),
        nics=nics,
        state=_STATES.get(vif["state"], "running"),  # type: ignore[arg-type]  # which those are says _STATES
        asleep=vif.get("asleep", False),
        saved=_state(saved) if saved else None,
        problem=vif.get("problem", ""),
    )


def _nic(index: int, said: dict[str, Any]) -> Nic:
    port = Port.model_validate({name: value for name, value in said["port"].items() if name != "beside"})
    interface = Interface(
        name=said["vif"]["device"],
        index=index,
        mac_address=port.mac_address,
        mtu=port.mtu,
        addressing=said.get("addressing"),
        attachment=port,
    )
    return Nic(interface=interface, state=said["vif"]["state"], lacks=said["vif"].get("lacks", ""))


def _state(saved: dict[str, dict[str, Any]]) -> GuestState:
    resolv_conf = next(iter(saved.values())).get("resolv_conf", "")
    had = {
        device: {name: value for name, value in state.items() if name != "resolv_conf"}
        for device, state in saved.items()
    }
    interfaces = {device: InterfaceState.model_validate(state) for device, state in had.items()}
    return GuestState(interfaces=interfaces, resolv_conf=resolv_conf)
