"""How one gets into a virtual machine: what is said of it, and what follows where nothing is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fakevm.model.guest import GuestSettings


def is_tiny(settings: GuestSettings) -> bool:
    """Tell whether it is the tiny machine, in which FakeVM sets things."""
    return not settings.image and settings.machine.kernel is None


def of(settings: GuestSettings) -> Literal["agent", "console", "none", "shell"]:
    """Say how commands get into it; ``shell``: by that of the tiny machine."""
    return settings.machine.access or ("shell" if is_tiny(settings) else "none")
