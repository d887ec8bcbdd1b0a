"""QEMU's monitor: its machine protocol, QMP, over a Unix socket (QEMU's docs, interop/qmp-spec)."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from fakevm import errors

# Seconds that QEMU, which may be busy on a loaded machine, may take to answer.
_ANSWERING = 20.0


class Monitor:
    """A conversation with one QEMU, which talks to one caller at a time at this socket.

    Events that come between answers are passed over.

    :param timeout: seconds for the greeting, and for each answer
    :raises Unreachable: nobody is there
    """

    def __init__(self, path: Path, timeout: float = _ANSWERING) -> None:
        self._path = path
        self._timeout = timeout
        self._unread = b""
        self._line = socket.socket(socket.AF_UNIX)
        # It holds for the connection, too, which others may be before (unix(7); Python's own time-out would not wait).
        seconds, rest = divmod(timeout, 1)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(rest * 1e6)))
        try:
            self._line.connect(str(path))
            self._next(time.monotonic() + timeout)
            self.ask("qmp_capabilities")
        except BlockingIOError as exc:
            self._line.close()
            raise errors.Unreachable(f"QEMU's monitor {path} was others' for {timeout:g} s") from exc
        except OSError as exc:
            self._line.close()
            raise errors.Unreachable(f"QEMU's monitor {path} does not answer: {exc.strerror or exc}") from exc
        except BaseException:
            self._line.close()
            raise

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._line.close()

    def ask(self, command: str, arguments: Mapping[str, object] = {}, descriptors: Sequence[int] = ()) -> Any:
        """Execute a command; gives what it returns.

        :param descriptors: files that are passed with it (``getfd``)
        :raises CommandFailed: QEMU refuses, in its own words
        :raises Unreachable: it has ended, or does not answer
        """
        words = json.dumps({"execute": command, "arguments": dict(arguments)})
        try:
            if descriptors:
                socket.send_fds(self._line, [words.encode()], list(descriptors))
            else:
                self._line.sendall(words.encode())
        except OSError as exc:
            raise errors.Unreachable(f"QEMU has ended: {exc.strerror or exc}") from exc
        deadline = time.monotonic() + self._timeout
        while True:
            answer = self._next(deadline)
            if "error" in answer:
                raise errors.CommandFailed(f"QEMU refuses '{command}': {answer['error'].get('desc', 'no reason')}")
            if "return" in answer:
                return answer["return"]

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._unread:
            self._line.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                piece = self._line.recv(1 << 16)
            except TimeoutError as exc:
                raise errors.Unreachable(f"QEMU's monitor {self._path} did not answer in {self._timeout:g} s") from exc
            except OSError as exc:
                raise errors.Unreachable(f"QEMU has ended: {exc.strerror or exc}") from exc
            if not piece:
                raise errors.Unreachable("QEMU has ended")
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said
