"""What a lab's compute API offers, if the lab has one: Tempest's scenarios make servers there."""

from __future__ import annotations

import http.client
import json
from typing import Any

from fakevm.control import credentials
from fakevm.control.transport import fetch
from fakevm.errors import InvalidInput, LabFailed
from fakevm.model.lab import LabRecord

from .configuration import Server

_PATIENCE = 30.0
# The property by which the Image API says who may log in, and who that is where nothing is said.
_USER, _DEFAULT_USER = "os_admin_user", "cloud"


def refuse_without(record: LabRecord) -> None:
    """Raise InvalidInput when a lab has no compute API."""
    if "compute" not in _endpoints(record):
        raise InvalidInput(
            f"lab {record.name!r} has no compute API, by which Tempest's scenarios make servers",
            hint="In its lab file, beside auth: keystone: compute_api: true",
        )


def of(record: LabRecord) -> Server | None:
    """Ask what there is; None when the lab has no compute API. Raises LabFailed."""
    endpoints = _endpoints(record)
    if "compute" not in endpoints or "image" not in endpoints:
        return None
    images = _asked(record, f"{endpoints['image'].removesuffix('/v2')}/v2/images", "images")
    flavors = [flavor["id"] for flavor in _asked(record, f"{endpoints['compute']}/flavors", "flavors")]
    if not images or not flavors:
        raise LabFailed(f"the compute API of lab {record.name!r} has no image, or no flavor, to make servers from")
    first = images[0]
    hosts = sum("compute" in host.roles for host in record.hosts)
    return Server(first["id"], first.get(_USER, _DEFAULT_USER), (flavors[0], flavors[-1]), hosts)


def _endpoints(record: LabRecord) -> dict[str, str]:
    """Give the endpoints of the catalogue, by their types."""
    file = record.directory / credentials.KNOWN
    try:
        return {
            service["type"]: service["url"].rstrip("/") for service in json.loads(file.read_text())["services"].values()
        }
    except (OSError, ValueError, KeyError) as exc:
        raise LabFailed(f"cannot read the catalogue of lab {record.name!r} in {file}: {exc}") from exc


def _asked(record: LabRecord, url: str, kind: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(fetch(url, credentials.headers(record), timeout=_PATIENCE))[kind]
    except (OSError, http.client.HTTPException, ValueError, KeyError) as exc:
        raise LabFailed(f"the compute API of lab {record.name!r} did not list its {kind} at {url}: {exc}") from exc
    return found
