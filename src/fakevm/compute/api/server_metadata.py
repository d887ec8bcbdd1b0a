"""``/servers/ID/metadata`` and ``/servers/ID/tags``: words that users give servers."""

from __future__ import annotations

from typing import Any

import flask

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body
from fakevm.compute.web.faults import not_found

from .finding import find


class Metadata(Body):
    """All of it."""

    metadata: dict[str, str]


class Meta(Body):
    """One of it."""

    meta: dict[str, str]


class Tags(Body):
    """All of them."""

    tags: tuple[str, ...]


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("server_metadata", __name__, url_prefix="/compute/v2.1/servers/<server_id>")

    def change(server: ServerRecord, **changes: Any) -> None:
        shelves.servers.change(server.id, lambda known: known.model_copy(update=changes))

    @api.get("/metadata")
    def all_of_it(server_id: str) -> dict[str, Any]:
        return {"metadata": find(shelves, server_id, "server-metadata:index", "reader").metadata}

    @api.route("/metadata", methods=["POST", "PUT"])
    def update(server_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "server-metadata:update_all")
        given = asking.body(Metadata).metadata
        found = {**server.metadata, **given} if flask.request.method == "POST" else given
        change(server, metadata=found)
        return {"metadata": found}

    @api.get("/metadata/<key>")
    def one(server_id: str, key: str) -> dict[str, Any]:
        server = find(shelves, server_id, "server-metadata:show", "reader")
        if key not in server.metadata:
            raise not_found("Metadata item was not found")
        return {"meta": {key: server.metadata[key]}}

    @api.put("/metadata/<key>")
    def put(server_id: str, key: str) -> dict[str, Any]:
        server = find(shelves, server_id, "server-metadata:update")
        given = asking.body(Meta).meta
        change(server, metadata={**server.metadata, key: given.get(key, "")})
        return {"meta": given}

    @api.delete("/metadata/<key>")
    def remove(server_id: str, key: str) -> tuple[str, int]:
        server = find(shelves, server_id, "server-metadata:delete")
        if key not in server.metadata:
            raise not_found("Metadata item was not found")
        change(server, metadata={name: value for name, value in server.metadata.items() if name != key})
        return "", 204

    @api.get("/tags")
    def tags(server_id: str) -> dict[str, Any]:
        return {"tags": list(find(shelves, server_id, "os-server-tags:index", "reader").tags)}

    @api.put("/tags")
    def replace_tags(server_id: str) -> dict[str, Any]:
        server = find(shelves, server_id, "os-server-tags:update_all")
        given = tuple(dict.fromkeys(asking.body(Tags).tags))
        change(server, tags=given)
        return {"tags": list(given)}

    @api.delete("/tags")
    def no_tags(server_id: str) -> tuple[str, int]:
        change(find(shelves, server_id, "os-server-tags:delete_all"), tags=())
        return "", 204

    @api.get("/os-volume_attachments")
    def volumes(server_id: str) -> dict[str, Any]:
        find(shelves, server_id, "os-volumes-attachments:index", "reader")
        return {"volumeAttachments": []}

    return api
