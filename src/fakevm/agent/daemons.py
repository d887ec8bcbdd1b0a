"""Keeps running in guests what they are to keep running, whatever ends it: this agent's own end is no reason, either.

A daemon that ends is started again: at once when it had run for a while, else after a pause that grows. What an agent
before this one has started is found again, and goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import select
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from fakevm import errors
from fakevm.guest.base import Kept
from fakevm.guest.console import last_bytes
from fakevm.linux import lasting, process
from fakevm.linux.lasting import Lasting
from fakevm.model.daemon import Daemon, DaemonSeen
from fakevm.model.guest import Guest

_log = logging.getLogger(__name__)

# Which processes they are; gone with the host, as they are.
RUN = Path("/run/fakevm-daemons")
# One that has run for so long (seconds) has started well.
STEADY = 10.0
# One that has not is started again after so many seconds.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# It keeps ending when it has ended so often in a row.
_OFTEN = 3
# After SIGTERM it has this long (seconds) until SIGKILL.
_GRACE = 2.0
_LAST_WORDS = 2000

# Builds the argv that runs a command in a guest.
Enter = Callable[[Sequence[str]], list[str]]


class _Kept:
    """A daemon of a guest: what it is, how to get to where it runs, and how it fares."""

    def __init__(self, title: str, daemon: Daemon, enter: Enter, note: Path, log: Path) -> None:
        self.daemon = daemon
        self.title = f"{daemon.name} in guest {title}"
        self.process: Lasting | None = None
        self.again = 0
        self.due = 0.0
        self._enter = enter
        self._note = note
        self.log = log
        self._began = 0.0
        self._ends = 0
        self._last = ""

    def find(self) -> bool:
        """Find it running, as it is to be; what runs in its place, and is not, is ended."""
        found = lasting.find(self._note)
        if not found:
            return False
        mark, running = found
        self.process = running
        if mark == _mark(self.daemon):
            self._began = time.monotonic()
            _log.info("found %s again", self.title)
            return True
        end([self])
        return False

    def start(self) -> None:
        """Start it. That this fails is as if it had ended."""
        self._began = time.monotonic()
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as output:
                command = self._enter(self.daemon.command)
                self.process = lasting.start(command, _mark(self.daemon), self._note, output)
        except OSError as exc:
            self._ended(f"it cannot be started: {exc}")

    def ended(self) -> None:
        """Take note that its process has ended."""
        assert self.process
        status = self.process.bury()
        self.process = None
        how = "" if status is None else f" by signal {-status}" if status < 0 else f" with status {status}"
        self._ended(f"it ended{how}{self._last_words()}")

    def _ended(self, why: str) -> None:
        steady = time.monotonic() - self._began >= STEADY
        self._ends = 1 if steady else self._ends + 1
        self._last = why
        pause = 0.0 if steady else _PAUSES[min(self._ends, len(_PAUSES)) - 1]
        self.due = time.monotonic() + pause
        _log.warning("%s: %s; it is started again in %g s", self.title, why, pause)

    def seen(self) -> DaemonSeen:
        """Look at it."""
        running = self.process
        steady = running is not None and time.monotonic() - self._began >= STEADY
        problem = ""
        if self._ends >= _OFTEN and not steady:
            problem = f"{self.daemon.name} keeps ending, {self._ends} times until now: {self._last}"
        elif not running:
            problem = f"{self.daemon.name}: {self._last}"
        return DaemonSeen(
            wanted=self.daemon,
            pid=running.pid if running else 0,
            restarts=self.again,
            problem=problem,
        )

    def _last_words(self) -> str:
        try:
            words = last_bytes(self.log, _LAST_WORDS).decode(errors="replace").split("\n")
        except OSError:
            return ""
        said = next((line.strip() for line in reversed(words) if line.strip()), "")
        return f"; the last that it said: {said[:300]}" if said else ""


class Daemons:
    """The daemons of all guests of a host.

    :param logs: the folder that their logs come to, ``guest-GUEST-DAEMON.log``
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, _Kept]] = {}
        self._thread: threading.Thread | None = None
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def keep(self, guest: Guest, enter: Enter, stay: Enter | None = None) -> None:
        """Keep running in a guest what it is to keep running, and no more; that something does not run is no error.

        :param stay: builds the argv of a command that stays, where that is another than that of any
        """
        stay = stay or enter
        before = self._kept.get(guest.id, {})
        wanted = {daemon.name: daemon for daemon in guest.daemons}
        if {name: kept.daemon for name, kept in before.items()} == wanted:
            return
        leaving = [kept for name, kept in before.items() if wanted.get(name) != kept.daemon]
        new = [self._of(guest, daemon, stay) for name, daemon in wanted.items() if not _is(before.get(name), daemon)]
        with self._lock:
            self._kept[guest.id] = {n: k for n, k in before.items() if k not in leaving}
        end(leaving)
        begin(new, enter)
        with self._lock:
            both = {kept.daemon.name: kept for kept in (*self._kept[guest.id].values(), *new)}
            self._kept[guest.id] = {name: both[name] for name in wanted}
            if not self._thread:
                self._thread = threading.Thread(target=self._watch, name="daemons", daemon=True)
                self._thread.start()
        self._wake()

    def end(self, guest: Guest, first: Callable[[], None] = lambda: None) -> None:
        """End all of a guest's, those that another agent has started, too.

        :param first: done when none is started again any more
        """
        with self._lock:
            kept = list(self._kept.pop(guest.id, {}).values())
        first()
        known = [each.daemon.name for each in kept]
        lost = [self._of(guest, daemon, list) for daemon in guest.daemons if daemon.name not in known]
        end([*kept, *(each for each in lost if each.find())])
        shutil.rmtree(self._notes(guest), ignore_errors=True)

    def running(self, guest: Guest) -> dict[str, Kept]:
        """Give the processes of those of a guest's that run, and the files that they speak to, by their names."""
        with self._lock:
            kept = self._kept.get(guest.id, {})
            return {name: Kept(each.process.pid, each.log) for name, each in kept.items() if each.process}

    def adopt(self, guest: Guest, running: Mapping[str, int]) -> None:
        """Take processes that somebody else has started for a guest's daemons, by their names, once they are kept.

        One that has ended since is started as any that has.
        """
        for daemon in guest.daemons:
            if daemon.name not in running:
                continue
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                lasting.note(running[daemon.name], _mark(daemon), self._notes(guest) / daemon.name)

    def log(self, guest: Guest, daemon: Daemon) -> Path:
        """Name the file that a daemon speaks to."""
        return self._logs / f"guest-{quote(guest.name or guest.id, safe='')}-{daemon.name}.log"

    def seen(self, guest: Guest) -> tuple[DaemonSeen, ...]:
        """Look at a guest's; of a guest that does not run they are as they are to be."""
        with self._lock:
            kept = self._kept.get(guest.id, {})
            return tuple(
                kept[daemon.name].seen() if daemon.name in kept else DaemonSeen(wanted=daemon)
                for daemon in guest.daemons
            )

    # -- within ----------------------------------------------------------------------------------------------

    def _of(self, guest: Guest, daemon: Daemon, enter: Enter) -> _Kept:
        return _Kept(guest.title, daemon, enter, self._notes(guest) / daemon.name, self.log(guest, daemon))

    @staticmethod
    def _notes(guest: Guest) -> Path:
        return RUN / guest.namespace

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _watch(self) -> None:
        while True:
            self._wait()
            with self._lock:
                for kept in self._all():
                    if kept.process and _has_ended(kept.process):
                        kept.ended()
                    if not kept.process and kept.due <= time.monotonic():
                        kept.again += 1
                        kept.start()

    def _all(self) -> list[_Kept]:
        return [kept for of_guest in self._kept.values() for kept in of_guest.values()]

    def _wait(self) -> None:
        """Wait until one has ended, or is to be started again, or others have come."""
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        with self._lock:
            due = [kept.due for kept in self._all() if not kept.process]
            for kept in self._all():
                if kept.process:
                    poller.register(kept.process.descriptor, select.POLLIN)
        # A descriptor that is closed meanwhile makes poll return at once.
        ready = poller.poll(max(0.0, min(due) - time.monotonic()) * 1000 if due else None)
        if any(descriptor == self._wake_read for descriptor, _ in ready):
            os.read(self._wake_read, 4096)


