"""Which of a machine's network cards is which interface: the machine may call them as it likes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakevm.model.interface import Interface

_FILE = "interfaces"


def note(folder: Path, interfaces: Iterable[Interface]) -> None:
    """Write down the names of interfaces more, in the folder of a machine that runs. Raises OSError."""
    found = names(folder) | {one.mac_address.lower(): one.name for one in interfaces}
    new = folder / f"{_FILE}.new"
    new.write_text(json.dumps(found))
    new.replace(folder / _FILE)


def names(folder: Path) -> dict[str, str]:
    """Give the names of a machine's interfaces, by their MAC addresses."""
    with contextlib.suppress(FileNotFoundError):
        found: dict[str, str] = json.loads((folder / _FILE).read_text())
        return found
    return {}
