"""What is installed for the agent, by the names of its entry points: VIF drivers, and kinds of guests."""

from __future__ import annotations

import contextlib
from importlib.metadata import entry_points
from typing import Any

from fakevm import errors
from fakevm.names import NO_BACKEND
from fakevm.vif.none import NoVifDriver

VIF_DRIVERS = "fakevm.agent_plugins"
GUEST_KINDS = "fakevm.guests"
_CALLED = {VIF_DRIVERS: "agent plugin", GUEST_KINDS: "kind of guest"}
_HINTS = {
    VIF_DRIVERS: "Set fakevm_agent_plugin in [fakevm].",
    GUEST_KINDS: "Is the package that brings it installed where the agent runs?",
}


def find(name: str, group: str = VIF_DRIVERS) -> Any:
    """Give the class that an entry point names.

    :raises InvalidInput: there is none of that name, or it cannot be imported
    """
    if (name, group) == (NO_BACKEND, VIF_DRIVERS):
        return NoVifDriver
    found = entry_points(group=group)
    if name not in found.names:
        raise errors.InvalidInput(
            f"there is no {_CALLED[group]} '{name}'; there are: {', '.join(sorted(found.names)) or 'none'}",
            hint=_HINTS[group],
        )
    try:
        return found[name].load()
    except ImportError as exc:
        raise errors.InvalidInput(f"cannot load the {_CALLED[group]} '{name}': {exc}") from exc


def load(name: str, conf: Any) -> Any:
    """Make the VIF driver that an entry point names. Raises as ``find``."""
    return find(name)(conf)


def import_all() -> None:
    """Import what is installed: who is warm has it when it is asked for. What cannot be imported is left out."""
    for group in _CALLED:
        for point in entry_points(group=group):
            with contextlib.suppress(ImportError):
                point.load()
