"""The warmed process: it listens to stubs, and forks."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from pathlib import Path

from . import program, shepherd
from .ask import door


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


def serve(listener: socket.socket, obstacle: str) -> program.Start:
    """Fork whatever is asked for, for ever, or refuse it; only a forked program's own process returns from here.

    ``obstacle`` is why nothing can be forked (empty: it can).
    """
    # The kernel takes away shepherds that end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        conversation, _ = listener.accept()
        if not _is_ours(conversation):
            conversation.close()
            continue
        if obstacle:
            shepherd.answer(conversation, obstacle)
            conversation.close()
            continue
        if not os.fork():
            listener.close()
            return shepherd.lead(conversation)
        conversation.close()


def _is_ours(conversation: socket.socket) -> bool:
    """Tell whether it is this user who asks; the folder keeps all others out already."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", conversation.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if uid != os.geteuid():
        print(f"user {uid} asked, and was refused", file=sys.stderr, flush=True)
    return bool(uid == os.geteuid())
