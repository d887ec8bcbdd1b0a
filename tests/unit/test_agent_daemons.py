"""What guests are kept running: real processes, on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.agent import daemons as module
from fakevm.agent.daemons import Daemons
from fakevm.linux import lasting
from fakevm.model.daemon import Daemon, DaemonSeen
from fakevm.model.guest import Guest
from fakevm.waiting import until

# Waits for its end without any process below it, and notes how it was ended.
SLEEPS = "trap 'echo ended; exit 0' TERM; echo began; while :; do read -r _ <>{fifo}; done"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "RUN", tmp_path / "run")
    monkeypatch.setattr(module, "_PAUSES", (0.05, 0.1, 0.2))
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


@pytest.fixture
def kept(folder: Path) -> Iterator[Daemons]:
    found = Daemons(folder / "log")
    yield found
    found.end(guest())


def guest(*daemons: Daemon) -> Guest:
    return Guest(id="g1", name="r1", namespace="fakevm-host1-g1", daemons=daemons)


def sleeper(folder: Path, name: str = "sleeper", **more: dict[str, str]) -> Daemon:
    return Daemon(name=name, command=("sh", "-c", SLEEPS.format(fifo=folder / "fifo")), **more)  # type: ignore[arg-type]


def wait(condition: object) -> None:
    assert callable(condition)
    until(lambda: "" if condition() else "not yet", "it did not come to be so", 30.0, pause=0.02)


def one(kept: Daemons, wanted: Guest) -> DaemonSeen:
    (seen,) = kept.seen(wanted)
    return seen


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_ends_is_started_again_and_what_it_says_is_in_its_log(folder: Path, kept: Daemons) -> None:
    wanted = guest(sleeper(folder))
    kept.keep(wanted, list)
    first = one(kept, wanted)
    assert first.pid and not first.problem
    log = folder / "log/guest-r1-sleeper.log"
    wait(lambda: log.exists() and log.read_text() == "began\n")
    os.kill(first.pid, signal.SIGKILL)
    wait(lambda: one(kept, wanted).pid not in (0, first.pid))
    assert one(kept, wanted).restarts == 1
    wait(lambda: log.read_text() == "began\nbegan\n")
    assert not one(kept, wanted).problem


def test_what_keeps_ending_is_told_with_its_last_words(kept: Daemons) -> None:
    wanted = guest(Daemon(name="broken", command=("sh", "-c", "echo no such thing >&2; exit 3")))
    kept.keep(wanted, list)
    wait(lambda: one(kept, wanted).restarts >= 3)
    problem = one(kept, wanted).problem
    assert problem.startswith("broken keeps ending")
    assert "with status 3" in problem
    assert "no such thing" in problem


def test_another_agent_finds_it_again_and_ends_it(folder: Path, kept: Daemons) -> None:
    wanted = guest(sleeper(folder))
    kept.keep(wanted, list)
    pid = one(kept, wanted).pid
    # It writes down itself; an agent that died before that has left nothing.
    wait(lambda: (folder / "log/guest-r1-sleeper.log").read_text() == "began\n")
    second = Daemons(folder / "log")
    second.keep(wanted, list)
    assert one(second, wanted).pid == pid
    third = Daemons(folder / "log")
    third.end(wanted)
    wait(lambda: not is_alive(pid) or one(kept, wanted).pid != pid)
    second.end(wanted)


def test_what_somebody_else_has_started_is_taken_unless_it_has_ended(folder: Path, kept: Daemons) -> None:
    wanted = guest(sleeper(folder), sleeper(folder, "ended"))
    ended = subprocess.Popen(["true"])
    ended.wait()
    others = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        kept.adopt(wanted, {"sleeper": others.pid, "ended": ended.pid})
        kept.keep(wanted, list)
        seen = {daemon.wanted.name: daemon.pid for daemon in kept.seen(wanted)}
        assert seen["sleeper"] == others.pid
        assert seen["ended"] not in (0, ended.pid)
        kept.end(wanted)
    finally:
        others.kill()
        others.wait()


def test_one_that_is_to_be_another_is_ended_and_the_rest_goes_on(folder: Path, kept: Daemons) -> None:
    stays, changes = sleeper(folder, "stays"), sleeper(folder, "changes")
    kept.keep(guest(stays, changes), list)
    before = {seen.wanted.name: seen.pid for seen in kept.seen(guest(stays, changes))}
    other = changes.model_copy(update={"files": {str(folder / "etc/own.conf"): "new\n"}})
    kept.keep(guest(stays, other), list)
    after = {seen.wanted.name: seen.pid for seen in kept.seen(guest(stays, other))}
    assert after["stays"] == before["stays"]
    assert after["changes"] not in (0, before["changes"])
    assert not is_alive(before["changes"])
    assert (folder / "etc/own.conf").read_text() == "new\n"
    kept.keep(guest(stays), list)
    assert [seen.pid for seen in kept.seen(guest(stays))] == [before["stays"]]
    assert not is_alive(after["changes"])


def test_nothing_is_left_of_a_guest_s_not_even_children(folder: Path, kept: Daemons) -> None:
    line = f"sh -c 'trap \"\" TERM; read -r _ <>{folder / 'fifo'}' & echo $! >{folder / 'child'}; wait"
    wanted = guest(Daemon(name="parent", command=("sh", "-c", line)))
    kept.keep(wanted, list)
    wait(lambda: (folder / "child").exists() and (folder / "child").read_text().strip())
    pid, child = one(kept, wanted).pid, int((folder / "child").read_text())
    kept.end(wanted)
    wait(lambda: not is_alive(child))
    assert not is_alive(pid)
    assert not list((folder / "run").iterdir())


def test_a_log_that_cannot_be_written_is_told(folder: Path, kept: Daemons) -> None:
    (folder / "log").write_text("no folder")
    wanted = guest(sleeper(folder))
    kept.keep(wanted, list)
    assert "cannot be started" in one(kept, wanted).problem


def test_a_number_that_is_anothers_by_now_is_not_taken_for_it(folder: Path) -> None:
    note = folder / "note"
    child = lasting.start(["sleep", "600"], "mark", note, subprocess.DEVNULL)
    until(lambda: "" if note.exists() else "no note", "nothing was written down", 30.0, pause=0.02)
    said = note.read_text()
    fields = said.split()
    fields[-31] = "1"  # starttime is the 22nd of 52, and the mark is before them
    try:
        found = lasting.find(note)
        assert found
        assert found[0] == "mark"
        assert found[1].pid == child.pid
        os.close(found[1].descriptor)
        note.write_text(" ".join(fields))
        assert lasting.find(note) is None
    finally:
        child.signal(signal.SIGKILL)
        child.bury()
