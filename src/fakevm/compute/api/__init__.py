"""The resources of the API, a module each: which requests there are, what they answer."""

from __future__ import annotations

from collections.abc import Callable

import flask

from fakevm.compute.shelves import Shelves

from . import (
    flavors,
    groups,
    hypervisors,
    images,
    interfaces,
    keypairs,
    limits,
    migrations,
    server_actions,
    server_metadata,
    servers,
    services,
    versions,
)

#: each makes the requests of one resource, for what the service keeps
BLUEPRINTS: tuple[Callable[[Shelves], flask.Blueprint], ...] = (
    versions.make,
    servers.make,
    flavors.make,
    images.make,
    keypairs.make,
    server_actions.make,
    server_metadata.make,
    interfaces.make,
    hypervisors.make,
    services.make,
    limits.make,
    migrations.make,
    groups.make,
)
