"""Which ports a server is to have: what its user asked for, found as the user sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from fakevm.compute.web.faults import Fault, bad, conflict
from fakevm.control.neutron import Neutron, Resource
from fakevm.errors import NotFound
from fakevm.model.identity import is_uuid
from fakevm.model.value import Value


class NetworkWish(Value):
    """What is said of one interface: a network, or a port that is there."""

    uuid: str | None = None
    port: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class WantedPort(Value):
    """An interface that a server is to have: a port that is there, or one to be made of a network."""

    network: str
    port: str = ""
    fixed_ip: str = ""
    tag: str = ""


def wanted(
    neutron: Neutron,
    project: str,
    wishes: Sequence[NetworkWish] | Literal["auto", "none"] | None,
    *,
    administrator: bool = False,
) -> tuple[WantedPort, ...]:
    """Find what is asked for, in Nova's words where it cannot be had; ``neutron`` is asked as the user.

    Ports are made with FakeVM's own rights: what the user may not is refused here. Raises Fault.
    """
    if wishes == "none":
        return ()
    if not wishes or wishes == "auto":
        return _only(neutron, project)
    assert not isinstance(wishes, str)
    return tuple(_wanted(neutron, project, wish, administrator) for wish in wishes)


def _wanted(neutron: Neutron, project: str, wish: NetworkWish, administrator: bool) -> WantedPort:
    for word in filter(None, (wish.uuid, wish.port)):
        if not is_uuid(word):
            raise bad(f"Invalid input for field/attribute networks. Value: {word[:200]}. It is not a 'uuid'")
    if wish.port:
        port = _port(neutron, project, wish.port)
        return WantedPort(network=port["network_id"], port=port["id"], tag=wish.tag or "")
    if not wish.uuid:
        raise bad("Bad networks format: missing 'uuid' or 'port'")
    try:
        network = neutron.network(wish.uuid)
    except NotFound as exc:
        raise bad(f"Network {wish.uuid} could not be found.") from exc
    if network.get("router:external") and not network.get("shared") and not administrator:
        raise Fault(403, f"It is not allowed to create an interface on external network {wish.uuid}")
    return WantedPort(network=network["id"], fixed_ip=wish.fixed_ip or "", tag=wish.tag or "")


def _port(neutron: Neutron, project: str, port_id: str) -> Resource:
    try:
        port = neutron.port(port_id)
    except NotFound as exc:
        raise bad(f"Port id {port_id} could not be found.") from exc
    if port["device_id"]:
        raise conflict(f"Port {port_id} is still in use.")
    if port["project_id"] != project:
        # Who owns a network sees the ports of others on it.
        raise bad(f"Port {port_id} not usable for an instance of project {project}.")
    return port


def _only(neutron: Neutron, project: str) -> tuple[WantedPort, ...]:
    """Take the network of a project where that is clear; none, where there is none."""
    shown = neutron.collection("/networks", "list the networks of a server's project")
    own = [network for network in shown if network["project_id"] == project and not network.get("router:external")]
    found = own or [network for network in shown if network["shared"] and not network.get("router:external")]
    if len(found) > 1:
        raise conflict("Multiple possible networks found, use a Network ID to be more specific.")
    return tuple(WantedPort(network=network["id"]) for network in found)


def security_groups(neutron: Neutron, project: str, names: Iterable[str]) -> tuple[str, ...]:
    """Find security groups of a project by their names or ids. Raises Fault."""
    wanted_names = list(dict.fromkeys(names))
    if not wanted_names:
        return ()
    known = neutron.collection("/security-groups", "list the security groups of a project", project_id=project)
    return tuple(_group(known, name, project) for name in wanted_names)


def _group(known: Iterable[Resource], name: str, project: str) -> str:
    found = [group["id"] for group in known if group["id"] == name] or [
        group["id"] for group in known if group["name"] == name
    ]
    if not found:
        raise bad(f"Security group {name} not found for project {project}.")
    if len(found) > 1:
        raise conflict(f"Multiple security_group matches found for name '{name}', use an ID to be more specific.")
    return str(found[0])
