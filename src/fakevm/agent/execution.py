"""Commands that run in guests, asked about by long poll."""

from __future__ import annotations

import base64
import contextlib
import math
import os
import select
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future

from fakevm import errors
from fakevm.rpc.contract import EXEC_LEASE, ExecAnswer

TIMED_OUT = 124
# Output that nobody fetched: when there is so much of it the command has to wait (bytes).
_BUFFER = 1 << 20
_CHUNK = 1 << 16
# After SIGTERM the command has this long (seconds) until SIGKILL.
_GRACE = 1.0
# After the command itself has ended, its children may hold the pipes open: what comes later than this
# (seconds) is lost.
_DRAIN = 0.2


class Execution:
    """One command, in a session of its own.

    One thread feeds it, reads it, and ends it when its time or lease is up.

    :param argv: the command line, as it is to be run from the host
    :param timeout: seconds, or None
    :raises Prerequisite: it cannot be started
    """

    def __init__(self, argv: Sequence[str], timeout: float | None) -> None:
        self._deadline = time.monotonic() + timeout if timeout is not None else math.inf
        self._asked = time.monotonic()
        self._changed = threading.Condition()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stdin = bytearray()
        self._stdin_closing = False
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._signals: list[int] = []
        self._killed_at = self._ended_at = math.inf
        self._expired = False
        self._skipped = False
        self._exit_status: int | None = None
        started: Future[subprocess.Popen[bytes]] = Future()
        self._thread = threading.Thread(target=self._run, args=(argv, started), name="exec", daemon=True)
        self._thread.start()
        self._child = started.result()

    def io(self, stdin: bytes, close_stdin: bool, wait: float) -> tuple[bytes, bytes, int | None]:
        """Give input; take standard output and error, waiting up to ``wait`` seconds for some.

        The third is the exit status, once all is said.
        """
        with self._changed:
            self._asked = time.monotonic()
            self._stdin += stdin
            self._stdin_closing |= close_stdin
            self._wake()
            self._changed.wait_for(lambda: any(self._output.values()) or self._exit_status is not None, wait)
            self._asked = time.monotonic()
            stdout, stderr = (bytes(buffer) for buffer in self._output.values())
            for buffer in self._output.values():
                buffer.clear()
            self._wake()
            return stdout, stderr, self._exit_status

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

    def abandoned(self) -> bool:
        """Whether it has ended and nobody has asked how for long."""
        return not self._thread.is_alive() and time.monotonic() > self._asked + 4 * EXEC_LEASE

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it wakes anyway; closed: it has ended
            os.write(self._wake_write, b"x")

    def _run(self, argv: Sequence[str], started: Future[subprocess.Popen[bytes]]) -> None:
        try:
            # killed with us, whatever kills us: the signal comes when the thread that started it ends
            child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as exc:
            started.set_exception(errors.Prerequisite(f"cannot run a command in a guest: {exc}"))
            return
        self._child = child
        started.set_result(child)
        status = 255
        try:
            self._pump()
            status = child.wait()
        finally:
            self._finish(status)

    def _finish(self, status: int) -> None:
        with self._changed:
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._wake_read = self._wake_write = -1
            for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
                with contextlib.suppress(OSError):
                    assert pipe
                    pipe.close()
            self._exit_status = TIMED_OUT if self._expired else status if status >= 0 else 128 - status
            self._changed.notify_all()

    def _pump(self) -> None:
        child = self._child
        assert child.stdin and child.stdout and child.stderr
        os.set_blocking(child.stdin.fileno(), False)
        outputs = {"stdout": child.stdout.fileno(), "stderr": child.stderr.fileno()}
        pidfd = os.pidfd_open(child.pid)
        try:
            while not self._done(outputs):
                self._turn(pidfd, outputs)
        finally:
            os.close(pidfd)

    def _turn(self, pidfd: int, outputs: dict[str, int]) -> None:
        """Wait for something to do, and do it."""
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        if self._ended_at == math.inf:
            poller.register(pidfd, select.POLLIN)
        read = [name for name in outputs if len(self._output[name]) < _BUFFER]
        for name in read:
            poller.register(outputs[name], select.POLLIN)
        # What was not looked at may hold the command's last words, also when somebody makes room just now.
        self._skipped = len(read) < len(outputs)
        if stdin := self._hungry():
            poller.register(stdin, select.POLLOUT)
        ready = {fd for fd, _ in poller.poll(self._patience() * 1000)}
        if pidfd in ready:
            self._ended_at = time.monotonic()
        if self._wake_read in ready:
            os.read(self._wake_read, _CHUNK)
        if stdin and stdin in ready:
            self._feed(stdin)
        for name, fd in list(outputs.items()):
            if fd in ready and not self._read(name, fd):
                del outputs[name]
        self._enforce()

    def _limit(self) -> float:
        return min(self._deadline, self._asked + EXEC_LEASE)

    def _patience(self) -> float:
        """How long (seconds) nothing is due."""
        if self._ended_at < math.inf:
            due = min(math.inf if self._skipped else self._ended_at + _DRAIN, self._limit())
        else:
            due = self._killed_at + _GRACE if self._killed_at < math.inf else self._limit()
        return max(0.0, due - time.monotonic())

    def _done(self, outputs: dict[str, int]) -> bool:
        if self._ended_at == math.inf:
            return False
        now = time.monotonic()
        return not outputs or now >= self._limit() or (now >= self._ended_at + _DRAIN and not self._skipped)

    def _enforce(self) -> None:
        """Send what signals are due."""
        with self._changed:
            due, self._signals = self._signals, []
        now = time.monotonic()
        if self._ended_at == math.inf:
            if now >= self._killed_at + _GRACE:
                due.append(signal.SIGKILL)
                self._killed_at = now
            elif self._killed_at == math.inf and now >= self._limit():
                due.append(signal.SIGTERM)
                self._killed_at, self._expired = now, True
        for signum in due:
            # not reaped yet, so the process group cannot be another's
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signum)

    def _hungry(self) -> int:
        """Find the descriptor of standard input if there is something for it; close it when no more comes."""
        stdin = self._child.stdin
        assert stdin
        with self._changed:
            if self._stdin_closing and not self._stdin and not stdin.closed:
                stdin.close()
            return stdin.fileno() if self._stdin and not stdin.closed else 0

    def _feed(self, stdin: int) -> None:
        with self._changed:
            try:
                del self._stdin[: os.write(stdin, self._stdin[:_CHUNK])]
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
            self._running = {key: old for key, old in self._running.items() if not old.abandoned()}
            self._running[exec_id] = execution
        return exec_id

    def io(self, exec_id: str, stdin: str, close_stdin: bool, wait: float) -> ExecAnswer:
        """See AgentApi.exec_io."""
        execution = self._get(exec_id)
        stdout, stderr, status = execution.io(base64.b64decode(stdin), close_stdin, wait)
        if status is not None:
            with self._lock:
                self._running.pop(exec_id, None)
        return ExecAnswer(
            stdout=base64.b64encode(stdout).decode(), stderr=base64.b64encode(stderr).decode(), exit_status=status
        )

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