def begin(new: Iterable[_Kept], enter: Enter) -> None:
    """Find daemons of a guest running, or start them; first what they read is written, all of it by one program."""
    starting = [kept for kept in new if not kept.find()]
    files = {path: text for kept in starting for path, text in kept.daemon.files.items()}
    try:
        if files:
            process.run(enter(["sh"]), stdin="".join(_writing(path, text) for path, text in files.items()))
    except errors.FakevmError as exc:
        _log.error("cannot write the files of %s: %s", ", ".join(kept.title for kept in starting), exc)
    for kept in starting:
        kept.start()


def _writing(path: str, text: str) -> str:
    """Write the line of a shell's that makes a file, and its folder, in one step: nobody sees half of it."""
    folder, new, file = (shlex.quote(name) for name in (str(Path(path).parent), f"{path}.new", path))
    return f"mkdir -p {folder} && printf %s {shlex.quote(text)} >{new} && mv {new} {file} || exit\n"


def end(leaving: Iterable[_Kept]) -> None:
    """End daemons: SIGTERM, then SIGKILL; they are not started again."""
    running = {kept.process.descriptor: kept.process for kept in leaving if kept.process}
    poller = select.poll()
    for descriptor, one in running.items():
        poller.register(descriptor, select.POLLIN)
        one.signal(signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while running and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poller.poll(left * 1000):
            poller.unregister(descriptor)
            running.pop(descriptor).bury()
    for one in running.values():
        one.bury()


def _has_ended(one: Lasting) -> bool:
    return bool(select.select([one.descriptor], [], [], 0)[0])


def _is(kept: _Kept | None, daemon: Daemon) -> bool:
    return kept is not None and kept.daemon == daemon


def _mark(daemon: Daemon) -> str:
    return hashlib.sha256(daemon.model_dump_json().encode()).hexdigest()[:16]
