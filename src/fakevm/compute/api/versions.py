"""Which versions there are: what clients look for first, without a token."""

from __future__ import annotations

from typing import Any

import flask

from fakevm.compute.shelves import Shelves
from fakevm.compute.web.microversion import FIRST, NEWEST


def make(_shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("versions", __name__)

    @api.get("/")
    @api.get("/compute/")
    def all_versions() -> tuple[dict[str, Any], int]:
        return {"versions": [_version()]}, 200

    @api.get("/compute/v2.1/")
    def one_version() -> dict[str, Any]:
        kinds = [{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]
        return {"version": {**_version(), "media-types": kinds}}

    @api.get("/image/")
    def image_versions() -> tuple[dict[str, Any], int]:
        href = f"{flask.request.url_root}image/v2/"
        shown = {"id": "v2.9", "status": "CURRENT", "links": [{"rel": "self", "href": href}]}
        return {"versions": [shown]}, 300

    return api


def _version() -> dict[str, Any]:
    href = f"{flask.request.url_root}compute/v2.1/"
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(NEWEST),
        "min_version": str(FIRST),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": href}],
    }
