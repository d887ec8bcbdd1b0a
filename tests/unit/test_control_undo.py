"""Taking back what was done."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from fakevm.control import lookout
from fakevm.control.job import Job, Stopped, all_in_background
from fakevm.control.lookout import Lookout
from fakevm.control.undo import Undo
from fakevm.errors import AgentDown, Conflict, FakevmError, Gone, NotFound, PlugFailed, Refused
from fakevm.progress import Progress


class Ports:
    """Neutron, as a lookout asks it: the ports that are there."""

    def __init__(self, *there: str) -> None:
        self.there = list(there)

    def ports(self, ids: list[str], **_fields: Any) -> list[dict[str, str]]:
        return [{"id": port} for port in self.there if port in ids]


class Hosts:
    """Agents, as a lookout asks them: the ports that are plugged, whatever the host."""

    def __init__(self, *plugged: str) -> None:
        self.plugged = list(plugged)

    def show(self, host: str, port_id: str) -> Any:
        if host == "dead":
            raise AgentDown("dead does not answer")
        return port_id if port_id in self.plugged else None


def job_of(neutron: Ports | None = None, agents: Hosts | None = None) -> Job:
    return Job(Lookout(neutron or Ports(), agents or Hosts()))  # type: ignore[arg-type]


def test_the_last_is_taken_back_first_and_all_are_tried() -> None:
    order: list[str] = []

    def fail() -> None:
        order.append("fail")
        raise PlugFailed("stuck")

    def surprise() -> None:
        raise ValueError("odd")

    undo = Undo()
    undo.add("deleted a", lambda: order.append("a"))
    undo.add("unplugged b", fail)
    undo.add("unplugged c", surprise)
    undo.add("unplugged d", lambda: order.append("d"))
    told = undo.run()
    assert order == ["d", "fail", "a"]
    assert "Undone: unplugged d, deleted a." in told
    assert "not unplugged b: stuck" in told
    assert "ValueError: odd" in told
    assert undo.run() == ""


def test_a_failed_job_says_what_it_took_back() -> None:
    job = job_of()

    def work() -> None:
        with job.step():
            job.undo.add("deleted it", lambda: None)
        raise Refused("no", hint="why")

    with pytest.raises(Refused) as caught:
        job.run(work)
    assert caught.value.hint == "why\nUndone: deleted it."


def test_steps_under_way_are_waited_for_and_none_begins_after_a_failure() -> None:
    job = job_of()
    seen: list[str] = []
    begun = threading.Event()

    def slow() -> None:
        with job.step():
            begun.set()
            time.sleep(0.2)
            job.undo.add("took back slow", lambda: seen.append("undone"))
            seen.append("slow ended")
        with pytest.raises(Stopped), job.step():
            pass
        seen.append("stopped")

    def failing() -> None:
        begun.wait(5)
        raise Refused("no")

    with pytest.raises(Refused):
        job.run(lambda: all_in_background([slow, failing]))
    assert seen[:1] == ["slow ended"]
    assert "undone" in seen


def test_an_interrupt_takes_back_too() -> None:
    job = job_of()
    taken_back: list[bool] = []

    def work() -> None:
        with job.step():
            job.undo.add("took it back", lambda: taken_back.append(True))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.run(work)
    assert taken_back == [True]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "PAUSE", 0.02)
    monkeypatch.setattr(lookout, "DELETING", 0.2)


def forever(job: Job) -> None:
    """Wait for what never comes, as a wait for Neutron does."""
    while True:
        job.check()
        time.sleep(0.01)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("neutron", "agents", "host", "error", "says"),
    [
        (Ports(), Hosts("p"), "h", Gone, "port p was deleted meanwhile"),
        (Ports("p"), Hosts(), "h", Conflict, "port p was unplugged from h meanwhile"),
        (Ports("p"), Hosts("p"), "dead", AgentDown, "dead does not answer"),
    ],
)
def test_a_wait_ends_when_what_it_waits_for_is_gone(
    neutron: Ports, agents: Hosts, host: str, error: type[FakevmError], says: str
) -> None:
    job = job_of(neutron, agents)
    taken_back: list[str] = []

    def work() -> None:
        job.undo.add("took it back", lambda: taken_back.append("back"))
        job.lookout.exists("p")
        job.lookout.plugged("p", host)
        forever(job)

    with pytest.raises(error, match=says):
        job.run(work)
    assert taken_back == ["back"]


@pytest.mark.usefixtures("quick")
def test_who_deletes_a_port_unplugs_it_first_and_is_told_as_that() -> None:
    neutron = Ports("p")
    job = job_of(neutron, Hosts())

    def work() -> None:
        job.lookout.exists("p")
        job.lookout.plugged("p", "h")
        threading.Timer(0.15, neutron.there.clear).start()
        forever(job)

    with pytest.raises(Gone, match="port p was deleted meanwhile"):
        job.run(work)


@pytest.mark.usefixtures("quick")
def test_what_leaves_a_host_as_it_should_is_not_missed() -> None:
    job = job_of(Ports("p"), Hosts())

    def work() -> str:
        job.lookout.exists("p")
        job.lookout.plugged("p", "h")
        job.lookout.leaves("p", "h")
        time.sleep(0.3)
        return "done"

    assert job.run(work) == "done"


def test_whatever_neutron_made_of_a_deletion_it_is_told_as_that_and_nothing_is_gone_back_to() -> None:
    job = job_of(Ports())
    done: list[str] = []

    def work() -> None:
        job.undo.add("put it back", lambda: done.append("back"))
        job.clearance.add("unplugged on h", lambda: done.append("cleared"))
        job.lookout.exists("p")
        raise Refused("Neutron did not bind it (HTTP 500)")

    with pytest.raises(Gone, match="port p was deleted meanwhile") as caught:
        job.run(work)
    assert caught.value.hint == "Undone: unplugged on h."
    assert done == ["cleared"]


@pytest.mark.usefixtures("quick")
def test_who_deletes_a_port_unplugs_it_first_which_is_told_as_the_deletion() -> None:
    neutron = Ports("p")
    job = job_of(neutron, Hosts())

    def work() -> None:
        job.lookout.exists("p")
        job.lookout.plugged("p", "h")
        threading.Timer(0.1, neutron.there.clear).start()
        raise NotFound("host h has no VIF of port p")

    with pytest.raises(Gone, match="port p was deleted meanwhile"):
        job.run(work)


def test_things_are_taken_back_side_by_side_and_each_in_its_order() -> None:
    undo, met, said = Undo(), threading.Barrier(2, timeout=10), []
    order: dict[str, list[str]] = {"a": [], "b": []}
    for thing, steps in order.items():
        undo.add(f"made {thing}", lambda steps=steps: steps.append("made"), thing)
        undo.add(f"plugged {thing}", lambda steps=steps: (met.wait(), steps.append("plugged")), thing)
    progress = Progress()
    progress.seen = said.append  # type: ignore[method-assign]
    undo.run(progress)
    assert order == {"a": ["plugged", "made"], "b": ["plugged", "made"]}
    assert said == ["taking back what was done: 1 of 2", "taking back what was done: 2 of 2"]


def test_no_more_is_begun_than_may_be_done_at_once() -> None:
    running, most, lock = [0], [0], threading.Lock()

    def work() -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.005)
        with lock:
            running[0] -= 1
        return 1

    assert sum(all_in_background((work for _ in range(20)), 3)) == 20
    assert most[0] <= 3
