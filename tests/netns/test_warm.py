"""A warmed process, its stubs, shepherds and programs: who ends whom, and what a forked program is given."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fakevm
from fakevm.lab import warm

MODULES = Path(fakevm.__file__).parent / "in_neutron"
ASK = MODULES / "fakevm_warm/ask.py"

# What a program sees of itself, and then does.
PROGRAM = """\
import json, os, signal, sys, time
from pathlib import Path

def main():
    seen = {
        "argv": sys.argv, "main": __name__, "path": sys.path[0], "directory": os.getcwd(), "pid": os.getpid(),
        "environment": dict(os.environ), "umask": os.umask(0), "leads": os.getsid(0) == os.getpid(),
        "cmdline": Path("/proc/self/cmdline").read_text(), "comm": Path("/proc/self/comm").read_text().strip(),
        "random": __import__("random").random(), "host": os.uname().nodename, "init": os.readlink("/proc/1/ns/pid"),
        "namespaces": {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "net", "uts", "ipc", "mnt")},
        "input": sys.stdin.read(), "descriptors": sorted(map(int, os.listdir("/proc/self/fd"))),
    }
    Path(sys.argv[1]).write_text(json.dumps(seen))
    print("said", flush=True)
    if sys.argv[2] == "exit":
        sys.exit(int(sys.argv[3]))
    if sys.argv[2] == "raise":
        raise RuntimeError("so it ends")
    if sys.argv[2] == "polite":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        signal.signal(signal.SIGHUP, lambda *_: Path(sys.argv[3]).touch())
        Path(sys.argv[1] + ".ready").touch()
    time.sleep(1000)
"""
SCRIPT = """\
#!{python}
import sys
from {module} import main
if __name__ == "__main__":
    sys.exit(main())
"""


class Warmth:
    """A warmed process for one script, in the folder ``place``."""

    def __init__(self, place: Path, text: str = PROGRAM) -> None:
        self.place, self.folder = place, place / "warm"
        self.folder.mkdir(parents=True, mode=0o700)
        self.modules = place / "modules"
        self.modules.mkdir()
        (self.modules / "sleeper.py").write_text(text)
        self.script = place / "a-program-of-a-long-name"
        self.script.write_text(SCRIPT.format(python=sys.executable, module="sleeper"))
        self.script.chmod(0o755)
        self.log = place / "warm.log"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        path = f"{MODULES}:{self.modules}"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fakevm_warm", self.folder, self.script, "_" * 600],
                env={**os.environ, "PYTHONPATH": path}, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        return self.process

    def stub(self, *words: object, **given: Any) -> subprocess.Popen[str]:
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | given
        given["env"] = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.modules), **given.pop("env", {})}
        before: list[object] = given.pop("before", [])
        command = [*before, sys.executable, "-ISE", ASK, self.folder, self.script, *words]
        return subprocess.Popen([str(word) for word in command], text=True, **given)

    def seen(self, file: Path) -> dict[str, Any]:
        until(lambda: file.exists() and file.stat().st_size)
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def warmth(tmp_path: Path) -> Iterator[Warmth]:
    made = Warmth(tmp_path)
    yield made
    made.end()


def until(condition: Callable[[], object], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_forked_program_is_what_it_would_be_by_itself(warmth: Warmth, tmp_path: Path) -> None:
    found = []
    for asking in ([], [sys.executable, "-ISE", ASK, warmth.folder]):
        with socket.create_server(("127.0.0.1", 0)) as door:
            door_at_5 = ["bash", "-c", f'exec "$@" 5<&{door.fileno()} {door.fileno()}<&-', "sh"]
            done = subprocess.run(
                [*door_at_5, *asking, warmth.script, tmp_path / "seen", "exit", "3"],
                pass_fds=(door.fileno(),), cwd="/usr", umask=0o027,
                env={"PATH": "/bin", "PYTHONPATH": str(warmth.modules), "ODD": "\udcff=\n"}, input="heard", text=True,
                capture_output=True, check=False,
            )  # fmt: skip
        assert (done.returncode, done.stdout) == (3, "said\n"), done.stderr
        found.append(json.loads((tmp_path / "seen").read_text()))
    itself, forked = found
    differs = {key for key in itself if itself[key] != forked[key]}
    assert forked["leads"]
    assert forked["input"] == "heard"
    # Its parent leads a session of its own by itself, too, under a supervisor.
    assert differs <= {"pid", "random", "leads", "descriptors"}
    assert {0, 1, 2, 5} <= set(forked["descriptors"])


def test_programs_get_other_random_numbers(warmth: Warmth, tmp_path: Path) -> None:
    for number in range(3):
        assert warmth.stub(tmp_path / f"seen{number}", "exit", 0).wait() == 0
    assert len({warmth.seen(tmp_path / f"seen{number}")["random"] for number in range(3)}) == 3


def test_a_program_runs_in_its_stubs_namespaces(warmth: Warmth, tmp_path: Path) -> None:
    enter = ["unshare", "--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    stub = warmth.stub(tmp_path / "seen", "sleep", before=[*enter, "sh", "-c", 'hostname inside && exec "$@"', "sh"])
    seen = warmth.seen(tmp_path / "seen")
    assert seen["host"] == "inside"
    # Its own /proc knows it by the same number.
    assert seen["init"] == seen["namespaces"]["pid"]
    for kind, name in seen["namespaces"].items():
        assert name != str(Path(f"/proc/self/ns/{kind}").readlink()), kind
    assert seen["cmdline"].split("\0")[1:] == [str(warmth.script), str(tmp_path / "seen"), "sleep", ""]
    assert seen["comm"] == "a-program-of-a-long-name"[:15]
    # The namespaces' end is the program's, as that of a host.
    stub.kill()
    stub.wait()
    until(lambda: not list(shepherds()))


def shepherds() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"shepherd of" in words:
                yield int(entry.name)


def test_status_and_signals_are_passed(warmth: Warmth, tmp_path: Path) -> None:
    raising = warmth.stub(tmp_path / "seen", "raise")
    said, _ = raising.communicate()
    assert raising.returncode == 1
    assert "RuntimeError: so it ends" in said
    polite = warmth.stub(tmp_path / "polite", "polite", tmp_path / "hup")
    until((tmp_path / "polite.ready").exists)
    for _ in range(3):
        polite.send_signal(signal.SIGHUP)
        until((tmp_path / "hup").exists)
        (tmp_path / "hup").unlink()
    polite.terminate()
    assert polite.wait() == 7
    killed = warmth.stub(tmp_path / "killed", "sleep")
    os.kill(warmth.seen(tmp_path / "killed")["pid"], signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    until(lambda: not list(shepherds()))


LAST_WORDS = """\
import atexit, sys, threading, time

