"""Words for an ssh client that has connected to nobody: it shows them, whoever reads its connection's standard error.

A master connection that stays (ControlPersist) throws away what its ProxyCommand says. But every client shows why a
server disconnects, and a server may do so before keys are exchanged (RFC 4253, sections 4.2, 6 and 11.1). It must not
be gone when the client has something to say, too: then the client tells of that (EPIPE).
"""

from __future__ import annotations

import os
import select
import struct
import time

_BANNER = b"SSH-2.0-FakeVM\r\n"
_MSG_DISCONNECT = 1
_SERVICE_NOT_AVAILABLE = 7
# What may be shown of a text; a client cuts it, too.
_LONGEST = 400
_BLOCK = 8
# How long (seconds) a client may take to read it, and to go.
_PATIENCE = 10.0


def packet(words: str) -> bytes:
    """Write what a server says that disconnects at once, for the reason that the words give."""
    text = " ".join(words.split()).encode()[:_LONGEST]
    payload = struct.pack(">BII", _MSG_DISCONNECT, _SERVICE_NOT_AVAILABLE, len(text)) + text + struct.pack(">I", 0)
    padding = _BLOCK - (5 + len(payload)) % _BLOCK
    padding += _BLOCK if padding < 4 else 0
    return _BANNER + struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def for_printf(words: str) -> str:
    """Write the same as a format for a shell's ``printf``."""
    return "".join(f"\\{byte:03o}" for byte in packet(words))


def tell(words: str) -> None:
    """Say it to the client on standard input and output, and hear it out."""
    os.write(1, packet(words))
    deadline = time.monotonic() + _PATIENCE
    while select.select([0], [], [], max(0.0, deadline - time.monotonic()))[0] and os.read(0, 1 << 16):
        pass
