"""Hosts that come up a few at a time: what is started when, and what is said meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.errors import TimedOut
from fakevm.lab import readiness, waves
from fakevm.linux import supervision
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.progress import Progress


class Seen(Progress):
    """Keeps what was seen last."""

    last = ""

    def seen(self, text: str) -> None:
        self.last = text


class World:
    """A lab whose supervisors only note what they are told, and what Neutron would say of its agents."""

    def __init__(self, folder: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[str] = []
        self.alive: set[str] = set()
        self.hosts = [waves.Host(_record(f"c{n}"), ("agent",)) for n in range(1, number + 1)]
        for host in self.hosts[waves.at_once() :]:
            (folder / "service" / host.record.name).mkdir(parents=True)
            (folder / "service" / host.record.name / "down").touch()
        self.lab = LabRecord(
            name="x", directory=folder, state="up", pid=1, endpoint="", transport_url="", release="", backend="",
            datapath="", hosts=tuple(host.record for host in self.hosts),
        )  # fmt: skip
        monkeypatch.setattr(supervision, "start", lambda directory, *names: self._start(directory, names))
        monkeypatch.setattr(supervision, "is_supervised", lambda *_: True)
        monkeypatch.setattr(readiness, "agents", lambda *_: [
            {"host": host, "binary": "agent", "alive": True} for host in self.alive
        ])  # fmt: skip
        monkeypatch.setattr(waves, "_REST", 0)
        self.progress = Seen()

    def _start(self, directory: Path, names: tuple[str, ...]) -> None:
        self.started += [directory.parent.name if name == "agent" else f"host {name}" for name in names]

    def coming(self, timeout: float = 60) -> waves._Coming:
        return waves._Coming(self.lab, self.hosts, timeout, self.progress)


def _record(name: str) -> HostRecord:
    return HostRecord(name=name, release="", roles=(), management_address="", tunnel_address="", agents=("agent",))


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(waves, "at_once", lambda: 3)
    return 3


def test_one_begins_as_another_is_done(tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, 5, monkeypatch)
    coming = world.coming()
    assert coming.look()
    assert world.started == ["c1", "c2", "c3"]
    world.alive = {"c2"}
    assert "agent on c1" in coming.look()
    assert world.started[most:] == ["host c4", "c4"]
    assert world.progress.last.startswith("1 of 5 hosts are there, some ")
    world.alive |= {"c1", "c3", "c4"}
    assert coming.look() == "not alive: agent on c5"
    world.alive |= {"c5"}
    assert coming.look() == ""
    assert world.progress.last == "5 of 5 hosts are there, some 0 s left"


def test_one_that_is_late_is_named_soon(tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, 5, monkeypatch)
    world.alive = {"c1", "c3"}
    coming = world.coming(timeout=0.2)
    with pytest.raises(TimedOut, match="the agents did not serve within 0 s; last seen: not alive: agent on c2"):
        while True:
            coming.look()


def test_of_many_names_some_are_said() -> None:
    assert waves.named([f"c{n}" for n in range(9)]) == "c0, c1, c2, c3, c4, c5 and 3 more"
