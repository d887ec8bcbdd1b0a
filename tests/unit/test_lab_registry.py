"""What commands that run at the same time do to a lab's record."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakevm.errors import Conflict, LabFailed, NotFound, Prerequisite, Unreachable
from fakevm.lab import ending, registry
from fakevm.model.lab import HostRecord, LabRecord


def recorded(directory: Path, *names: str) -> LabRecord:
    host = HostRecord(name="", release="old", roles=(), tunnel_address="", management_address="")
    return LabRecord(
        name="lab", directory=directory, state="up", pid=1, endpoint="", transport_url="", release="old", backend="ovs",
        datapath="userspace", hosts=tuple(host._replace(name=name) for name in names),
    )  # fmt: skip


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    """Two hosts that are upgraded at once, each by a command that read the record long before."""
    (tmp_path / "hosts").mkdir()
    names = [f"compute{number}" for number in range(8)]
    record = recorded(tmp_path, *names)
    registry.save(record)

    def upgrade(name: str) -> None:
        def edit(now: LabRecord) -> LabRecord:
            time.sleep(0.01)
            hosts = tuple(h._replace(release="new") if h.name == name else h for h in now.hosts)
            return now._replace(hosts=hosts)

        registry.change(record, edit)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upgrade, names))
    assert {h.release for h in registry.load(tmp_path).hosts} == {"new"}
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize("error", [Unreachable("nobody answers"), FileNotFoundError("lab.json")])
def test_what_fails_with_a_lab_that_was_ended_says_that(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(LabFailed, match="lab 'lab' was ended meanwhile"), registry.living(recorded(tmp_path)):
        raise error


def test_what_fails_in_a_lab_that_runs_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "runs", lambda _record: True)
    with pytest.raises(Unreachable, match="nobody answers"), registry.living(recorded(tmp_path)):
        raise Unreachable("nobody answers")


def test_one_host_is_changed_by_one_command_and_two_hosts_by_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "runs", lambda _record: True)
    record = recorded(tmp_path, "h1", "h2")
    for host in record.hosts:
        record.host_directory(host.name).mkdir(parents=True)
    with registry.alone(record, "host upgrade", "h1"), registry.alone(record, "host upgrade", "h2"):
        again = registry.alone(record, "host upgrade", "h1")
        with pytest.raises(Conflict, match="h1: host upgrade is under way since"), again:
            pytest.fail("two have it")


@pytest.mark.parametrize("name", ["../lab", "..", ".", "/", "a/b", "none"])
def test_a_name_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "labs").mkdir()
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/lab.json").write_text("{}")
    monkeypatch.setenv("FAKEVM_LABS", str(tmp_path / "labs"))
    for look in (registry.choose, ending.down):
        with pytest.raises(NotFound, match="there is no lab"):
            look(name)
    assert (tmp_path / "lab/lab.json").exists()


def test_another_users_lab_is_not_to_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir()
    monkeypatch.setenv("FAKEVM_LABS", str(tmp_path))

    def refuse(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(Prerequisite) as caught:
        registry.choose("theirs")
    assert f"lab 'theirs' is of the user {tmp_path.owner()}" in str(caught.value)
    assert "lab down" not in str(caught.value)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(Prerequisite, match="the folder of labs is of the user"):
        registry.names()
