"""Labs for tests, made with the real command line in a folder of their own that is removed afterwards.

``lab`` is one default lab that all tests share which do not break it. ``labs`` makes others. ``untouched`` is for tests
after which the machine must be as it was before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakevm.lab import registry
from fakevm.model.lab import LabRecord

from . import machine

BIN = Path(sys.executable).parent
FAKEVM = str(BIN / "fakevm")
# Where the logs of labs go that were there when a test failed.
KEPT = Path("build/lab-logs")
TELLING = ("ERROR", "CRITICAL", "Traceback", "error:", "Error:", "failed", "fatal")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)
    # So that the shared lab does not run, and cost, beside all others.
    items.sort(key=_shares_the_lab)


def _shares_the_lab(item: pytest.Item) -> bool:
    own = hasattr(getattr(item, "module", None), "lab")
    return "lab" in getattr(item, "fixturenames", ()) and not own


@dataclass
class Labs:
    """The command line, with a folder for labs of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "labs"

    @property
    def mark(self) -> str:
        """What names the folder in arguments, environments and mounts."""
        return self.folder.name

    def env(self, **changes: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "FAKEVM_LAB"))}
        return {**clean, "FAKEVM_LABS": str(self.root), **self.environment, **changes}

    def fakevm(self, *words: str, timeout: float = 240, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ``fakevm`` to its end; all it says is kept as text."""
        options.setdefault("env", self.env())
        options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
        return subprocess.run([FAKEVM, *words], capture_output=True, text=True, timeout=timeout, check=False, **options)

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Begin a ``fakevm`` command in a session of its own, where no terminal's signals reach it."""
        options.setdefault("env", self.env())
        return subprocess.Popen(
            [FAKEVM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True, **options,
        )  # fmt: skip

    def record(self, name: str) -> LabRecord:
        return registry.load(self.root / name)

    def up(self, name: str, *words: str) -> Lab:
        done = self.fakevm("lab", "up", *words, "--name", name)
        assert done.returncode == 0, done.stderr + done.stdout
        return Lab(self, self.record(name))

    def logs(self) -> list[Path]:
        return sorted(path for place in ("log", "hosts/*/log") for path in self.root.glob(f"*/{place}/*.log"))

    def remove(self) -> None:
        self.fakevm("lab", "down", "--all")
        shutil.rmtree(self.folder)


@dataclass
class Lab:
    """A lab that runs."""

    labs: Labs
    record: LabRecord

    def fakevm(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ``fakevm`` with this lab as the one that is meant."""
        options.setdefault("env", self.labs.env(FAKEVM_LAB=self.record.name))
        return self.labs.fakevm(*words, **options)

    def openstack(self, *words: str, timeout: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the stock ``openstack`` client as a user's shell would after ``eval "$(fakevm lab env)"``."""
        wanted = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": self.record.endpoint, "FAKEVM_LAB": self.record.name}
        options.setdefault("env", self.labs.env(**wanted))
        return subprocess.run(
            [str(BIN / "openstack"), *words], capture_output=True, text=True, timeout=timeout, check=False, **options
        )

    def network(self, name: str, subnet: str, *words: str) -> str:
        """Make a network with a subnet that DHCP serves; returns its id."""
        made = self.openstack("network", "create", *words, name, "-f", "value", "-c", "id")
        assert made.returncode == 0, made.stderr
        identity = made.stdout.strip()
        served = self.openstack("subnet", "create", "--network", identity, "--subnet-range", subnet, name)
        assert served.returncode == 0, served.stderr
        return identity


def _made() -> Labs:
    # Unix sockets have short names only, so pytest's own temporary folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="fv-"))
    (folder / "labs").mkdir()
    return Labs(folder)


@pytest.fixture(scope="session")
def shared_labs() -> Iterator[Labs]:
    made = _made()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def lab(shared_labs: Labs) -> Lab:
    """Share the default lab among the tests that do not break it."""
    return shared_labs.up("shared")


@pytest.fixture
def labs() -> Iterator[Labs]:
    """Give a test a folder for labs of its own; what is left there is ended and removed."""
    made = _made()
    yield made
    made.remove()


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
        # The kernel removes network devices some time after the last process of a namespace.
        deadline = time.monotonic() + 3
        while (changes := machine.left(before, machine.look(labs.mark))) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not changes
        assert list(labs.root.iterdir()) == []

    return compare


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show what the logs of a failed test's labs say, and keep them."""
    report: Any = yield
    if report.failed:
        values = getattr(item, "funcargs", {}).values()
        found = {id(x): x for v in values for x in (v, getattr(v, "labs", None)) if isinstance(x, Labs)}
        for labs in found.values():
            with contextlib.suppress(OSError):
                report.sections.append(("labs", _telling(labs, KEPT / item.name)))
    return report


def _telling(labs: Labs, target: Path) -> str:
    text = [f"the logs are kept in {target.absolute()}"]
    for path in labs.logs():
        copy = target / path.relative_to(labs.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        lines = [line for line in path.read_text(errors="replace").splitlines() if any(w in line for w in TELLING)]
        text += [f"{path.relative_to(labs.root)}: {line[:300]}" for line in lines[-4:]]
    return "\n".join(text)


def interrupt(process: subprocess.Popen[str], signum: int = signal.SIGINT, timeout: float = 40) -> tuple[int, str]:
    """Send a signal to a command; returns its exit status and what it said."""
    process.send_signal(signum)
    said, _ = process.communicate(timeout=timeout)
    return process.returncode, said
