"""Control groups of guests are found by the folders of what has ended; netns/test_container.py has real ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from fakevm.guest import groups
from fakevm.lab import ending
from fakevm.linux import cgroup


@pytest.mark.parametrize("below", ["", "hosts", "hosts/h1"])
def test_groups_go_with_the_folder_of_a_lab_of_its_hosts_or_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """A lab that was killed is cleared folder by folder when one of its name comes."""
    group = Path("/sys/fs/cgroup/x/fakevm-1")
    links = tmp_path / "hosts/h1/agent/containers/g/groups"
    links.mkdir(parents=True)
    (links / "0").symlink_to(group)
    removed: list[Path] = []

    def remove(folders: Iterable[Path]) -> None:
        removed.extend(folders)

    monkeypatch.setattr(cgroup, "remove", remove)
    ending.erase(tmp_path / below)
    assert removed == [group]
    assert not (tmp_path / below).exists()
    groups.remove_all(tmp_path)
    assert removed == [group]
