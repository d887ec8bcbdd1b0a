"""Run as a file, in a guest's network: waits for one connection, and becomes a command on it.

Writes the port, a line, when it listens; ``connected`` when the connection is there. It ends without one when its
standard input does: whoever started it is gone. Arguments: the command.
"""

from __future__ import annotations

import os
import select
import socket
import sys

_NEWEST = 1


def main(command: list[str]) -> None:
    """Wait, and become the command."""
    family = socket.AF_INET6 if os.path.exists("/proc/net/if_inet6") else socket.AF_INET  # noqa: PTH110
    dual = family == socket.AF_INET6
    with socket.create_server(("", 0), family=family, backlog=_NEWEST, dualstack_ipv6=dual) as server:
        print(server.getsockname()[1], flush=True)
        ready, _, _ = select.select([server, sys.stdin], [], [])
        if server not in ready:
            return
        connection, _ = server.accept()
    print("connected", flush=True)
    os.dup2(connection.fileno(), 0)
    os.dup2(connection.fileno(), 1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
