"""How one shows a lab's Neutron that one may ask: FakeVM itself, the SDK, the ``openstack`` client in a shell.

All of it is made here, so that nobody else knows which ways there are (``auth`` in the lab file, ADR 0057).
"""

from __future__ import annotations

from typing import Any

from fakevm.model.lab import LabRecord


def headers(lab: LabRecord) -> dict[str, str]:
    """Give the headers of a request to a lab's Neutron."""
    return {"X-Auth-Token": lab.token} if lab.auth == "token" else {}


def settings(lab: LabRecord) -> dict[str, Any]:
    """Give the settings of a lab's Neutron as ``openstack.connect`` takes them."""
    if lab.auth == "token":
        return {"auth_type": "admin_token", "endpoint": lab.endpoint, "token": lab.token}
    return {"auth_type": "none", "endpoint": lab.endpoint}


def variables(lab: LabRecord) -> dict[str, str]:
    """Give the variables with which the ``openstack`` client, and whatever reads OS_*, asks a lab's Neutron."""
    return {f"OS_{name.upper()}": value for name, value in settings(lab).items()}
