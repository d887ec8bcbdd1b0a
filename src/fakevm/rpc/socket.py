"""The contract over a Unix socket, for agents of a lab without a broker: each listens in its host's folder.

Who is let in is told who speaks (a *greeting*: the versions), and then sends one call after the other; all are lines of
JSON. While a call is worked on the agent sends an empty line now and then: silence means that it hangs, and the end of
the conversation that it has died, so that nobody waits for one that is gone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .contract import VERSION
from .line import NoAnswer, OtherVersion

_log = logging.getLogger(__name__)

Greeting = Mapping[str, Any]
# Carries a verb out with its arguments, and gives the envelope of its answer.
Answer = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]

# Seconds between two signs that a call is being worked on.
BEAT = 1.0
# Callers that wait to be let in; one more is turned away at once (unix(7), EAGAIN).
_WAITING = 1024


# -- who listens -------------------------------------------------------------------------------------------------


class Server:
    """Answers the calls of this user's programs, each conversation in a thread of its own.

    :param path: the socket, whose folder is then this user's alone
    :param about: the greeting, to which the version of the contract is added
    """

    def __init__(self, path: Path, answer: Answer, about: Greeting) -> None:
        self._path = path
        self._answer = answer
        self._greeting = {"rpc_version": VERSION, **about}
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._busy: set[_Conversation] = set()

    def start(self) -> None:
        """Listen; returns at once. Raises OSError: the socket cannot be made."""
        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._path.unlink(missing_ok=True)
        with _reached(self._path) as name:
            self._door.bind(name)
        self._path.chmod(0o600)
        self._door.listen(_WAITING)
        for work in (self._let_in, self._beat):
            threading.Thread(target=work, name="socket", daemon=True).start()

    def stop(self) -> None:
        """Let nobody in any more; conversations end with the process."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        # It wakes who waits in accept(2), which close(2) does not.
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)

    def _let_in(self) -> None:
        while True:
            try:
                caller, _ = self._door.accept()
            except OSError as exc:
                if self._path.exists():
                    _log.error("nobody is let in any more: %s", exc)
                return
            threading.Thread(target=self._serve, args=(caller,), name="call", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError, ValueError):
            if _user(caller) != os.geteuid():
                _log.warning("user %s was turned away", _user(caller))
                return
            conversation = _Conversation(caller)
            conversation.say(self._greeting)
            for said in conversation.lines():
                with self._worked_on(conversation):
                    envelope = self._answer(said["verb"], said["arguments"])
                conversation.say(envelope)

    @contextlib.contextmanager
    def _worked_on(self, conversation: _Conversation) -> Iterator[None]:
        self._busy.add(conversation)
        try:
            yield
        finally:
            self._busy.discard(conversation)

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT)
            for conversation in tuple(self._busy):
                conversation.beat()


class _Conversation:
    """A conversation, in which two threads may speak."""

    def __init__(self, other: socket.socket) -> None:
        self._other = other
        self._speaking = threading.Lock()

    def lines(self) -> Iterator[Any]:
        """Give what the other says. Raises OSError, ValueError."""
        with self._other.makefile("rb") as said:
            yield from (json.loads(line) for line in said)

    def say(self, words: Mapping[str, Any]) -> None:
        with self._speaking:
            self._other.sendall(json.dumps(words).encode() + b"\n")

    def beat(self) -> None:
        """Give a sign of life, unless that is given just now, or nobody takes it."""
        if self._speaking.acquire(blocking=False):
            try:
                with contextlib.suppress(OSError):
                    self._other.send(b"\n", socket.MSG_DONTWAIT)
            finally:
                self._speaking.release()


# -- who calls ---------------------------------------------------------------------------------------------------


def greet(path: Path, patience: float) -> Greeting:
    """Be let in, and leave: who answers works. ``patience`` is in seconds. Raises NoAnswer."""
    with _called(path, patience) as (_, greeting):
        return greeting


def call(path: Path, verb: str, arguments: Mapping[str, Any], timeout: float, silence: float) -> Any:
    """Call a verb of the agent that listens at a socket; gives the envelope of its answer.

    :param timeout: so many seconds the answer may take
    :param silence: so many seconds nothing may be heard of the agent
    :raises NoAnswer: it does not listen, has ended meanwhile, or one of these times is up
    :raises OtherVersion: it speaks another version of the contract
    """
    deadline = time.monotonic() + timeout
    with _called(path, min(silence, timeout)) as (hearing, greeting):
        if not _understands(str(greeting.get("rpc_version"))):
            raise OtherVersion(greeting)
        hearing.say({"verb": verb, "arguments": arguments})
        while (left := deadline - time.monotonic()) > 0:
            if line := hearing.hear(silence, left):
                return line
        raise NoAnswer(f"has worked on {verb} for {timeout:g} s")


@contextlib.contextmanager
def _called(path: Path, patience: float) -> Iterator[tuple[_Hearing, Greeting]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(patience)
        try:
            with _reached(path) as name:
                line.connect(name)
        except BlockingIOError as exc:
            raise NoAnswer("has too many callers at once") from exc
        except OSError as exc:
            raise NoAnswer("does not run") from exc
        if _user(line) != os.geteuid():
            raise NoAnswer(f"is a program of another user ({_user(line)})")
        hearing = _Hearing(line)
        yield hearing, hearing.hear(patience, patience) or {}


class _Hearing:
    """The caller's side of a conversation."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._heard = b""

    def say(self, words: Mapping[str, Any]) -> None:
        try:
            self._line.sendall(json.dumps(words).encode() + b"\n")
        except OSError as exc:
            raise NoAnswer("ended meanwhile") from exc

    def hear(self, silence: float, left: float) -> Any:
        """Wait for the next line, in ``silence`` for so many seconds; None: it is empty, or no time is ``left``."""
        self._line.settimeout(min(silence, left))
        while b"\n" not in self._heard:
            try:
                piece = self._line.recv(65536)
            except TimeoutError as exc:
                if left < silence:
                    return None
                raise NoAnswer(f"said nothing for {silence:g} s") from exc
            except OSError as exc:
                raise NoAnswer("ended meanwhile") from exc
            if not piece:
                raise NoAnswer("ended meanwhile")
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\n")
        try:
            return json.loads(line) if line else None
        except ValueError as exc:
            raise NoAnswer("says what cannot be understood") from exc


def _understands(theirs: str) -> bool:
    """Tell whether an agent knows all that we may ask for: as oslo.messaging compares versions."""
    major, _, minor = theirs.partition(".")
    our_major, _, our_minor = VERSION.partition(".")
    return major == our_major and minor.isdigit() and int(minor) >= int(our_minor)


@contextlib.contextmanager
def _reached(path: Path) -> Iterator[str]:
    """Give a short name for a socket: they have 108 bytes at most (unix(7)), folders have longer ones."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _user(other: socket.socket) -> int:
    """Tell whose program is at the other end."""
    credentials = other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
