"""The data of cloud-init's first boot (its docs: datasources, NoCloud): files in a folder, which is seen as a disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakevm.guest.address import metric

if TYPE_CHECKING:
    from fakevm.model.guest import Guest
    from fakevm.model.interface import Interface
    from fakevm.model.machine import Seed

NAME = "cidata"


def write(folder: Path, guest: Guest, seed: Seed, interfaces: Sequence[Interface]) -> Path:
    """Write them, for those who may see the folder; gives it. Raises OSError."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for name, text in _files(guest, seed, interfaces).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    return folder


def _files(guest: Guest, seed: Seed, interfaces: Sequence[Interface]) -> dict[str, str]:
    name = guest.hostname or "vm"
    about = {"instance-id": guest.id, "local-hostname": name, "public-keys": list(seed.keys)}
    network = {"version": 2, "ethernets": {one.name: _network(one) for one in interfaces}}
    # JSON is YAML, too.
    return {
        "meta-data": f"{json.dumps(about)}\n",
        "user-data": seed.user_data or "#cloud-config\n{}\n",
        **({"network-config": f"{json.dumps(network)}\n"} if interfaces else {}),
    }


def _network(interface: Interface) -> dict[str, Any]:
    found: dict[str, Any] = {
        "match": {"macaddress": interface.mac_address}, "set-name": interface.name, "mtu": interface.mtu,
    }  # fmt: skip
    if interface.port and interface.port.fixed_ips:
        versions = {4 if "." in fixed.address else 6 for fixed in interface.port.fixed_ips}
        found["dhcp4"] = 4 in versions
        if 6 in versions:
            found["accept-ra"] = True
        if later := metric(interface.index):
            found["dhcp4-overrides"] = {"route-metric": later}
    elif interface.addresses:
        found["addresses"] = list(interface.addresses)
    return found
