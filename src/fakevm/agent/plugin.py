"""The agent's plugins, by the names under which they are installed: each is a VIF driver."""

from __future__ import annotations

import contextlib
from importlib.metadata import entry_points
from typing import Any

from fakevm import errors

_GROUP = "fakevm.agent_plugins"


def find(name: str) -> Any:
    """Give the class of the VIF driver that an entry point names.

    :raises InvalidInput: there is none of that name, or it cannot be imported
    """
    found = entry_points(group=_GROUP)
    if name not in found.names:
        raise errors.InvalidInput(
            f"there is no agent plugin '{name}'; there are: {', '.join(sorted(found.names)) or 'none'}",
            hint="Set fakevm_agent_plugin in [fakevm].",
        )
    try:
        return found[name].load()
    except ImportError as exc:
        raise errors.InvalidInput(f"cannot load the agent plugin '{name}': {exc}") from exc


def load(name: str, conf: Any) -> Any:
    """Make the VIF driver that an entry point names. Raises as ``find``."""
    return find(name)(conf)


def import_all() -> None:
    """Import what is installed: who is warm has it when it is asked for. What cannot be imported is left out."""
    for point in entry_points(group=_GROUP):
        with contextlib.suppress(ImportError):
            point.load()
