"""A pytest plugin, which pytest finds by itself (entry point ``pytest11``): labs as fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .labs import Lab, Labs


@pytest.fixture(scope="session")
def fakevm_labs() -> Iterator[Labs]:
    """Give a folder for labs; they are ended and removed after all tests."""
    made = Labs.made()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def fakevm_lab(fakevm_labs: Labs) -> Lab:
    """Share one default lab among all tests: two compute hosts and a network host, with ML2/OVS."""
    return fakevm_labs.up("lab")
