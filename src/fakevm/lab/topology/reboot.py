"""Guests of a host that has come back: what the lab file runs in them is run again, as after any boot."""

from __future__ import annotations

import json
import subprocess
import time

from fakevm.errors import NotFound, TimedOut
from fakevm.lab import registry
from fakevm.lab.checks.place import Guest, Places
from fakevm.lab.progress import Progress
from fakevm.model.lab import LabRecord

from . import running


def run_again(record: LabRecord, host: str, progress: Progress, timeout: float = 120.0) -> None:
    """Run the commands of the guests that are on a host, once they have their addresses again.

    Waits ``timeout`` seconds at most for each guest. Raises TimedOut, CommandFailed.
    """
    lab = registry.lab_file(record)
    places = Places(record, lab)
    for name, wanted in lab.guests.items():
        guest = _on(places, name, host) if wanted.run else None
        if guest:
            with progress.step(f"commands in {name}"):
                _wait_addresses(places, name, guest, timeout)
                running.run(record, host, guest.ports[0].port.id, name, wanted.run)


def _on(places: Places, name: str, host: str) -> Guest | None:
    try:
        guest = places.guest(name)
    except NotFound:
        return None
    return guest if guest.host == host else None


def _wait_addresses(places: Places, name: str, guest: Guest, timeout: float) -> None:
    """Wait until a guest has the addresses that Neutron gave it, but for those it was never to have."""
    wanted = {
        fixed.address
        for seen in guest.ports
        for fixed in seen.port.fixed_ips
        if seen.addressing and seen.addressing != "none"
    }
    deadline = time.monotonic() + timeout
    while missing := wanted - _addresses(places, name):
        if time.monotonic() > deadline:
            raise TimedOut(f"guest {name!r} did not get {', '.join(sorted(missing))} again within {timeout:g} s")
        time.sleep(0.5)


def _addresses(places: Places, name: str) -> set[str]:
    command = places.command(name, ["ip", "-json", "address", "show"])
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        return set()
    return {str(info["local"]) for device in json.loads(done.stdout) for info in device["addr_info"]}
