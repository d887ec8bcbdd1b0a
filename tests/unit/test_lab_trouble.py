"""What is wrong with a lab's programs, hosts and agents, as `lab status` tells it, each with what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.lab import trouble
from fakevm.lab.programs import Program
from fakevm.lab.trouble import Trouble
from fakevm.linux.supervision import Status
from fakevm.model.lab import HostRecord, LabRecord

RUN = "fakevm --lab toy"
AGENT = Program("compute1", "neutron-openvswitch-agent")


@pytest.fixture
def record(tmp_path: Path) -> LabRecord:
    host = HostRecord(
        name="compute1", release="", roles=(), management_address="", tunnel_address="", agents=(AGENT.name,)
    )
    return LabRecord(
        name="toy", directory=tmp_path, state="up", pid=1, endpoint="x", transport_url="", release="",
        backend="", datapath="", hosts=(host,),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "stopped", "wanted"),
    [
        (Status(running=True, pid=7, seconds=100, deaths=9), False, None),
        (Status(running=True, pid=7, seconds=1, deaths=1), False, None),
        (Status(running=False, pid=-1, seconds=5, deaths=0), True, f"{RUN} lab start {AGENT}"),
        (Status(running=False, pid=-1, seconds=0, deaths=3), False, f"{RUN} lab restart {AGENT}"),
        (Status(running=True, pid=7, seconds=1, deaths=9), False, f"{RUN} lab logs {AGENT}"),
    ],
)
def test_a_process_in_trouble(status: Status, stopped: bool, wanted: str | None) -> None:
    found = trouble._of_process(RUN, AGENT, status, stopped=stopped)
    assert (found.mend if found else None) == wanted


@pytest.mark.parametrize(
    ("state", "stays", "wanted"),
    [
        ("running", False, None),
        ("cut", False, Trouble("it has no network", f"{RUN} host join compute1")),
        ("stopped", True, Trouble("it is stopped", f"{RUN} host start compute1")),
        ("killed", True, Trouble("it is killed", f"{RUN} host start compute1")),
        (
            "killed",
            False,
            Trouble("its processes were killed; its supervisor starts it anew", f"{RUN} host start compute1"),
        ),
    ],
)
def test_a_host_in_trouble(state: str, stays: bool, wanted: Trouble | None) -> None:
    assert trouble._of_host(RUN, "compute1", state, stays=stays) == wanted


def test_an_agent_in_trouble(record: LabRecord) -> None:
    row = {"host": "compute1", "binary": AGENT.name}

    def found(state: str, agents: trouble.Agents | None) -> list[str]:
        return [t.what for t in trouble._of_agents(RUN, record, {"compute1": state}, agents).values()]

    assert found("running", [{**row, "alive": True}]) == []
    assert found("running", [{**row, "alive": False}]) == ["Neutron does not hear of it"]
    assert found("running", []) == ["Neutron does not know of it"]
    # Of these the host is to blame, or the API.
    assert found("killed", []) == found("cut", [{**row, "alive": False}]) == found("running", None) == []


def test_who_is_asked_through_another_is_not_blamed(record: LabRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"broker": "refused", "broker-relay": "refused", "neutron-rpc-server": "refused", "database": "error 500"}
    signs = {name: lambda _record, name=name: said.get(name, "") for name in (*said, "neutron-api")}
    monkeypatch.setattr("fakevm.lab.readiness.SIGNS", signs)
    seen = {Program("", name): Status(running=True, pid=1, seconds=9, deaths=0) for name in signs}
    found = trouble._of_signs(record, RUN, seen)
    assert found == {
        Program("", "broker"): Trouble("it does not serve: refused", f"{RUN} lab restart broker"),
        Program("", "database"): Trouble("it does not serve: error 500", f"{RUN} lab restart database"),
    }
    # Nor for one that does not run.
    del seen[Program("", "neutron-api")]
    assert list(trouble._of_signs(record, RUN, seen)) == [Program("", "broker")]
    # What does not run cannot be asked.
    assert trouble._of_signs(record, RUN, {}) == {}
