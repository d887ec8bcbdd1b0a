"""The parent of one forked program: a small process that tells its stub how it ends, and ends it with its stub.

It is neither the warmed process, whose end must end no program, nor in the program's PID namespace, whose first process
would inherit it.
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from . import kernel, program
from .ask import NAMESPACES

# Seconds for a stub to say what it wants.
_PATIENCE = 10.0
# As many descriptors as ask.py may send.
_ROOM = 16
_GO = b"g"


def lead(conversation: socket.socket) -> program.Start:
    """Fork the program that a stub asks for, and stay with it; only the program's own process returns from here."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    try:
        start = hear(conversation)
    except EOFError:
        os._exit(0)
    except (OSError, ValueError, KeyError) as exc:
        _refuse(conversation, exc)
    try:
        gate = os.pipe()
        enter(start)
        child = os.fork()
    except (OSError, ValueError, KeyError) as exc:
        _refuse(conversation, exc)
    if not child:
        conversation.close()
        _pass(gate)
        return start
    os.close(gate[0])
    for descriptor in (*start.descriptors.values(), *start.namespaces.values()):
        os.close(descriptor)
    os._exit(_stay(conversation, child, gate[1]))


def _refuse(conversation: socket.socket, why: Exception) -> NoReturn:
    answer(conversation, f"cannot fork: {why}".replace("\n", " "))
    os._exit(1)


def hear(conversation: socket.socket) -> program.Start:
    """Read what a stub asks for.

    Raises OSError, ValueError, KeyError: it cannot be understood; EOFError: somebody just knocks (``lab/warm.py``).
    """
    conversation.settimeout(_PATIENCE)
    rights = socket.CMSG_SPACE(_ROOM * array.array("i").itemsize)
    text, ancillary, _, _ = conversation.recvmsg(65536, rights, socket.MSG_CMSG_CLOEXEC)
    if not text:
        raise EOFError
    descriptors = array.array("i", b"".join(data for _, _, data in ancillary))
    while len(text) < 4 or len(text) < 4 + int.from_bytes(text[:4], "big"):
        more = conversation.recv(65536)
        if not more:
            raise ValueError("the request breaks off")
        text += more
    told: dict[str, Any] = json.loads(text[4:])
    namespaces = dict(zip(NAMESPACES, descriptors, strict=False))
    handed = dict(zip(told.pop("numbers"), descriptors[len(NAMESPACES) :], strict=True))
    return program.Start(**told, descriptors=handed, namespaces=namespaces)


def enter(start: program.Start) -> None:
    """Take on the limits of a program, and go where its processes are to be forked. Raises OSError, ValueError."""
    program.limit(start)
    ours = os.open("/proc/self/ns/user", os.O_RDONLY)
    # One is in one's own already, and may not enter it.
    if not os.path.sameopenfile(start.namespaces["user"], ours):
        kernel.enter(start.namespaces["user"], "user")
    os.close(ours)
    kernel.enter(start.namespaces["pid"], "pid")


def _pass(gate: tuple[int, int]) -> None:
    """Wait for the shepherd's word: it may have ended before the kernel was told that we end with it."""
    kernel.die_with_parent()
    os.close(gate[1])
    if os.read(gate[0], 1) != _GO:
        os._exit(1)
    os.close(gate[0])


def answer(conversation: socket.socket, line: str) -> None:
    """Tell a stub something, if it is still there."""
    try:
        conversation.sendall(f"{line}\n".encode())
    except OSError as exc:
        print(f"a stub is gone: {exc}", file=sys.stderr, flush=True)


def _stay(conversation: socket.socket, child: int, gate: int) -> int:
    kernel.set_title(["fakevm_warm", f"shepherd of process {child}"])
    handle = os.pidfd_open(child)
    conversation.settimeout(None)
    answer(conversation, f"started {_number_within(child)}")
    os.write(gate, _GO)
    os.close(gate)
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    poller.register(conversation, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poller.poll()}
        if handle in ready:
            answer(conversation, _fate(os.waitpid(child, 0)[1]))
            return 0
        words = conversation.recv(4096).decode(errors="replace").split()
        if not words:
            # The stub is gone: a second copy of the program may come at once.
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            poller.unregister(conversation)
        for word in words:
            signal.pidfd_send_signal(handle, signal.Signals[f"SIG{word}"])


def _number_within(child: int) -> str:
    """Give the number of a process in its own PID namespace, which is its stub's."""
    status = Path(f"/proc/{child}/status").read_text()
    return next(line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:"))


def _fate(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit {os.WEXITSTATUS(status)}"
