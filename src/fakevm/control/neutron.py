"""Neutron's API, call by call as Nova uses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fakevm.control import sockets
from fakevm.control.access import Access
from fakevm.control.credentials import headers
from fakevm.control.known import learn, words
from fakevm.control.lookup import Candidate, find_by_name_or_id, find_guest
from fakevm.control.transport import Absent, Answer, Direct, Transport, refusal
from fakevm.errors import Ambiguous, InvalidInput, NotFound, Unreachable
from fakevm.model.lab import LabRecord
from fakevm.model.port import is_for_a_vm

# Neutron's resources travel as it names them (``binding:host_id``…).
Resource = dict[str, Any]

# A URL of this many ids stays well below what servers take (64 KiB in uwsgi as a lab sets it up).
IDS_PER_QUERY = 200


class Neutron:
    """Neutron, with its errors said in our words."""

    #: whether there is one at all
    there = True

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def without_keystone(self) -> bool:
        """Tell whether requests have no project of their own."""
        return self._transport.without_keystone

    # -- look-ups --------------------------------------------------------------------------------------------

    def find_network(self, name_or_id: str) -> Resource:
        """Find a network. Raises NotFound with near names, Ambiguous with the candidates."""
        what = f"look up the network {name_or_id!r}"
        found = self._list("networks", what, name=name_or_id) or self._list("networks", what, id=name_or_id)
        return dict(find_by_name_or_id("network", name_or_id, found or self._list("networks", what)))

    def network(self, network_id: str) -> Resource:
        """Read a network by its id."""
        return dict(self._request("GET", f"/networks/{network_id}", f"read the network {network_id}")["network"])

    def subnets(self, network_id: str) -> list[Resource]:
        """List the subnets of a network."""
        return self._list("subnets", f"list the subnets of network {network_id}", network_id=network_id)

    def agents(self, **filters: str) -> list[Resource]:
        """List Neutron's agents, as ``openstack network agent list`` does."""
        return self._list("agents", "list the agents", **filters)

    def find_port(self, words: str) -> Resource:
        """Find a port as ``find_guest`` does; of a guest with several ports the first. Raises NotFound, Ambiguous."""
        return self.port(self.find_guest(words)[0].port_id)

    def find_guest(self, words: str) -> tuple[Candidate, ...]:
        """Find the port of a VIF by its guest's name, its own, its id or the beginning of that (see lookup.find_guest).

        Only ports that a VM can be behind are looked at: never a router's or a DHCP server's.
        Raises NotFound, Ambiguous, InvalidInput for a service's port.
        """
        fields = ["id", "name", "device_id", "device_owner", "network_id", "binding:host_id"]
        ports = self._list("ports", f"look up the guest {words}", fields=fields)
        candidates = [candidate(port) for port in ports if is_for_a_vm(port)]
        try:
            found = find_guest(words, candidates)
        except NotFound:
            self._refuse_port_of_a_service(words, ports)
            raise
        except Ambiguous:
            return find_guest(words, self._with_networks(candidates))
        return self._with_networks(found) if len(found) > 1 else found

    def _with_networks(self, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
        """Name the networks of candidates that are to be told; that is worth a request only then."""
        names = {network["id"]: network["name"] for network in self.networks()}
        return tuple(found._replace(network=names.get(found.network, found.network)) for found in candidates)

    def port(self, port_id: str) -> Resource:
        """Read a port by its id. Raises NotFound."""
        port = dict(self._request("GET", f"/ports/{port_id}", f"read {words(port_id)}")["port"])
        learn([port])
        return port

    def ports(self, port_ids: Iterable[str] | None = None, fields: Sequence[str] = ()) -> list[Resource]:
        """Read many ports, or all, in as few requests as can be."""
        query: dict[str, Any] = {"fields": list(fields)} if fields else {}
        if port_ids is None:
            return self._list("ports", "list the ports", **query)
        return [
            port for piece in _pieces(list(port_ids)) for port in self._list("ports", "read ports", id=piece, **query)
        ]

    def ports_of(self, *instances: str) -> list[Resource]:
        """List the ports of instances, by their ids (``device_id``): never a router's or a DHCP server's."""
        what = f"list the ports of {instances[0] if len(instances) == 1 else f'{len(instances)} instances'}"
        ports = [port for piece in _pieces(instances) for port in self._list("ports", what, device_id=piece)]
        return [port for port in ports if is_for_a_vm(port)]

    def networks(self) -> list[Resource]:
        """List all networks."""
        return self._list("networks", "list the networks")

    # -- changes ---------------------------------------------------------------------------------------------

    def create_ports(self, bodies: Sequence[Mapping[str, Any]]) -> list[Resource]:
        """Create one port, or many in one request: all of them or none. Raises NotFound: the network is gone."""
        network = bodies[0]["network_id"]
        what = f"create {'a port' if len(bodies) == 1 else f'{len(bodies)} ports'} on network {network}"
        try:
            if len(bodies) == 1:
                made = [self._request("POST", "/ports", what, {"port": bodies[0]})["port"]]
            else:
                made = list(self._request("POST", "/ports", what, {"ports": list(bodies)})["ports"])
        except NotFound as problem:
            # Of a network that is deleted meanwhile Neutron says at times only that "the resource" is not there.
            if self._list("networks", what, id=network):
                raise
            raise NotFound(f"could not {what}: the network was deleted meanwhile") from problem
        learn(made)
        return made

    def update_port(self, port_id: str, what: str, **attributes: Any) -> Resource:
        """Change a port; ``what`` says why, for errors."""
        body = {"port": {name.replace("binding_", "binding:"): value for name, value in attributes.items()}}
        return dict(self._request("PUT", f"/ports/{port_id}", what, body)["port"])

    def delete_port(self, port_id: str) -> bool:
        """Delete a port; False when there was none."""
        try:
            self._request("DELETE", f"/ports/{port_id}", f"delete {words(port_id)}")
        except NotFound:
            return False
        return True

    # -- bindings of a port to several hosts (extension binding-extended) ------------------------------------

    def bindings(self, port_id: str) -> list[Resource]:
        """List the bindings of a port: one is ACTIVE, a migration makes an INACTIVE one."""
        return list(self._request("GET", f"/ports/{port_id}/bindings", f"list {words(port_id)}'s bindings")["bindings"])

    def create_binding(self, port_id: str, host: str, **attributes: Any) -> Resource:
        """Bind a port to one more host, INACTIVE. Raises Refused also when it is bound there already."""
        what = f"bind {words(port_id)} to {host}, too"
        body = {"binding": {"host": host, **attributes}}
        return dict(self._request("POST", f"/ports/{port_id}/bindings", what, body)["binding"])

    def activate_binding(self, port_id: str, host: str) -> None:
        """Make the binding to this host the ACTIVE one, and the other INACTIVE."""
        what = f"activate {words(port_id)}'s binding to {host}"
        self._request("PUT", f"/ports/{port_id}/bindings/{host}/activate", what)

    def delete_binding(self, port_id: str, host: str) -> bool:
        """Delete the binding of a port to a host; False when there was none."""
        try:
            self._request("DELETE", f"/ports/{port_id}/bindings/{host}", f"delete {words(port_id)}'s binding to {host}")
        except NotFound:
            return False
        return True

    # -- whatever else Neutron has ---------------------------------------------------------------------------

    def collection(self, path: str, what: str, **query: Any) -> list[Resource]:
        """List what is at a path such as ``/qos/policies``; ``what`` is being done, for errors."""
        answer = self._request("GET", path, what, params=query)
        return list(answer[path.rpartition("/")[2].replace("-", "_")])

    def send(self, method: str, path: str, what: str, body: Any = None) -> Resource:
        """Make any other request, and give its answer as it is (empty when there is none)."""
        return self._request(method, path, what, body)

    # -- the one way out -------------------------------------------------------------------------------------

    def _list(self, collection: str, what: str, **query: Any) -> list[Resource]:
        found = list(self._request("GET", f"/{collection}", what, params=query)[collection])
        if collection == "ports":
            learn(found)
        return found

    def _request(self, method: str, path: str, what: str, body: Any = None, params: Any = None) -> Resource:
        answer = self._transport.request(method, path, what, body, params)
        if answer.status >= 400:
            raise refusal(what, answer.status, _reason(answer), answer.url)
        try:
            return dict(answer.json()) if answer.content else {}
        except ValueError as problem:
            raise Unreachable(f"could not {what}: what answers at {answer.url} is no Neutron") from problem

    @staticmethod
    def _refuse_port_of_a_service(words: str, ports: Sequence[Resource]) -> None:
        for port in ports:
            meant = words and (port["name"] == words or port["id"].startswith(words.lower()))
            if meant and not is_for_a_vm(port):
                raise InvalidInput(
                    f"port {port['id']} belongs to {port['device_owner']}: no VM can be behind it",
                    hint="Choose a port that belongs to nobody or to compute:….",
                )


class NoNeutron(Neutron):
    """What a lab without Neutron has in its place: it knows FakeVM's agents, and refuses all else."""

    there = False

    def __init__(self, lab: LabRecord) -> None:
        super().__init__(Absent(lab.name))
        self._lab = lab

    def agents(self, **filters: str) -> list[Resource]:
        """See Neutron: the agents are asked themselves."""
        return [a for a in sockets.agents(self._lab) if all(a[key] == value for key, value in filters.items())]


def connect(access: Access) -> Neutron:
    """Choose the way to Neutron; nothing is sent yet. Raises InvalidInput when settings of the cloud are missing."""
    if access.lab and not access.lab.neutron:
        return NoNeutron(access.lab)
    if access.lab:
        return Neutron(Direct(access.lab.endpoint, headers(access.lab)))
    # Half a second of imports that a lab needs not.
    from fakevm.control import cloud

    return Neutron(cloud.connect(access.cloud))


def candidate(port: Mapping[str, Any]) -> Candidate:
    """Give a port of Neutron's as one that may be meant; its network by its id."""
    return Candidate(port["id"], port["name"], port["device_id"], port.get("binding:host_id") or "", port["network_id"])


def _pieces(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[at : at + IDS_PER_QUERY] for at in range(0, len(ids), IDS_PER_QUERY)]


def _reason(answer: Answer) -> str:
    """Find Neutron's own words in its answer."""
    try:
        body = answer.json()
    except ValueError:
        return answer.text().strip()[:500] or answer.reason
    # What stands before Neutron and asks for a token says "error", as Keystone does.
    error = body.get("NeutronError", body.get("error", body)) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return str(error)
