"""Silence: a guest that is asleep keeps its device, its addresses and its processes, and none of its frames leaves.

Its device's root queue is the kernel's ``blackhole``: one change, at once, for all that the guest would send, and
taking it away brings everything back. (A device set down would lose its routes, and its IPv6 addresses.)
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakevm import errors
from fakevm.linux import process

# What IPv6 would do by itself on a new device, and does not while the guest sleeps: take router advertisements, make a
# link-local address (1: none). It is to have the addresses that it brings.
_QUIET_IPV6 = {"accept_ra": 0, "addr_gen_mode": 1}
QUIETED = tuple(_QUIET_IPV6)
_WAKER = Path(__file__).with_name("waker.py")
# How long (seconds) a guest may take to wake: its helper may have to start first.
_WAKING = 8.0


def silent_steps(namespace: str, device: str) -> tuple[str, ...]:
    """Write the ``ip`` commands that silence a new guest before its device is up."""
    quiet = "; ".join(f"echo {value} > {name}" for name, value in _QUIET_IPV6.items())
    return (
        f"netns exec {namespace} tc qdisc replace dev {device} root blackhole",
        f"netns exec {namespace} sh -c 'cd /proc/sys/net/ipv6/conf/{device} 2>/dev/null || exit 0; {quiet}'",
    )


def silence(namespace: str, device: str) -> None:
    """Let nothing leave the guest from now on. Raises CommandFailed."""
    process.run(["tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", "blackhole"])


def waker_command(device: str) -> list[str]:
    """Build the command line of the helper that waits in a sleeping guest, to be run in it."""
    return [sys.executable, "-I", "-S", str(_WAKER), device]


class Waker:
    """The helper that waits in one sleeping guest; it ends when the guest is awake, and with this program.

    :param argv: its command line, as it is to be run from the host
    :raises Prerequisite: it cannot be started
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._given: list[str] = []
        try:
            self._child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except OSError as exc:
            raise errors.Prerequisite(f"cannot start a helper in a guest: {exc}") from exc

    def alive(self) -> bool:
        """Whether it still waits."""
        return self._child.poll() is None

    def prime(self, commands: list[str]) -> None:
        """Do ``ip`` commands and let the guest sleep; those that fail ``wake`` tries again. Raises as it does."""
        failed = self._ask({"commands": self._left(commands), "wake": False})
        self._given = [command for command in commands if command not in failed]

    def wake(self, commands: list[str], **wanted: object) -> list[str]:
        """Wake the guest (see fakevm.guest.waker); returns which commands failed, once the guest has announced itself.

        :raises TimedOut: it did not answer
        :raises CommandFailed: it ended instead
        """
        failed = self._ask({"commands": self._left(commands), "wake": True, **wanted})
        return [f"'ip {command}': {reason}" for command, reason in failed.items()]

    def _left(self, commands: list[str]) -> list[str]:
        # The command line imports this module, and none of this.
        from .state import changes

        return changes(self._given, commands)

    def _ask(self, wanted: Mapping[str, object]) -> dict[str, str]:
        assert self._child.stdin and self._child.stdout
        try:
            self._child.stdin.write(json.dumps(wanted).encode() + b"\n")
        except OSError as exc:
            raise errors.CommandFailed(f"the helper in the guest has ended: {exc}") from exc
        answer, deadline = b"", time.monotonic() + _WAKING
        poller = select.poll()
        poller.register(self._child.stdout, select.POLLIN)
        while not answer.endswith(b"\n"):
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise errors.TimedOut(f"the helper in the guest did not answer in {_WAKING:g} s")
            if not (piece := self._child.stdout.read(1 << 16)):
                raise errors.CommandFailed("the helper in the guest ended without an answer; the agent's log has why")
            answer += piece
        failed: dict[str, str] = json.loads(answer)["failed"]
        return failed

    def join(self, timeout: float) -> None:
        """Wait until it has ended by itself, ``timeout`` seconds at most; then end it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout)
        self.end()

    def end(self) -> None:
        """End it now."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe
            pipe.close()


class Wakers:
    """The helpers of all sleeping guests of this host, by port."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Waker] = {}

    def expect(self, port_id: str, argv: Sequence[str]) -> None:
        """Start a guest's helper before it is needed."""
        waker = Waker(argv)
        with self._lock:
            old, self._waiting[port_id] = self._waiting.get(port_id), waker
        if old:
            old.end()

    def waiting(self, port_id: str) -> Waker | None:
        """Give a guest's helper, if there is one and it waits."""
        with self._lock:
            waker = self._waiting.get(port_id)
        return waker if waker and waker.alive() else None

    def take(self, port_id: str, argv: Sequence[str]) -> Waker:
        """Give a guest's helper away, started now if there is none."""
        with self._lock:
            waker = self._waiting.pop(port_id, None)
        if waker and not waker.alive():
            waker.end()
            waker = None
        return waker or Waker(argv)

    def end(self, port_id: str) -> None:
        """End a guest's helper, if there is one."""
        with self._lock:
            waker = self._waiting.pop(port_id, None)
        if waker:
            waker.end()
