"""Runs a command in a virtual machine by a shell that reads from one of its serial ports; standard library only.

The shell is asked again and again, in short questions: so many commands share it, one question at a time.

Each question is put between two marks. What comes before the first is another's, or an echo, and is passed over.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import secrets
import select
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .login import Login, RefusedError

# Seconds until a machine that starts has a shell, and until a shell answers: emulated, on a loaded machine.
BOOTING = 120.0
_ANSWERING = 60.0
# How often (seconds) a machine that starts is called.
_CALLING = 0.5
# A serial port's reader has 4 kB of room (Linux, N_TTY_BUF_SIZE): longer questions could lose their ends.
_PIECE = 2400
# Bytes of output that one answer carries.
_MOST = 24000
_FOLDER = "/run/fakevm/commands"

# What starts it: its process group is that of this shell, which no signal ends before it has written the status down.
# Its input is a folder of numbered pieces, unless it has none.
_RUN = """\
d=$1
trap : HUP INT QUIT USR1 USR2 TERM
echo $$ >$d/group
if [ -e $d/fed ]; then
    n=0
    while :; do
        if [ -e $d/in.$n ]; then base64 -d <$d/in.$n || break; rm $d/in.$n; n=$((n+1))
        elif [ -e $d/in.end ]; then break
        else sleep 0.1; fi
    done 2>/dev/null | sh $d/command >$d/out 2>$d/err
else
    sh $d/command </dev/null >$d/out 2>$d/err
