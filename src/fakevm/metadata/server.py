"""The service that Neutron's metadata agents ask: who asks is in headers that they have signed."""

from __future__ import annotations

import hashlib
import hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from . import document, instance


class Reply(NamedTuple):
    """An HTTP status and a body."""

    status: int
    body: str


def signature(secret: str, instance_id: str) -> str:
    """Sign an instance's id as Neutron does (neutron.agent.metadata.agent, nova.api.metadata.handler)."""
    return hmac.new(secret.encode(), instance_id.encode(), hashlib.sha256).hexdigest()


def reply(lab: Path, secret: str, path: str, instance_id: str | None, signed: str | None) -> Reply:
    """Answer a request, as Nova: 400 without a name, 403 with a wrong signature, 404 for what there is not."""
    if not instance_id:
        return Reply(400, "X-Instance-ID header is missing from request.")
    if not signed or not hmac.compare_digest(signed, signature(secret, instance_id)):
        return Reply(403, "Invalid proxy request signature.")
    found = instance.find(lab, instance_id)
    text = document.read(found, path.partition("?")[0]) if found else None
    return Reply(404, "Not Found") if text is None else Reply(200, text)


def serve(lab: Path, secret: str, address: str, port: int) -> None:
    """Serve until we are ended; ``lab`` is the lab's folder."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            names = ("X-Instance-ID", "X-Instance-ID-Signature")
            status, body = reply(lab, secret, self.path, *(self.headers.get(name) for name in names))
            data = encoded(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if self.path.endswith(".json") else "text/plain")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    ThreadingHTTPServer((address, port), Handler).serve_forever()


def encoded(body: str) -> bytes:
    """Give a body as it was: user data that are gzipped are characters below 256, each a byte (``Told``)."""
    try:
        return body.encode("latin-1") if body.startswith("\x1f\x8b") else body.encode()
    except UnicodeEncodeError:
        return body.encode()
