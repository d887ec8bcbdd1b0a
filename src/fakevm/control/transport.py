"""How a request reaches Neutron and its answer comes back, whatever it is about.

A lab's Neutron asks for a token at most and lists no versions that we would choose from, so the standard library is
enough to speak to it (``Direct``). A cloud's is found and asked through openstacksdk: see ``fakevm.control.cloud``.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from fakevm.errors import Busy, FakevmError, NotFound, Refused, Unreachable

# Seconds. What changes nothing is asked again when no answer comes; a change is waited for longer, and asked for once.
LOOK_TIMEOUT = 30.0
CHANGE_TIMEOUT = 120.0
RETRY_PAUSE = 0.5

UNREACHABLE_HINT = "In a lab, `fakevm lab status` tells what runs; else look at clouds.yaml or OS_*."


@dataclass(frozen=True)
class Answer:
    """An answer, also one that is not a success: then ``reason`` is what HTTP says of its status."""

    status: int
    reason: str
    url: str
    content: bytes

    def json(self) -> Any:
        """Read the content. Raises ValueError when it is no JSON."""
        return json.loads(self.content)

    def text(self) -> str:
        """Give the content as it is."""
        return self.content.decode(errors="replace")


def fetch(url: str, headers: Mapping[str, str] = MappingProxyType({}), *, timeout: float) -> bytes:
    """GET a URL of a lab's, once: what is waited for, or only for a moment; gives the content of a success.

    By none of the user's proxies (``http_proxy``): they reach other machines, and need not know the lab's token.

    :param timeout: seconds
    :raises OSError: no answer, or not a success
    :raises http.client.HTTPException: half an answer
    """
    # Not at the top: most commands have no use for it, and it imports much.
    from urllib.request import ProxyHandler, Request, build_opener

    with build_opener(ProxyHandler({})).open(Request(url, headers=dict(headers)), timeout=timeout) as answer:
        content: bytes = answer.read()
        return content


class Transport(Protocol):
    """A way to Neutron; many threads may use one at once."""

    without_keystone: bool

    def request(self, method: str, path: str, what: str, body: Any = None, query: Any = None) -> Answer:
        """Send a request for a path below ``/v2.0``, and wait for its answer.

        ``body`` is sent as JSON; ``query`` maps names to values, or to lists of them. ``what`` is being done, for
        errors. Raises Unreachable when no answer comes, Refused when we are not let in, InvalidInput when settings of
        the cloud are wrong.
        """


def patience(method: str) -> float:
    """Choose how many seconds to wait for an answer."""
    return LOOK_TIMEOUT if method == "GET" else CHANGE_TIMEOUT


def refusal(what: str, status: int, reason: str, url: str) -> FakevmError:
    """Make the error for an answer of Neutron's that is not a success."""
    text = f"Neutron did not {what}: {reason} (HTTP {status})"
    if status == 404:
        return NotFound(text)
    if status == 401:
        return Refused(text, hint='In a shell for a lab: eval "$(fakevm lab env)".')
    if status == 403:
        return Refused(text, hint="Creating and binding ports for others needs an administrator's role.")
    if status in (502, 503, 504):
        return Unreachable(f"Neutron cannot serve {url}: {reason} (HTTP {status})")
    if status >= 500:
        return Refused(text, hint="Its own log says more: `fakevm lab logs` in a lab.")
    return Refused(text)


class Absent:
    """What a lab without Neutron has in its place: every request is refused."""

    without_keystone = True

    def __init__(self, lab: str) -> None:
        self._lab = lab

    def request(self, method: str, path: str, what: str, body: Any = None, query: Any = None) -> Answer:
        """See Transport. Raises NotFound."""
        raise NotFound(
            f"cannot {what}: lab {self._lab!r} has no Neutron (neutron: false in its file)",
            hint="Its guests and links are made with its file (fakevm lab apply) and with fakevm guest; for networks "
            "and ports start a lab with Neutron: fakevm lab up",
        )


class Direct:
    """A Neutron without Keystone, behind the root URL ``endpoint`` (``http://HOST:PORT``).

    ``headers`` show it that we may ask (``control.credentials``).
    """

    without_keystone = True

    def __init__(self, endpoint: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._headers = {"Accept": "application/json", "Connection": "close", **headers}
        place = urlsplit(endpoint)
        self._host, self._port = place.hostname or "", place.port or 80
        self._root = f"{place.path.rstrip('/')}/v2.0"
        self._url = endpoint.rstrip("/") + "/v2.0"

    def request(self, method: str, path: str, what: str, body: Any = None, query: Any = None) -> Answer:
        """See Transport."""
        target = path + (f"?{urlencode(query, doseq=True)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        try:
            if method == "GET":
                return self._try_again(target)
            return self._exchange(method, target, content)
        except TimeoutError as problem:
            raise Busy(
                f"could not {what}: no answer from {self._url}{path} within {patience(method):g} s",
                hint=UNREACHABLE_HINT,
            ) from problem
        except (OSError, http.client.HTTPException) as problem:
            raise Unreachable(
                f"could not {what}: nobody answers at {self._url}{path}: {problem or type(problem).__name__}",
                hint=UNREACHABLE_HINT,
            ) from problem

    def _try_again(self, target: str) -> Answer:
        """Look twice: a server that is busy, or starts its workers anew, may cut a connection."""
        try:
            return self._exchange("GET", target, None)
        except (ConnectionError, http.client.HTTPException):
            time.sleep(RETRY_PAUSE)
            return self._exchange("GET", target, None)

    def _exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        # A connection for each request: uwsgi closes connections that it has promised to keep.
        connection = http.client.HTTPConnection(self._host, self._port, timeout=patience(method))
        headers = self._headers
        if content is not None:
            headers = {**headers, "Content-Type": "application/json"}
        try:
            connection.request(method, self._root + target, content, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.reason, self._url + target, answer.read())
        finally:
            connection.close()
