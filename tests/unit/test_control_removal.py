"""Deleting many ports: who is asked to unplug them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from fakevm.control.lookup import Candidate
from fakevm.control.removal import FEW, Removal
from fakevm.errors import AgentDown, FakevmError, NotFound
from fakevm.progress import Progress


class Neutron:
    """Neutron, as a removal asks it: ports p0, p1… on the hosts h0, h1…"""

    def __init__(self, number: int) -> None:
        self.there = {f"p{n}": f"h{n}" for n in range(number)}

    def find_guest(self, words: str) -> tuple[Candidate, ...]:
        return (Candidate(words, "", words, self.there[words], "net"),)

    def port(self, port_id: str) -> dict[str, Any]:
        if port_id not in self.there:
            raise NotFound("gone")
        return {"id": port_id, "binding:host_id": self.there[port_id]}

    def delete_port(self, port_id: str) -> bool:
        return self.there.pop(port_id, None) is not None


class Agents:
    """The agents of a hundred hosts: pN is plugged on hN, p1 on h50 too; h99 is silent where it is asked for all."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def prepare(self) -> None: ...

    def alive(self) -> list[str]:
        return [f"h{n}" for n in range(100)]

    def known(self) -> dict[str, Any]:
        return {}

    def list_vifs(self, host: str, _silence: float) -> list[Any]:
        if host == "h99":
            raise AgentDown("silent")
        held = [f"p{host[1:]}", *(["p1"] if host == "h50" else [])]
        return [SimpleNamespace(port_id=port) for port in held]

    def ask_all(self, hosts: Iterable[str], ask: Callable[[str], Any]) -> dict[str, Any]:
        answers = {}
        for host in hosts:
            try:
                answers[host] = ask(host)
            except FakevmError as problem:
                answers[host] = problem
        return answers

    def on(self, host: str) -> Any:
        def unplug(port_id: str) -> bool:
            self.asked.append((host, port_id))
            return (host, port_id) in {(f"h{port_id[1:]}", port_id), ("h50", "p1")}

        return SimpleNamespace(unplug=unplug)


class Seen(Progress):
    """Keeps what was seen last."""

    last = ""

    def seen(self, text: str) -> None:
        self.last = text


@pytest.mark.parametrize("number", [FEW, FEW + 7])
def test_only_of_many_ports_each_is_asked_for_where_it_may_be(number: int) -> None:
    neutron, agents, seen = Neutron(number), Agents(), Seen()
    removal = Removal(neutron, agents, seen)  # type: ignore[arg-type]
    done = removal.delete_all([f"p{n}" for n in range(number)])
    assert neutron.there == {}
    assert seen.last.startswith(f"{number} of {number} are deleted")
    unplugged = {
        (result.host, port.port_id)
        for ports in done.values()
        if not isinstance(ports, FakevmError)
        for port, results in ports
        for result in results
        if result.result == "unplugged"
    }
    assert unplugged >= {("h1", "p1"), ("h50", "p1"), ("h2", "p2")}
    asked = {host for host, port_id in agents.asked if port_id == "p1"}
    assert asked == ({f"h{n}" for n in range(100)} if number == FEW else {"h1", "h50", "h99"})
