"""Running a command in a guest through the broker, with its input, output, signals and exit status."""

from __future__ import annotations

import base64
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from fakevm.control.agents import LOOK_TIMEOUT, Agents
from fakevm.errors import OutputLost

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
CHUNK = 1 << 16
# Seconds that a call waits for output: input and signals of ours wait no longer than this.
WAIT = 0.3


class RemoteExec:
    """Runs commands in the guests of one host."""

    def __init__(self, agents: Agents, host: str) -> None:
        self._agents = agents
        self._host = host
        self._signals: deque[int] = deque()
        self._input: queue.Queue[bytes] = queue.Queue(maxsize=16)

    def run(self, port_id: str, command: Sequence[str], timeout: float | None) -> int:
        """Run a command, ``timeout`` in seconds; returns its exit status. Raises NotFound, AgentDown, Unreachable."""
        arguments = {"port_id": port_id, "command": list(command), "timeout": timeout}
        exec_id = str(self._call("exec_start", arguments))
        threading.Thread(target=self._read_input, daemon=True).start()
        with self._signals_collected():
            return self._stream(exec_id)

    def _stream(self, exec_id: str) -> int:
        closed = False
        while True:
            while self._signals:
                self._call("exec_signal", {"exec_id": exec_id, "signum": self._signals.popleft()})
            data, closing = self._take_input()
            closed = closed or closing
            wait = WAIT if self._input.empty() else 0.0
            answer = self._call(
                "exec_io",
                {
                    "exec_id": exec_id,
                    "stdin": base64.b64encode(data).decode(),
                    "close_stdin": closed,
                    "wait": wait,
                },
            )
            try:
                self._write(answer)
            except (BrokenPipeError, OutputLost):
                self._call("exec_signal", {"exec_id": exec_id, "signum": int(signal.SIGTERM)})
                raise
            if answer["exit_status"] is not None:
                return int(answer["exit_status"])

    def _call(self, method: str, arguments: dict[str, Any]) -> Any:
        return self._agents.call(self._host, method, arguments, LOOK_TIMEOUT)

    @staticmethod
    def _write(answer: dict[str, Any]) -> None:
        for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
            if data := base64.b64decode(answer[name]):
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
