"""A virtual machine's memory on its way from one host of a lab to another: QEMU's own live migration.

The source offers it at a socket in a folder that all hosts of the lab share; the destination's QEMU, which was started
with the same cards and stands still, is given the connection. QEMU copies while the machine runs, and stops before the
last of it (its capability ``pause-before-switchover``): until then all can go on at the source as if nothing had been.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import select
import socket
import threading
from pathlib import Path

from fakevm import errors
from fakevm.waiting import until

from .qmp import Monitor

_log = logging.getLogger(__name__)

# What all hosts of a lab have in common.
_SHARED = Path("/run/fakevm")
_FOLDER = _SHARED / "transfers"
# Seconds that an offer holds; that the memory may take; that the last of it may take. Somebody waits for the answer
# (rpc.contract.PAUSE).
_OFFERED, _COPYING, _SWITCHING = 120.0, 8.0, 8.0
# QEMU's own words (qapi/migration.json): bytes a second, and milliseconds of standstill that it aims at.
_PARAMETERS = {"max-bandwidth": 4 << 30, "downtime-limit": 50}
_CAPABILITIES = ("pause-before-switchover", "events")
_FAILED = ("failed", "cancelled", "cancelling")
_PAUSE = 0.01
# Milliseconds between two looks whether somebody else sees to the end of it.
_LOOK = 100


def shared(name: str) -> Path | None:
    """Name a folder that the lab's other hosts see, too; None: there can be none."""
    return _SHARED / name if _SHARED.is_dir() else None


def is_possible() -> bool:
    """Tell whether there is a folder that other hosts see, too."""
    return shared("") is not None


class Offer:
    """A machine's memory, to be had by one taker.

    :param monitor: the socket of its QEMU's monitor
    :raises PlugFailed: it cannot be offered
    """

    def __init__(self, monitor: Path) -> None:
        self._monitor = monitor
        self._taken = False
        self._problem = ""
        # Whether it is somebody else's to see to the end of it.
        self._ended = False
        self._ending = threading.Lock()
        try:
            _FOLDER.mkdir(mode=0o700, exist_ok=True)
            self.path = _FOLDER / secrets.token_hex(8)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.path))
        except OSError as exc:
            raise errors.PlugFailed(f"cannot offer the memory of a virtual machine in {_FOLDER}: {exc}") from exc
        self._listener.listen(1)
        self._listener.settimeout(_OFFERED)
        self._thread = threading.Thread(target=self._serve, name="transfer", daemon=True)
        self._thread.start()

    @property
    def is_taken(self) -> bool:
        """Tell whether a destination has asked for it."""
        return self._taken

    @property
    def is_void(self) -> bool:
        """Tell whether nobody can have it any more: it was offered for too long, or who has taken it has let it go."""
        if self._thread.is_alive():
            return False
        if not self._taken or self._problem:
            return True
        with Monitor(self._monitor) as monitor:
            return monitor.ask("query-migrate").get("status", "none") in _FAILED[:2]

    def _serve(self) -> None:
        try:
            taker, _ = self._listener.accept()
        except OSError:
            return
        finally:
            self._listener.close()
            self.path.unlink(missing_ok=True)
        self._taken = True
        with taker:
            try:
                self._send(taker)
                self._guard(taker)
            except errors.FakevmError as problem:
                self._problem = problem.what
                _log.error("cannot send the memory of a virtual machine: %s", problem.what)

    def _send(self, taker: socket.socket) -> None:
        with Monitor(self._monitor) as monitor:
            states = [{"capability": name, "state": True} for name in _CAPABILITIES]
            monitor.ask("migrate-set-capabilities", {"capabilities": states})
            monitor.ask("migrate-set-parameters", _PARAMETERS)
            monitor.ask("getfd", {"fdname": "transfer"}, [taker.fileno()])
            monitor.ask("migrate", {"uri": "fd:transfer"})

    def _guard(self, taker: socket.socket) -> None:
        """Have the machine go on when who takes its memory has gone: it stands still already before the last of it."""
        gone = select.poll()
        gone.register(taker, select.POLLRDHUP)
        while not self._ended:
            if gone.poll(_LOOK):
                with self._ending, Monitor(self._monitor) as monitor:
                    if not self._ended:
                        cancel(monitor)
                        monitor.ask("cont")
                return

    def _end(self) -> None:
        with self._ending:
            self._ended = True

    def finish(self) -> None:
        """Copy the last of it: the machine stands still here from then on.

        :raises PlugFailed: it was not copied; the machine runs, or can be woken
        """
        self._end()
        with Monitor(self._monitor) as monitor:
            until(
                lambda: self._problem or _not_yet(monitor, "pre-switchover"), "its memory was not copied", _COPYING,
                pause=_PAUSE, error=errors.PlugFailed,
            )  # fmt: skip
            monitor.ask("migrate-continue", {"state": "pre-switchover"})
            until(lambda: _not_yet(monitor, "completed"), "the last of its memory was not copied", _SWITCHING,
                  pause=_PAUSE, error=errors.PlugFailed)  # fmt: skip

    def withdraw(self) -> None:
        """Offer it no more; what was under way ends."""
        self._end()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)


def _not_yet(monitor: Monitor, wanted: str) -> str:
    seen = monitor.ask("query-migrate")
    status = str(seen.get("status", "none"))
    if status in _FAILED:
        why = seen.get("error-desc", "the destination has let go of it")
        raise errors.PlugFailed(f"QEMU could not copy the machine's memory: {why}")
    return "" if status in (wanted, "completed") else status


def cancel(monitor: Monitor) -> None:
    """End what QEMU has not completed of a transfer. Raises CommandFailed, Unreachable."""
    status = monitor.ask("query-migrate").get("status", "none")
    if status in ("none", "completed", "failed", "cancelled"):
        return
    monitor.ask("migrate_cancel")
    until(
        lambda: "" if monitor.ask("query-migrate").get("status") in _FAILED[:2] else "cancelling",
        "QEMU did not let the transfer go", _SWITCHING, pause=_PAUSE, error=errors.CommandFailed,
    )  # fmt: skip


def take(path: str, monitor: Path) -> None:
    """Have a QEMU that waits for it take the memory that is offered at a path.

    :raises PlugFailed: it is not offered any more; CommandFailed, Unreachable: QEMU
    """
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(path)
        except OSError as exc:
            raise errors.PlugFailed(f"the machine's memory is not offered any more: {exc.strerror}") from exc
        with Monitor(monitor) as asked:
            asked.ask("getfd", {"fdname": "transfer"}, [line.fileno()])
            asked.ask("migrate-incoming", {"uri": "fd:transfer"})


def arrived(monitor: Monitor) -> None:
    """Wait until all of the memory is here. Raises PlugFailed."""

    def missing() -> str:
        status = str(monitor.ask("query-status")["status"])
        return "" if status != "inmigrate" else status

    until(missing, "the machine's memory has not come", _SWITCHING, pause=_PAUSE, error=errors.PlugFailed)
