"""The sandbox of a lab, with one small program in it instead of a Neutron."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakevm.errors import Conflict, LabFailed, Prerequisite, TimedOut
from fakevm.lab import files, sandbox
from fakevm.linux import supervision
from fakevm.linux.supervision import INHERITED
from fakevm.model.lab import LabRecord
from fakevm.model.program import Program


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lab"


def _write(directory: Path) -> None:
    for name in ("log", "private", "service"):
        (directory / name).mkdir()
    files.write(directory / "bridges.batch", "link add br-mgmt type bridge\n")
    files.write(directory / "hosts.txt", "198.18.0.2 compute1\n")
    sleeper = Program(name="sleeper", command=("sh", "-c", "sleep 1000 & sleep 1001"), held=False)
    supervision.write(directory / "service", sleeper, "/run/fakevm/log/sleeper.log")


def _door() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def _start(directory: Path) -> int:
    lock = sandbox.claim(directory)
    try:
        _write(directory)
        with contextlib.ExitStack() as held:
            sandbox.start(directory, "toy", (*(held.enter_context(_door()).fileno() for _ in INHERITED), lock))
        return sandbox.wait_ready(directory, 60)
    finally:
        os.close(lock)


@pytest.fixture
def toy(directory: Path) -> Iterator[int]:
    """Run a sandbox; its value is the handle's pid."""
    yield _start(directory)
    with sandbox.ended(directory):
        pass


def _sleepers() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _sleeps(entry)]


def _sleeps(process: Path) -> bool:
    try:
        return (process / "cmdline").read_bytes().startswith(b"sleep\x00100")
    except OSError:  # it ended just now
        return False


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def _run(directory: Path, pid: int, *words: str) -> str:
    record = LabRecord(
        name="toy", directory=directory, state="up", pid=pid, endpoint="", transport_url="", release="", backend="",
        datapath="", hosts=(),
    )  # fmt: skip
    return subprocess.run([*sandbox.enter_lab(record), *words], capture_output=True, text=True, check=True).stdout


