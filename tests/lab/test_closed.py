"""What another user of the machine gets of a lab: nothing."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import amqp
import pytest

from fakevm.lab.config import effective

from . import machine
from .conftest import Lab, until

OTHER = 65534
WRONG = ("", "wrong", "fakevm", "None")


@pytest.fixture(autouse=True)
def open_around(lab: Lab) -> None:
    """See to it that nothing but the lab itself keeps others out."""
    for folder in (lab.labs.folder, lab.labs.root):
        folder.chmod(0o755)


def as_another_user(look: Callable[[], Any]) -> Any:
    """Call what looks at the lab in a process of another user, and give what it saw; an ordinary user is one himself.

    The modules that it needs are imported: that user may not be able to read them.
    """
    reading, writing = os.pipe()
    if not (child := os.fork()):
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(OTHER, OTHER, OTHER)
                os.setresuid(OTHER, OTHER, OTHER)
            os.write(writing, json.dumps(look()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return json.loads(said)


def status(url: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None) -> int:
    try:
        with urlopen(Request(url, body, headers or {}, method=method), timeout=60) as answer:
            return int(answer.status)
    except HTTPError as problem:
        return problem.code


def test_the_api_refuses(lab: Lab) -> None:
    """Also what there is not; whatever is sent in the token's place. Only versions are told."""
    url = lab.record.endpoint
    secret = {"X-Auth-Token": lab.record.token}
    network = lab.api("POST", "/networks", {"network": {"name": "kept"}})["network"]["id"]
    asked = [
        ("POST", "/"), ("GET", "/v2.0/"), ("GET", "//v2.0/networks"), ("GET", "/v2.0/networks"),
        ("GET", "/healthcheck"), ("GET", "/nothing"),
        ("POST", "/v2.0/networks"), ("PUT", f"/v2.0/networks/{network}"), ("DELETE", f"/v2.0/networks/{network}"),
        ("OPTIONS", "/v2.0/networks"),
    ]  # fmt: skip

    def look() -> list[int]:
        found = [status(url + path, method) for method, path in asked]
        found += [status(f"{url}/v2.0/networks", headers={"X-Auth-Token": token}) for token in WRONG]
        # As noauth's users may say who they are.
        found += [status(f"{url}/v2.0/networks", headers={"X-User-Id": "a", "X-Project-Id": "b", "X-Roles": "admin"})]
        # More than is read of it: the answer arrives all the same.
        found += [status(f"{url}/v2.0/networks", "POST", body=b"x" * 60_000)]
        return found

    assert set(as_another_user(look)) == {401}
    assert status(f"{url}/v2.0/networks/{network}", headers=secret) == 200
    assert status(f"{url}/v2.0/networks/{network}", "DELETE", secret) == 204


def test_the_openstack_client_is_told_what_to_do(lab: Lab) -> None:
    cloud = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": lab.record.endpoint}
    done = lab.openstack("network", "list", env=lab.labs.env(**cloud))
    assert done.returncode == 1
    assert 'eval "$(fakevm lab env)"' in done.stderr
    assert "auth: none" in done.stderr
    assert lab.openstack("network", "list").returncode == 0


def test_the_broker_refuses(lab: Lab) -> None:
    url = urlsplit(lab.record.transport_url)
    names = [("fakevm", ""), ("fakevm", "fakevm"), ("guest", "guest"), ("", ""), ("neutron", "neutron")]

    def enter(name: str, password: str) -> str:
        connection = amqp.Connection(
            f"127.0.0.1:{url.port}", userid=name, password=password, connect_timeout=30, read_timeout=30
        )
        try:
            connection.connect()
        except (amqp.AMQPError, OSError) as problem:
            return type(problem).__name__
        return "let in"

    def look() -> list[str]:
        return [enter(name, password) for name, password in names]

    assert set(as_another_user(look)) <= {"AccessRefused", "ConnectionResetError"}
    assert enter(url.username or "", url.password or "") == "let in"


def test_the_events_refuse(lab: Lab) -> None:
    place = urlsplit(lab.record.events_endpoint)
    root = f"http://{place.netloc}"
    body = json.dumps({"events": [{"name": "network-changed", "server_uuid": "x"}]}).encode()

    def look() -> list[int]:
        found = [status(root + path) for path in ("/", "/events", "/v2.1", "/wrong/events")]
        found += [status(f"{root}/events", headers={"X-Auth-Token": token}) for token in WRONG]
        return [*found, status(f"{root}/v2.1/os-server-external-events", "POST", body=body)]

    assert set(as_another_user(look)) == {404}
    assert status(f"{lab.record.events_endpoint}/events") == 200


def secrets(lab: Lab) -> set[str]:
    """Collect what must not be known, from where it may stand."""
    folder = lab.record.directory
    options = effective.read(folder / "neutron/neutron.conf")
    urls = [options["database", "connection"][0], lab.record.transport_url]
    found = {str(urlsplit(url).password) for url in urls}
    found |= {lab.record.token, (folder / "events/secret").read_text(), (folder / "broker/.erlang.cookie").read_text()}
    assert len(found) == 5
    return found


def is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def can_be_opened(path: Path) -> bool:
    try:
        path.open("rb").close()
    except OSError:
        return False
    return True


def test_nothing_of_it_can_be_read(lab: Lab) -> None:
    """Neither its files, nor its sockets (the database's, OVSDB's, those of warmed processes), nor its processes."""
    folder = lab.record.directory
    inside = [path for path in folder.rglob("*") if not path.is_symlink()]
    assert {"mysql.sock", "lab.json", "token"} <= {path.name for path in inside}
    pids = machine.pids(lab.labs.mark)
    assert len(pids) > 15
    if os.geteuid():
        # Nobody else is at hand: this is what keeps others out.
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        return

    def seen() -> Iterator[str]:
        if os.access(folder, os.R_OK):
            yield str(folder)
        # What is not even found can be neither read nor connected to.
        yield from (str(path) for path in inside if is_there(path))
        for pid in pids:
            of_process = [Path(f"/proc/{pid}/{name}") for name in ("environ", "mem", "maps", "ns/net")]
            yield from (str(path) for path in of_process if can_be_opened(path))
            of_process = [Path(f"/proc/{pid}/{name}") for name in ("cwd", "root", "fd/0", "fd/3")]
            yield from (str(path) for path in of_process if is_there(path))

    assert as_another_user(lambda: list(seen())) == []


def test_secrets_are_in_no_argument_log_or_answer(lab: Lab) -> None:
    lab.api("GET", "/networks")
    until(lambda: "/v2.0/networks" in (lab.record.directory / "log/neutron-api.log").read_text())
    hidden = secrets(lab)
    words = [machine.read(Path(f"/proc/{pid}/cmdline")).decode() for pid in machine.pids(lab.labs.mark)]
    for log in (*lab.record.directory.glob("log/*.log"), *lab.record.directory.glob("hosts/*/log/*.log")):
        words.append(log.read_text(errors="replace"))
    for command in (
        ("lab", "status"),
        ("lab", "list"),
        ("lab", "export"),
        ("lab", "config", "server"),
        ("lab", "diff"),
    ):
        done = lab.fakevm(*command)
        words += [done.stdout, done.stderr]
    assert not {secret for secret in hidden for text in words if secret in text}
    # Only the shell is told.
    assert lab.record.token in lab.fakevm("lab", "env").stdout
