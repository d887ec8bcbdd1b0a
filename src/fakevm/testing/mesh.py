"""Every guest of a lab pings every other: ten thousand pairs within seconds."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakevm.agent.store import GuestRecord
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
    host, known = path.parents[2].name, GuestRecord.model_validate_json(path.read_bytes())
    holder = (record.host_directory(host) / "pid").read_text().strip()
    addresses = [fixed.address for port in known.ports for fixed in port.fixed_ips]
    return {
        "name": f"{host}/{known.guest.hostname}",
        "namespace": str(Path("/proc", holder, "root", "run/netns", known.guest.namespace)),
        "address": next((address for address in addresses if "." in address), ""),
    }
