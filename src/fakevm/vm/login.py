"""Logs in at a machine's serial console, and has a shell begin there at the second serial port; standard library only.

So the console is the user's again at once, and commands go by the other port as in the tiny machine.
"""

from __future__ import annotations

import re
import select
import socket
import time
from typing import NamedTuple

# Seconds that a prompt may take, emulated; how often it is asked for; how long an attempt that has begun goes on.
_PATIENCE, _ASKING = 20.0, 1.0
_PROMPT = re.compile(rb"[#$%>]\s?$")
_COLOURS = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])")
_PORT = "/dev/ttyS1"
_SHELL = f"exec sh {_PORT} >{_PORT} 2>/dev/null <{_PORT}"
# Where there is no start-stop-daemon, what runs there ignores SIGINT: shells have it so in the background.
_BEGIN = (
    f"stty raw -echo <{_PORT}; mkdir -p /run/fakevm/commands; if command -v start-stop-daemon >/dev/null; "
    f'then start-stop-daemon -S -b -p /run/fakevm/none -a /bin/sh -- -c "{_SHELL}"; '
    f'else setsid sh -c "{_SHELL}" & fi'
)


class RefusedError(Exception):
    """The machine does not let this user in."""


class Login(NamedTuple):
    """Who logs in at which console, if it asks: the path of its socket."""

    console: str
    user: str
    password: str

    def begin(self, deadline: float) -> bool:
        """Have a shell begin; False: nobody there asks or takes anything yet.

        :raises RefusedError: user and password are not known there
        :raises OSError: there is no machine
        """
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self.console)
            return self._talk(line, deadline)

    def _talk(self, line: socket.socket, deadline: float) -> bool:
        line.sendall(b"\r")
        seen, named, answered = b"", False, False
        asked = time.monotonic()
        while time.monotonic() < deadline:
            if select.select([line], [], [], 0.2)[0]:
                if not (said := line.recv(4096)):
                    raise OSError("it has ended")
                seen = _COLOURS.sub(b"", (seen + said)[-4096:])
                continue
            last = seen.rpartition(b"\n")[2].strip(b"\r ")
            if answered and b"incorrect" in seen:
                raise RefusedError(f"it does not let {self.user!r} in at its console")
            if last.endswith(b"login:") and not answered:
                # From here on it is not left in the middle.
                seen, named, deadline = b"", True, max(deadline, time.monotonic() + _PATIENCE)
                line.sendall(f"{self.user}\r".encode())
            elif last.endswith(b"assword:") and named:
                seen, answered = b"", True
                line.sendall(f"{self.password}\r".encode())
            elif _PROMPT.search(last):
                self._start(line)
                return True
            elif not named and time.monotonic() - asked > _ASKING:
                asked = time.monotonic()
                line.sendall(b"\r")
        return False

    def _start(self, line: socket.socket) -> None:
        rights = "" if self.user == "root" else "sudo -n "
        line.sendall(f"{rights}sh -c '{_BEGIN}'\r".encode())
        # What the machine has not read yet is lost when we go.
        until = time.monotonic() + _ASKING
        while (left := until - time.monotonic()) > 0:
            if select.select([line], [], [], left)[0] and not line.recv(4096):
                return
