"""What is done about a host that has ended; that this helps is for tests/lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.lab import fault, outside
from fakevm.model.lab import HostRecord, LabRecord


@pytest.mark.parametrize(("name", "address", "ended"), [("host1", "172.31.0.11", 1), (outside.NAME, "", 0)])
def test_connections_are_ended_of_a_host_that_has_an_address(
    name: str, address: str, ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outside has none, and ss takes no empty one."""
    ran: list[list[str]] = []
    monkeypatch.setattr(fault.process, "run", ran.append)
    host = HostRecord(name=name, release="", roles=(), management_address=address, tunnel_address="")
    fault._forget_connections(LabRecord("x", Path("/labs/x"), "up", 1, "", "ovs", "userspace", (host,)), name)
    assert [words[-2:] for words in ran] == [["dst", address]] * ended