def late():
    time.sleep(0.3)
    print("thread", flush=True)

def main():
    atexit.register(print, "registered")
    threading.Thread(target=late).start()
    print("unflushed", end=" ")
    sys.exit("words of its own")
"""


def test_a_program_ends_as_the_interpreter_would_end_it(tmp_path: Path) -> None:
    warmth = Warmth(tmp_path, LAST_WORDS)
    try:
        forked = warmth.stub()
        said = forked.communicate()[0]
        itself = subprocess.run(
            [warmth.script], env={"PATH": os.environ["PATH"], "PYTHONPATH": str(warmth.modules)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert (forked.returncode, said.splitlines()) == (itself.returncode, itself.stdout.splitlines())
        assert said.splitlines() == ["unflushed words of its own", "thread", "registered"]
    finally:
        warmth.end()


def test_a_program_ends_with_its_stub(warmth: Warmth, tmp_path: Path) -> None:
    stub = warmth.stub(tmp_path / "seen", "polite", tmp_path / "never")
    pid = warmth.seen(tmp_path / "seen")["pid"]
    stub.kill()
    until(lambda: not runs(pid), 5)
    until(lambda: not list(shepherds()), 5)


def test_a_program_and_its_stub_end_with_their_shepherd(warmth: Warmth, tmp_path: Path) -> None:
    stub = warmth.stub(tmp_path / "seen", "polite", tmp_path / "never")
    pid = warmth.seen(tmp_path / "seen")["pid"]
    os.kill(parent_of(pid), signal.SIGKILL)
    until(lambda: not runs(pid), 5)
    assert stub.wait(5) == -signal.SIGKILL


def test_the_end_of_the_warmed_process_ends_no_program(warmth: Warmth, tmp_path: Path) -> None:
    stub = warmth.stub(tmp_path / "seen", "polite", tmp_path / "never")
    pid = warmth.seen(tmp_path / "seen")["pid"]
    until((tmp_path / "seen.ready").exists)
    warmth.end()
    # One that is asked for meanwhile waits for the next warmed process.
    later = warmth.stub(tmp_path / "later", "sleep")
    time.sleep(0.5)
    assert runs(pid)
    assert later.poll() is None
    warmth.start()
    later_pid = warmth.seen(tmp_path / "later")["pid"]
    assert later_pid != later.pid
    stub.terminate()
    assert stub.wait() == 7
    later.kill()
    until(lambda: not runs(later_pid))


def test_a_knock_lets_it_import_anew_what_has_changed_and_does_nothing_else(warmth: Warmth) -> None:
    until(lambda: "warm" in warmth.log.read_text())
    warm.knock(warmth.place)
    time.sleep(0.6)
    # Its answer that nothing has changed is good for half a second.
    assert warmth.process.poll() is None
    before = warmth.log.read_text()
    file = warmth.modules / "sleeper.py"
    file.write_text(f"{file.read_text()}\n")
    warm.knock(warmth.place)
    assert warmth.process.wait(60) == 0
    assert warmth.log.read_text().removeprefix(before).startswith("ends, to import anew")


def test_what_has_changed_is_imported_anew(warmth: Warmth, tmp_path: Path) -> None:
    running = warmth.stub(tmp_path / "running", "polite", tmp_path / "never")
    until((tmp_path / "running.ready").exists)
    # Its answer that nothing has changed is good for so long.
    time.sleep(0.6)
    (warmth.modules / "sleeper.py").write_text(PROGRAM.replace('"said"', '"said anew"'))
    later = warmth.stub(tmp_path / "later", "exit", 3)
    assert warmth.process.wait(60) == 0
    assert "sleeper.py has changed" in warmth.log.read_text()
    warmth.start()
    assert later.communicate() == ("said anew\n", None)
    assert (later.returncode, running.poll()) == (3, None)
    running.terminate()
    assert running.wait() == 7


def test_without_a_warmed_process_a_program_starts_by_itself(warmth: Warmth, tmp_path: Path) -> None:
    until((warmth.folder / "socket").exists)
    warmth.end()
    (warmth.folder / "socket").unlink()
    warmth.folder.rmdir()
    stub = warmth.stub(tmp_path / "seen", "exit", 4)
    said, _ = stub.communicate()
    assert stub.returncode == 4
    assert "is started from scratch, not by a warmed process: its environment has none" in said
    assert warmth.seen(tmp_path / "seen")["pid"] == stub.pid


def test_what_has_threads_is_not_forked(tmp_path: Path) -> None:
    threads = (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True, name='busy').start()"
    )
    warmth = Warmth(tmp_path, f"{threads}\n{PROGRAM}")
    try:
        stub = warmth.stub(tmp_path / "seen", "exit", 4)
        said, _ = stub.communicate()
        assert stub.returncode == 4
        assert "what was imported has started threads: 2 run (MainThread, busy)" in said
    finally:
        warmth.end()


def test_the_door_is_its_owners_alone(warmth: Warmth) -> None:
    door = warmth.folder / "socket"
    until(door.exists)
    assert (door.stat().st_mode & 0o777, warmth.folder.stat().st_mode & 0o777) == (0o600, 0o700)


OPTIONS = """\
from oslo_config import cfg
cfg.CONF.register_opts([cfg.IntOpt("patience", default=10), cfg.BoolOpt("other")])
PATIENCE = cfg.CONF.patience

