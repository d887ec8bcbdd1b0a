"""Warmed processes that are kept for this user beyond labs: one for each environment, whatever labs come and go.

A lab's own warmed processes are forked from them (``in_neutron/fakevm_warm/keeper.py``), and live on when they end.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fakevm.errors import LabFailed, Prerequisite
from fakevm.linux import lock, process
from fakevm.waiting import until

from .environment import MODULES, Environment
from .sandbox import PATH

VARIABLE = "FAKEVM_KEPT"
# Seconds without a lab that asks.
IDLE = 1800.0
# Seconds to import all; for who is asked how it is; for another command that starts or stops one.
_IMPORTING, _ANSWERING, _OTHERS = 120.0, 1.0, 60.0
_PAUSE = 0.02
# Its answer to who asks how it is (in_neutron/fakevm_warm/keeper.py).
_QUESTION = b"\0\0\0\0"


class Kept(NamedTuple):
    """One that is kept: ``memory`` is its PSS in bytes, ``left`` the seconds until it ends when nobody asks.

    ``state`` is "warm", "importing", "changed" (a file that it has imported is not as it was: it imports all anew when
    it is asked), or "unfit", which nothing is forked from; ``why`` tells more. ``labs`` says how often it was asked.
    """

    name: str
    state: str
    why: str
    memory: int
    labs: int
    left: float | None
    pid: int
    programs: Path


def root() -> Path:
    """Name the folder of all that are kept: FAKEVM_KEPT, else beside root's labs, or in the user's state (XDG)."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/fakevm/warm")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "fakevm/warm"


def folder(place: Environment) -> Path:
    """Name the folder of the socket for an environment: by its programs, as in a lab, and by who forks (this FakeVM).

    So programs that are changed to another release's (``upgrade``) find another one, or none.
    """
    return Path(f"{root()}{place.programs}{place.mark}/{zlib.crc32(os.fsencode(MODULES)):08x}")


def asking(place: Environment) -> tuple[str, ...]:
    """Give the words before the command of a lab's warmed process that fork it from what is kept; none: nothing is."""
    found = folder(place)
    with _call(found) as conversation:
        return place.asking("--kept", str(found)) if conversation else ()


def start(place: Environment, words: Sequence[str], idle: float = IDLE, owner: int | None = None) -> bool:
    """Begin to keep an environment; False: it is kept already. Returns before all is imported.

    :param words: what is imported, as a lab's warmed process has them (``warm``)
    :param idle: it ends when no lab has asked for so many seconds
    :param owner: a pipe's descriptor; it ends when the other end is closed
    :raises Prerequisite: its folder cannot be made
    :raises LabFailed: it ended at once
    :raises TimedOut: it did not start
    """
    with _alone():
        found = folder(place)
        with _call(found) as conversation:
            if conversation:
                return False
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
        terms = (str(found), str(idle), "-" if owner is None else str(owner))
        command = (f"{place.programs}/python", "-m", "fakevm_warm", "--keep", *terms, *words)
        with (found / "log").open("a") as log:
            started = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                # As in a lab (sandbox.start).
                env={"PATH": PATH, "HOME": str(Path.home()), "LANG": "C.UTF-8", "PYTHONPATH": place.search_path},
                pass_fds=() if owner is None else (owner,),
            )  # fmt: skip
        _wait_for_door(found, started)
        # It is nobody's child to wait for: it outlives this command.
        started.returncode = 0
        return True


def _wait_for_door(found: Path, started: subprocess.Popen[bytes]) -> None:
    def check() -> str:
        with _call(found) as conversation:
            return "" if conversation else "nobody opens"

    def require() -> None:
        if started.poll() is not None:
            raise _failure(found, "did not start")

    try:
        until(check, "the warmed process did not start", _IMPORTING, pause=_PAUSE, require=require)
    except BaseException:
        started.kill()
        raise


def wait(place: Environment, timeout: float = _IMPORTING) -> None:
    """Wait, ``timeout`` seconds at most, until what is kept of an environment has imported all.

    :raises LabFailed: it ended
    :raises TimedOut: it still imports
    """

    def check() -> str:
        seen = _look(folder(place))
        if seen is None:
            raise _failure(folder(place), "ended")
        return "it imports" if seen.state == "importing" else ""

    until(check, f"{place.name} was not warm", timeout, pause=_PAUSE, hint="See: fakevm warm status")


