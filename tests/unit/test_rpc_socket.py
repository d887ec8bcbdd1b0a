"""Calls over a Unix socket: many at once, in bounded time, and a clear word when nobody answers."""

from __future__ import annotations

import os
import socket as sockets
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fakevm.rpc import socket
from fakevm.rpc.contract import VERSION
from fakevm.rpc.line import NoAnswer, OtherVersion

Serve = Callable[[socket.Answer], Path]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a socket in a folder whose name is longer than a socket's may be."""
    return tmp_path / ("long" * 40) / "socket"


@pytest.fixture
def serve(path: Path) -> Iterator[Serve]:
    servers = []

    def begin(answer: socket.Answer) -> Path:
        servers.append(socket.Server(path, answer, {"version": "7"}))
        servers[-1].start()
        return path

    yield begin
    for server in servers:
        server.stop()


def echo(verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"result": [verb, dict(arguments)]}


def test_a_call_is_answered_and_only_this_user_is_let_in(serve: Serve) -> None:
    path = serve(echo)
    assert socket.call(path, "show", {"port_id": "ä"}, 10, 10) == {"result": ["show", {"port_id": "ä"}]}
    assert socket.greet(path, 10) == {"rpc_version": VERSION, "version": "7"}
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (path, path.parent)]
    assert modes == [0o600, 0o700]


@pytest.mark.parametrize(("stranger", "said"), [("call", "ended meanwhile"), ("MainThread", "another user")])
def test_another_user_is_turned_away(serve: Serve, monkeypatch: pytest.MonkeyPatch, stranger: str, said: str) -> None:
    """Neither side speaks to one: the agent serves calls in threads of that name."""
    path = serve(echo)
    monkeypatch.setattr(socket, "_user", lambda _: os.geteuid() + (threading.current_thread().name == stranger))
    with pytest.raises(NoAnswer, match=said):
        socket.greet(path, 10)


def test_calls_do_not_wait_for_one_another(serve: Serve) -> None:
    together = threading.Barrier(20, timeout=30)

    def meet(verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        together.wait()
        return {"result": arguments["number"]}

    path = serve(meet)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: socket.call(path, "x", {"number": number}, 30, 30), range(20)))
    assert answers == [{"result": number} for number in range(20)]


def test_long_work_is_no_silence_but_has_its_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "BEAT", 0.05)
    end = threading.Event()

    def work(verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        end.wait(arguments["seconds"])
        return {"result": None}

    path = serve(work)
    assert socket.call(path, "work", {"seconds": 2.5}, 30, 2) == {"result": None}
    with pytest.raises(NoAnswer, match=r"has worked on work for 0\.5 s"):
        socket.call(path, "work", {"seconds": 30}, 0.5, 30)
    end.set()


def test_who_hangs_is_silent(path: Path) -> None:
    path.parent.mkdir()
    with sockets.socket(sockets.AF_UNIX) as door, socket._reached(path) as name:
        door.bind(name)
        door.listen()
        with pytest.raises(NoAnswer, match=r"said nothing for 0\.2 s"):
            socket.greet(path, 0.2)


def test_who_has_ended_is_not_waited_for(serve: Serve, path: Path) -> None:
    with pytest.raises(NoAnswer, match="does not run"):
        socket.greet(path, 60)

    def die(verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        raise OSError

    serve(die)
    begun = time.monotonic()
    with pytest.raises(NoAnswer, match="ended meanwhile"):
        socket.call(path, "x", {}, 60, 60)
    assert time.monotonic() - begun < 30


def test_a_socket_that_was_left_is_no_obstacle_and_one_that_is_stopped_is_gone(path: Path) -> None:
    first, second = (socket.Server(path, echo, {}) for _ in range(2))
    first.start()
    second.start()
    assert socket.call(path, "x", {}, 10, 10)
    second.stop()
    with pytest.raises(NoAnswer, match="does not run"):
        socket.greet(path, 10)


@pytest.mark.parametrize(
    ("theirs", "fits"),
    [("3.0", True), ("3.11", True), ("2.9", False), ("4.0", False), ("", False), ("3", False), ("None", False)],
)
def test_an_agent_may_know_more_than_we_do_but_not_less(
    theirs: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "VERSION", "3.0")
    assert socket._understands(theirs) is fits


def test_an_agent_of_another_version_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    path = serve(echo)
    monkeypatch.setattr(socket, "VERSION", "1.0")
    with pytest.raises(OtherVersion) as told:
        socket.call(path, "x", {}, 10, 10)
    assert told.value.about == {"rpc_version": VERSION, "version": "7"}
