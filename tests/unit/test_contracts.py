"""The contract of backends' descriptions: of all installed ones, and of one in a package of its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.backend import base as backends
from fakevm.testing.contracts import DescriptionContract

for name in sorted(backends.installed()):
    globals()[f"Test{name.capitalize()}"] = type(f"Test{name.capitalize()}", (DescriptionContract,), {"backend": name})


class TestToy(DescriptionContract):
    backend = "toy"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def installed(cls, toy_folder: Path) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patched:
            patched.syspath_prepend(str(toy_folder))
            importlib.invalidate_caches()
            yield

    def test_neutron_finds_its_driver_where_it_is_installed(self, toy_folder: Path) -> None:
        assert backends.load("toy").environment() == {"PYTHONPATH": str(toy_folder)}