fi
echo $? >$d/status.new
mv $d/status.new $d/status
"""


class NoAnswerError(Exception):
    """The shell does not answer."""


class Shell:
    """The shell of a machine, at a socket that serves one caller at a time; with a login, it has to be begun."""

    def __init__(self, path: str, login: Login | None = None) -> None:
        self._path = path
        self._login = login
        self._awake = False

    def ask(self, script: str, *, timeout: float = _ANSWERING, booting: float = BOOTING) -> list[str]:
        """Have the shell run a few lines; gives what they say, line by line.

        :param timeout: seconds for the answer
        :param booting: seconds until there is a shell at all
        :raises NoAnswerError: there is none, in this time
        """
        with self._alone(time.monotonic() + booting) as line:
            if not self._awake:
                self._call(line, time.monotonic() + booting)
            return self._put(line, script, time.monotonic() + timeout)

    @contextmanager
    def _alone(self, deadline: float) -> Iterator[socket.socket]:
        # The folder is QEMU's, who could have put a link there.
        wanted = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(f"{self._path}.lock", wanted, 0o600), "r+b", buffering=0) as lock:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > deadline:
                    raise NoAnswerError("others have its shell")
                time.sleep(0.005)
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(self._path)
                yield line

    def _call(self, line: socket.socket, deadline: float) -> None:
        """Call until somebody answers: what is said before there is a shell may be lost, or come half."""
        mark = secrets.token_hex(6)
        seen = b""
        while time.monotonic() < deadline:
            line.sendall(f"\n\n\n\n\n\n\n\necho {mark[:4]}''{mark[4:]}\n".encode())
            until = min(time.monotonic() + _CALLING, deadline)
            while mark.encode() not in seen and time.monotonic() < until:
                seen = (seen + _received(line, until))[-4096:]
            if mark.encode() in seen:
                self._awake = True
                return
            self._begin(deadline)
        raise NoAnswerError("it has no shell on its serial port yet")

    def _begin(self, deadline: float) -> None:
        if self._login:
            try:
                self._login.begin(deadline)
            except RefusedError as exc:
                raise NoAnswerError(str(exc)) from exc

    def _put(self, line: socket.socket, script: str, deadline: float) -> list[str]:
        mark = secrets.token_hex(6)
        begin, end = f"<{mark}", f"{mark}>"
        line.sendall(f"\necho '<'{mark}\n{script}\necho {mark}'>'\n".encode())
        seen = b""
        while time.monotonic() < deadline:
            seen += _received(line, deadline)
            lines = [one.rstrip("\r") for one in seen.decode(errors="replace").split("\n")]
            if begin in lines and end in lines:
                return lines[lines.index(begin) + 1 : lines.index(end)]
        self._awake = False
        raise NoAnswerError("its shell does not answer")


def _received(line: socket.socket, until: float) -> bytes:
    ready, _, _ = select.select([line], [], [], max(0.0, until - time.monotonic()))
    if not ready:
        return b""
    if not (piece := line.recv(1 << 16)):
        raise NoAnswerError("it has ended")
    return piece


class Command:
    """A command in a machine."""

    def __init__(self, shell: Shell, words: list[str]) -> None:
        self._shell = shell
        self._folder = f"{_FOLDER}/{secrets.token_hex(6)}"
        self._words = words
        self._fed = 0
        self._seen = [0, 0]

    def start(self, *, fed: bool) -> None:
        """Start it; ``fed``: it has an input."""
        folder = self._folder
        self._shell.ask(f"mkdir -p {folder}{f'; : >{folder}/fed' if fed else ''}")
        self._write("run", _RUN.encode())
        command = f": >{folder}/started\ncd /root 2>/dev/null\nexec {shlex.join(self._words)}\n"
        self._write("command", command.encode())
        # Not in the background of the shell, which would have it ignore SIGINT.
        run = f"sh {folder}/run {folder} </dev/null >/dev/null 2>&1"
        self._shell.ask(
            f"if command -v start-stop-daemon >/dev/null; "
            f"then start-stop-daemon -S -b -p {folder}/none -a $(command -v setsid) -- {run}; else setsid -f {run}; fi"
        )

    def _write(self, name: str, content: bytes) -> None:
        text, path = base64.b64encode(content).decode(), f"{self._folder}/{name}"
        for first in range(0, len(text), _PIECE):
            self._shell.ask(f"printf %s {text[first : first + _PIECE]} >>{path}.64")
        self._shell.ask(f"base64 -d <{path}.64 >{path}.new; rm {path}.64; mv {path}.new {path}")

    def feed(self, data: bytes) -> None:
        """Give it more input; none: it ends."""
        if not data:
            self._shell.ask(f": >{self._folder}/in.end")
        for first in range(0, len(data), _PIECE // 2):
            text = base64.b64encode(data[first : first + _PIECE // 2]).decode()
            path = f"{self._folder}/in.{self._fed}"
            self._shell.ask(f"printf %s {text} >{path}.new; mv {path}.new {path}")
            self._fed += 1

    def said(self) -> tuple[bytes, bytes, int | None]:
        """Ask what it has said since, and with what status it has ended, if it has."""
        out, err = self._seen
        lines = self._shell.ask(
            f"cd {self._folder}; s=-; [ -e status ] && read s <status; echo $s; "
            f"[ -s out ] && tail -c +{out + 1} out | head -c {_MOST} | base64; echo .; "
            f"[ -s err ] && tail -c +{err + 1} err | head -c {_MOST} | base64; cd /"
        )
        middle = lines.index(".")
        pieces = [base64.b64decode("".join(part)) for part in (lines[1:middle], lines[middle + 1 :])]
        self._seen = [out + len(pieces[0]), err + len(pieces[1])]
        full = any(len(piece) == _MOST for piece in pieces)
        return pieces[0], pieces[1], None if full or lines[0] == "-" else int(lines[0])

    def signal(self, number: int) -> None:
        """Send a signal to its process group, once it has begun."""
        begun = f"for n in 1 2 3 4 5 6 7 8 9; do [ -e {self._folder}/started ] && break; sleep 0.1; done"
        self._shell.ask(f"{begun}; kill -{number} -$(cat {self._folder}/group) 2>/dev/null")

    def forget(self) -> None:
        """Remove what there is of it; it ends."""
        self._shell.ask(f"kill -9 -$(cat {self._folder}/group) 2>/dev/null; rm -rf {self._folder}")
