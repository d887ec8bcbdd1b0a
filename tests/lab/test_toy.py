"""A backend in a package of its own (tests/toy_backend): it passes the contract, and nothing here knows of it.

What is not slow of it is in test_check_matrix.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.testing.contracts import LabContract

from .conftest import Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]


class TestToy(LabContract):
    backend = "toy"

    @pytest.fixture(scope="class")
    @classmethod
    def labs(cls, toy_folder: Path) -> Iterator[Labs]:
        with pytest.MonkeyPatch.context() as patched:
            patched.syspath_prepend(str(toy_folder))
            importlib.invalidate_caches()
            made = Labs.made()
            made.environment["PYTHONPATH"] = str(toy_folder)
            yield made
            made.remove()
