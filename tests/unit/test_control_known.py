"""An error about a port says whose it is, as soon as this command has read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakevm.control import known
from fakevm.control.neutron import Neutron
from fakevm.control.transport import Answer
from fakevm.errors import FakevmError
from fakevm.model.guest import GuestSeen

WEB1 = {"id": "3fa2", "name": "web1", "device_id": "50a58255-f3c3-5473-aae1-c3f6aa783ac3"}


class Refusing:
    """Gives a port, and refuses whatever is to be changed."""

    without_keystone = True

    def request(self, method: str, path: str, what: str, body: Any = None, params: Any = None) -> Answer:
        text = json.dumps({"port": WEB1} if method == "GET" else {"NeutronError": {"message": "no"}})
        return Answer(200 if method == "GET" else 409, "", "http://x", text.encode())


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_titles", {})
    monkeypatch.setattr(known, "_guests", {})


def test_a_port_that_was_read_is_named() -> None:
    assert known.words("3fa2") == "port 3fa2"
    neutron = Neutron(Refusing())
    neutron.port("3fa2")
    assert known.words("3fa2") == "port 3fa2 (web1)"
    with pytest.raises(FakevmError, match=r"did not delete port 3fa2 \(web1\): no"):
        neutron.delete_port("3fa2")


def test_what_was_read_without_its_name_changes_nothing() -> None:
    known.learn([WEB1])
    known.learn([{"id": "3fa2", "status": "ACTIVE"}])
    assert known.words("3fa2") == "port 3fa2 (web1)"


def test_a_guest_is_named_as_its_host_or_else_its_first_port_is() -> None:
    server = WEB1["device_id"]
    assert known.guest_words(server) == f"guest {server}"
    known.learn([WEB1 | {"id": "4", "name": "web1-1"}, WEB1])
    assert known.guest_words(server) == f"guest web1 ({server})"
    known.learn_guests([GuestSeen(id=server, name="seen", host="h", kind="namespace", namespace="n", state="running")])
    assert known.guest_words(server) == f"guest seen ({server})"
    assert known.guest_words("vm1") == "guest vm1"
