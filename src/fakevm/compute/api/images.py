"""The Image API, to be read only: clients find there which image a server may have."""

from __future__ import annotations

from typing import Any

import flask

from fakevm.compute.model.image import Image
from fakevm.compute.shelves import Shelves
from fakevm.compute.web.faults import Fault, not_found

# An image is as old as FakeVM for all that clients care.
_SINCE = "2026-01-01T00:00:00Z"


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("images", __name__, url_prefix="/image/v2")

    @api.get("/images")
    def listed() -> dict[str, Any]:
        asked = flask.request.args
        found = [_shown(image) for image in shelves.reach.images().values()]
        for key in ("name", "id", "status", "visibility"):
            if asked.get(key):
                found = [image for image in found if image[key] in (asked[key], asked[key].removeprefix("in:"))]
        if marker := asked.get("marker"):
            ids = [image["id"] for image in found]
            found = found[ids.index(marker) + 1 :] if marker in ids else []
        return {"images": found, "schema": "/v2/schemas/images", "first": "/v2/images"}

    @api.get("/images/<image_id>")
    def show(image_id: str) -> dict[str, Any]:
        found = shelves.reach.images().get(image_id)
        if found is None:
            raise not_found(f"Failed to find image {image_id}")
        return _shown(found)

    @api.route("/images", methods=["POST"])
    @api.route("/images/<image_id>", methods=["PUT", "PATCH", "DELETE"])
    def refused(image_id: str = "") -> dict[str, Any]:
        raise Fault(403, "The images of a lab are those of its file: this API can only be read.")

    @api.get("/schemas/image")
    @api.get("/schemas/images")
    def schema() -> dict[str, Any]:
        return {"name": "image", "properties": {}, "links": []}

    return api


def _shown(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "name": image.name,
        "status": "active",
        "visibility": "public",
        "protected": True,
        "os_hidden": False,
        "container_format": "bare",
        "disk_format": "raw",
        "min_disk": 0,
        "min_ram": 0,
        "size": 1,
        "virtual_size": None,
        "checksum": None,
        "os_hash_algo": None,
        "os_hash_value": None,
        "owner": None,
        "tags": [],
        "created_at": _SINCE,
        "updated_at": _SINCE,
        "os_admin_user": image.user,
        "file": f"/v2/images/{image.id}/file",
        "self": f"/v2/images/{image.id}",
        "schema": "/v2/schemas/image",
    }
