"""The warmed process: it listens to stubs, and forks."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import NoReturn

from . import program, shepherd
from .ask import door
from .sources import Sources


def listen(folder: Path) -> socket.socket:
    """Open the door to stubs: for this user alone. Those that come early wait in it."""
    (folder / "socket").unlink(missing_ok=True)
    opened = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    listener.bind(door(opened))
    os.umask(before)
    os.close(opened)
    listener.listen(1024)
    return listener


def serve(listener: socket.socket, obstacle: str, sources: Sources, stub: socket.socket | None) -> program.Start:
    """Fork whatever is asked for, for ever, or refuse it; only a forked program's own process returns from here.

    ``obstacle`` is why nothing can be forked (empty: it can). ``stub`` is the conversation with what stands for this
    process under the supervisor, when it was forked itself.
    """
    # The kernel takes away shepherds that end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        if stub and stub in select.select([listener, stub], [], [])[0]:
            _obey(stub)
        conversation, _ = listener.accept()
        if not is_ours(conversation):
            conversation.close()
            continue
        if changed := sources.changed():
            # The supervisor starts another, for which who has asked waits; what was forked goes on.
            print(f"ends, to import anew: {changed} has changed", flush=True)
            os._exit(0)
        if obstacle:
            shepherd.answer(conversation, obstacle)
            conversation.close()
            continue
        if not os.fork():
            listener.close()
            if stub:
                stub.close()
            return shepherd.lead(conversation)
        conversation.close()


def _obey(stub: socket.socket) -> NoReturn:
    """End as our stub is told to, or because it ended."""
    words = stub.recv(4096).decode(errors="replace").split()
    shepherd.answer(stub, f"signal {signal.Signals[f'SIG{words[0]}']:d}") if words else None
    os._exit(1)


def is_ours(conversation: socket.socket) -> bool:
    """Tell whether it is this user who asks; the folder keeps all others out already."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", conversation.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if uid != os.geteuid():
        print(f"user {uid} asked, and was refused", file=sys.stderr, flush=True)
    return bool(uid == os.geteuid())
