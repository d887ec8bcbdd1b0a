"""Silence: a guest that is asleep keeps its device, its addresses and its processes, and none of its frames leaves.

A filter where frames leave its device (clsact's egress) drops them all: it is before the device's queue, which stays
what the guest made of it, and taking it away brings everything back. (A device set down would lose its routes, and its
IPv6 addresses.) Where a kernel lacks such filters the root queue becomes the kernel's ``blackhole``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakevm import errors
from fakevm.linux import process

from . import waker

_log = logging.getLogger(__name__)

# What IPv6 would do by itself on a new device, and does not while the guest sleeps: take router advertisements, make a
# link-local address (1: none). It is to have the addresses that it brings.
_QUIET_IPV6 = {"accept_ra": 0, "addr_gen_mode": 1}
QUIETED = tuple(_QUIET_IPV6)
_WAKER = Path(waker.__file__)
# How long (seconds) a guest may take to wake: its helper may have to start first.
_WAKING = 8.0
# How long (seconds) a queue of the guest's own may send what was in it when the guest was silenced.
_DRAINING = 1.0


def silent_steps(namespace: str, device: str) -> tuple[str, ...]:
    """Write the ``ip`` commands that silence a new guest before its device is up."""
    quiet = "; ".join(f"echo {value} > {name}" for name, value in _QUIET_IPV6.items())
    silent = " && ".join(f"tc {step}" for step in _filter_steps(device))
    return (
        f"netns exec {namespace} sh -c '{{ {silent}; }} 2>/dev/null || tc qdisc replace dev {device} root blackhole'",
        f"netns exec {namespace} sh -c 'cd /proc/sys/net/ipv6/conf/{device} 2>/dev/null || exit 0; {quiet}'",
    )


def _filter_steps(device: str) -> tuple[str, str]:
    """Write the ``tc`` commands that drop all that leaves a device: classic BPF's 'return TC_ACT_SHOT'."""
    return (
        f"qdisc replace dev {device} clsact",
        f"filter replace dev {device} egress pref {waker.PREFERENCE} handle {waker.HANDLE:#x} protocol all"
        ' bpf da bytecode "1,6 0 0 2"',
    )


def silence(namespace: str, device: str) -> None:
    """Let nothing leave the guest from now on; what waits in a queue of its own has left. Raises CommandFailed."""
    show = f"qdisc show dev {device}"
    steps = "\n".join((*_filter_steps(device), show))
    try:
        queues = json.loads(process.run(["tc", "-n", namespace, "-json", "-statistics", "-batch", "-"], stdin=steps))
    except errors.CommandFailed as problem:
        _log.warning("the guest loses what queue it made of its device: %s", problem.what)
        process.run(["tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", "blackhole"])
        return
    deadline = time.monotonic() + _DRAINING
    while any(queue.get("backlog") for queue in queues) and time.monotonic() < deadline:
        time.sleep(0.01)
        queues = json.loads(process.run(["tc", "-n", namespace, "-json", "-statistics", *show.split()]))


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
    """The helpers of all sleeping guests of this host, by the namespace and the device that each waits in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], Waker] = {}

    def expect(self, device: tuple[str, str], argv: Sequence[str]) -> None:
        """Start a guest's helper before it is needed."""
        helper = Waker(argv)
        with self._lock:
            old, self._waiting[device] = self._waiting.get(device), helper
        if old:
            old.end()

    def waiting(self, device: tuple[str, str]) -> Waker | None:
        """Give a guest's helper, if there is one and it waits."""
        with self._lock:
            helper = self._waiting.get(device)
        return helper if helper and helper.alive() else None

    def take(self, device: tuple[str, str], argv: Sequence[str]) -> Waker:
        """Give a guest's helper away, started now if there is none."""
        with self._lock:
            helper = self._waiting.pop(device, None)
        if helper and not helper.alive():
            helper.end()
            helper = None
        return helper or Waker(argv)

    def end(self, device: tuple[str, str]) -> None:
        """End a guest's helper, if there is one."""
        with self._lock:
            helper = self._waiting.pop(device, None)
        if helper:
            helper.end()
