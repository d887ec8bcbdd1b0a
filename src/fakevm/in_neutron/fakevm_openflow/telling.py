"""How the driver tells the controller of ports: a folder with a file for each, the truth that outlives them both.

Neutron's server is several processes, and either side may be away while the other is not. A file that is there needs no
message that could be lost, and no resynchronisation of its own: a controller that starts reads the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from .world import Port, Segment

# What is said of a port after its deletion (another process was slower) is not heard for so long (seconds).
_REMEMBERED = 60.0
# The kernel's clock of files moves in steps: what changed this recently (seconds) may have changed once more.
_CLOCK_STEP = 0.1
# Another process writes a file in a moment (seconds); Neutron refuses the request when one hangs.
_PATIENCE = 30.0


class Teller:
    """The driver's side; safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def tell(self, port: Port) -> None:
        """Say what a port is now; older news than the last are not written."""
        with self._alone():
            path = self._folder / f"{port.id}.json"
            if _revision(path) <= port.revision and not self._deleted(port.id).exists():
                _write(path, json.dumps(asdict(port)))

    def forget(self, port_id: str) -> None:
        """Say that a port is deleted."""
        with self._alone():
            (self._folder / f"{port_id}.json").unlink(missing_ok=True)
            self._deleted(port_id).touch()
            for mark in self._folder.glob("*.deleted"):
                if mark.stat().st_mtime < time.time() - _REMEMBERED:
                    mark.unlink()

    def _deleted(self, port_id: str) -> Path:
        return self._folder / f"{port_id}.deleted"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder, os.O_RDONLY)
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _locked(lock):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another process still holds {self._folder} after {_PATIENCE:.0f} s")
                time.sleep(0.01)
            yield
        finally:
            os.close(lock)


def _locked(lock: int) -> bool:
    # As fakevm.linux.lock, which Neutron's environment does not have.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Listener:
    """The controller's side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = 0
        self._files: dict[str, _Read] = {}

    @property
    def ports(self) -> Mapping[str, Port]:
        """Give what was told, by id."""
        return {read.port.id: read.port for read in self._files.values()}

    def changed(self) -> bool:
        """Look again; cheap when nothing is new."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stamp = self._folder.stat().st_mtime_ns
        if stamp == self._seen:
            return False
        files = dict(self._read())
        news, self._files = files != self._files, files
        self._seen = stamp if _settled(stamp) else 0
        return news

    def _read(self) -> Iterator[tuple[str, _Read]]:
        for entry in os.scandir(self._folder):
            if not entry.name.endswith(".json"):
                continue
            with contextlib.suppress(FileNotFoundError):
                # Every version is a file of its own (see _write), but numbers of files are used again.
                status = entry.stat()
                version = (status.st_ino, status.st_mtime_ns)
                known = self._files.get(entry.name)
                old = known and known.version == version and _settled(status.st_mtime_ns)
                yield entry.name, known if known and old else _Read(version, _port(Path(entry.path)))


class _Read(NamedTuple):
    """A file as it was read; ``version`` is its number in the file system and its time."""

    version: tuple[int, int]
    port: Port


def _settled(stamp: int) -> bool:
    return time.time() - stamp / 1e9 > _CLOCK_STEP


def _port(path: Path) -> Port:
    said: dict[str, Any] = json.loads(path.read_text())
    segment = said.pop("segment")
    return Port(**said, segment=Segment(*segment) if segment else None)


def _revision(path: Path) -> int:
    try:
        return _port(path).revision
    except FileNotFoundError:
        return -1


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(text)
    fresh.replace(path)
