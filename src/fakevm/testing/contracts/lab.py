"""The whole contract in one lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakevm.testing.labs import Lab, Labs

from .features import FILE, FeatureContract
from .plugging import Guest, PlugContract

_PATIENCE = 900.0


class LabContract(FeatureContract, PlugContract):
    """All that a backend must do in a lab, one lab for all of it; it takes minutes."""

    @pytest.fixture(scope="class")
    @classmethod
    def labs(cls) -> Iterator[Labs]:
        """Give a folder for the lab."""
        made = Labs.made()
        yield made
        made.remove()

    @pytest.fixture(scope="class")
    @classmethod
    def lab(cls, labs: Labs) -> Lab:
        """Start the lab of the contract with this backend."""
        return labs.up("contract", str(FILE), "--backend", cls.backend, timeout=_PATIENCE)

    @pytest.mark.parametrize("way", ["kill", "stop"])
    def test_a_host_comes_back_with_its_guests(self, lab: Lab, pair: tuple[Guest, Guest], way: str) -> None:
        """After a power cut, and after an end in order."""
        for word in (way, "start"):
            done = lab.fakevm("host", word, "compute2", timeout=_PATIENCE)
            assert done.returncode == 0, done.stderr
        assert lab.reaches(*pair, within=60)
        assert not [row["problem"] for row in lab.told("list") if row["problem"]]