def _failure(found: Path, what: str) -> LabFailed:
    with contextlib.suppress(OSError):
        what = f"{what}: {(found / 'log').read_text().strip()[-500:]}"
    return LabFailed(f"the warmed process {what}", hint=f"See {found}/log")


def look() -> list[Kept]:
    """List what is kept."""
    return [found for door in _doors() if (found := _look(door.parent))]


def stop() -> list[str]:
    """End all that are kept and remove what they left; labs that run go on. Gives their names. Raises TimedOut."""
    if not root().exists():
        return []
    ended = []
    with _alone():
        for door in _doors():
            with _call(door.parent) as conversation:
                if conversation:
                    # As long as the door is open the number is its.
                    pid, _ = _peer(conversation)
                    process.stop([pid], grace=0.0)
                    # Ours it is when this process has started it, as one that runs tests has.
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)
                    ended.append(_name(door.parent))
            _forget(door.parent)
        with contextlib.suppress(OSError):
            root().rmdir()
    return ended


def _forget(found: Path) -> None:
    """Remove the files of one, and the folders that are empty then: FAKEVM_KEPT may name a folder with more in it."""
    for name in ("socket", "log"):
        (found / name).unlink(missing_ok=True)
    for made in (found, *found.parents):
        if made == root() or any(made.iterdir()):
            break
        made.rmdir()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other commands from starting and stopping meanwhile. Raises Prerequisite, TimedOut."""
    while True:
        try:
            root().mkdir(mode=0o700, parents=True, exist_ok=True)
            inode = root().stat().st_ino
            with lock.held(root(), _OTHERS):
                # Another command may have removed it.
                if root().exists() and root().stat().st_ino == inode:
                    yield
                    return
        except OSError as exc:
            raise Prerequisite(
                f"the folder {root()} cannot be made: {exc.strerror}", hint=f"Set {VARIABLE} to another folder."
            ) from exc


def _doors() -> list[Path]:
    return sorted(root().rglob("socket"))


def _name(found: Path) -> str:
    return Environment(Path("/", *found.relative_to(root()).parts[:-1]), "").name


def _look(found: Path) -> Kept | None:
    with _call(found) as conversation:
        if not conversation:
            return None
        pid, _ = _peer(conversation)
        told = _ask(conversation)
        state, why = "importing", ""
        if told is not None:
            state, why = _state(told)
        programs = Path("/", *found.relative_to(root()).parts[:-1])
        told = told or {}
        return Kept(_name(found), state, why, _memory(pid), told.get("forked", 0), told.get("left"), pid, programs)


def _state(told: dict[str, Any]) -> tuple[str, str]:
    if told["obstacle"]:
        return "unfit", told["obstacle"]
    return ("changed", told["changed"]) if told["changed"] else ("warm", "")


def _ask(conversation: socket.socket) -> dict[str, Any] | None:
    answer = b""
    try:
        conversation.sendall(_QUESTION)
        while not answer.endswith(b"\n"):
            more = conversation.recv(65536)
            if not more:
                return None
            answer += more
    except OSError:
        return None
    told: dict[str, Any] = json.loads(answer)
    return told


def _memory(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    return 0


@contextlib.contextmanager
def _call(found: Path) -> Iterator[socket.socket | None]:
    """Come in where one is kept, by this user; None: nobody opens."""
    with contextlib.ExitStack() as held:
        conversation = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        conversation.settimeout(_ANSWERING)
        try:
            opened = os.open(found, os.O_PATH | os.O_DIRECTORY)
            held.callback(os.close, opened)
            # Names of sockets have 108 bytes at most; folders have longer ones.
            conversation.connect(f"/proc/self/fd/{opened}/socket")
        except OSError:
            yield None
            return
        yield conversation if _peer(conversation)[1] == os.geteuid() else None


def _peer(conversation: socket.socket) -> tuple[int, int]:
    """Give the process and the user at the other end."""
    pid, uid, _ = struct.unpack("3i", conversation.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid
