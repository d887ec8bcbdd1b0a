"""Neutron's API in a lab, behind the lab's token (ADR 0057); uwsgi loads this file by its path.

Neutron's own ``noauth`` takes everybody for the administrator. Who has the token is, and nobody else is answered.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

TOKEN_FILE_VARIABLE = "FAKEVM_TOKEN_FILE"
_HEADER = "HTTP_X_AUTH_TOKEN"
# Bytes of a refused request's body that are read: a connection that is closed with more of it unread is reset, and the
# answer may be lost.
_DRAINED = 65536
_WHY = (
    "This Neutron is a FakeVM lab's, and answers only who sends the lab's token (X-Auth-Token). "
    'In a shell: eval "$(fakevm lab env)". For a lab that is open to every user of the machine: auth: none in its file.'
)
# The form of Keystone's and keystonemiddleware's errors, which clients put into words.
_BODY = json.dumps({"error": {"code": 401, "title": "Unauthorized", "message": _WHY}}).encode()
_HEADERS = [
    ("Content-Type", "application/json"),
    ("Content-Length", str(len(_BODY))),
    ("WWW-Authenticate", 'X-Auth-Token realm="FakeVM"'),
]


def closed(application: Application, token: str, known: Callable[[], object] = lambda: None) -> Application:
    """Give an application that answers who sends the token, as ``application`` does, which never sees it.

    So it is neither in Neutron's logs nor in the context of its RPC. ``known`` is called for each request that has it.
    Raises ValueError: the token is empty.
    """
    wanted = token.strip().encode()
    if not wanted:
        raise ValueError("the lab's token is empty")

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = environ.pop(_HEADER, "")
        if hmac.compare_digest(given.encode(errors="replace"), wanted):
            known()
            return application(environ, start_response)
        if _asks_for_versions(environ):
            return application(environ, start_response)
        _drain(environ)
        start_response("401 Unauthorized", _HEADERS)
        return [_BODY]

    return answer


def _asks_for_versions(environ: dict[str, Any]) -> bool:
    """Tell whether a client looks for the API's versions, which it does before it shows anything.

    One that is refused then finds no Neutron at all, and does not say why (keystoneauth 5.18).
    """
    return environ["REQUEST_METHOD"] in ("GET", "HEAD") and environ.get("PATH_INFO") in ("", "/")


def _drain(environ: dict[str, Any]) -> None:
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length):
        # Who sends less than he said, or goes, gets his answer, or none: nobody writes that down.
        with contextlib.suppress(OSError):
            environ["wsgi.input"].read(min(int(length), _DRAINED))


# Only uwsgi is started with it. It is told to end when there is no application, and to write down no request but those
# of which it is told: others could fill the disk, by 64 kB for each.
if file := os.environ.get(TOKEN_FILE_VARIABLE):
    import uwsgi
    from neutron.wsgi import api

    application = closed(api.application, Path(file).read_text(), uwsgi.log_this_request)
