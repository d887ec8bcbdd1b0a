"""Commands that run in guests, asked about by long poll."""

from __future__ import annotations

import base64
import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence

from fakevm import errors
from fakevm.wire.contract import EXEC_LEASE

TIMED_OUT = 124
# Output that nobody fetched: when there is so much of it the command has to wait (bytes).
_BUFFER = 1 << 20
_CHUNK = 1 << 16
# After SIGTERM the command has this long (seconds) until SIGKILL.
_GRACE = 1.0
# After the command itself has ended its children may hold the pipes open; what comes later than this (seconds) is lost.
_DRAIN = 0.2


class Execution:
    """One command, in a session of its own. One thread feeds it, reads it, and ends it when time or lease is up.

    :param argv: the command line, as it is to be run from the host
    :param timeout: seconds, or None
    """

    def __init__(self, argv: Sequence[str], timeout: float | None) -> None:
        self._argv = ["setpriv", "--pdeathsig", "KILL", *argv]  # killed with us: the signal comes when its thread ends
        self._deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        self._asked = time.monotonic()
        self._changed = threading.Condition()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stdin = bytearray()
        self._stdin_closing = False
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._signals: list[int] = []
        self._child: subprocess.Popen[bytes]
        self._expired = False
        self.exit_status: int | None = None
        self._thread = threading.Thread(target=self._run, name="exec", daemon=True)
        self._thread.start()

    def io(self, stdin: bytes, close_stdin: bool, wait: float) -> tuple[bytes, bytes, int | None]:
        """Give input; take output, waiting up to ``wait`` seconds for some; the last is the exit status."""
        with self._changed:
            self._asked = time.monotonic()
            self._stdin += stdin
            self._stdin_closing |= close_stdin
            self._wake()
            self._changed.wait_for(lambda: any(self._output.values()) or self.exit_status is not None, wait)
            self._asked = time.monotonic()
            taken = [bytes(buffer[:_BUFFER]) for buffer in self._output.values()]
            for buffer in self._output.values():
                del buffer[:_BUFFER]
            self._wake()
            return taken[0], taken[1], None if any(self._output.values()) else self.exit_status

    def signal(self, signum: int) -> None:
        """Send a signal to the command and its children."""
        with self._changed:
            self._asked = time.monotonic()
            self._signals.append(signum)
            self._wake()

    def stop(self) -> None:
        """End the command now."""
        with self._changed:
            self._deadline = 0
            self._wake()

    def join(self, timeout: float) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_write, b"x")

    def _run(self) -> None:
        try:
            self._child = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
            with self._child:
                self._pump()
        finally:
            with self._changed:
                os.close(self._wake_read)
                os.close(self._wake_write)
                self._wake_write = -1
                if self.exit_status is None:
                    self.exit_status = self._status()
                self._changed.notify_all()

    def _status(self) -> int:
        status = getattr(self, "_child", None) and self._child.returncode
        if self._expired:
            return TIMED_OUT
        if status is None:
            return 255
        return status if status >= 0 else 128 - status

    def _pump(self) -> None:
        child = self._child
        assert child.stdin and child.stdout and child.stderr
        pidfd = os.pidfd_open(child.pid)
        try:
            with selectors.DefaultSelector() as selector:
                os.set_blocking(child.stdin.fileno(), False)
                selector.register(self._wake_read, selectors.EVENT_READ, "wake")
                selector.register(pidfd, selectors.EVENT_READ, "end")
                self._loop(selector, {"stdout": child.stdout.fileno(), "stderr": child.stderr.fileno()})
        finally:
            os.close(pidfd)

    def _loop(self, selector: selectors.BaseSelector, outputs: dict[str, int]) -> None:
        killed_at = ended_at = 0.0
        while outputs or not ended_at:
            self._choose(selector, outputs)
            now = time.monotonic()
            limit = min(self._deadline, self._asked + EXEC_LEASE)
            if ended_at:
                wait = ended_at + _DRAIN - now
            elif killed_at:
                wait = killed_at + _GRACE - now
            else:
                wait = limit - now
            events = selector.select(max(0.0, min(wait, EXEC_LEASE)))
            for key, _ in events:
                if key.data == "end":
                    selector.unregister(key.fd)
                    ended_at = time.monotonic()
                elif key.data == "wake":
                    with contextlib.suppress(BlockingIOError):
                        os.read(key.fd, _CHUNK)
                elif key.data == "stdin":
                    self._feed()
                elif not self._read(key.data, key.fd):
                    selector.unregister(key.fd)
                    del outputs[key.data]
            self._deliver_signals()
            now = time.monotonic()
            if ended_at:
                if not events and now >= ended_at + _DRAIN and not self._full():
                    return
            elif killed_at:
                if now >= killed_at + _GRACE:
                    self._kill(signal.SIGKILL)
                    killed_at = now
            elif now >= min(self._deadline, self._asked + EXEC_LEASE):
                self._expired = True
                self._kill(signal.SIGTERM)
                killed_at = now

    def _full(self) -> bool:
        return any(len(buffer) >= _BUFFER for buffer in self._output.values())

    def _choose(self, selector: selectors.BaseSelector, outputs: dict[str, int]) -> None:
        """Listen to what we can take and offer what we have."""
        stdin = self._child.stdin
        assert stdin
        wanted = {name: len(self._output[name]) < _BUFFER for name in outputs}
        known = {key.data for key in selector.get_map().values()}
        for name, want in wanted.items():
            if want and name not in known:
                selector.register(outputs[name], selectors.EVENT_READ, name)
            elif not want and name in known:
                selector.unregister(outputs[name])
        with self._changed:
            if self._stdin_closing and not self._stdin and not stdin.closed:
                if "stdin" in known:
                    selector.unregister(stdin)
                stdin.close()
            want_feed = bool(self._stdin) and not stdin.closed
        if stdin.closed:
            return
        if want_feed and "stdin" not in known:
            selector.register(stdin, selectors.EVENT_WRITE, "stdin")
        elif not want_feed and "stdin" in known:
            selector.unregister(stdin)

    def _feed(self) -> None:
        stdin = self._child.stdin
        assert stdin
        with self._changed:
            try:
                written = os.write(stdin.fileno(), self._stdin[:_CHUNK])
                del self._stdin[:written]
            except BlockingIOError:
                return
            except OSError:  # the command reads no more
                self._stdin.clear()
                self._stdin_closing = True

    def _read(self, name: str, fd: int) -> bool:
        data = os.read(fd, _CHUNK)
        with self._changed:
            self._output[name] += data
            self._changed.notify_all()
        return bool(data)

    def _deliver_signals(self) -> None:
        with self._changed:
            signals, self._signals = self._signals, []
        for signum in signals:
            self._kill(signum)

    def _kill(self, signum: int) -> None:
        if self._child.returncode is None:  # not reaped yet: the process group cannot be another's
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signum)


