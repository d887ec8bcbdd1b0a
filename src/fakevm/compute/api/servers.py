"""``/servers``: they are made, listed, shown, changed, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import flask
from pydantic import Field

from fakevm.compute.model.server import ServerRecord, now
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body, Name
from fakevm.compute.web.faults import bad
from fakevm.compute.work import addresses
from fakevm.compute.work.ending import Ending
from fakevm.control.binding import hostname

from . import server_creation, server_view
from .finding import find, require_unlocked

# As Nova's max_limit.
_MOST = 1000
_FILTERS: dict[str, Callable[[ServerRecord], str]] = {
    "name": lambda server: server.name,
    "status": lambda server: server.status,
    "image": lambda server: server.image,
    "flavor": lambda server: server.flavor,
    "host": lambda server: server.host,
    "uuid": lambda server: server.id,
    "reservation_id": lambda server: server.reservation_id,
    "project_id": lambda server: server.project_id,
    "tenant_id": lambda server: server.project_id,
    "user_id": lambda server: server.user_id,
    "key_name": lambda server: server.key_name or "",
    "availability_zone": lambda server: server.zone,
}
_ADMINISTRATORS = ("host", "project_id", "tenant_id", "user_id", "availability_zone")


class ServerChange(Body):
    """What may be changed of a server."""

    name: Name | None = None
    description: str | None = None
    accessIPv4: str | None = None
    accessIPv6: str | None = None
    hostname: str | None = None
    diskConfig: str | None = Field(default=None, alias="OS-DCF:diskConfig")


class UpdateServer(Body):
    """The request."""

    server: ServerChange


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("servers", __name__, url_prefix="/compute/v2.1")
    ending = Ending(shelves)

    @api.post("/servers")
    def create() -> flask.Response:
        body, status = server_creation.create(shelves)
        answer = flask.jsonify(body)
        answer.status_code = status
        if location := flask.g.get("location"):
            answer.headers["Location"] = location
        return answer

    @api.get("/servers")
    def names() -> dict[str, Any]:
        found, links = _page(shelves, "servers")
        return {"servers": [server_view.brief(server) for server in found], **links}

    @api.get("/servers/detail")
    def details() -> dict[str, Any]:
        found, links = _page(shelves, "servers/detail")
        seen = addresses.of(shelves.reach.neutron, (server.id for server in found))
        shown = [server_view.whole(s, seen.get(s.id, addresses.NOTHING), with_groups=False) for s in found]
        return {"servers": shown, **links}

    @api.get("/servers/<server_id>")
    def show(server_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "servers:show", "reader")
        seen = addresses.of(shelves.reach.neutron, [server.id])
        return {"server": server_view.whole(server, seen.get(server.id, addresses.NOTHING))}

    @api.put("/servers/<server_id>")
    def update(server_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "servers:update")
        asked = asking.body(UpdateServer).server
        words = {
            "name": asked.name,
            "description": asked.description,
            "access_ipv4": asked.accessIPv4,
            "access_ipv6": asked.accessIPv6,
            "hostname": hostname(asked.hostname) if asked.hostname else None,
        }
        given = {name: value for name, value in words.items() if value is not None}
        changed = shelves.servers.change(server.id, lambda s: s.model_copy(update={**given, "updated": now()}))
        seen = addresses.of(shelves.reach.neutron, [server.id])
        return {"server": server_view.changed(changed or server, seen.get(server.id, addresses.NOTHING))}

    @api.delete("/servers/<server_id>")
    def delete(server_id: str) -> tuple[str, int]:
        server = find(shelves, server_id, "servers:delete")
        require_unlocked(server)
        ending.mark(server.id)
        shelves.endings.submit(ending.end, server.id)
        return "", 204

    @api.get("/servers/<server_id>/ips")
    def ips(server_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "ips:index", "reader")
        seen = addresses.of(shelves.reach.neutron, [server.id]).get(server.id, addresses.NOTHING)
        rows = {
            name: [{"version": row["version"], "addr": row["addr"]} for row in own]
            for name, own in seen.addresses.items()
        }
        return {"addresses": rows}

    @api.get("/servers/<server_id>/os-security-groups")
    def groups(server_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "os-security-groups", "reader")
        neutron = shelves.reach.neutron
        wanted = {group for port in neutron.ports_of(server.id) for group in port["security_groups"]}
        known = neutron.collection("/security-groups", "list the security groups of a server")
        return {"security_groups": [_group(group) for group in known if group["id"] in wanted]}

    return api


def _group(group: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": group["id"],
        "name": group["name"],
        "description": group["description"],
        "tenant_id": group["project_id"],
        "rules": [],
    }


def _page(shelves: Shelves, collection: str) -> tuple[list[ServerRecord], dict[str, Any]]:
    """Choose the servers that are asked for, the newest first, and the link to those after them."""
    asked = flask.request.args
    found = list(_filtered(_seen(shelves), asked))
    found.reverse()
    if (key := asked.get("sort_key")) in ("created_at", "display_name", "name", "uuid"):
        by = {"created_at": "created", "display_name": "name", "uuid": "id"}.get(key, key)
        found.sort(key=lambda server: str(getattr(server, by)), reverse=asked.get("sort_dir", "desc") == "desc")
    if marker := asked.get("marker"):
        ids = [server.id for server in found]
        if marker not in ids:
            raise bad(f"marker [{marker}] not found")
        found = found[ids.index(marker) + 1 :]
    limit = min(asking.whole("limit", _MOST), _MOST)
    page = found[:limit]
    if len(found) > limit and page:
        href = f"{asking.root()}/{collection}?limit={limit}&marker={page[-1].id}"
        return page, {"servers_links": [{"rel": "next", "href": href}]}
    return page, {}


def _seen(shelves: Shelves) -> list[ServerRecord]:
    asker = asking.requester()
    everybodys = asker.is_admin and (asking.flag("all_tenants") or asking.flag("all_projects"))
    return [s for s in shelves.servers.all() if everybodys or s.project_id == asker.project_id]


def _filtered(servers: Iterable[ServerRecord], asked: Any) -> Iterable[ServerRecord]:
    for name, read in _FILTERS.items():
        word = asked.get(name)
        if word is None or (name in _ADMINISTRATORS and not asking.requester().is_admin):
            continue
        if name == "status":
            servers = [server for server in servers if server.status == word.upper()]
        elif name == "name":
            servers = [server for server in servers if word.strip("^$") in server.name]
        else:
            servers = [server for server in servers if read(server) == word.rpartition("/")[2]]
    if ip := asked.get("ip") or asked.get("ip6"):
        raise bad(f"Invalid input for query parameters ip. Value: {ip}. FakeVM does not filter by addresses")
    return servers
