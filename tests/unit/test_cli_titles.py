"""Events speak of ports and servers by ids; people see whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from fakevm import names
from fakevm.cli import titles
from fakevm.cli.titles import Titles
from fakevm.errors import Unreachable
from fakevm.model.event import Event

WEB1 = names.instance_id("lab", "web1")
OTHER = "df304692-b639-5b46-8abf-1758004db490"
PORTS = [
    {"id": "1f3a0000", "name": "web1", "device_id": WEB1},
    {"id": "20000000", "name": "own", "device_id": "vm1"},
]


def event(tag: str, server: str) -> Event:
    return Event(number=1, at=0.0, name="network-vif-plugged", server_uuid=server, tag=tag)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]] | None]:
    """Let Neutron answer with these ports, one list after the other; None: it cannot be reached."""
    answers: list[list[dict[str, Any]] | None] = []

    @contextmanager
    def session(_app: object) -> Iterator[Any]:
        found = answers.pop(0)
        if found is None:
            raise Unreachable("nobody answers")
        lab = SimpleNamespace(name="lab")
        yield SimpleNamespace(neutron=SimpleNamespace(ports=lambda fields: found), access=SimpleNamespace(lab=lab))

    monkeypatch.setattr(titles, "open_session", session)
    monkeypatch.setattr(titles.registry, "lab_file", lambda lab: SimpleNamespace(guests={"web1": None}))
    return answers


def test_a_guest_is_named_also_when_its_port_is_gone(asked: list[Any]) -> None:
    asked[:] = [PORTS]
    page = [event("1f3a0000", WEB1), event("gone", WEB1), event("lost", OTHER)]
    known = Titles(None)
    known.learn(page)
    assert [known.of(one) for one in page] == ["web1", "web1", OTHER]
    known.learn(page)
    assert not asked, "asked once, as nothing new came"


def test_events_are_chosen_by_name_else_by_the_beginning_of_an_id(asked: list[Any]) -> None:
    asked[:] = [PORTS]
    page = [event("1f3a0000", WEB1), event("gone", WEB1), event("20000000", "vm1")]
    known = Titles(None)
    known.learn(page)
    for words, wanted in (
        ("web1", page[:2]), (WEB1, page[:2]), ("vm1", page[2:]), ("own", page[2:]), ("1F3a", page[:1]), ("", page),
        ("nobody", []),
    ):  # fmt: skip
        assert known.meant(words, page) == wanted, words


def test_neutron_is_asked_again_for_a_port_that_is_new_and_events_do_not_need_it(asked: list[Any]) -> None:
    asked[:] = [None, PORTS]
    known = Titles(None)
    known.learn([event("1f3a0000", OTHER)])
    assert known.of(event("1f3a0000", OTHER)) == OTHER
    known.learn([event("20000000", "vm1")])
    assert known.of(event("20000000", "vm1")) == "vm1"
    assert not asked
