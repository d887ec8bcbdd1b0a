"""The contract of backends: its plugging in the shared lab, and all of it in a lab of its own for each backend."""

from __future__ import annotations

import pytest

from fakevm.backend import base as backends
from fakevm.testing.contracts import LabContract, PlugContract

pytestmark = pytest.mark.lab


class TestPlugging(PlugContract):
    backend = "ovs"


# These take minutes each: they run with --slow.
for name in sorted(backends.installed()):
    globals()[f"Test{name.capitalize()}"] = pytest.mark.slow(
        type(f"Test{name.capitalize()}", (LabContract,), {"backend": name, "__module__": __name__})
    )
