"""The delay lines of one host: programs that hold frames where the kernel has no netem (fakevm.link.delay_line).

Each outlives the agent, and is found again by its socket. One that ends unasked is started again: meanwhile the tap
through which frames come to it stays, and swallows them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fakevm import errors
from fakevm.linux import link, permission
from fakevm.linux import namespace as netns
from fakevm.waiting import until

from . import delay_line

_log = logging.getLogger(__name__)

# Of frames that a line sends on: the rule that brings frames to it lets these pass.
MARK = 0xFA4E11
# Not below /run/fakevm, which all hosts of a lab share.
_RUN = Path("/run/fakevm-lines")
_PROGRAM = Path(delay_line.__file__)
# Seconds: a line starts, answers, is looked after.
_STARTING = 20.0
_ANSWERING = 10.0
_LOOKING = 2.0
# Frames that are on their way leave within their delay and jitter; this much (seconds) later all have.
_DRAINED = 2.0
# No packet is longer, and the tap's queue holds what comes while the line is kept from running.
DEVICE = "mtu 65500 txqueuelen 20000"


class Spot(NamedTuple):
    """Where a line is: its tap, in a network namespace (empty: the host's own), and the device by which frames leave.

    Without a device they come back into the tap.
    """

    namespace: str
    tap: str
    device: str = ""

    @property
    def socket(self) -> Path:
        """Where the line is asked."""
        return _RUN / f"{self.namespace or 'host'}-{self.tap}"

    def has_tap(self) -> bool:
        """Tell whether its tap is there."""
        return link.is_inside(self.tap, namespace=self.namespace) if self.namespace else link.exists(self.tap)

    @property
    def command(self) -> list[str]:
        """Build the command line of the program."""
        enter = ["nsenter", f"--net={netns.DIRECTORY / self.namespace}"] if self.namespace else []
        words = [self.tap, str(self.socket), str(MARK), *([self.device] if self.device else [])]
        return [*enter, sys.executable, "-I", "-S", str(_PROGRAM), *words]


class Lines:
    """Starts, tells, looks after and ends the lines of this host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Spot, threading.Lock] = {}
        self._wanted: dict[Spot, dict[str, Any]] = {}
        self._children: dict[Spot, subprocess.Popen[bytes]] = {}
        self._watch: threading.Thread | None = None

    def hold(self, spot: Spot, wanted: Mapping[str, Any]) -> None:
        """See to it that there is a line, and that frames suffer this there; its tap is made if it is not there.

        Raises Prerequisite, CommandFailed, TimedOut.
        """
        with self._lock_of(spot):
            self._wanted[spot] = dict(wanted)
            if not spot.has_tap():
                _make_tap(spot)
            self._tell(spot)
        self._look_after()

    def counts(self, spot: Spot) -> dict[str, int]:
        """Count the frames of a line; empty when it does not answer."""
        try:
            return ask(spot, {})
        except OSError:
            return {}

    def end(self, spot: Spot, *, drain: bool = True) -> None:
        """End a line and remove its tap, which gets no frames any more; with ``drain`` those on their way leave first.

        What is not there is no error. Raises TimedOut, CommandFailed.
        """
        with self._lock_of(spot):
            wanted = self._wanted.pop(spot, {})
            with contextlib.suppress(OSError):
                if drain:
                    _drain(spot, float(wanted.get("delay", 0)) + float(wanted.get("jitter", 0)))
                ask(spot, {"end": True})
            self._reap(spot)
            if spot.has_tap():
                link.batch([f"link del {spot.tap}"], namespace=spot.namespace)

    # -- within ----------------------------------------------------------------------------------------------

    def _lock_of(self, spot: Spot) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(spot, threading.Lock())

    def _tell(self, spot: Spot) -> None:
        """Tell a line what is wanted; one that does not answer is started."""
        try:
            ask(spot, self._wanted[spot])
        except OSError:
            self._start(spot)
            ask(spot, self._wanted[spot])

    def _start(self, spot: Spot) -> None:
        self._reap(spot)
        _RUN.mkdir(mode=0o700, exist_ok=True)
        spot.socket.unlink(missing_ok=True)
        child = subprocess.Popen(
            spot.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._children[spot] = child

        def missing() -> str:
            if child.poll() is not None:
                assert child.stderr
                said = child.stderr.read().decode(errors="replace").strip().splitlines()
                raise errors.CommandFailed(f"the delay line of {spot.tap} ended: {said[-1] if said else 'no word'}")
            try:
                ask(spot, {})
            except OSError as exc:
                return str(exc)
            return ""

        until(missing, f"the delay line of {spot.tap} did not answer", _STARTING, pause=0.01)

    def _reap(self, spot: Spot) -> None:
        """End a line that we started, if it has not ended by itself."""
        if child := self._children.pop(spot, None):
            try:
                child.wait(_ANSWERING if not spot.socket.exists() else 0.5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stderr:
                child.stderr.close()

    def _look_after(self) -> None:
        with self._lock:
            if self._watch is None:
                self._watch = threading.Thread(target=self._watch_all, name="delay lines", daemon=True)
                self._watch.start()

    def _watch_all(self) -> None:
        while True:
            time.sleep(_LOOKING)
            for spot in list(self._wanted):
                if not self.counts(spot):
                    self._mend(spot)

    def _mend(self, spot: Spot) -> None:
        """Start a line again that has ended, unless it was ended meanwhile, or its tap has gone with its guest."""
        with self._lock_of(spot):
            if spot not in self._wanted or self.counts(spot):
                return
            try:
                if not spot.has_tap():
                    del self._wanted[spot]
                    return
                self._tell(spot)
                _log.warning("the delay line of %s had ended: it runs again", spot.tap)
            except (errors.FakevmError, OSError) as exc:
                _log.error("the delay line of %s has ended, and cannot be started: %s", spot.tap, exc)


def ask(spot: Spot, wanted: Mapping[str, Any]) -> dict[str, int]:
    """Tell a line something, and have its counts. Raises OSError: nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(_ANSWERING)
        line.connect(str(spot.socket))
        line.sendall(json.dumps(dict(wanted)).encode())
        said = line.recv(1 << 16)
    try:
        answer: dict[str, int] = json.loads(said)
    except ValueError:
        raise ConnectionResetError(f"the delay line of {spot.tap} ended instead of answering") from None
    return answer


def _drain(spot: Spot, longest: float) -> None:
    """Wait until a line that gets no frames any more holds none. Raises OSError: it has ended."""
    deadline, before = time.monotonic() + longest + _DRAINED, -1
    while time.monotonic() < deadline:
        counts = ask(spot, {})
        if not counts["held"] and counts["taken"] == before:
            return
        before = counts["taken"]
        time.sleep(0.01)


def _make_tap(spot: Spot) -> None:
    """Make a tap that stays, whoever is attached to it; the kernel itself does not speak by it. Raises FakevmError."""
    try:
        permission.try_tun()
    except OSError as exc:
        raise errors.Prerequisite(
            f"frames cannot be delayed here: this kernel has no netem, and {permission.TUN} cannot be opened: {exc}",
            hint=f"A delay line needs it: as root, chmod 666 {permission.TUN}, as distributions have it.",
        ) from exc
    link.batch(
        [
            f"tuntap add dev {spot.tap} mode tap vnet_hdr",
            f"link set dev {spot.tap} {DEVICE} addrgenmode none arp off",
            f"link set dev {spot.tap} up",
        ],
        namespace=spot.namespace,
    )
