"""The two ways to Neutron: straight to a lab's, against a real server on loopback; and openstacksdk's errors."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fakevm.control import transport
from fakevm.control.cloud import translated
from fakevm.control.neutron import Neutron
from fakevm.control.transport import Direct
from fakevm.errors import AgentDown, InvalidInput, NotFound, Refused, Unreachable


class Server(ThreadingHTTPServer):
    """Remembers what it was asked; cuts the first ``cut`` connections; answers with ``status`` and ``content``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: list[str | None] = []
        self.cut = 0
        self.silent = threading.Event()
        self.silent.set()
        self.status = 200
        self.content = b"{}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers as a server in front of Neutron would."""

    server: Server

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append((self.command, self.path, json.loads(self.rfile.read(length)) if length else None))
        self.server.tokens.append(self.headers["X-Auth-Token"])
        self.server.silent.wait(5)
        self.close_connection = True
        if len(self.server.asked) <= self.server.cut:
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve on loopback."""
    monkeypatch.setattr(transport, "RETRY_PAUSE", 0.01)
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.silent.set()
        serving.shutdown()
        thread.join()


def test_questions_and_changes_reach_neutron_as_it_takes_them(server: Server) -> None:
    neutron = Neutron(Direct(server.endpoint))
    assert neutron.without_keystone
    server.content = b'{"ports": []}'
    assert neutron.ports(["a", "b"], fields=["id"]) == []
    server.content = b'{"port": {"id": "p\xc3\xbc"}}'
    assert neutron.update_port("p", "bind port p", binding_host_id="compute1") == {"id": "pü"}
    server.status, server.content = 204, b""
    assert neutron.delete_port("p")
    assert server.asked == [
        ("GET", "/v2.0/ports?id=a&id=b&fields=id", None),
        ("PUT", "/v2.0/ports/p", {"port": {"binding:host_id": "compute1"}}),
        ("DELETE", "/v2.0/ports/p", None),
    ]


def test_the_token_goes_with_each_request(server: Server) -> None:
    direct = Direct(server.endpoint, {"X-Auth-Token": "secret"})
    direct.request("GET", "/ports", "list the ports")
    direct.request("POST", "/ports", "create a port", {"port": {}})
    Direct(server.endpoint).request("GET", "/ports", "list the ports")
    assert server.tokens == ["secret", "secret", None]
    assert "secret" not in str(server.asked)


def test_who_is_not_let_in_is_told_what_to_do(server: Server) -> None:
    server.status, server.content = 401, b'{"error": {"code": 401, "title": "Unauthorized", "message": "It is a lab."}}'
    with pytest.raises(Refused, match=r"did not read port p: It is a lab\. \(HTTP 401\)") as caught:
        Neutron(Direct(server.endpoint)).port("p")
    assert "fakevm lab env" in caught.value.hint


def test_neutrons_refusal_is_read(server: Server) -> None:
    neutron = Neutron(Direct(server.endpoint))
    server.status = 404
    server.content = (
        b'{"NeutronError": {"type": "PortNotFound", "message": "Port p could not be found.", "detail": ""}}'
    )
    with pytest.raises(NotFound, match=r"did not read port p: Port p could not be found\. \(HTTP 404\)"):
        neutron.port("p")
    server.status, server.content = 500, b"<html>it broke</html>"
    with pytest.raises(Refused, match="<html>it broke</html>"):
        neutron.port("p")
    server.status, server.content = 503, b""
    with pytest.raises(Unreachable, match="Service Unavailable"):
        neutron.port("p")
    server.status, server.content = 200, b"<html>welcome</html>"
    with pytest.raises(Unreachable, match="is no Neutron"):
        neutron.port("p")


def test_a_cut_question_is_asked_again_but_never_a_change(server: Server) -> None:
    server.cut = 1
    assert Direct(server.endpoint).request("GET", "/ports", "list the ports").status == 200
    server.asked.clear()
    with pytest.raises(Unreachable, match="could not create a port: nobody answers at http://127"):
        Direct(server.endpoint).request("POST", "/ports", "create a port", {"port": {}})
    assert len(server.asked) == 1


def test_silence_and_absence_are_told_apart(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LOOK_TIMEOUT", 0.1)
    server.silent.clear()
    with pytest.raises(Unreachable, match=r"could not look: no answer from .*/v2.0/ports within 0.1 s"):
        Direct(server.endpoint).request("GET", "/ports", "look")
    deadline = time.monotonic() + 10
    while not server.asked and time.monotonic() < deadline:
        time.sleep(0.01)  # its thread may be later than we are
    assert len(server.asked) == 1
    with pytest.raises(Unreachable, match=r"could not look: nobody answers at .*Connection refused") as caught:
        Direct("http://127.0.0.1:1").request("GET", "/ports", "look")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_what_the_sdk_raises_is_translated_once() -> None:
    from keystoneauth1.exceptions import ConnectFailure, NoMatchingPlugin
    from openstack.exceptions import ConfigException, NotFoundException, SDKException

    for problem, kind in (
        (ConnectFailure("refused"), Unreachable),
        (SDKException("odd"), Unreachable),
        (ConfigException("no such cloud"), InvalidInput),
        (NoMatchingPlugin("odd"), InvalidInput),
        (NotFoundException("gone", http_status=404), NotFound),
    ):
        with pytest.raises(kind, match="look up the network") as caught, translated("look up the network"):
            raise problem
        assert caught.value.__cause__ is problem
    with pytest.raises(AgentDown), translated("look"):
        raise AgentDown("ours stays ours")


def test_a_proxy_of_the_users_is_neither_asked_nor_told_the_token(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Server()
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    with proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.endpoint)
        for name in ("no_proxy", "NO_PROXY", "REQUEST_METHOD"):
            monkeypatch.delenv(name, raising=False)
        server.content = b'{"networks": []}'
        assert transport.fetch(f"{server.endpoint}/v2.0/networks", {"X-Auth-Token": "t"}, timeout=30) == server.content
        assert (server.tokens, proxy.asked) == (["t"], [])
        server.status = 401
        with pytest.raises(OSError, match="401"):
            transport.fetch(server.endpoint, timeout=30)
        proxy.shutdown()
