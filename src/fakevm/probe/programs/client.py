"""Tries a service once; a program of its own, run where the check begins.

``client.py tcp|udp ADDRESS PORT PATIENCE ECHO`` or ``client.py http ADDRESS PORT PATIENCE PATH`` says what happened as
a JSON object. PATIENCE is in seconds; ECHO is 1 when what is sent is to come back. Standard library only.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import sys
from typing import Any

_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL)
# As much of a page as is looked at (bytes).
_PAGE = 1 << 20


def tcp(address: str, port: int, patience: float, echo: str) -> dict[str, Any]:
    """Make a connection; send something and wait for it to come back."""
    with socket.create_connection((address, port), timeout=patience) as connection:
        if echo == "0":
            return {"answered": True}
        nonce = os.urandom(16).hex().encode()
        connection.sendall(nonce)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while piece := connection.recv(4096):
            said += piece
    return {"answered": said == nonce, "error": "" if said == nonce else f"{len(said)} of {len(nonce)} bytes came back"}


def udp(address: str, port: int, patience: float, echo: str) -> dict[str, Any]:
    """Send a datagram, three times at most, and wait for an answer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    nonce = os.urandom(16).hex().encode()
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.settimeout(patience / 3)
        opened.connect((address, port))
        for _ in range(3):
            opened.send(nonce)
            try:
                said = opened.recv(65535)
            except TimeoutError:
                continue
            wanted = echo == "0" or said == nonce
            return {"answered": wanted, "error": "" if wanted else "something else came back"}
    raise TimeoutError


def get(address: str, port: int, patience: float, path: str) -> dict[str, Any]:
    """GET a page."""
    connection = http.client.HTTPConnection(address, port, timeout=patience)
    connection.request("GET", path, headers={"Connection": "close"})
    answer = connection.getresponse()
    return {"answered": True, "status": answer.status, "body": answer.read(_PAGE).decode(errors="replace")}


def attempt(kind: str, address: str, port: str, patience: str, last: str) -> dict[str, Any]:
    """Try it, and put into words what kept it from succeeding."""
    try:
        return {"tcp": tcp, "udp": udp, "http": get}[kind](address, int(port), float(patience), last)
    except TimeoutError:
        return {"answered": False, "error": "timed out"}
    except ConnectionRefusedError:
        return {"answered": False, "error": "refused"}
    except http.client.HTTPException as exc:
        return {"answered": False, "error": f"not HTTP: {exc}"}
    except OSError as exc:
        known = "unreachable" if exc.errno in _UNREACHABLE else "timed out" if exc.errno == errno.ETIMEDOUT else ""
        return {"answered": False, "error": known or str(exc)}


if __name__ == "__main__":
    print(json.dumps(attempt(*sys.argv[1:])))
