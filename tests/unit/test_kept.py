"""What is kept beyond labs: its folder, which may be one of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.errors import LabFailed
from fakevm.lab import kept
from fakevm.lab.environment import OWN, Environment

PLACE = Environment(OWN, "")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of what is kept."""
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path))
    return tmp_path


def left_by_one_that_was_killed() -> None:
    found = kept.folder(PLACE)
    found.mkdir(parents=True)
    (found / "log").write_text("what it said last")
    (found / "socket").touch()


def test_a_stop_removes_what_is_kept_and_nothing_else(root: Path) -> None:
    (root / "thesis.txt").write_text("the user's own")
    left_by_one_that_was_killed()
    assert kept.stop() == []
    assert [path.name for path in root.rglob("*")] == ["thesis.txt"]


def test_a_stop_removes_a_folder_that_is_empty_then(root: Path) -> None:
    left_by_one_that_was_killed()
    assert kept.stop() == []
    assert not root.exists()


@pytest.mark.usefixtures("root")
def test_a_wait_ends_at_once_when_what_is_waited_for_is_gone() -> None:
    left_by_one_that_was_killed()
    with pytest.raises(LabFailed, match="what it said last"):
        kept.wait(PLACE)
