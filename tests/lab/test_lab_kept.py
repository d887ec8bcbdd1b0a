"""``fakevm warm``: what labs import is kept beyond them, a lab lives on without it, and nothing is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm import release
from fakevm.lab import kept

from . import machine
from .conftest import Lab, Labs, until

FILE = "hosts: {host1: {roles: [compute, dhcp]}}\n"


@pytest.fixture(scope="module")
def place(own_labs: Labs) -> Iterator[Path]:
    """Give the folder of what is kept here: another than that of the other tests."""
    folder = own_labs.folder / "kept"
    own_labs.environment.update({kept.VARIABLE: str(folder), "FAKEVM_WARM": "1"})
    yield folder
    own_labs.fakevm("warm", "stop")


@pytest.fixture(scope="module")
def kept_lab(own_labs: Labs, place: Path) -> Lab:
    """Start a lab when its imports are kept."""
    done = own_labs.fakevm("warm", "start")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    (own_labs.folder / "kept.yaml").write_text(FILE)
    return own_labs.up("kept", str(own_labs.folder / "kept.yaml"))


def status(labs: Labs) -> dict[str, tuple[str, int]]:
    done = labs.fakevm("warm", "status", "-f", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert all(row["Memory"] > 10e6 and 0 < row["Left"] <= kept.IDLE for row in rows)
    return {row["Environment"]: (row["State"], row["Labs"]) for row in rows}


def test_a_lab_imports_nothing(kept_lab: Lab, own_labs: Labs) -> None:
    assert status(own_labs) == {release.DEFAULT: ("warm", 1), "fakevm": ("warm", 1)}
    for log in (kept_lab.record.directory / "log").glob("warm-*.log"):
        assert "from scratch" not in log.read_text()
    # All of them are the lab's own: what is kept knows nothing of it.
    for pid in pids_of(own_labs):
        assert kept_lab.labs.mark not in machine.read(Path(f"/proc/{pid}/mountinfo")).decode()


def pids_of(labs: Labs) -> list[int]:
    return [row["Pid"] for row in json.loads(labs.fakevm("warm", "status", "-f", "json").stdout)]


def test_who_starts_twice_keeps_one(kept_lab: Lab, own_labs: Labs) -> None:
    before = pids_of(own_labs)
    done = own_labs.fakevm("warm", "start")
    assert done.returncode == 0
    assert f"{release.DEFAULT} is kept already" in done.stderr
    assert pids_of(own_labs) == before


def test_a_lab_lives_on_when_nothing_is_kept_any_more(kept_lab: Lab, own_labs: Labs, place: Path) -> None:
    pids = pids_of(own_labs)
    done = own_labs.fakevm("warm", "stop")
    assert (done.returncode, "ended: " in done.stderr) == (0, True), done.stderr
    assert not place.exists()
    # The arguments of one that has ended are empty, until its parent has asked how.
    assert not any(machine.read(Path(f"/proc/{pid}/cmdline")) for pid in pids)
    assert status(own_labs) == {}
    restarted = kept_lab.fakevm("lab", "restart", "host1/neutron-dhcp-agent", f"warm-{release.DEFAULT}")
    assert restarted.returncode == 0, restarted.stderr
    assert not [row for row in kept_lab.told("lab", "status") if row["problem"]]
    log = (kept_lab.record.directory / f"log/warm-{release.DEFAULT}.log").read_text()
    assert "is started from scratch, not by the kept one" in log


def test_nothing_is_left(kept_lab: Lab, own_labs: Labs) -> None:
    assert own_labs.fakevm("lab", "down", "kept").returncode == 0
    until(lambda: not machine.pids(own_labs.mark), 30)
