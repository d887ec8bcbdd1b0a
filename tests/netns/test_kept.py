"""A warmed process that is kept: whose child is what it forks, who ends whom, and what is not forked from it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .test_warm import ASK, MODULES, PROGRAM, SCRIPT, parent_of, runs, until

# Ends all that is below it, as a lab does.
INSIDE = ("unshare", "--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
# An ordinary user's lab is in a user namespace; who owns one may enter it.
USER = ("--user", "--map-root-user")
# The lab's first process: it takes in who has lost its parent. Some of what Python imports is a copy there, as in a
# lab's own /etc.
FIRST = """
cp -a "$1/." "$2"; mount --bind "$2" "$1"; shift 2
"$@" & while :; do wait; sleep 0.05; done
"""


class Kept:
    """One that is kept, with what a lab would have: a folder, and a program."""

    def __init__(self, place: Path, idle: float = 600, owner: int | None = None) -> None:
        self.place, self.door, self.lab = place, place / "kept", place / "lab"
        self.modules = place / "modules"
        self.copy = place / "copy"
        for folder in (self.door, self.lab, self.modules, self.copy):
            folder.mkdir(mode=0o700)
        (self.modules / "sleeper.py").write_text(PROGRAM)
        self.script = place / "program"
        self.script.write_text(SCRIPT.format(python=sys.executable, module="sleeper"))
        self.script.chmod(0o755)
        self.search = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{MODULES}:{self.modules}"}
        terms = (self.door, str(idle), "-" if owner is None else str(owner))
        with (place / "kept.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fakevm_warm", "--keep", *terms, self.script, "_" * 600],
                env=self.search, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=() if owner is None else (owner,),
            )  # fmt: skip
        until(self.opens)

    def opens(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conversation:
            return not conversation.connect_ex(str(self.door / "socket"))

    def warmed(self, *before: str, python: str = sys.executable) -> subprocess.Popen[str]:
        """Start what stands for a lab's warmed process under its supervisor."""
        asking = (sys.executable, "-ISE", ASK, "--kept", self.door)
        command = (*before, *asking, python, "-m", "fakevm_warm", self.lab, self.script, "_" * 600)
        return subprocess.Popen(
            list(map(str, command)), env=self.search, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def program(self, *words: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = (*before, sys.executable, "-ISE", ASK, self.lab, self.script, *words)
        return subprocess.Popen(
            list(map(str, command)), env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.modules)}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def forked(self) -> int:
        """Wait for a lab's warmed process that was forked; gives its pid."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [pid for pid in below(self.lab) if pid != self.process.pid]
            return bool(found) and (self.lab / "socket").exists()

        until(look)
        (one,) = found
        return one

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def below(lab: Path) -> list[int]:
    """Find the warmed processes of a lab."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:4] == [b"-m", b"fakevm_warm", os.fsencode(lab)]:
                found.append(int(entry.name))
    return found


def ended(stub: subprocess.Popen[str]) -> None:
    stub.kill()
    stub.communicate()


def seen(file: Path) -> dict[str, Any]:
    until(lambda: file.exists() and file.stat().st_size)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("user", [(), USER] if os.geteuid() == 0 else [USER])
def test_a_lab_gets_a_warmed_process_that_ends_with_it(kept: Kept, tmp_path: Path, user: tuple[str, ...]) -> None:
    lab = kept.warmed(*INSIDE, *user, "sh", "-c", FIRST, "sh", *map(str, (kept.modules, kept.copy)))
    warmed = kept.forked()
    # Below the lab's first process.
    until(lambda: Path(f"/proc/{parent_of(warmed)}/cmdline").read_bytes().startswith(b"sh\0-c\0"))
    first = parent_of(warmed)
    for kind in ("user", "pid", "net", "uts", "ipc", "mnt"):
        assert Path(f"/proc/{warmed}/ns/{kind}").readlink() == Path(f"/proc/{first}/ns/{kind}").readlink(), kind
    program = kept.program(tmp_path / "seen", "exit", 3, before=("nsenter", f"--target={first}", "--all"))
    assert program.communicate(timeout=60) == ("said\n", None)
    assert program.returncode == 3
    # Nothing of it is left outside.
    children = Path(f"/proc/{kept.process.pid}/task/{kept.process.pid}/children")
    until(lambda: not children.read_text())
    ended(lab)
    until(lambda: not runs(warmed))
    assert kept.process.poll() is None


def test_programs_are_forked_from_it_and_outlive_what_is_kept(kept: Kept, tmp_path: Path) -> None:
    stub = kept.warmed()
    warmed = kept.forked()
    program = kept.program(tmp_path / "seen", "polite", tmp_path / "hup")
    pid = seen(tmp_path / "seen")["pid"]
    assert parent_of(parent_of(pid)) == warmed
    kept.end()
    until((tmp_path / "seen.ready").exists)
    again = kept.program(tmp_path / "again", "exit", 5)
    assert again.wait(60) == 5
    assert "from scratch" not in again.communicate()[0]
    # The warmed process ends with its stub, and no program with it.
    stub.kill()
    until(lambda: not runs(warmed))
    assert runs(pid)
    program.terminate()
    assert program.wait(60) == 7
    stub.communicate()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_its_stub_ends_as_it_does(kept: Kept, signum: int) -> None:
    stub = kept.warmed()
    warmed = kept.forked()
    if signum == signal.SIGTERM:
        stub.terminate()
    else:
        os.kill(warmed, signum)
    assert stub.wait(60) == -signum
    stub.communicate()
    until(lambda: not runs(warmed))


def test_what_has_changed_is_not_used_and_then_imported_anew(kept: Kept, tmp_path: Path) -> None:
    until(lambda: "warm" in (tmp_path / "kept.log").read_text())
    (kept.modules / "sleeper.py").write_text(PROGRAM.replace('"said"', '"said anew"'))
    stub = kept.warmed()
    until((kept.lab / "socket").exists)
    assert below(kept.lab) == [stub.pid]
    stub.kill()
    assert "sleeper.py has changed since it was imported" in stub.communicate()[0]
    (kept.lab / "socket").unlink()
    until(kept.opens)
    stub = kept.warmed()
    assert kept.forked() != stub.pid
    program = kept.program(tmp_path / "seen", "exit", 0)
    assert "said anew" in program.communicate()[0]
    ended(stub)


def test_the_stub_says_why_it_imports_itself(kept: Kept, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    stub = kept.warmed(python=str(other))
    until((kept.lab / "socket").exists)
    stub.kill()
    said, _ = stub.communicate()
    assert "python is started from scratch, not by the kept one: cannot fork: this is kept for" in said
    kept.end()
    (kept.lab / "socket").unlink()
    stub = kept.warmed()
    until((kept.lab / "socket").exists)
    stub.kill()
    assert "not by the kept one: [Errno 111] Connection refused" in stub.communicate()[0]


def test_it_ends_when_nobody_asks(tmp_path: Path) -> None:
    kept = Kept(tmp_path, idle=0.5)
    assert kept.process.wait(60) == 0
    assert not (kept.door / "socket").exists()


def test_it_ends_with_its_owner(tmp_path: Path) -> None:
    theirs, ours = os.pipe()
    kept = Kept(tmp_path, owner=theirs)
    os.close(theirs)
    assert kept.process.poll() is None
    os.close(ours)
    assert kept.process.wait(60) == 0
