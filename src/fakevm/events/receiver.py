"""The HTTP side: Neutron posts events as to Nova, FakeVM's commands read them."""

from __future__ import annotations

import hmac
import json
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from .log import EventLog
from .validation import TAG_LENGTH, BadBody, events_of

POSTED_TO = "/os-server-external-events"
READ_AT = "/events"
# Where keystoneauth's admin_token has the secret: its debug log does not show it, as it does a URL.
TOKEN = "X-Auth-Token"
# What oslo.middleware takes before Nova sees anything (max_request_body_size), in bytes.
LARGEST_BODY = 114_688
# Seconds that a reader may wait in one request, and events that one answer holds at most.
LONGEST_WAIT = 60.0
LARGEST_PAGE = 1000
# Seconds after which a connection that says nothing is closed: Neutron's processes keep theirs; of one that has not
# shown that it knows the secret; and connections at once.
IDLE = 300.0
UNKNOWN_IDLE = 10.0
MOST_CONNECTIONS = 200
# Of what is refused the log gets so many lines in so many seconds, each so long at most: others may not fill the disk.
REFUSALS = 20
REFUSALS_WITHIN = 60.0
LONGEST_LINE = 200
# Of a refused body, at most so much comes back.
LONGEST_REASON = 2000


class Receiver(ThreadingHTTPServer):
    """Serves one listening socket; several of them may share a log.

    :param secret: what those who may post and read send as their token (X-Auth-Token), or begin all paths with; empty:
        that is everybody
    """

    daemon_threads = True

    def __init__(self, listener: socket.socket, log: EventLog, life: str, secret: str = "") -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.log = log
        self.life = life
        self.secret = secret
        self.refusals = Allowance(REFUSALS, REFUSALS_WITHIN)
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, or close it when there are too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Make room again when a connection has ended."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone: readers are interrupted all the time."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Allowance:
    """So many things within so many seconds; what is over that is counted."""

    def __init__(self, most: int, within: float) -> None:
        self._most = most
        self._within = within
        self._since = time.monotonic()
        self._number = 0
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """Ask for one more: None when there is none left; else how many were not given before."""
        with self._lock:
            missed = 0
            if time.monotonic() - self._since > self._within:
                missed = max(0, self._number - self._most)
                self._since, self._number = time.monotonic(), 0
            self._number += 1
            return missed if self._number <= self._most else None


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Receiver
    protocol_version = "HTTP/1.1"
    timeout = UNKNOWN_IDLE
    # An answer leaves in one piece and at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Take events as Nova does: all of a body or none."""
        length = self.headers.get("Content-Length", "")
        # Python takes digits of every script for numbers, and refuses to read very long ones.
        known = re.fullmatch("[0-9]{1,9}", length)
        if not known or int(length) > LARGEST_BODY:
            # What is left of the body must not be taken for the next request.
            self.close_connection = True
            self._refuse(*((413, "Request is too large.") if known else (411, "Content-Length is missing")))
            return
        body = self.rfile.read(int(length))
        path = self._known_path()
        if path is None or not path.endswith(POSTED_TO):
            self._refuse(404, "The resource could not be found.")
            return
        try:
            events = events_of(json.loads(body))
        except BadBody as problem:
            self._refuse(400, str(problem)[:LONGEST_REASON])
        except (ValueError, RecursionError):  # no JSON, no text at all, or nothing but brackets
            self._refuse(400, "Malformed request body")
        else:
            self.server.log.add(events)
            for event in events:
                words = (event.get(word, "-") for word in ("name", "server_uuid", "tag", "status"))
                print(_printable(" ".join(words)), flush=True)
            # Nova says completed for every event that it takes, whatever it was told.
            self._answer(200, {"events": [{**event, "status": "completed", "code": 200} for event in events]})

    def do_GET(self) -> None:
        """Give events to a reader, or the versions to a client that looks for Nova's."""
        path = self._known_path()
        if path is None:
            self._refuse(404, "The resource could not be found.")
        elif path == READ_AT:
            self._read(self.path.partition("?")[2])
        elif not path:
            self._answer(300, {"versions": [self._version()]})
        elif path in ("/v2.1", "/v2"):
            self._answer(200, {"version": self._version()})
        else:
            self._refuse(404, "The resource could not be found.")

    def _known_path(self) -> str | None:
        """Give the path, without the secret if it is there; None for who does not know that."""
        path = self.path.partition("?")[0].rstrip("/")
        if not self.server.secret or self._knows(self.headers.get(TOKEN, "")):
            known, below = True, path
        else:
            first, slash, rest = path.lstrip("/").partition("/")
            known, below = self._knows(first), slash + rest
        if known:
            self.connection.settimeout(IDLE)
        return below if known else None

    def _knows(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.server.secret.encode())

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
        # Who has it in the path is to go on so.
        root = f"/{self.server.secret}" if self.server.secret and TOKEN not in self.headers else ""
        href = f"http://{self.headers.get('Host', 'localhost')}{root}/v2.1/"
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

    def log_message(self, format: str, *args: Any) -> None:
        """Write a line of bounded length, and not too many of them: anybody may ask for nonsense."""
        missed = self.server.refusals.take()
        if missed:
            print(f"{missed} more were refused", file=sys.stderr, flush=True)
        if missed is not None:
            line = _printable(format % args)
            if self.server.secret:
                line = line.replace(self.server.secret, "SECRET")
            print(f"{self.address_string()} {line}", file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """Cut a line, and write what would be none of a line's as escapes."""
    cut = text if len(text) <= LONGEST_LINE + TAG_LENGTH else f"{text[:LONGEST_LINE]}…"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)
