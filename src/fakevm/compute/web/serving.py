"""The application over HTTP: at a socket of the machine's loopback, and at the same address in the lab."""

from __future__ import annotations

import socket
from typing import Any

import waitress

_THREADS = 16
# Bytes: a larger body is refused before it is read, also of somebody without a token; others the application refuses.
_LARGEST_BODY = 2 * 2**20


def serve(application: Any, inherited: int) -> None:
    """Answer until the process ends.

    :param inherited: the descriptor of a socket that listens on the machine's loopback; one like it is opened here
    """
    outside = socket.socket(fileno=inherited)
    inside = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    inside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    inside.bind(outside.getsockname())
    sockets = [outside, inside]
    waitress.serve(application, sockets=sockets, threads=_THREADS, ident=None, max_request_body_size=_LARGEST_BODY)
