"""Servers that come to be: a guest on a host, whose ports are made, bound and plugged as ``create-port`` does it."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from fakevm.backend import base as backends
from fakevm.compute.model.action import Action
from fakevm.compute.model.flavor import FLAVORS
from fakevm.compute.model.server import ServerFault, ServerRecord, now
from fakevm.compute.shelves import Shelves
from fakevm.control.agents import Agents
from fakevm.control.attaching import Attaching
from fakevm.control.binding import release
from fakevm.control.creation import Order, create_ports
from fakevm.control.neutron import Neutron
from fakevm.control.plugging import Plugging
from fakevm.control.wiring import Wish
from fakevm.errors import AgentDown, BindingFailed, FakevmError, NotFound, PlugFailed
from fakevm.metadata import instance
from fakevm.model.guest import Guest, GuestSettings
from fakevm.model.nic import NicKind, why_not_plain
from fakevm.model.server import Server

from .clearing import leave
from .networks import WantedPort
from .noting import end
from .placing import ZONE, NoValidHost, place

_log = logging.getLogger(__name__)
# As Nova's max_attempts: on so many hosts it is tried.
_ATTEMPTS = 3
#: seconds: Nova's vif_plugging_timeout
PATIENCE = 300.0


class Given(Exception):
    """The server is to be deleted: nobody needs what is being made."""


class Building:
    """Makes servers that are written down; what comes of it is written there, too."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._reach = shelves.reach

    def build(self, noted: Action, ports: Sequence[WantedPort], groups: Sequence[str], only: str = "") -> None:
        """Make a server's guest and its ports; after a failure the server is in ERROR, and neither is there."""
        server_id = noted.server
        with self._shelves.locks[server_id]:
            try:
                with self._reach.agents() as agents:
                    self._attempts(agents, server_id, ports, groups, only)
            except Given:
                return
            except Exception as problem:
                if isinstance(problem, FakevmError):
                    _log.warning("server %s was not built: %s", server_id, problem.what)
                else:
                    _log.exception("server %s was not built", server_id)
                fail(self._shelves, server_id, problem)
                end(self._shelves, noted, problem)
            else:
                end(self._shelves, noted)

    def _attempts(
        self, agents: Agents, server_id: str, ports: Sequence[WantedPort], groups: Sequence[str], only: str
    ) -> None:
        tried: list[str] = []
        last: FakevmError | None = None
        for _ in range(_ATTEMPTS):
            server = self._wanted(server_id, "scheduling")
            try:
                host = place(self._shelves, agents, server, only=only, never=tried)
            except NoValidHost as problem:
                raise last or problem from problem
            try:
                self._make(agents, server.model_copy(update={"host": host}), ports, groups)
            except (AgentDown, BindingFailed, PlugFailed) as problem:
                last = problem
                tried.append(host)
                self._clear(agents, server, host)
            except Exception:
                self._clear(agents, server, host)
                raise
            else:
                self._done(server_id)
                return
        if last:
            raise last

    def _wanted(self, server_id: str, task: str) -> ServerRecord:
        """Write down how far it is. Raises Given: it is to be deleted."""

        def edit(known: ServerRecord) -> ServerRecord:
            return known if known.task_state == "deleting" else known.model_copy(update={"task_state": task})

        server = self._shelves.servers.change(server_id, edit)
        if server is None or server.task_state == "deleting":
            raise Given
        return server

    def _make(self, agents: Agents, server: ServerRecord, ports: Sequence[WantedPort], groups: Sequence[str]) -> None:
        agents.require(server.host)
        self._wanted(server.id, "networking")
        tell(self._shelves, server)
        agents.on(server.host).start(guest_of(self._shelves, server))
        for number, port in enumerate(ports):
            self._wanted(server.id, "spawning")
            attach(self._shelves, agents, server, port, groups=groups, device=f"eth{number}")

    def _clear(self, agents: Agents, server: ServerRecord, host: str) -> None:
        try:
            agents.on(host).remove(server.id)
        except FakevmError:
            # It may have died with the guest: that goes when it is back.
            leave(self._shelves, host, server.id)
        with suppress(FakevmError):
            let_go(self._reach.neutron, server)

    def _done(self, server_id: str) -> None:
        def edit(known: ServerRecord) -> ServerRecord:
            if known.task_state == "deleting":
                return known
            time = now()
            changes = {"vm_state": "active", "task_state": None, "launched_at": time, "updated": time}
            return known.model_copy(update=changes)

        self._shelves.servers.change(server_id, edit)


def guest_of(shelves: Shelves, server: ServerRecord) -> Guest:
    """Say which guest a server is. Raises FakevmError: its image is not there any more."""
    image = shelves.reach.images().get(server.image)
    if image is None:
        raise NotFound(f"Image {server.image} could not be found.")
    settings = GuestSettings(image=shelves.reach.path_of(image), server=Server(user=image.user))
    return Guest(id=server.id, name=server.name, hostname=server.hostname, kind=image.kind, settings=settings)


