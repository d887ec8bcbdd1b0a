"""Neutron and the agents of a few hosts, as commands on guests ask them: dictionaries, and a list of what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from fakevm.control.agents import Agents
from fakevm.control.lookup import Candidate, find_guest
from fakevm.control.neutron import Neutron
from fakevm.errors import AgentDown, FakevmError, NotFound
from fakevm.model.checkpoint import Checkpoint, ProcessesSeen
from fakevm.model.guest import Guest, GuestSeen
from fakevm.model.interface import InterfaceSeen


def interface(name: str, attached: str, **more: Any) -> InterfaceSeen:
    """Make an interface on a port, or what else it is said to be."""
    mac = f"fa:16:3e:00:00:{sum(attached.encode()) % 256:02x}"
    return InterfaceSeen(
        **{"name": name, "mac_address": mac, "mtu": 1450, "kind": "port", "attached": attached, **more}
    )


def guest(id_: str, host: str, *interfaces: InterfaceSeen, **more: Any) -> GuestSeen:
    """Make a guest that runs."""
    known = {"kind": "namespace", "namespace": f"ns-{id_}", "state": "running", **more}
    return GuestSeen(id=id_, host=host, interfaces=interfaces, **known)


def port(id_: str, **more: Any) -> dict[str, Any]:
    """Make a port of Neutron's that is nobody's."""
    known = {"name": "", "device_id": "", "device_owner": "", "binding:host_id": "", "network_id": "net"}
    return {"id": id_, "status": "DOWN", "admin_state_up": True, "mac_address": "fa:16:3e:ff:ff:ff", **known, **more}


class World:
    """Three hosts with guests, and Neutron with ports; what was ``done`` is kept, as words.

    ``silent`` hosts do not answer. A port is ACTIVE while its guest runs, unless it is ``unwired``; at so many looks
    (``late``) those of guests that are stopped still are.
    """

    def __init__(self, *guests: GuestSeen, ports: Iterable[dict[str, Any]] = (), silent: str = "") -> None:
        self.guests = {(each.host, each.id): each for each in guests}
        self.ports = {each["id"]: each for each in ports}
        self.silent = silent
        self.unwired: set[str] = set()
        self.late = 0
        self.checkpoint: Checkpoint | None = None
        self.processes = ProcessesSeen()
        self.done: list[str] = []
        self.claimed: list[str] = []
        self.before: Callable[[str], None] = lambda _what: None

    @property
    def neutron(self) -> Neutron:
        """Give what is asked as Neutron."""
        return cast(Neutron, _Neutron(self))

    @property
    def agents(self) -> Agents:
        """Give what is asked as the agents."""
        return cast(Agents, _Agents(self))

    def do(self, what: str) -> None:
        """Note what is done."""
        self.before(what)
        self.done.append(what)

    def change(self, host: str, id_: str, **changes: Any) -> GuestSeen:
        """Change a guest."""
        self.guests[host, id_] = self.guests[host, id_].model_copy(update=changes)
        return self.guests[host, id_]


class _Neutron:
    there = True

    def __init__(self, world: World) -> None:
        self._world = world

    def find_guest(self, words: str) -> tuple[Candidate, ...]:
        return find_guest(
            words,
            [
                Candidate(each["id"], each["name"], each["device_id"], each["binding:host_id"], "net")
                for each in self._world.ports.values()
            ],
        )

    def port(self, port_id: str) -> dict[str, Any]:
        if port_id not in self._world.ports:
            raise NotFound(f"no port {port_id}")
        return dict(self._world.ports[port_id])

    def ports(self, ids: Iterable[str] | None = None, fields: Iterable[str] = ()) -> list[dict[str, Any]]:
        wanted = self._world.ports if ids is None else ids
        running = {
            each.attached
            for seen in self._world.guests.values()
            for each in seen.interfaces
            if seen.state == "running" and each.attached not in self._world.unwired
        }
        late = self._world.late > 0
        self._world.late -= 1
        return [
            {
                **self._world.ports[id_],
                "status": "ACTIVE" if late or id_ in running else "DOWN",
                "binding:vif_type": "ovs",
            }
            for id_ in wanted
            if id_ in self._world.ports
        ]

    def ports_of(self, *instances: str) -> list[dict[str, Any]]:
        return [dict(each) for each in self._world.ports.values() if each["device_id"] in instances]

    def find_network(self, name: str) -> dict[str, Any]:
        return {"id": name, "name": name, "project_id": ""}

    def subnets(self, _network_id: str) -> list[dict[str, Any]]:
        return []

    without_keystone = True

    def create_ports(self, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        made = [port(f"new{n}", **body) for n, body in enumerate(bodies)]
        self._world.do(f"create {len(made)} ports")
        self._world.ports |= {each["id"]: each for each in made}
        return made

    def update_port(self, port_id: str, _what: str, **changes: Any) -> dict[str, Any]:
        self._world.do(f"update {port_id} {changes}")
        if port_id not in self._world.ports:
            raise NotFound(f"no port {port_id}")
        named = {name.replace("binding_", "binding:"): value or "" for name, value in changes.items()}
        self._world.ports[port_id] |= named
        return dict(self._world.ports[port_id])

    def delete_port(self, port_id: str) -> bool:
        self._world.do(f"delete {port_id}")
        return self._world.ports.pop(port_id, None) is not None


class _Agents:
    def __init__(self, world: World) -> None:
        self._world = world

    ask_all = Agents.ask_all
    guest_kind = "container"

    def prepare(self) -> None: ...

    def alive(self) -> list[str]:
        return ["h1", "h2", "h3"]

    def known(self) -> dict[str, Any]:
        return {host: {"alive": True} for host in self.alive()}

    def require(self, *hosts: str) -> None:
        for host in hosts:
            if host not in self.alive():
                raise NotFound(f"there is no host {host!r}")

    @contextmanager
    def claimed(self, ports: Iterable[str], doing: str, *, guests: Iterable[str] = (), **_: Any) -> Iterator[None]:
        self._world.claimed += [*ports, *guests]
        yield

    def show(self, host: str, port_id: str, _silence: float = 0) -> InterfaceSeen | None:
        there = [each for (where, _), seen in self._world.guests.items() if where == host for each in seen.interfaces]
        return next((each for each in there if each.attached == port_id), None)

    def on(self, host: str, _silence: float = 0) -> Any:
        if host == self._world.silent:
            return SimpleNamespace(list_guests=self._fail, show_guest=self._fail)
        return _Agent(self._world, host)

    @staticmethod
    def _fail(*_: Any) -> None:
        raise AgentDown("it did not answer", hint="Upgrade it.")


class _Agent:
    def __init__(self, world: World, host: str) -> None:
        self._world = world
        self._host = host

    def list_guests(self) -> list[GuestSeen]:
        return [each for (host, _), each in self._world.guests.items() if host == self._host]

    def show_guest(self, guest_id: str) -> GuestSeen:
        if (self._host, guest_id) not in self._world.guests:
            raise NotFound(f"no guest {guest_id}")
        return self._world.guests[self._host, guest_id]

    def read_checkpoint(self, _folder: str) -> Checkpoint | None:
        return self._world.checkpoint

    def processes(self, _guest_id: str) -> ProcessesSeen:
        return self._world.processes

    def start(self, wanted: Guest) -> GuestSeen:
        self._world.do(f"start {wanted.id}")
        if (self._host, wanted.id) not in self._world.guests:
            made = guest(wanted.id, self._host).model_copy(update={"kind": wanted.kind})
            self._world.guests[self._host, wanted.id] = made
        return self._world.change(self._host, wanted.id, state="running", problem="")

    def stop(self, guest_id: str, patience: float = 0.0) -> GuestSeen:
        self._world.do(f"stop {guest_id}")
        return self._world.change(self._host, guest_id, state="stopped")

    def remove(self, guest_id: str) -> bool:
        self._world.do(f"remove {guest_id}")
        return self._world.guests.pop((self._host, guest_id), None) is not None

    def detach(self, guest_id: str, name: str) -> bool:
        self._world.do(f"detach {guest_id} {name}")
        seen = self.show_guest(guest_id)
        left = tuple(each for each in seen.interfaces if each.name != name)
        self._world.change(self._host, guest_id, interfaces=left)
        return True

    def address(self, port_id: str, mode: str, _timeout: float) -> None:
        self._world.do(f"address {port_id} {mode}")


def failed(outcome: object) -> FakevmError:
    """Give the error that something ended in."""
    assert isinstance(outcome, FakevmError)
    return outcome
