"""The contract of kinds of guests: of all that are installed, but virtual machines (test_vm)."""

from __future__ import annotations

from importlib.metadata import entry_points

from fakevm.agent.plugin import GUEST_KINDS
from fakevm.model.kind import VM_KIND
from fakevm.testing.contracts import GuestContract

for name in sorted(entry_points(group=GUEST_KINDS).names - {VM_KIND}):
    title = f"Test{name.capitalize()}"
    globals()[title] = type(title, (GuestContract,), {"name": name, "__module__": __name__})