class Executions:
    """All commands that run in guests of this host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Execution] = {}

    def start(self, argv: Sequence[str], timeout: float | None) -> str:
        """Start a command and return its id."""
        exec_id = uuid.uuid4().hex
        execution = Execution(argv, timeout)
        with self._lock:
            self._running[exec_id] = execution
            self._forget_abandoned()
        return exec_id

    def _forget_abandoned(self) -> None:
        old = time.monotonic() - 4 * EXEC_LEASE
        for exec_id, execution in list(self._running.items()):
            if execution.exit_status is not None and execution._asked < old:
                del self._running[exec_id]

    def io(self, exec_id: str, stdin: str, close_stdin: bool, wait: float) -> dict[str, object]:
        """See AgentApi.exec_io."""
        execution = self._get(exec_id)
        stdout, stderr, status = execution.io(base64.b64decode(stdin), close_stdin, wait)
        if status is not None:
            with self._lock:
                self._running.pop(exec_id, None)
        return {
            "stdout": base64.b64encode(stdout).decode(),
            "stderr": base64.b64encode(stderr).decode(),
            "exit_status": status,
        }

    def signal(self, exec_id: str, signum: int) -> None:
        """See AgentApi.exec_signal."""
        self._get(exec_id).signal(signal.Signals(signum))

    def stop_all(self, timeout: float) -> None:
        """End all commands, for ``timeout`` seconds at most."""
        with self._lock:
            running = list(self._running.values())
        for execution in running:
            execution.stop()
        deadline = time.monotonic() + timeout
        for execution in running:
            execution.join(max(0.0, deadline - time.monotonic()))

    def _get(self, exec_id: str) -> Execution:
        with self._lock:
            execution = self._running.get(exec_id)
        if execution is None:
            raise errors.NotFound(f"there is no running command {exec_id}", hint="It ended, or its caller was gone.")
        return execution
