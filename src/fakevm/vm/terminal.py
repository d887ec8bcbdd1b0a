"""Joins a terminal to a virtual machine's serial console, until Ctrl-] is pressed; standard library only."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_LEAVE = b"\x1d"  # Ctrl-]
# Seconds that a machine has been silent for, when it has answered to a pipe that has ended: QEMU loses what it has not
# passed on to the machine when its caller goes.
_QUIET = 3.0


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Have a terminal pass on what is typed as it is; what is no terminal stays as it is."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _join(line: socket.socket) -> None:
    asked = [0]
    while True:
        ready, _, _ = select.select([*asked, line.fileno()], [], [], None if asked else _QUIET)
        if not ready:
            return
        if line.fileno() in ready:
            if not (said := line.recv(4096)):
                return
            os.write(1, said)
        if 0 in ready:
            typed = os.read(0, 4096)
            before, found, _ = typed.partition(_LEAVE)
            line.sendall(before)
            if found or (not typed and os.isatty(0)):
                return
            if not typed:  # a pipe has ended: what the machine says to it is still to come
                asked = []


def main(words: list[str]) -> int:
    """Join; 0 when it was left, or the machine has ended."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(words[0])
        except OSError as exc:
            print(f"cannot reach the console: {exc.strerror}", file=sys.stderr)
            return 1
        print("Connected; Ctrl-] leaves.", file=sys.stderr)
        with contextlib.suppress(ConnectionResetError, KeyboardInterrupt), _raw(0):
            _join(line)
    print("\r\nLeft.", file=sys.stderr)
    return 0
