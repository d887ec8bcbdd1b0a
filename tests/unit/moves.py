"""A Neutron and two or three hosts that remember what they were asked: for migrations, without any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from fakevm.control.agents import Agents
from fakevm.control.lookup import Candidate, find_guest
from fakevm.control.neutron import Neutron
from fakevm.errors import FakevmError, NotFound, PlugFailed
from fakevm.model.checkpoint import Checkpoint, ProcessesSeen
from fakevm.model.daemon import DaemonSeen
from fakevm.model.guest import Guest, GuestSeen, GuestState, InterfaceState
from fakevm.model.interface import Interface, InterfaceSeen, LinkEnd
from fakevm.model.port import Port, Vif

GUEST = "7d5d6a1a-6f4a-4f43-8b66-6d1c0e1f2a3b"
LINK = Interface(
    name="eth9", mac_address="02:00:00:00:00:09", mtu=1500, addresses=("10.9.0.1/24",),
    attachment=LinkEnd(link="core", end="a"),
)  # fmt: skip


class Host:
    """A host's agent: it has guests by their ids, and says in the world's ``asked`` what it was asked."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.guests: dict[str, GuestSeen] = {}
        self.states: dict[str, GuestState] = {}
        self._world = world

    def _asked(self, verb: str, *words: str) -> None:
        said = " ".join((verb, self.name, *words))
        self._world.asked.append(said)
        if self._world.breaks == said:
            raise PlugFailed(f"{said} broke")

    def _guest(self, guest_id: str) -> GuestSeen:
        if guest_id not in self.guests:
            raise NotFound(f"no guest {guest_id} on {self.name}")
        return self.guests[guest_id]

    def _put(self, guest_id: str, **changes: Any) -> GuestSeen:
        self.guests[guest_id] = self._guest(guest_id).model_copy(update=changes)
        return self.guests[guest_id]

    def list_guests(self) -> list[GuestSeen]:
        return list(self.guests.values())

    def show_guest(self, guest_id: str) -> GuestSeen:
        return self._guest(guest_id)

    def start(self, guest: Guest, asleep: bool = False, interfaces: tuple[Interface, ...] = ()) -> GuestSeen:
        self._asked("start", guest.kind, guest.hostname)
        self._begin(guest.id, f"fakevm-{self.name}-{guest.id}", asleep, kind=guest.kind)
        return self._put(guest.id, daemons=tuple(DaemonSeen(wanted=daemon, pid=7) for daemon in guest.daemons))

    def _begin(self, guest_id: str, namespace: str, asleep: bool, kind: str = "namespace") -> GuestSeen:
        if guest_id not in self.guests:
            values = {"host": self.name, "kind": kind, "namespace": namespace, "state": "running", "hostname": "vm"}
            self.guests[guest_id] = GuestSeen.model_validate({"id": guest_id, "asleep": asleep, **values})
        return self.guests[guest_id]

    def plug(self, port: Port, asleep: bool = False) -> Vif:
        self._asked("plug", self._world.name_of(port.id), *(["asleep"] if asleep else []))
        guest = self._begin(port.instance_id, f"fakevm-{self.name}-{port.id}", asleep)
        if port.id not in [one.attached for one in guest.interfaces]:
            made = InterfaceSeen(
                name=port.device or f"qfv{port.id}"[:13], mac_address=port.mac_address, mtu=port.mtu, kind="port",
                attached=port.id, nic=port.nic or "veth",
            )  # fmt: skip
            self._put(guest.id, interfaces=(*guest.interfaces, made))
        return self.show(port.id)

    def attach(self, guest_id: str, interface: Interface) -> GuestSeen:
        self._asked("attach", interface.name)
        if interface.name in [one.name for one in self._guest(guest_id).interfaces]:
            return self._guest(guest_id)
        made = InterfaceSeen(
            name=interface.name, mac_address=interface.mac_address, mtu=interface.mtu, kind="link", attached="core",
            addresses=interface.addresses, wanted=interface,
        )  # fmt: skip
        return self._put(guest_id, interfaces=(*self._guest(guest_id).interfaces, made))

    def unplug(self, port_id: str) -> bool:
        self._asked("unplug", self._world.name_of(port_id))
        for guest in self.list_guests():
            left = tuple(one for one in guest.interfaces if one.attached != port_id)
            if not left:
                del self.guests[guest.id]
            elif left != guest.interfaces:
                self._put(guest.id, interfaces=left)
        return True

    def remove(self, guest_id: str) -> bool:
        self._asked("remove")
        return self.guests.pop(guest_id, None) is not None

    def read_state(self, guest_id: str) -> GuestState:
        guest = self._guest(guest_id)
        own = GuestState(interfaces={one.name: InterfaceState(mtu=1) for one in guest.interfaces})
        return self.states.get(guest_id, GuestState()) if guest.asleep else own

    def prime(self, guest_id: str, state: GuestState) -> None:
        self._asked("prime", *sorted(state.interfaces))

    def pause(self, guest_id: str) -> GuestState:
        self._asked("pause")
        state = self.read_state(guest_id)
        self.states[guest_id] = state
        self._put(guest_id, asleep=True)
        return state

    def resume(self, guest_id: str, state: GuestState | None = None) -> GuestSeen:
        self._asked("resume", *sorted(state.interfaces if state else []))
        return self._put(guest_id, asleep=False)

    def processes(self, guest_id: str) -> ProcessesSeen:
        self._guest(guest_id)
        if self._world.breaks == f"processes {self.name}":
            raise PlugFailed("nobody can see them")
        return self._world.processes

    def checkpoint(self, guest_id: str, folder: str, seconds: float) -> Checkpoint:
        self._asked("checkpoint")
        if not self._guest(guest_id).asleep:
            self.pause(guest_id)
        written = Checkpoint(guest=Guest(id=guest_id), state=self.states[guest_id])
        self._world.folders[folder] = written
        return written

    def restore(self, guest_id: str, folder: str, seconds: float) -> GuestSeen:
        if self._world.apart:
            raise NotFound(f"there is no checkpoint {folder}")
        self._asked("restore", *sorted(self._world.folders[folder].state.interfaces))
        return self._put(guest_id, asleep=False)

    def discard(self, folder: str) -> bool:
        return self._world.folders.pop(folder, None) is not None

    def address(self, port_id: str, mode: str, timeout: float) -> Vif:
        self._asked("address", self._world.name_of(port_id))
        return self.show(port_id)

    def show(self, port_id: str) -> Vif:
        for guest in self.guests.values():
            for one in guest.interfaces:
                if one.attached == port_id:
                    return self._vif(guest, one)
        raise NotFound(f"no port {port_id} on {self.name}")

    def _vif(self, guest: GuestSeen, one: InterfaceSeen) -> Vif:
        values = {"port_id": one.attached, "host": self.name, "instance_id": guest.id, "driver": "ovs", "taken": True}
        more = {"network_id": "n", "mac_address": one.mac_address, "mtu": one.mtu, "device": one.name}
        rest = {"namespace": guest.namespace, "state": "plugged", "asleep": guest.asleep}
        return Vif.model_validate({**values, **more, **rest})

    def list_vifs(self) -> list[Vif]:
        pairs = [(guest, one) for guest in self.guests.values() for one in guest.interfaces if one.kind == "port"]
        return [self._vif(*pair) for pair in pairs]


