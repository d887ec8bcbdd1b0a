"""What Neutron answered when it made or changed a lab's resources: what they were before anybody else changed them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from fakevm.control.neutron import Resource as Seen
from fakevm.errors import TimedOut
from fakevm.lab import files
from fakevm.linux import lock
from fakevm.model.resource import Ref

_FILE = "answers.json"
# Others write it in a moment (seconds).
_PATIENCE = 30.0


def load(directory: Path) -> dict[Ref, Seen]:
    """Read a lab's answers; those that are not there, or cannot be read, are none."""
    try:
        rows = json.loads((directory / _FILE).read_text())
        return {Ref(kind, name): answer for kind, name, answer in rows}
    except (OSError, ValueError, TypeError):
        return {}


def add(directory: Path, answers: Mapping[Ref, Seen]) -> None:
    """Write down answers beside those of before. Without room for them less is known later, and nothing is wrong."""
    if answers:
        with contextlib.suppress(OSError, TimedOut), lock.held(directory / "hosts", _PATIENCE):
            rows = [[*ref, answer] for ref, answer in (load(directory) | dict(answers)).items()]
            files.write(directory / _FILE, json.dumps(rows))
