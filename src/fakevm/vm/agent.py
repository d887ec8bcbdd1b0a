"""Runs commands in a virtual machine by QEMU's guest agent, where the machine has one; standard library only.

Its protocol is JSON, a line each way (QEMU's docs: interop/qemu-ga-ref); what was half said before is passed over by
``guest-sync-delimited``, whose answer begins with a byte that no text has.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import select
import socket
import time
from collections.abc import Mapping
from typing import Any

from .channel import BOOTING, NoAnswerError

_ANSWERING = 60.0
# How often (seconds) a machine that starts is called, and a command is looked at.
_CALLING, _LOOK = 0.5, 0.1
_BEGIN = b"\xff"
_NOTES = "/run/fakevm-"
# The agent keeps so much of each of a command's outputs, at most (qga/commands.c: GUEST_EXEC_MAX_OUTPUT).
_CUT = b"fakevm: the guest agent gives the first 16 MB of an output: the rest is lost\n"
# What starts a command: its number is known by a file, for whoever is to end it.
_RUN = """\
echo $$ >"$0"
cd /root 2>/dev/null
command -v setsid >/dev/null && exec setsid "$@"
exec "$@"
"""


class Agent:
    """The guest agent of a machine, at a socket that serves one caller at a time.

    It is a shell, too: see ``channel.Shell``.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def ask(self, script: str, *, timeout: float = _ANSWERING, booting: float = BOOTING) -> list[str]:
        """Have a shell run a few lines; gives what they say. Raises NoAnswerError."""
        pid = self.start(["/bin/sh", "-c", script], b"", booting=booting)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = self.call("guest-exec-status", {"pid": pid}, booting=timeout)
            if found["exited"]:
                said = base64.b64decode(found.get("out-data", "")).decode(errors="replace")
                return said.removesuffix("\n").split("\n") if said else []
            time.sleep(_LOOK)
        raise NoAnswerError("its guest agent's shell does not end")

    def start(self, words: list[str], fed: bytes, *, booting: float = BOOTING) -> int:
        """Start a command with its whole input; gives its number there. Raises NoAnswerError."""
        asked: dict[str, object] = {"path": words[0], "arg": words[1:], "capture-output": True}
        if fed:
            asked["input-data"] = base64.b64encode(fed).decode()
        return int(self.call("guest-exec", asked, booting=booting)["pid"])

    def call(self, verb: str, arguments: Mapping[str, object], *, booting: float = BOOTING) -> Any:
        """Ask the agent something. Raises NoAnswerError: it is not there in this time, or refuses."""
        deadline = time.monotonic() + booting
        # The folder is QEMU's, who could have put a link there.
        wanted = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(f"{self._path}.lock", wanted, 0o600), "r+b", buffering=0) as lock:
            _take(lock.fileno(), deadline)
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(self._path)
                # A machine that stands still reads nothing of a long input.
                line.settimeout(_ANSWERING)
                unread = self._met(line, deadline)
                _say(line, verb, arguments)
                answer = _answer(line, unread, time.monotonic() + _ANSWERING)
        if "error" in answer:
            raise NoAnswerError(f"its guest agent refuses {verb!r}: {answer['error'].get('desc', 'no reason')}")
        return answer["return"]

    def _met(self, line: socket.socket, deadline: float) -> bytes:
        """Call the agent until it answers; gives what came behind that."""
        number, seen = secrets.randbits(31), b""
        while time.monotonic() < deadline:
            line.sendall(_BEGIN)
            _say(line, "guest-sync-delimited", {"id": number})
            until = min(time.monotonic() + _CALLING, deadline)
            while (left := until - time.monotonic()) > 0:
                if select.select([line], [], [], left)[0]:
                    if not (piece := line.recv(1 << 16)):
                        raise NoAnswerError("it has ended")
                    seen += piece
                for part in seen.split(_BEGIN)[1:]:
                    told, end, rest = part.partition(b"\n")
                    with contextlib.suppress(ValueError):
                        if end and json.loads(told) == {"return": number}:
                            return rest
        raise NoAnswerError("its guest agent does not answer")


def _take(lock: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NoAnswerError("others have its guest agent") from None
            time.sleep(0.005)


def _say(line: socket.socket, verb: str, arguments: Mapping[str, object]) -> None:
    line.sendall(json.dumps({"execute": verb, "arguments": dict(arguments)}).encode() + b"\n")


def _answer(line: socket.socket, unread: bytes, deadline: float) -> dict[str, Any]:
    """Read the next answer that is none to our calling, which the agent also takes for bad JSON."""
    while True:
        told, end, rest = unread.partition(b"\n")
        if end:
            if told.strip() and not told.startswith(_BEGIN):
                answer: dict[str, Any] = json.loads(told.decode(errors="replace"))
                if "JSON" not in answer.get("error", {}).get("desc", ""):
                    return answer
            unread = rest
            continue
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([line], [], [], left)[0]:
            raise NoAnswerError("its guest agent does not answer")
        if not (piece := line.recv(1 << 16)):
            raise NoAnswerError("it has ended")
        unread += piece


class Command:
    """A command in a machine: see ``channel.Command``. It begins when its input has ended; it speaks when it ends."""

    def __init__(self, agent: Agent, words: list[str]) -> None:
        self._agent = agent
        self._note = f"{_NOTES}{secrets.token_hex(6)}"
        self._words = words
        self._input = b""
        self._pid = 0
        self._ended_by = 0

    def start(self, *, fed: bool) -> None:
        """Start it; ``fed``: it has an input, which is awaited."""
        if not fed and not self._ended_by:
            self._pid = self._agent.start(["/bin/sh", "-c", _RUN, self._note, *self._words], self._input)

    def feed(self, data: bytes) -> None:
        """Give it more input; none: it ends."""
        self._input += data
        if not data:
            self.start(fed=False)

    def said(self) -> tuple[bytes, bytes, int | None]:
        """Ask what it has said, and with what status it has ended, if it has."""
        if not self._pid:
            return b"", b"", 128 + self._ended_by if self._ended_by else None
        found = self._agent.call("guest-exec-status", {"pid": self._pid})
        if not found["exited"]:
            return b"", b"", None
        self._pid = 0
        status = found["exitcode"] if "exitcode" in found else 128 + found.get("signal", 0)
        out, err = (base64.b64decode(found.get(name, "")) for name in ("out-data", "err-data"))
        cut = found.get("out-truncated") or found.get("err-truncated")
        return out, err + _CUT if cut else err, int(status)

    def signal(self, number: int) -> None:
        """Send a signal to its process group; one that awaits its input ends by it."""
        if self._pid:
            self._kill(number)
        else:
            self._ended_by = number

    def _kill(self, number: int) -> None:
        self._agent.ask(f"read -r n <{self._note} && {{ kill -{number} -$n || kill -{number} $n; }} 2>/dev/null")

    def forget(self) -> None:
        """Remove what there is of it; it ends."""
        self._kill(9)
        self._agent.ask(f"rm -f {self._note}")
