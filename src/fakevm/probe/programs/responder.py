"""Sends back what it gets; a program of its own, run where a check ends.

``responder.py tcp|udp PORT`` says ``listening``, or ``taken`` when something else has the port; serves until its
standard input ends. Standard library only.
"""

from __future__ import annotations

import errno
import os
import socket
import socketserver
import sys
import threading


class Tcp(socketserver.BaseRequestHandler):
    """A connection."""

    def handle(self) -> None:
        """Send back what comes, until no more does."""
        while piece := self.request.recv(65536):
            self.request.sendall(piece)


class Udp(socketserver.BaseRequestHandler):
    """A datagram."""

    def handle(self) -> None:
        """Send it back."""
        data, opened = self.request
        opened.sendto(data, self.client_address)


class TcpServer(socketserver.ThreadingTCPServer):
    """Listens for connections."""

    allow_reuse_address = True
    daemon_threads = True


def serve(kind: str, port: int) -> int:
    """Serve IPv4 and IPv6, each by a socket of its own."""
    servers = []
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        base: type[socketserver.BaseServer] = TcpServer if kind == "tcp" else socketserver.UDPServer
        made = type("Server", (base,), {"address_family": family})
        try:
            server = made((any_address, port), Tcp if kind == "tcp" else Udp, bind_and_activate=False)
            if family == socket.AF_INET6:
                server.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.server_bind()
            server.server_activate()
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                print("taken", flush=True)
                return 0
            if family == socket.AF_INET:
                raise
            continue  # no IPv6 here
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("listening", flush=True)
    while os.read(0, 4096):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], int(sys.argv[2])))