def test_what_enters_has_a_place_for_temporary_files(
    directory: Path, toy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/usr")
    assert _run(directory, toy, "mktemp", "--dry-run").startswith("/tmp/")


def test_it_is_a_world_of_its_own(directory: Path, toy: int) -> None:
    assert _run(directory, toy, "hostname") == "toy\n"
    assert "br-mgmt" in _run(directory, toy, "ls", "/sys/class/net")
    assert "br-mgmt" not in [path.name for path in Path("/sys/class/net").iterdir()]
    assert "compute1" in _run(directory, toy, "cat", "/etc/hosts")
    assert "compute1" not in Path("/etc/hosts").read_text()
    assert _run(directory, toy, "sh", "-c", "touch /usr/x 2>&1 || true").strip().endswith("Read-only file system")
    assert _run(directory, toy, "sh", "-c", "echo x >/run/fakevm/out && echo y >/run/only-here") == ""
    assert (directory / "out").read_text() == "x\n"
    assert not Path("/run/only-here").exists()


def test_stop_ends_everything_before_it_returns(directory: Path, toy: int) -> None:
    _until(lambda: len(_sleepers()) == 2)
    sandbox.stop(directory)
    assert _sleepers() == []
    assert not sandbox.runs(directory, toy)
    sandbox.stop(directory)


@pytest.mark.parametrize("victim", ["handle", "first process"])
def test_whoever_is_killed_takes_all_along(directory: Path, toy: int, victim: str) -> None:
    _until(lambda: len(_sleepers()) == 2)
    first = int((directory / "init").read_text().split()[0])
    os.kill({"handle": toy, "first process": first}[victim], signal.SIGKILL)
    with sandbox.ended(directory):
        assert _sleepers() == []
        assert not sandbox.runs(directory, toy)


def test_a_supervisor_that_is_killed_takes_its_program_along(directory: Path, toy: int) -> None:
    """Else two of it run: the lab's first process starts the supervisor anew, and that the program."""
    _until(lambda: len(_shells()) == 1)
    (old,) = _shells()
    assert b"s6-supervise" in Path(f"/proc/{_parent(old)}/cmdline").read_bytes()
    os.kill(_parent(old), signal.SIGKILL)
    # What a shell forks is called as it is until it becomes another program.
    _until(lambda: len(found := _shells()) == 1 and old not in found)


@pytest.mark.parametrize("victim", ["program", "supervisor"])
def test_nothing_of_a_program_that_ended_runs_beside_the_next(directory: Path, toy: int, victim: str) -> None:
    _until(lambda: len(_sleepers()) == 2)
    old, program = _sleepers(), _shells()[0]
    os.kill(program if victim == "program" else _parent(program), signal.SIGKILL)
    _until(lambda: len(_sleepers()) == 2 and not set(old) & set(_sleepers()))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _shells() -> list[int]:
    """List the processes that the program ``sleeper`` is."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_sleeper(entry)]


def _is_sleeper(process: Path) -> bool:
    try:
        return b"sleep 1000 & sleep 1001" in (process / "cmdline").read_bytes()
    except OSError:  # it ended just now
        return False


def test_a_folder_is_claimed_by_one_lab_at_a_time(directory: Path, toy: int) -> None:
    with pytest.raises(Conflict, match="runs already"):
        sandbox.claim(directory)
    os.kill(toy, signal.SIGKILL)
    with sandbox.ended(directory):
        pass
    os.close(sandbox.claim(directory))


def test_a_folder_is_claimed_by_one_command_at_a_time(directory: Path) -> None:
    lock = sandbox.claim(directory)
    with pytest.raises(Conflict):
        sandbox.claim(directory)
    with pytest.raises(TimedOut, match="another command"), sandbox.ended(directory, timeout=0.2):
        pass
    os.close(lock)
    with sandbox.ended(directory):
        pass


def test_a_folder_that_was_there_is_closed_to_others(directory: Path) -> None:
    """All secrets of the lab are in it. So nobody else may have made it: he would let himself in again."""
    directory.mkdir(mode=0o755)
    os.close(sandbox.claim(directory))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    if os.geteuid() == 0:
        os.chown(directory, 65534, 65534)
        with pytest.raises(Prerequisite, match="cannot be closed to other users: another user made it"):
            sandbox.claim(directory)


def test_a_link_of_another_users_is_not_followed(directory: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o755)
    directory.symlink_to(own)
    os.close(sandbox.claim(directory))  # of one's own it is
    if os.geteuid() == 0:
        own.chmod(0o755)
        os.chown(directory, 65534, 65534, follow_symlinks=False)
        with pytest.raises(Prerequisite, match="cannot be closed to other users: another user made it"):
            sandbox.claim(directory)
        assert stat.S_IMODE(own.stat().st_mode) == 0o755
    directory.unlink()


def test_programs_do_not_hold_the_lock(directory: Path, toy: int) -> None:
    """Else a stray one would keep a dead lab's folder."""
    inode = directory.stat().st_ino
    _until(lambda: len(_sleepers()) == 2)
    for pid in _sleepers():
        held = [descriptor.stat().st_ino for descriptor in Path(f"/proc/{pid}/fd").iterdir()]
        assert inode not in held


def test_numbers_that_others_have_now_are_left_alone(directory: Path, tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "1002"])
    try:
        os.close(sandbox.claim(directory))
        (directory / "pid").write_text(f"{other.pid}\n")
        stat = Path(f"/proc/{other.pid}/stat").read_text()
        fields = stat.split()
        fields[21] = str(int(fields[21]) - 1)  # who had the number before, began earlier
        (directory / "init").write_text(" ".join(fields) + "\n")
        with sandbox.ended(directory):
            pass
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("text", ["", "words", "1"])
def test_files_cut_short_do_no_harm(directory: Path, text: str) -> None:
    os.close(sandbox.claim(directory))
    (directory / "pid").write_text(text)
    (directory / "init").write_text(text)
    with sandbox.ended(directory):
        pass


def test_what_was_never_there_has_ended(directory: Path) -> None:
    with sandbox.ended(directory):
        assert not directory.exists()


def test_a_sandbox_that_cannot_start_says_why(directory: Path) -> None:
    lock = sandbox.claim(directory)
    with contextlib.ExitStack() as held:
        held.callback(os.close, lock)
        doors = [held.enter_context(_door()).fileno() for _ in INHERITED]
        _write(directory)
        files.write(directory / "bridges.batch", "link add nonsense type nonsense\n")
        sandbox.start(directory, "toy", (*doors, lock))
        with pytest.raises(LabFailed, match="Unknown device type"):
            sandbox.wait_ready(directory, 60)
    pid = sandbox.pid_of(directory)
    with sandbox.ended(directory):
        # It is our child, and ends just now.
        _until(lambda: sandbox.stop(directory) or not Path(f"/proc/{pid}").exists())
