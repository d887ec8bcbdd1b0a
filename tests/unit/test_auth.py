"""Whom a lab's Neutron answers: what stands before it, and who shows it what."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import fakevm_token
import pytest

from fakevm.backend.ovs import OvsBackend
from fakevm.control import credentials
from fakevm.lab import neutron, planning, reading
from fakevm.lab.doors import Doors
from fakevm.lab.problem import InvalidFile
from fakevm.model.lab import LabRecord
from fakevm.model.plan import LabPlan


class Asked:
    """An application that answers everybody, behind the token; remembers what reached it, and what was answered."""

    def __init__(self, token: str) -> None:
        self.environ: dict[str, Any] | None = None
        self.status = ""
        self.headers: dict[str, str] = {}
        self.known = 0
        self._closed = fakevm_token.closed(self._answer, token, self._know)

    def ask(self, **environ: Any) -> bytes:
        """Send a request."""
        self.environ = None
        return b"".join(self._closed({"REQUEST_METHOD": "GET", "PATH_INFO": "/v2.0/ports", **environ}, self._start))

    def _know(self) -> None:
        self.known += 1

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, dict(headers)

    def _answer(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        self.environ = environ
        start("200 OK", [])
        return [b"ports"]


def test_who_has_the_token_is_answered_and_neutron_does_not_see_it() -> None:
    asked = Asked("secret\n")
    assert (asked.ask(HTTP_X_AUTH_TOKEN="secret"), asked.status) == (b"ports", "200 OK")
    assert asked.environ == {"REQUEST_METHOD": "GET", "PATH_INFO": "/v2.0/ports"}


@pytest.mark.parametrize("given", [None, "", "secre", "secret2", "SECRET", "s\xe9cret", "secret\n"])
@pytest.mark.parametrize("path", ["/v2.0", "/v2.0/ports", "//v2.0/ports", "/healthcheck"])
def test_nobody_else_is_and_is_told_what_to_do(given: str | None, path: str) -> None:
    asked = Asked("secret")
    said = asked.ask(PATH_INFO=path, **({} if given is None else {"HTTP_X_AUTH_TOKEN": given}))
    assert (asked.status, asked.environ) == ("401 Unauthorized", None)
    assert int(asked.headers["Content-Length"]) == len(said)
    message = json.loads(said)["error"]["message"]
    assert 'eval "$(fakevm lab env)"' in message
    assert "auth: none" in message
    assert "secret" not in message


def test_everybody_may_ask_which_versions_there_are_and_nothing_else() -> None:
    asked = Asked("secret")
    assert (asked.ask(PATH_INFO="/"), asked.status) == (b"ports", "200 OK")
    asked.ask(PATH_INFO="/", REQUEST_METHOD="POST")
    assert asked.status == "401 Unauthorized"


def test_what_a_refused_request_brings_is_read_so_that_its_answer_arrives() -> None:
    body = io.BytesIO(b"x" * 100_000)
    Asked("secret").ask(CONTENT_LENGTH="100000", **{"wsgi.input": body})
    # Not all of it: others may send what they like.
    assert body.tell() == 65536


def test_who_goes_before_all_of_his_request_came_is_not_written_down() -> None:
    class Gone:
        def read(self, _size: int) -> bytes:
            raise OSError("error during read(10) on wsgi.input")

    asked = Asked("secret")
    asked.ask(CONTENT_LENGTH="10", **{"wsgi.input": Gone()})
    assert asked.status == "401 Unauthorized"


def test_only_requests_with_the_token_are_written_down() -> None:
    asked = Asked("secret")
    asked.ask(PATH_INFO="/")
    asked.ask(HTTP_X_AUTH_TOKEN="secre")
    assert asked.known == 0
    asked.ask(HTTP_X_AUTH_TOKEN="secret")
    asked.ask(HTTP_X_AUTH_TOKEN="secret", PATH_INFO="/")
    assert asked.known == 2


def test_a_lab_without_a_token_does_not_come_up_open() -> None:
    with pytest.raises(ValueError, match="empty"):
        fakevm_token.closed(lambda *_: [], "\n")


def plan_of(text: str) -> LabPlan:
    lab = reading.parse(text, "lab.yaml")
    return planning.make_plan(lab, Path("/labs/x"), {lab.release: Path("/venv")}, kernel_datapath=False)


def test_every_lab_has_a_token_of_its_own_unless_its_file_says_none() -> None:
    assert len({plan_of("").token for _ in range(20)}) == 20
    assert len(plan_of("").token) == 32
    assert plan_of("auth: none").token == ""
    # The option wins over the file.
    assert reading.load(None, auth="none").lab.auth == "none"
    with pytest.raises(InvalidFile, match=r"lab.yaml:1: auth: .*'token'.*'none'"):
        plan_of("auth: nobody")


def test_the_token_is_in_a_closed_file_and_in_no_argument(tmp_path: Path) -> None:
    plan = plan_of("")
    neutron.write(plan, OvsBackend(), tmp_path)
    file = tmp_path / "neutron/token"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (plan.token, 0o600)
    others = [path for path in tmp_path.rglob("*") if path.is_file() and path != file]
    assert not [path for path in others if plan.token in path.read_text()]
    programs = neutron.programs(plan, OvsBackend())
    assert plan.token not in repr(programs)
    uwsgi = (tmp_path / "neutron/uwsgi.ini").read_text()
    assert fakevm_token.__file__ in uwsgi
    assert "disable-logging = true\n" in uwsgi
    assert programs[0].environment[fakevm_token.TOKEN_FILE_VARIABLE] == "/run/fakevm/neutron/token"


def test_a_lab_that_is_open_has_neutrons_own_application(tmp_path: Path) -> None:
    plan = plan_of("auth: none")
    neutron.write(plan, OvsBackend(), tmp_path)
    uwsgi = (tmp_path / "neutron/uwsgi.ini").read_text()
    assert "module = neutron.wsgi.api:application\n" in uwsgi
    assert "disable-logging = false\n" in uwsgi
    assert not (tmp_path / "neutron/token").exists()
    assert fakevm_token.TOKEN_FILE_VARIABLE not in neutron.programs(plan, OvsBackend())[0].environment


def record(plan: LabPlan) -> LabRecord:
    told = neutron.Server(plan, OvsBackend()).recorded(Doors(1000, 2000, 3000))
    return LabRecord("x", Path("/labs/x"), "up", 1, "29.0.0", "ovs", "userspace", (), **told)


def test_everybody_shows_what_the_lab_asks_for() -> None:
    lab = record(plan_of(""))
    assert credentials.headers(lab) == {"X-Auth-Token": lab.token}
    assert credentials.variables(lab) == {
        "OS_AUTH_TYPE": "admin_token", "OS_ENDPOINT": "http://127.0.0.1:1000", "OS_TOKEN": lab.token,
    }  # fmt: skip
    opened = record(plan_of("auth: none"))
    assert credentials.headers(opened) == {}
    assert credentials.variables(opened) == {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": "http://127.0.0.1:1000"}


def test_labs_of_before_are_as_open_as_they_were() -> None:
    lab = record(plan_of(""))
    fields = json.loads(lab.to_json())
    del fields["auth"], fields["token"]
    before = LabRecord.from_json(json.dumps(fields))
    assert (before.auth, credentials.headers(before)) == ("none", {})
