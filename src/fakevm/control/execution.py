"""Running a command in a guest through the broker, with its input, output, signals and exit status."""

from __future__ import annotations

import base64
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from fakevm.control.agents import Agents
from fakevm.errors import OutputLost
from fakevm.rpc.contract import ExecAnswer

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
CHUNK = 1 << 16
# Seconds that a call waits for output: input and signals of ours wait no longer than this.
WAIT = 0.3


class RemoteExec:
    """Runs commands in the guests of one host."""

    def __init__(self, agents: Agents, host: str) -> None:
        self._agent = agents.on(host)
        self._signals: deque[int] = deque()
        self._input: queue.Queue[bytes] = queue.Queue(maxsize=16)

    def run(self, guest_id: str, command: Sequence[str], timeout: float | None) -> int:
        """Run a command in a guest, ``timeout`` in seconds; returns its exit status.

        Raises NotFound, AgentDown, Unreachable.
        """
        exec_id = self._agent.exec_start(guest_id, list(command), timeout)
        threading.Thread(target=self._read_input, daemon=True).start()
        with self._signals_collected():
            return self._stream(exec_id)

    def follow(
        self,
        guest_id: str,
        command: Sequence[str],
        timeout: float | None,
        write: Callable[[str, bytes], None],
        stopped: Callable[[], bool],
    ) -> int:
        """Run a command that reads nothing; ``write`` takes what it says, with the stream's name.

        It is stopped when ``stopped`` says so, or nothing can be written any more. Returns its exit status. Raises as
        ``run``, and what ``write`` does.
        """
        exec_id = self._agent.exec_start(guest_id, list(command), timeout)
        told = False
        while True:
            if stopped() and not told:
                self._agent.exec_signal(exec_id, signal.SIGTERM)
                told = True
            answer = self._agent.exec_io(exec_id, "", True, WAIT)
            try:
                for stream, said in (("stdout", answer.stdout), ("stderr", answer.stderr)):
                    if data := base64.b64decode(said):
                        write(stream, data)
            except BaseException:
                self._agent.exec_signal(exec_id, signal.SIGTERM)
                raise
            if answer.exit_status is not None:
                return answer.exit_status

    def _stream(self, exec_id: str) -> int:
        closed = False
        while True:
            while self._signals:
                self._agent.exec_signal(exec_id, self._signals.popleft())
            data, closing = self._take_input()
            closed = closed or closing
            wait = WAIT if self._input.empty() else 0.0
            answer = self._agent.exec_io(exec_id, base64.b64encode(data).decode(), closed, wait)
            try:
                self._write(answer)
            except (BrokenPipeError, OutputLost):
                self._agent.exec_signal(exec_id, signal.SIGTERM)
                raise
            if answer.exit_status is not None:
                return answer.exit_status

    @staticmethod
    def _write(answer: ExecAnswer) -> None:
        for stream, said in ((sys.stdout, answer.stdout), (sys.stderr, answer.stderr)):
            if data := base64.b64decode(said):
                stream.buffer.write(data)
                stream.flush()

    def _read_input(self) -> None:
        """Read standard input in a thread of its own; an empty piece is its end."""
        data = b"begin"
        while data:
            try:
                data = os.read(0, CHUNK)
            except OSError:
                data = b""
            self._input.put(data)

    def _take_input(self) -> tuple[bytes, bool]:
        """Give what was read so far, and whether that was all."""
        pieces: list[bytes] = []
        while not self._input.empty():
            piece = self._input.get()
            if not piece:
                return b"".join(pieces), True
            pieces.append(piece)
        return b"".join(pieces), False

    @contextmanager
    def _signals_collected(self) -> Iterator[None]:
        """Pass signals on to the command instead of ending by them."""

        def collect(signum: int, _frame: FrameType | None) -> None:
            self._signals.append(signum)

        before = {signum: signal.signal(signum, collect) for signum in FORWARDED}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