class World:
    """Neutron and the agents of hosts ``a``, ``b`` and ``c``; ``breaks`` is what fails when it is asked."""

    there = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.breaks = ""
        self.ports_: dict[str, dict[str, Any]] = {}
        self.bindings_: dict[str, dict[str, str]] = {}
        self.processes = ProcessesSeen()
        # Whether hosts share no folder.
        self.apart = False
        self.folders: dict[str, Checkpoint] = {}
        self.hosts = {name: Host(name, self) for name in "abc"}

    @property
    def neutron(self) -> Neutron:
        return cast("Neutron", self)

    @property
    def agents(self) -> Agents:
        return cast("Agents", self)

    def add(self, *names: str, links: Iterable[Interface] = (), instance: str = GUEST, host: str = "a") -> None:
        """Make a guest with ports of these names, and attach it to links."""
        for name in names:
            id_ = f"{name}{'0' * 30}"
            fixed = [{"ip_address": f"10.0.0.{len(self.ports_) + 1}", "subnet_id": "s"}]
            self.ports_[id_] = {
                "id": id_, "name": name, "device_id": instance, "device_owner": "compute:nova",
                "network_id": f"net-{name}", "mac_address": "fa", "project_id": "p", "status": "ACTIVE",
                "fixed_ips": fixed,
                "binding:host_id": host, "binding:vif_type": "ovs", "binding:vif_details": {}, "binding:profile": {},
                "binding:vnic_type": "normal",
            }  # fmt: skip
            self.bindings_[id_] = {host: "ACTIVE"}
            self.hosts[host].plug(self.described(id_))
        if not names:
            self.hosts[host].start(Guest(id=instance))
        for link in links:
            self.hosts[host].attach(instance or f"{names[0]}{'0' * 30}", link)
        self.asked.clear()

    def described(self, port_id: str) -> Port:
        values = {"id": port_id, "mac_address": "fa", "mtu": 1450, "network_id": "n", "binding": {"host": "a"}}
        instance = self.ports_[port_id]["device_id"] or port_id
        return Port.model_validate({**values, "instance_id": instance, "binding": {"host": "a", "vif_type": "ovs"}})

    def name_of(self, port_id: str) -> str:
        return port_id.rstrip("0")

    def _read(self, port_id: str) -> dict[str, Any]:
        if port_id not in self.ports_:
            raise NotFound(f"no port {port_id}")
        return self.ports_[port_id]

    # -- Neutron ---------------------------------------------------------------------------------------------

    def find_guest(self, words: str) -> tuple[Candidate, ...]:
        return find_guest(words, [Candidate(p["id"], p["name"], p["device_id"]) for p in self.ports_.values()])

    def ports_of(self, instance: str) -> list[dict[str, Any]]:
        return [dict(port) for port in self.ports_.values() if port["device_id"] == instance]

    def port(self, port_id: str) -> dict[str, Any]:
        return dict(self._read(port_id))

    def ports(self, ids: Iterable[str], fields: Iterable[str] = ()) -> list[dict[str, Any]]:
        return [self.ports_[id_] for id_ in ids if id_ in self.ports_]

    def network(self, network_id: str) -> dict[str, Any]:
        return {"id": network_id, "name": network_id, "mtu": 1450}

    def subnets(self, network_id: str) -> list[dict[str, Any]]:
        more = {"gateway_ip": None, "enable_dhcp": True, "host_routes": [], "dns_nameservers": []}
        return [{"id": "s", "cidr": "10.0.0.0/24", **more}]

    def bindings(self, port_id: str) -> list[dict[str, str]]:
        self._read(port_id)
        return [{"host": host, "status": status} for host, status in self.bindings_[port_id].items()]

    def _change(self, what: str, port_id: str) -> None:
        self._read(port_id)
        said = f"{what} {self.name_of(port_id)}"
        self.asked.append(said)
        if self.breaks == said:
            raise FakevmError(f"{said} broke")

    def create_binding(self, port_id: str, host: str, **_: Any) -> dict[str, Any]:
        self._change(f"bind-{host}", port_id)
        self.bindings_[port_id][host] = "INACTIVE"
        values = {"host": host, "status": "INACTIVE", "vif_type": "ovs", "vif_details": {}, "vnic_type": "normal"}
        return {**values, "profile": {}}

    def activate_binding(self, port_id: str, host: str) -> None:
        self._change(f"activate-{host}", port_id)
        for other in self.bindings_[port_id]:
            self.bindings_[port_id][other] = "ACTIVE" if other == host else "INACTIVE"
        self.ports_[port_id]["binding:host_id"] = host

    def delete_binding(self, port_id: str, host: str) -> bool:
        self._change(f"unbind-{host}", port_id)
        return self.bindings_[port_id].pop(host, None) is not None

    def update_port(self, port_id: str, what: str, **changes: Any) -> dict[str, Any]:
        if host := changes.get("binding_host_id"):
            self._change(f"move-{host}", port_id)
            self.bindings_[port_id] = {host: "ACTIVE"}
            self.ports_[port_id]["binding:host_id"] = host
        else:
            profile = changes["binding_profile"]
            self._change(f"profile-{profile.get('migrating_to', '')}", port_id)
            self.ports_[port_id]["binding:profile"] = profile
        return self.port(port_id)

    # -- the agents ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """There is no broker."""

    @contextmanager
    def claimed(self, ports: Iterable[str], doing: str, *, guests: Iterable[str]) -> Iterator[None]:
        self.asked.append(f"claim {' '.join(map(self.name_of, [*ports, *guests]))}")
        yield

    def require(self, *hosts: str) -> None:
        """All are alive."""

    def alive(self) -> list[str]:
        return sorted(self.hosts)

    def known(self) -> dict[str, dict[str, Any]]:
        return {host: {"alive": True} for host in self.hosts}

    def on(self, host: str, silence: float = 0.0) -> Host:
        return self.hosts[host]

    def show(self, host: str, port_id: str) -> Vif | None:
        try:
            return self.hosts[host].show(port_id)
        except NotFound:
            return None

    def list_vifs(self, host: str) -> list[Vif]:
        return self.hosts[host].list_vifs()

    def ask_all(self, hosts: Iterable[str], ask: Callable[[str], Any]) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        for host in hosts:
            try:
                answers[host] = ask(host)
            except FakevmError as problem:
                answers[host] = problem
        return answers
