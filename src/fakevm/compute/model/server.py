"""A server as the API knows it: a guest of the lab, and what Nova would know of it beside."""

from __future__ import annotations

import datetime
from typing import Literal

from fakevm.model.value import Value

VmState = Literal["building", "active", "stopped", "paused", "suspended", "resized", "error"]
#: Nova's numbers (nova.objects.fields.InstancePowerState)
POWER = {"active": 1, "resized": 1, "paused": 3, "stopped": 4, "suspended": 4}
# nova.api.openstack.common._STATE_MAP: of a state, what a task makes of its word.
_RESIZES = dict.fromkeys(("resize_prep", "resize_migrating", "resize_migrated", "resize_finish"), "RESIZE")
_STATUSES: dict[str, tuple[str, dict[str, str]]] = {
    "building": ("BUILD", {}),
    "active": (
        "ACTIVE",
        {
            "rebooting": "REBOOT",
            "rebooting_hard": "HARD_REBOOT",
            "rebuilding": "REBUILD",
            "migrating": "MIGRATING",
            **_RESIZES,
        },
    ),
    "stopped": ("SHUTOFF", {"rebuilding": "REBUILD", **_RESIZES}),
    "paused": ("PAUSED", {"migrating": "MIGRATING"}),
    "suspended": ("SUSPENDED", {}),
    "resized": ("VERIFY_RESIZE", {"resize_reverting": "REVERT_RESIZE"}),
    "error": ("ERROR", {"rebuilding": "REBUILD"}),
}


def now() -> str:
    """Give the time as the API writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ServerFault(Value):
    """Why a server is in ERROR; ``details`` are for administrators."""

    code: int
    message: str
    details: str = ""
    created: str


class ServerRecord(Value):
    """A server.

    ``kept_ports`` are those that its user made: they outlive it. ``old_flavor``, ``old_host`` and ``old_state`` are
    those before a resize that is not confirmed. ``locked`` is why, None: it is not. ``floating`` is the floating IP
    that its metadata tells.
    """

    id: str
    name: str
    project_id: str
    user_id: str
    image: str
    flavor: str
    created: str
    updated: str
    hostname: str
    host: str = ""
    zone: str = ""
    vm_state: VmState = "building"
    task_state: str | None = "scheduling"
    launched_at: str | None = None
    fault: ServerFault | None = None
    key_name: str | None = None
    public_key: str = ""
    user_data: str | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    description: str | None = None
    security_groups: tuple[str, ...] = ()
    config_drive: bool = False
    locked: str | None = None
    access_ipv4: str = ""
    floating: str = ""
    access_ipv6: str = ""
    reservation_id: str = ""
    launch_index: int = 0
    group: str = ""
    kept_ports: tuple[str, ...] = ()
    port_tags: dict[str, str] = {}
    old_flavor: str = ""
    old_host: str = ""
    old_state: VmState = "active"

    @property
    def status(self) -> str:
        """Its state in one word."""
        word, by_task = _STATUSES[self.vm_state]
        return by_task.get(self.task_state or "", word)

    @property
    def power_state(self) -> int:
        """Its power state, in Nova's numbers."""
        return POWER.get(self.vm_state, 0)
