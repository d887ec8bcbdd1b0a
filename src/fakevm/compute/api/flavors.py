"""``/flavors``."""

from __future__ import annotations

from typing import Any

import flask

from fakevm.compute.model.flavor import FLAVORS, Flavor
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.faults import not_found


def make(_shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("flavors", __name__, url_prefix="/compute/v2.1")

    @api.get("/flavors")
    def names() -> dict[str, Any]:
        return {"flavors": [_brief(flavor) for flavor in _page()]}

    @api.get("/flavors/detail")
    def details() -> dict[str, Any]:
        return {"flavors": [_whole(flavor) for flavor in _page()]}

    @api.get("/flavors/<flavor_id>")
    def show(flavor_id: str) -> dict[str, Any]:
        return {"flavor": _whole(find(flavor_id))}

    @api.get("/flavors/<flavor_id>/os-extra_specs")
    def extra_specs(flavor_id: str) -> dict[str, Any]:
        find(flavor_id)
        return {"extra_specs": {}}

    return api


def find(flavor_id: str) -> Flavor:
    """Find a flavor. Raises Fault."""
    found = FLAVORS.get(flavor_id)
    if found is None:
        raise not_found(f"Flavor {flavor_id} could not be found.")
    return found


def embedded(flavor: Flavor) -> dict[str, Any]:
    """Give it as a server shows it, since 2.47."""
    return {
        "original_name": flavor.name,
        "ram": flavor.ram,
        "vcpus": flavor.vcpus,
        "disk": flavor.disk,
        "ephemeral": 0,
        "swap": 0,
        "extra_specs": {},
    }


def _page() -> list[Flavor]:
    found = list(FLAVORS.values())
    if marker := flask.request.args.get("marker"):
        found = found[found.index(find(marker)) + 1 :]
    limit = asking.whole("limit", len(found))
    return found[:limit]


def _brief(flavor: Flavor) -> dict[str, Any]:
    described = {"description": None} if asking.since(55) else {}
    return {"id": flavor.id, "name": flavor.name, "links": asking.links("flavors", flavor.id), **described}


def _whole(flavor: Flavor) -> dict[str, Any]:
    specs: dict[str, Any] = {"extra_specs": {}} if asking.since(61) else {}
    return {
        **_brief(flavor),
        "ram": flavor.ram,
        "vcpus": flavor.vcpus,
        "disk": flavor.disk,
        "swap": 0 if asking.since(75) else "",
        "rxtx_factor": 1.0,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": True,
        **specs,
    }
