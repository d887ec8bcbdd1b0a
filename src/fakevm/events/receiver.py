"""The HTTP side: Neutron posts events as to Nova, FakeVM's commands read them."""

from __future__ import annotations

import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .log import EventLog
from .validation import BadBody, events_of

POSTED_TO = "/os-server-external-events"
READ_AT = "/events"
# What oslo.middleware takes before Nova sees anything (max_request_body_size), in bytes.
LARGEST_BODY = 114_688
# Seconds that a reader may wait in one request, and events that one answer holds at most.
LONGEST_WAIT = 60.0
LARGEST_PAGE = 1000
# Seconds after which a connection that says nothing is closed: Neutron's processes keep theirs.
IDLE = 300.0


class Receiver(ThreadingHTTPServer):
    """Serves one listening socket; several of them may share a log."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, log: EventLog, life: str) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.log = log
        self.life = life

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone: readers are interrupted all the time."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Receiver
    protocol_version = "HTTP/1.1"
    timeout = IDLE
    # An answer leaves in one piece and at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Take events as Nova does: all of a body or none."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            # What is left of the body must not be taken for the next request.
            self.close_connection = True
            self._refuse(*((413, "Request is too large.") if length.isdigit() else (411, "Content-Length is missing")))
            return
        body = self.rfile.read(int(length))
        if not urlsplit(self.path).path.rstrip("/").endswith(POSTED_TO):
            self._refuse(404, "The resource could not be found.")
            return
        try:
            events = events_of(json.loads(body))
        except BadBody as problem:
            self._refuse(400, str(problem))
        except ValueError:  # no JSON, or no text at all
            self._refuse(400, "Malformed request body")
        else:
            self.server.log.add(events)
            for event in events:
                print(" ".join(event.get(word, "-") for word in ("name", "server_uuid", "tag", "status")), flush=True)
            # Nova says completed for every event that it takes, whatever it was told.
            self._answer(200, {"events": [{**event, "status": "completed", "code": 200} for event in events]})

    def do_GET(self) -> None:
        """Give events to a reader, or the versions to a client that looks for Nova's."""
        url = urlsplit(self.path)
        path = url.path.rstrip("/")
        if path == READ_AT:
            self._read(url.query)
        elif not path:
            self._answer(300, {"versions": [self._version()]})
        elif path in ("/v2.1", "/v2"):
            self._answer(200, {"version": self._version()})
        else:
            self._refuse(404, "The resource could not be found.")

    def _read(self, query: str) -> None:
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        try:
            after, limit = int(asked.get("after", 0)), int(asked.get("limit", LARGEST_PAGE))
            wait = float(asked.get("wait", 0))
            if after < 0 or limit < 0 or not 0 <= wait < float("inf"):
                raise ValueError("a number is out of range")
        except ValueError as problem:
            self._refuse(400, str(problem))
            return
        if asked.get("life", self.server.life) != self.server.life:
            # The reader's number is of a receiver that was here before.
            after = 0
        page = self.server.log.after(after, limit=min(limit, LARGEST_PAGE), wait=min(wait, LONGEST_WAIT))
        answer = {"events": page.events, "lost": page.lost, "newest": page.newest, "life": self.server.life}
        self._answer(200, answer)

    def _version(self) -> dict[str, Any]:
        href = f"http://{self.headers.get('Host', 'localhost')}/v2.1/"
        links = [{"rel": "self", "href": href}]
        return {"id": "v2.1", "status": "CURRENT", "version": "2.1", "min_version": "2.1", "links": links}

    def _refuse(self, status: int, message: str) -> None:
        fault = {400: "badRequest", 404: "itemNotFound"}.get(status, "computeFault")
        self._answer(status, {fault: {"code": status, "message": message}})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write down what was refused only: the events themselves are written where they are taken."""
        if isinstance(code, int) and code >= 400:
            super().log_request(code, size)
