"""The contract of backends: its plugging in the shared lab, and all of it in a lab of its own for each backend."""

from __future__ import annotations

import pytest

from fakevm import errors, release
from fakevm.backend import base as backends
from fakevm.testing.contracts import LabContract, PlugContract

pytestmark = pytest.mark.lab


class TestPlugging(PlugContract):
    backend = "ovs"


def _lacking(backend: backends.Backend) -> str:
    """Say what Python the newest release of a backend lacks here; empty when it lacks none."""
    version = next(version for version in reversed(release.shipped()) if backend.runs_on(version))
    try:
        release.find_python(version)
    except errors.Prerequisite as exc:
        return exc.what
    return ""


# These take minutes each: they run with --slow.
for name, backend in sorted(backends.installed().items()):
    contract = pytest.mark.slow(
        type(f"Test{name.capitalize()}", (LabContract,), {"backend": name, "__module__": __name__})
    )
    lacking = _lacking(backend)
    globals()[f"Test{name.capitalize()}"] = pytest.mark.skipif(bool(lacking), reason=lacking or "it can run")(contract)
