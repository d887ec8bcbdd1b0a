"""Guests that have come back, alone or with their host: what the lab file runs in them is run again, as after any boot.

Those whose ports were deleted while the host was away are removed, as Nova does it (running_deleted_instance_action).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping

from fakevm import names
from fakevm.control import neutron as neutrons
from fakevm.control.access import Access
from fakevm.control.agents import Agents
from fakevm.errors import NotFound
from fakevm.lab import registry
from fakevm.lab.place import Guest, Places
from fakevm.model.interface import Interface
from fakevm.model.lab import LabRecord
from fakevm.progress import Progress
from fakevm.waiting import until

from . import running


def run_again(record: LabRecord, host: str, progress: Progress, timeout: float = 120.0) -> None:
    """Remove the guests of ports that are deleted; run the others' commands, once they have their addresses again.

    Waits ``timeout`` seconds at most for each guest. Raises TimedOut, CommandFailed.
    """
    _remove_deleted(record, host, progress)
    lab = registry.lab_file(record)
    places = Places(record, lab)
    for name, wanted in lab.guests.items():
        guest = _on(places, name, host) if wanted.run else None
        if guest:
            with progress.step(f"commands in {name}"):
                _wait_addresses(places, name, _addresses_of(guest.record.interfaces), timeout)
                running.run(record, host, name, wanted.run)


def run_in(record: LabRecord, hosts: Mapping[str, str], progress: Progress) -> None:
    """Run again what the lab file runs in guests that were started; ``hosts`` says where they are, by their ids.

    Raises TimedOut, CommandFailed.
    """
    for name, wanted in registry.lab_file(record).guests.items():
        host = hosts.get(names.instance_id(record.name, name))
        if host and wanted.run:
            progress.seen(f"running the commands of {name}")
            running.run(record, host, name, wanted.run)


def _remove_deleted(record: LabRecord, host: str, progress: Progress) -> None:
    access = Access.of(record)
    neutron = neutrons.connect(access)
    agents = Agents(access, neutron)
    try:
        vifs = agents.list_vifs(host)
        there = {port["id"] for port in neutron.ports([vif.port_id for vif in vifs], fields=("id",))}
        for vif in vifs:
            if vif.port_id not in there and agents.on(host).unplug(vif.port_id):
                progress.note(f"removed {vif.title} from {host}: its port {vif.port_id} was deleted meanwhile")
    finally:
        agents.close()


def _on(places: Places, name: str, host: str) -> Guest | None:
    """Find a guest that has come back with its host."""
    try:
        guest = places.guest(name)
    except NotFound:
        return None
    # One that was stopped stays so, as Nova's do when their host is started.
    return guest if guest.host == host and guest.record.state != "stopped" else None


def _addresses_of(interfaces: Iterable[Interface]) -> set[str]:
    """Name the addresses that Neutron or the lab file gave interfaces, but for those they were never to have."""
    found = set()
    for interface in interfaces:
        if interface.port is None:
            found |= {address.partition("/")[0] for address in interface.addresses}
        elif interface.addressing not in (None, "none"):
            found |= {fixed.address for fixed in interface.port.fixed_ips}
    return found


def _wait_addresses(places: Places, name: str, wanted: set[str], timeout: float) -> None:
    """Wait until a guest has its addresses again."""

    def missing() -> str:
        left = wanted - _addresses(places, name)
        return f"it has no {', '.join(sorted(left))}" if left else ""

    until(missing, f"guest {name!r} did not get its addresses again", timeout, pause=0.5)


def _addresses(places: Places, name: str) -> set[str]:
    command = places.command(name, ["ip", "-json", "address", "show"])
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        return set()
    return {str(info["local"]) for device in json.loads(done.stdout) for info in device["addr_info"]}
