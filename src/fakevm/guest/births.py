"""Has container guests born: by a process that is started for the first one, and stays for the next."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import fakevm
from fakevm import errors

# It finds the standard library first, and us.
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from fakevm.guest.birth import program; program.main()"
_PLACE = Path(fakevm.__file__).parents[1]
# How long (seconds) the first process of a guest may take to be there.
_PATIENCE = 30


class Births:
    """Asks the process that makes guests (``birth``), for any number of threads, and starts it when it is not there.

    It is no child of ours: nobody need wait for its end, which comes with ours, or when it has not been asked for long.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._door: socket.socket | None = None

    def of(self, wanted: Mapping[str, object]) -> int:
        """Have a guest born; gives the number of its first process. Raises CommandFailed, TimedOut."""
        answer, theirs = os.pipe()
        try:
            try:
                self._ask(json.dumps({**wanted, "patience": _PATIENCE}).encode(), theirs)
            finally:
                os.close(theirs)
            said = _all_of(answer, _PATIENCE + 5.0)
        finally:
            os.close(answer)
        if "failed" in said:
            raise errors.CommandFailed(str(said["failed"]))
        return int(str(said["pid"]))

    def close(self) -> None:
        """Let the process end."""
        with self._lock:
            if self._door is not None:
                self._door.close()
                self._door = None

    def _ask(self, birth: bytes, answer: int) -> None:
        with self._lock:
            if self._door is not None:
                # It has ended: nobody had asked for long, or somebody killed it.
                with contextlib.suppress(OSError):
                    socket.send_fds(self._door, [birth], [answer])
                    return
                self._door.close()
            self._door = _started()
            try:
                socket.send_fds(self._door, [birth], [answer])
            except OSError as exc:
                raise errors.CommandFailed(f"what makes containers does not run: {exc.strerror}") from exc


def _started() -> socket.socket:
    """Start the process; gives the socket at which it is asked. Raises CommandFailed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        # In a session of its own, and so are the guests: they stay, whatever happens to us.
        argv = ["setsid", "--fork", sys.executable, "-I", "-S", "-c", _PROGRAM, str(_PLACE)]
        try:
            subprocess.run(argv, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, check=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            ours.close()
            raise errors.CommandFailed(f"cannot start what makes containers: {exc}") from exc
    return ours


def _all_of(answer: int, patience: float) -> dict[str, object]:
    """Read an answer to its end. Raises CommandFailed, TimedOut."""
    begun, said = time.monotonic(), b""
    poller = select.poll()
    poller.register(answer)
    while (left := begun + patience - time.monotonic()) > 0:
        if poller.poll(1000 * left):
            if not (piece := os.read(answer, 1 << 16)):
                break
            said += piece
    with contextlib.suppress(ValueError):
        told: dict[str, object] = json.loads(said)
        return told
    if time.monotonic() - begun >= _PATIENCE:
        raise errors.TimedOut(f"its first process was not there within {_PATIENCE} s")
    raise errors.CommandFailed("what makes containers ended in the middle of it")
