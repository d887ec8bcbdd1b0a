"""Where groups of the second version of control groups are made; with real groups, netns/test_container.py does it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakevm.linux import cgroup


def group(path: Path, *, gives: str = "", controllers: str = "cpu memory pids") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "cgroup.controllers").write_text(controllers)
    (path / "cgroup.subtree_control").write_text(gives)
    (path / "cgroup.procs").write_text("")
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> cgroup._Place:
    """Give a session's group in a user's, in a slice."""
    for below in ("", "user.slice", "user.slice/session-1.scope"):
        group(tmp_path / below)
    place = cgroup._Place(tmp_path / "user.slice/session-1.scope", tmp_path, frozenset({"cpu", "memory"}), second=True)
    monkeypatch.setattr(cgroup, "_mounted", lambda: [place])
    return place


def test_a_group_is_made_in_the_nearest_that_has_the_controllers_to_give(place: cgroup._Place) -> None:
    group(place.own.parent, gives="cpu memory")
    # As the kernel refuses it to a group with processes.
    (place.own / "cgroup.subtree_control").unlink()
    (place.own / "cgroup.subtree_control").mkdir()
    (made,) = cgroup.make({"memory": 1 << 28, "cpu": 0.5})
    assert made.parent == place.own.parent
    assert made.name.startswith("fakevm-")
    assert ((made / "memory.max").read_text(), (made / "cpu.max").read_text()) == ("268435456", "50000 100000")


def test_a_group_that_is_the_users_is_made_to_give_them(place: cgroup._Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "_ALL_IDS", [])
    (place.own / "cgroup.procs").write_text("1\n")
    assert cgroup.problem() == ""
    assert (place.own.parent / "cgroup.subtree_control").read_text() == ""
    (made,) = cgroup.make({"memory": 1 << 28})
    assert made.parent == place.own.parent
    assert (place.own.parent / "cgroup.subtree_control").read_text() == "+memory"


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's groups are the user's")
def test_the_machines_groups_stay_as_they_are(place: cgroup._Place) -> None:
    with pytest.raises(cgroup.Refused, match="gives no group below it memory, and is the machine's"):
        cgroup.make({"memory": 1 << 28})
    assert "cpu and memory" in cgroup.problem()
    for path in (place.own, place.own.parent, place.top):
        assert (path / "cgroup.subtree_control").read_text() == ""
        assert not list(path.glob("fakevm-*"))


@pytest.mark.parametrize("second", [True, False])
def test_swap_is_no_way_round_a_limit(tmp_path: Path, second: bool) -> None:
    file = tmp_path / ("memory.swap.max" if second else "memory.memsw.limit_in_bytes")
    file.write_text("max")
    cgroup._limit(tmp_path, "memory", 1 << 28, second=second)
    assert file.read_text() == ("0" if second else str(1 << 28))
    assert (tmp_path / ("memory.max" if second else "memory.limit_in_bytes")).read_text() == str(1 << 28)


def test_where_there_is_none_it_is_told(place: cgroup._Place) -> None:
    for path in (place.own, place.own.parent, place.top):
        (path / "cgroup.subtree_control").unlink()
    with pytest.raises(cgroup.Refused, match=r"cannot limit memory: .*: No such file"):
        cgroup.make({"memory": 1 << 28})
    with pytest.raises(cgroup.Refused, match="no control group with the controller hugetlb"):
        cgroup.make({"hugetlb": 1})


def test_only_what_was_made_is_removed(place: cgroup._Place) -> None:
    cgroup.remove([place.own, place.top / "fakevm-gone"])
    assert place.own.is_dir()


def test_what_is_mounted_from_nowhere_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = group(tmp_path / "groups", controllers="cpu memory")
    (tmp_path / "cgroup").write_text("4:devices:/a\n0::/a/b\n")
    lines = ("5 1 0:1 / /x rw - tmpfs  rw", f"6 1 0:2 / {top} rw,nosuid shared:3 - cgroup2 cgroup2 rw")
    (tmp_path / "mountinfo").write_text("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr(cgroup, "_OF_PROCESS", tmp_path)
    assert list(cgroup._mounted()) == [cgroup._Place(top / "a/b", top, frozenset({"cpu", "memory"}), second=True)]
