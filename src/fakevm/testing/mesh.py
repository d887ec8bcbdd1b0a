"""Every guest of a lab pings every other: ten thousand pairs within seconds."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakevm import names
from fakevm.lab import sandbox
from fakevm.linux import process
from fakevm.model.lab import LabRecord
from fakevm.probe.programs import mesh


@dataclass(frozen=True)
class Answers:
    """How many of the pairs of guests answered, in how many seconds; some of those that did not.

    ``problems`` counts what the kernel said of pings that it did not send.
    """

    pairs: int
    answered: int
    seconds: float
    missing: tuple[str, ...]
    problems: dict[str, int]


def ping_all(record: LabRecord, timeout: float = 120.0) -> Answers:
    """Let each guest of a running lab that has an IPv4 address ping all others, each by its first one.

    Each forgets afterwards where the others are. Raises CommandFailed, TimedOut: it could not be tried.
    """
    guests = [_guest(record, path) for path in sorted(record.directory.glob("hosts/*/agent/guests/*.json"))]
    asked = {"guests": [guest for guest in guests if guest["address"]], "timeout": timeout}
    program = [*sandbox.enter_lab(record), sys.executable, str(Path(mesh.__file__))]
    said = json.loads(process.run(program, stdin=json.dumps(asked), timeout=timeout + 60))
    return Answers(**{**said, "missing": tuple(said["missing"])})


def _guest(record: LabRecord, path: Path) -> dict[str, Any]:
    host, port_id = path.parents[2].name, path.stem
    known = json.loads(path.read_text())
    holder = (record.host_directory(host) / "pid").read_text().strip()
    addresses = [fixed["address"] for fixed in known["port"]["fixed_ips"]]
    return {
        "name": f"{host}/{known['port']['hostname']}",
        "namespace": str(Path("/proc", holder, "root", "run/netns", names.guest_namespace(host, port_id))),
        "address": next((address for address in addresses if "." in address), ""),
    }
