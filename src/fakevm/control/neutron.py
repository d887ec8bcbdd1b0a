"""Neutron's API, call by call as Nova uses it, through openstacksdk's session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fakevm.control.access import Access
from fakevm.control.lookup import find_by_name_or_id, find_by_prefix
from fakevm.errors import FakevmError, InvalidInput, NotFound, Refused, Unreachable

if TYPE_CHECKING:
    from openstack.connection import Connection

# Neutron's resources travel as it names them (``binding:host_id``…).
Resource = dict[str, Any]

# Seconds. What changes nothing is asked again when no answer comes; a change is waited for longer, and asked for once.
LOOK_TIMEOUT = 30.0
CHANGE_TIMEOUT = 120.0
# A URL of this many ids stays well below what servers take (64 KiB in uwsgi as a lab sets it up).
IDS_PER_QUERY = 200


class Neutron:
    """Neutron, with its errors said in our words."""

    def __init__(self, connection: Connection, *, without_keystone: bool = False) -> None:
        self._connection = connection
        self.without_keystone = without_keystone

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

    def find_port(self, prefix: str) -> Resource:
        """Find the port of a VIF by the beginning of its id.

        Only ports that a VM can be behind are looked at: never a router's or a DHCP server's.
        Raises NotFound, Ambiguous.
        """
        fields = ["id", "device_id", "device_owner"]
        ports = self._list("ports", f"look up the VIF {prefix}", fields=fields)
        ids = {port["id"]: port["device_id"] for port in ports if is_for_a_vm(port)}
        try:
            return self.port(find_by_prefix("VIF", prefix, ids))
        except NotFound:
            self._refuse_port_of_a_service(prefix, ports)
            raise

    def port(self, port_id: str) -> Resource:
        """Read a port by its id. Raises NotFound."""
        return dict(self._request("GET", f"/ports/{port_id}", f"read port {port_id}")["port"])

    def ports(self, port_ids: Iterable[str] | None = None, fields: Sequence[str] = ()) -> list[Resource]:
        """Read many ports, or all, in as few requests as can be."""
        query: dict[str, Any] = {"fields": list(fields)} if fields else {}
        if port_ids is None:
            return self._list("ports", "list the ports", **query)
        ids = list(port_ids)
        pieces = [ids[at : at + IDS_PER_QUERY] for at in range(0, len(ids), IDS_PER_QUERY)]
        return [port for piece in pieces for port in self._list("ports", "read ports", id=piece, **query)]

    def networks(self) -> list[Resource]:
        """List all networks."""
        return self._list("networks", "list the networks")

    # -- changes ---------------------------------------------------------------------------------------------

    def create_ports(self, bodies: Sequence[Mapping[str, Any]]) -> list[Resource]:
        """Create one port, or many in one request: all of them or none."""
        what = f"create {'a port' if len(bodies) == 1 else f'{len(bodies)} ports'} on network {bodies[0]['network_id']}"
        if len(bodies) == 1:
            return [self._request("POST", "/ports", what, {"port": bodies[0]})["port"]]
        return list(self._request("POST", "/ports", what, {"ports": list(bodies)})["ports"])

    def update_port(self, port_id: str, what: str, **attributes: Any) -> Resource:
        """Change a port; ``what`` says why, for errors."""
        body = {"port": {name.replace("binding_", "binding:"): value for name, value in attributes.items()}}
        return dict(self._request("PUT", f"/ports/{port_id}", what, body)["port"])

    def delete_port(self, port_id: str) -> bool:
        """Delete a port; False when there was none."""
        try:
            self._request("DELETE", f"/ports/{port_id}", f"delete port {port_id}")
        except NotFound:
            return False
        return True

    # -- bindings of a port to several hosts (extension binding-extended) ------------------------------------

    def bindings(self, port_id: str) -> list[Resource]:
        """List the bindings of a port: one is ACTIVE, a migration makes an INACTIVE one."""
        return list(self._request("GET", f"/ports/{port_id}/bindings", f"list port {port_id}'s bindings")["bindings"])

    def create_binding(self, port_id: str, host: str, **attributes: Any) -> Resource:
        """Bind a port to one more host, INACTIVE. Raises Refused also when it is bound there already."""
        what = f"bind port {port_id} to {host}, too"
        body = {"binding": {"host": host, **attributes}}
        return dict(self._request("POST", f"/ports/{port_id}/bindings", what, body)["binding"])

    def activate_binding(self, port_id: str, host: str) -> None:
        """Make the binding to this host the ACTIVE one, and the other INACTIVE."""
        what = f"activate port {port_id}'s binding to {host}"
        self._request("PUT", f"/ports/{port_id}/bindings/{host}/activate", what)

    def delete_binding(self, port_id: str, host: str) -> bool:
        """Delete the binding of a port to a host; False when there was none."""
        try:
            self._request("DELETE", f"/ports/{port_id}/bindings/{host}", f"delete port {port_id}'s binding to {host}")
        except NotFound:
            return False
        return True

    # -- the one way out -------------------------------------------------------------------------------------

    def _list(self, collection: str, what: str, **query: Any) -> list[Resource]:
        return list(self._request("GET", f"/{collection}", what, params=query)[collection])

    def _request(self, method: str, path: str, what: str, body: Any = None, params: Any = None) -> Resource:
        with translated(what):
            answer = self._connection.network.request(path, method, json=body, params=params, **_patience(method))
        if answer.status_code >= 400:
            raise refusal(what, answer.status_code, _reason(answer), answer.url)
        return dict(answer.json()) if answer.content else {}

    @staticmethod
    def _refuse_port_of_a_service(prefix: str, ports: Sequence[Resource]) -> None:
        for port in ports:
            if prefix and port["id"].startswith(prefix.lower()) and not is_for_a_vm(port):
                raise InvalidInput(
                    f"port {port['id']} belongs to {port['device_owner']}: no VM can be behind it",
                    hint="Choose a port that belongs to nobody or to compute:….",
                )


def connect(access: Access) -> Neutron:
    """Make a session with Neutron; nothing is sent yet. Raises InvalidInput when settings of the cloud are missing."""
    import openstack

    if access.endpoint:
        with translated(f"connect to {access.endpoint}"):
            connection = openstack.connect(
                load_yaml_config=False,
                load_envvars=False,
                auth_type="none",
                endpoint=access.endpoint,
                api_timeout=LOOK_TIMEOUT,
                # The lab's own server may be busy for a moment: a connection that it never took is tried again.
                network_connect_retries=1,
            )
        # uwsgi closes connections that it has promised to keep: see neutron's own note on http-socket.
        connection.session.additional_headers["Connection"] = "close"
        return Neutron(connection, without_keystone=True)
    with translated("read the cloud's settings (clouds.yaml, OS_*)"):
        settings: dict[str, Any] = {"cloud": access.cloud} if access.cloud else {}
        connection = openstack.connect(api_timeout=LOOK_TIMEOUT, network_connect_retries=1, **settings)
        return Neutron(connection, without_keystone=connection.config.config.get("auth_type") == "none")


def is_for_a_vm(port: Mapping[str, Any]) -> bool:
    """Tell whether a VM is, or can be, behind a port."""
    owner = port["device_owner"]
    return not owner or owner.startswith("compute:")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what openstacksdk and keystoneauth raise into our errors; ``what`` was being done."""
    from keystoneauth1 import exceptions as keystone
    from openstack import exceptions as sdk

    try:
        yield
    except FakevmError:
        raise
    except keystone.Unauthorized as problem:
        raise Refused(f"could not {what}: {problem}", hint="Look at the user, password and project.") from problem
    except (keystone.ConnectFailure, keystone.DiscoveryFailure, keystone.EndpointNotFound) as problem:
        raise Unreachable(
            f"could not {what}: nobody answers. {problem}",
            hint="In a lab, `fakevm lab status` tells what runs; else look at clouds.yaml or OS_*.",
        ) from problem
    except sdk.ConfigException as problem:
        raise InvalidInput(f"could not {what}: {problem}", hint="Look at --os-cloud, clouds.yaml, OS_*.") from problem
    except (keystone.MissingRequiredOptions, keystone.NoMatchingPlugin) as problem:
        raise InvalidInput(f"could not {what}: {problem}", hint="Look at --os-cloud, clouds.yaml, OS_*.") from problem
    except sdk.HttpException as problem:
        raise refusal(
            what, problem.status_code or 0, str(problem.details or problem), str(problem.url or "")
        ) from problem
    except (sdk.SDKException, keystone.ClientException) as problem:
        raise Unreachable(f"could not {what}: {problem}") from problem


def refusal(what: str, status: int, reason: str, url: str) -> FakevmError:
    """Make the error for an answer of Neutron's that is not a success."""
    text = f"Neutron did not {what}: {reason} (HTTP {status})"
    if status == 404:
        return NotFound(text)
    if status in {401, 403}:
        return Refused(text, hint="Creating and binding ports for others needs an administrator's role.")
    if status in (502, 503, 504):
        return Unreachable(f"Neutron cannot serve {url}: {reason} (HTTP {status})")
    if status >= 500:
        return Refused(text, hint="Its own log says more: `fakevm lab logs` in a lab.")
    return Refused(text)


def _patience(method: str) -> dict[str, Any]:
    """Choose how long to wait; keystoneauth would send a request again whose answer was only late."""
    return {} if method == "GET" else {"timeout": CHANGE_TIMEOUT, "connect_retries": 0}


def _reason(answer: Any) -> str:
    """Find Neutron's own words in its answer."""
    try:
        body = answer.json()
    except ValueError:
        return str(answer.text.strip()[:500] or answer.reason)
    error = body.get("NeutronError", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return str(error)
