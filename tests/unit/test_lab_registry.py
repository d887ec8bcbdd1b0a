"""What commands that run at the same time do to a lab's record."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakevm.lab import registry
from fakevm.model.lab import HostRecord, LabRecord


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    """Two hosts that are upgraded at once, each by a command that read the record long before."""
    (tmp_path / "hosts").mkdir()
    host = HostRecord(name="", release="old", roles=(), tunnel_address="", management_address="")
    names = [f"compute{number}" for number in range(8)]
    record = LabRecord(
        name="lab", directory=tmp_path, state="up", pid=1, endpoint="", transport_url="", release="old", backend="ovs",
        datapath="userspace", hosts=tuple(dataclasses.replace(host, name=name) for name in names),
    )  # fmt: skip
    registry.save(record)

    def upgrade(name: str) -> None:
        def edit(now: LabRecord) -> LabRecord:
            time.sleep(0.01)
            hosts = tuple(dataclasses.replace(h, release="new") if h.name == name else h for h in now.hosts)
            return dataclasses.replace(now, hosts=hosts)

        registry.change(record, edit)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upgrade, names))
    assert {h.release for h in registry.load(tmp_path).hosts} == {"new"}
    assert not list(tmp_path.glob("*.new"))