def tell(shelves: Shelves, server: ServerRecord) -> None:
    """Have the metadata service tell a server what it is to know."""
    image, flavor = shelves.reach.images().get(server.image), FLAVORS[server.flavor]
    told = instance.Told(
        id=server.id,
        name=server.name,
        hostname=server.hostname,
        project_id=server.project_id,
        user_data=_decoded(server.user_data),
        keys={server.key_name: server.public_key} if server.key_name else {},
        meta=server.metadata,
        availability_zone=ZONE,
        flavor=flavor.name,
        image=image.id if image else "",
        security_groups=server.security_groups,
        reservation_id=server.reservation_id,
        launch_index=server.launch_index,
        public_ipv4=server.floating,
    )
    instance.tell(shelves.reach.folder, told)


def _decoded(user_data: str | None) -> str:
    data = base64.b64decode(user_data or "")
    try:
        return data.decode()
    except UnicodeDecodeError:
        # gzip's, say: a character for each byte.
        return data.decode("latin-1")


def attach(
    shelves: Shelves,
    agents: Agents,
    server: ServerRecord,
    port: WantedPort,
    *,
    groups: Sequence[str] = (),
    device: str,
) -> str:
    """Give a server's guest, on its host, an interface; gives the port's id.

    Raises as ``create_ports`` and ``Attaching.attach_port`` do.
    """
    reach, host = shelves.reach, server.host
    neutron = reach.neutron
    wish = Wish(
        host,
        timeout=PATIENCE,
        device=device,
        joins=True,
        nic=_nic(neutron, reach.record().backend, host, port.network),
        hostname=server.hostname,
    )
    if port.port:
        attaching = Attaching(neutron, agents, events=reach.events)
        return attaching.attach_port(server.id, port.port, wish).wired.port_id
    fixed = ({"ip_address": port.fixed_ip},) if port.fixed_ip else ()
    order = Order(
        network=port.network,
        instance=server.id,
        security_groups=tuple(groups) or None,
        fixed_ips=fixed,
        project=server.project_id,
    )
    (made,) = create_ports(neutron, agents, order, [wish], events=reach.events)
    return made.port_id


def make_anew(shelves: Shelves, agents: Agents, server: ServerRecord, devices: Mapping[str, str]) -> None:
    """Make a server's guest on its host, where it is not, with the ports that it has; ``devices`` are their names.

    Raises as ``Plugging.plug``.
    """
    reach, neutron = shelves.reach, shelves.reach.neutron
    tell(shelves, server)
    agents.on(server.host).start(guest_of(shelves, server))
    ports = sorted(neutron.ports_of(server.id), key=lambda port: devices.get(port["id"], "~"))
    for number, port in enumerate(ports):
        wish = Wish(
            server.host,
            timeout=PATIENCE,
            device=devices.get(port["id"], f"eth{number}"),
            joins=True,
            nic=_nic(neutron, reach.record().backend, server.host, port["network_id"]),
            hostname=server.hostname,
        )
        Plugging(neutron, agents, events=reach.events).plug(port["id"], wish)


def _nic(neutron: Neutron, backend: str, host: str, network: str) -> NicKind:
    """Choose what an interface is made of: scripts in servers want eth0 without what a veth shows behind it."""
    if "plain" not in backends.load(backend).nics:
        return "veth"
    hybrid = any(agent["configurations"].get("ovs_hybrid_plug") for agent in neutron.agents(host=host))
    return "veth" if why_not_plain(neutron.network(network)["mtu"] or 0, hybrid=hybrid) else "plain"


def let_go(neutron: Neutron, server: ServerRecord) -> None:
    """Delete a server's ports; those that its user made are nobody's. Raises FakevmError."""
    for port in neutron.ports_of(server.id):
        if port["id"] in server.kept_ports:
            release(neutron, port["id"])
        else:
            neutron.delete_port(port["id"])


def fail(shelves: Shelves, server_id: str, problem: Exception) -> None:
    """Write down that a server is in ERROR, and why."""
    message = problem.what if isinstance(problem, FakevmError) else "An unexpected error has occurred."
    details = str(problem) if isinstance(problem, FakevmError) else f"{type(problem).__name__}: {problem}"
    fault = ServerFault(code=500, message=message[:255], details=details, created=now())

    def edit(known: ServerRecord) -> ServerRecord:
        if known.task_state == "deleting":
            return known
        return known.model_copy(update={"vm_state": "error", "task_state": None, "fault": fault, "updated": now()})

    shelves.servers.change(server_id, edit)
