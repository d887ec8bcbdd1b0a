"""How one shows a lab's Neutron that one may ask: FakeVM itself, the SDK, the ``openstack`` client in a shell.

All of it is made here, so that nobody else knows which ways there are (``auth`` in the lab file, ADR 0057, 0060).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakevm.errors import InvalidInput, LabFailed, NotFound
from fakevm.model.lab import LabRecord

#: who is meant where a lab has users and none is named
ADMIN = "admin"
#: in a lab's folder, of its Keystone: who is known to it, what says so to OpenStack's clients, FakeVM's own token
KNOWN, CLOUDS, TOKEN = "keystone/known.json", "keystone/clouds.yaml", "keystone/token"


def headers(lab: LabRecord) -> dict[str, str]:
    """Give the headers of a request to a lab's Neutron."""
    token = _token(lab)
    return {"X-Auth-Token": token} if token else {}


def settings(lab: LabRecord, user: str = "") -> dict[str, Any]:
    """Give the settings of a lab's Neutron as ``openstack.connect`` takes them.

    ``user`` is one of those that the lab's Keystone knows, the administrator by default.
    Raises InvalidInput: the lab has no users; NotFound: not this one.
    """
    if lab.auth == "keystone":
        return of_user(lab.identity, user or ADMIN, _user(lab, user or ADMIN))
    if user:
        raise InvalidInput(
            f"lab {lab.name!r} has no users: it has no Keystone (auth: {lab.auth})",
            hint="Leave --user out; or, in a lab file: auth: keystone",
        )
    if lab.auth == "token":
        return {"auth_type": "admin_token", "endpoint": lab.endpoint, "token": lab.token}
    return {"auth_type": "none", "endpoint": lab.endpoint}


def variables(lab: LabRecord, user: str = "") -> dict[str, str]:
    """Give the variables with which the ``openstack`` client, and whatever reads OS_*, asks a lab's Neutron.

    Raises as ``settings``.
    """
    found = {f"OS_{name.upper()}": value for name, value in settings(lab, user).items()}
    if lab.auth == "keystone":
        found["OS_CLIENT_CONFIG_FILE"] = str(lab.directory / CLOUDS)
    return found


def of_user(url: str, name: str, user: Mapping[str, Any]) -> dict[str, str]:
    """Give the settings of a user of Keystone's, in the user's project."""
    return {
        "auth_type": "password",
        "auth_url": url,
        "identity_api_version": "3",
        "username": name,
        "password": user["password"],
        "user_domain_id": "default",
        "project_name": user["project"],
        "project_domain_id": "default",
        "region_name": user["region"],
    }


def _token(lab: LabRecord) -> str:
    if lab.auth != "keystone":
        return lab.token if lab.auth == "token" else ""
    try:
        return (lab.directory / TOKEN).read_text()
    except OSError:
        # Keystone has not come up yet.
        return ""


def _user(lab: LabRecord, name: str) -> Mapping[str, Any]:
    file: Path = lab.directory / KNOWN
    try:
        users: dict[str, dict[str, Any]] = json.loads(file.read_text())["users"]
    except (OSError, ValueError, KeyError) as exc:
        raise LabFailed(f"cannot read who is known to the Keystone of lab {lab.name!r}: {exc}") from exc
    if name not in users:
        raise NotFound(
            f"the Keystone of lab {lab.name!r} was given no user {name!r}", hint=f"There are: {', '.join(users)}."
        )
    return users[name]
