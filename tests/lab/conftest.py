"""Labs for tests, made with the real command line (fakevm.testing.labs).

``lab`` is one default lab that all tests share which do not break it. ``labs`` makes others. ``untouched`` is for tests
after which the machine must be as it was before.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from fakevm.testing.labs import BIN, FAKEVM, Lab, Labs

from . import machine

__all__ = ["BIN", "FAKEVM", "Lab", "Labs", "awaited", "begun", "interrupt", "until"]

T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)
    # So that the shared lab does not run, and cost, beside all others.
    items.sort(key=_shares_the_lab)


def _shares_the_lab(item: pytest.Item) -> bool:
    own = any(hasattr(getattr(item, place, None), "lab") for place in ("module", "cls"))
    return "lab" in getattr(item, "fixturenames", ()) and not own


@pytest.fixture(scope="session")
def shared_labs() -> Iterator[Labs]:
    made = Labs.made()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def lab(shared_labs: Labs) -> Lab:
    """Share the default lab among the tests that do not break it."""
    return shared_labs.up("shared")


@pytest.fixture
def labs() -> Iterator[Labs]:
    """Give a test a folder for labs of its own; what is left there is ended and removed."""
    made = Labs.made()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def own_labs() -> Iterator[Labs]:
    """Give a module's tests a folder for labs that they share; what is left there is ended and removed."""
    made = Labs.made()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def before(own_labs: Labs) -> machine.Seen:
    """Tell what the machine was before the module's first lab; to be asked for by the fixture that starts it."""
    return machine.look(own_labs.mark)


@pytest.fixture
def small_file(labs: Labs) -> Path:
    """Write the smallest lab file whose guests get addresses by DHCP: one host does it all."""
    path = labs.folder / "small.yaml"
    path.write_text("hosts:\n  host1: {roles: [compute, dhcp]}\n")
    return path


@pytest.fixture
def untouched(labs: Labs) -> Callable[[], None]:
    """Compare the machine with what it was when the test began; to be called, at the latest at its end."""
    before = machine.look(labs.mark)

    def compare() -> None:
        assert not machine.left_behind(before, labs.mark)
        assert list(labs.root.iterdir()) == []

    return compare


def begun(process: subprocess.Popen[str]) -> None:
    """Wait until a command can be interrupted tidily: before that, Python itself starts."""
    until(lambda: _caught(process.pid) >> (signal.SIGTERM - 1) & 1)


def _caught(pid: int) -> int:
    status = machine.read(Path(f"/proc/{pid}/status")).decode()
    return int(status.partition("SigCgt:")[2].split()[0], 16)


def interrupt(process: subprocess.Popen[str], signum: int = signal.SIGINT, timeout: float = 300) -> tuple[int, str]:
    """Send a signal to a command; returns its exit status and what it said."""
    process.send_signal(signum)
    said, _ = process.communicate(timeout=timeout)
    return process.returncode, said


def until(condition: Callable[[], object], timeout: float = 60) -> None:
    """Wait until a condition holds, ``timeout`` seconds at most."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def awaited(look: Callable[[], T], wanted: T, timeout: float) -> T:
    """Look until what is wanted is seen, ``timeout`` seconds at most; returns what was seen last, to be asserted."""
    deadline = time.monotonic() + timeout
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return seen