def main():
    import os, sys
    cfg.CONF(sys.argv[1:], project="toy")
    print(os.getpid(), cfg.CONF.patience, PATIENCE)
"""


@pytest.mark.parametrize(("text", "forked"), [("patience = 30", False), ("patience = 10\nother = true", True)])
def test_options_that_imports_have_asked_for(tmp_path: Path, text: str, forked: bool) -> None:
    """A module that asks for an option while it is imported has the default, before any configuration is read."""
    warmth = Warmth(tmp_path, OPTIONS)
    (tmp_path / "toy.conf").write_text(f"[DEFAULT]\n{text}\n")
    try:
        stub = warmth.stub("--config-file", tmp_path / "toy.conf")
        said, _ = stub.communicate()
        assert stub.returncode == 0, said
        assert ("its configuration sets patience" not in said) == forked
        assert said.split()[-2:] == [text.split()[2], "10"]
    finally:
        warmth.end()


WORKERS = OPTIONS.replace(
    "    cfg.CONF(",
    """\
    if os.fork():
        os.wait()
        time.sleep(1000)
    cfg.CONF(""",
).replace("import os, sys", "import os, sys, time")


def test_options_that_a_programs_own_workers_read(tmp_path: Path) -> None:
    """As uWSGI's do: the program ends, and its next start, by its supervisor, is from scratch; the one after is not."""
    warmth = Warmth(tmp_path, WORKERS)
    configuration = tmp_path / "toy.conf"
    configuration.write_text("[DEFAULT]\npatience = 30\n")
    try:
        stub = warmth.stub("--config-file", configuration, cwd=tmp_path)
        assert stub.wait() == -signal.SIGKILL
        stub = warmth.stub("--config-file", configuration, cwd=tmp_path, stdout=subprocess.PIPE)
        assert stub.stdout
        assert "from scratch, not by a warmed process: its configuration sets patience" in stub.stdout.readline()
        assert stub.stdout.readline().split()[1:] == ["30", "10"]
        stub.kill()
        assert not (tmp_path / "anew").exists()
    finally:
        warmth.end()
