"""``/servers/ID/os-interface``: interfaces of a server that come and go."""

from __future__ import annotations

from typing import Any

import flask

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body
from fakevm.compute.web.faults import Fault, bad, not_found
from fakevm.compute.work import networks
from fakevm.compute.work.acting import Acting
from fakevm.compute.work.building import attach
from fakevm.compute.work.home import at_home
from fakevm.compute.work.networks import NetworkWish
from fakevm.compute.work.noting import end, note
from fakevm.control.agents import Agents
from fakevm.control.attaching import Attaching
from fakevm.control.neutron import Resource
from fakevm.errors import BindingFailed, Conflict, FakevmError

from .finding import find, occupy, require_state


class FixedIp(Body):
    """An address that the port is to have."""

    ip_address: str


class Attachment(Body):
    """What the new interface is to be of; of nothing: of the network that the project has."""

    net_id: str | None = None
    port_id: str | None = None
    fixed_ips: tuple[FixedIp, ...] = ()
    tag: str | None = None


class AttachInterface(Body):
    """The request."""

    interfaceAttachment: Attachment = Attachment()


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("interfaces", __name__, url_prefix="/compute/v2.1/servers/<server_id>")
    acting = Acting(shelves)

    @api.get("/os-interface")
    def listed(server_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "os-attach-interfaces:list", "reader")
        ports = shelves.reach.neutron.ports_of(server.id)
        return {"interfaceAttachments": [_shown(server, port) for port in ports]}

    @api.get("/os-interface/<port_id>")
    def show(server_id: str, port_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "os-attach-interfaces:show", "reader")
        return {"interfaceAttachment": _shown(server, _port(shelves, server, port_id))}

    @api.post("/os-interface")
    def create(server_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "os-attach-interfaces:create")
        asked = asking.body(AttachInterface).interfaceAttachment
        require_state(server, "attach_interface", ("active", "paused", "stopped"))
        wanted = _wanted(shelves, server, asked)
        noted = note(shelves, server, "attach_interface", asking.noted())
        problem: FakevmError | None = None
        try:
            with shelves.locks[server.id], shelves.reach.agents() as agents:
                server = at_home(shelves, agents, server)
                port_id = attach(shelves, agents, server, wanted, device=_device(agents, server))
        except (Conflict, BindingFailed) as raised:
            problem = raised
            raise bad(f"Failed to attach interface: {raised.what}") from raised
        except FakevmError as raised:
            problem = raised
            raise Fault(500, f"Failed to attach network adapter device to {server.id}: {raised.what}") from raised
        finally:
            end(shelves, noted, problem)
        _remember(shelves, server, port_id, wanted.port, asked.tag)
        return {"interfaceAttachment": _shown(server, shelves.reach.neutron.port(port_id), asked.tag)}

    @api.delete("/os-interface/<port_id>")
    def delete(server_id: str, port_id: str) -> tuple[str, int]:
        server = find(shelves, server_id, "os-attach-interfaces:delete")
        _port(shelves, server, port_id)
        # Nova shows no task while it is under way.
        server = occupy(shelves, server, "detach_interface", ("active", "stopped"), None)
        noted = note(shelves, server, "detach_interface", asking.noted())

        def work(agents: Agents, known: ServerRecord) -> dict[str, Any]:
            detaching = Attaching(shelves.reach.neutron, agents, events=shelves.reach.events)
            detaching.detach(known.id, port_id, host=known.host, delete=port_id not in known.kept_ports)
            return {"kept_ports": tuple(kept for kept in known.kept_ports if kept != port_id)}

        acting.begin(server, noted, work)
        return "", 202

    return api


def _wanted(shelves: Shelves, server: ServerRecord, asked: Attachment) -> networks.WantedPort:
    if asked.port_id and (asked.net_id or asked.fixed_ips):
        raise bad("Must not input both network_id and port_id" if asked.net_id else "fixed_ips need net_id")
    user = shelves.reach.neutron_as(asking.requester().token)
    if not asked.port_id and not asked.net_id:
        found = networks.wanted(user, server.project_id, None)
        if not found:
            raise bad("There is no network in this project.")
        return found[0]
    fixed = asked.fixed_ips[0].ip_address if asked.fixed_ips else None
    wish = NetworkWish(uuid=asked.net_id, port=asked.port_id, fixed_ip=fixed)
    try:
        return networks.wanted(user, server.project_id, [wish], administrator=asking.requester().is_admin)[0]
    except Fault as fault:
        if fault.status == 403:
            raise
        # Of what is not there Nova says 404 here, and 400 when a server is made.
        raise Fault(404 if "could not be found" in fault.message else 400, fault.message) from fault


def _device(agents: Agents, server: ServerRecord) -> str:
    names = {interface.name for interface in agents.on(server.host).show_guest(server.id).interfaces}
    return next(name for number in range(len(names) + 1) if (name := f"eth{number}") not in names)


def _remember(shelves: Shelves, server: ServerRecord, port_id: str, kept: str, tag: str | None) -> None:
    def edit(known: ServerRecord) -> ServerRecord:
        ports = (*known.kept_ports, kept) if kept else known.kept_ports
        tags = {**known.port_tags, port_id: tag} if tag else known.port_tags
        return known.model_copy(update={"kept_ports": ports, "port_tags": tags})

    shelves.servers.change(server.id, edit)


def _port(shelves: Shelves, server: ServerRecord, port_id: str) -> Resource:
    for port in shelves.reach.neutron.ports_of(server.id):
        if port["id"] == port_id:
            return port
    raise not_found(f"Port {port_id} is not attached to instance {server.id}.")


def _shown(server: ServerRecord, port: Resource, tag: str | None = None) -> dict[str, Any]:
    fixed = [{"subnet_id": f["subnet_id"], "ip_address": f["ip_address"]} for f in port["fixed_ips"]]
    tagged = {"tag": tag or server.port_tags.get(port["id"])} if asking.since(70) else {}
    return {
        "port_id": port["id"],
        "net_id": port["network_id"],
        "mac_addr": port["mac_address"],
        "port_state": port["status"],
        "fixed_ips": fixed,
        **tagged,
    }
