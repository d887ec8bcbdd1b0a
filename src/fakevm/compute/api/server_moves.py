"""The actions by which a server goes to another host, or is to: migrate, evacuate, resize."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import Field

from fakevm.compute.model.flavor import FLAVORS
from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body
from fakevm.compute.web.faults import bad, conflict
from fakevm.compute.work import moving
from fakevm.compute.work.acting import Work

from . import services


class LiveMigration(Body):
    """Where to; the rest is for disks, which a guest has none of."""

    host: str | None = None
    block_migration: bool | str | None = None
    disk_over_commit: bool | str | None = None
    force: bool | None = None


class ColdMigration(Body):
    """Where to."""

    host: str | None = None


class Evacuation(Body):
    """Where to; the rest is for disks and passwords, which a guest has none of."""

    host: str | None = None
    adminPass: str | None = None
    onSharedStorage: bool | str | None = None
    force: bool | str | None = None


class Resize(Body):
    """To which flavor."""

    flavorRef: str | int
    diskConfig: str | None = Field(default=None, alias="OS-DCF:diskConfig")


class Begin(Protocol):
    """Begins an action, if the server may have it. Raises Fault."""

    def __call__(
        self, server: ServerRecord, named: str, states: tuple[str, ...], task: str, work: Work, *, fatal: bool = False
    ) -> None:
        """Do it: ``states`` are those in which it may be begun, ``task`` is shown meanwhile."""


def actions(shelves: Shelves, begin: Begin) -> Mapping[str, Callable[[ServerRecord, Any], Any]]:
    """Give them by their words."""

    def migrate_live(server: ServerRecord, told: Any) -> tuple[str, int]:
        asking.require("os-migrate-server:migrate_live", "admin")
        host = _host(shelves, asking.read(LiveMigration, told).host)
        if host == server.host:
            raise bad(f"Unable to migrate instance ({server.id}) to current host ({host}).")
        # Unlike Nova's: a guest that sleeps, or is stopped, does not move.
        begin(server, "live-migration", ("active",), "migrating", moving.live(shelves, host, _asker()))
        return "", 202

    def migrate(server: ServerRecord, told: Any) -> tuple[str, int]:
        asking.require("os-migrate-server:migrate", "admin")
        host = _host(shelves, asking.read(ColdMigration, told).host)
        begin(server, "migrate", ("active",), "resize_prep", moving.cold(shelves, host, "", _asker()))
        return "", 202

    def evacuate(server: ServerRecord, told: Any) -> Any:
        asking.require("os-evacuate", "admin")
        asked = asking.read(Evacuation, told)
        host = _host(shelves, asked.host)
        if not server.host:
            raise conflict(f"Instance {server.id} is not ready")
        if host == server.host:
            raise bad("The target host can't be the same one.")
        if server.host in services.up(shelves):
            raise bad(f"Compute service of {server.host} is still in use.")
        stopped = server.vm_state == "stopped" or asking.since(95)
        work = moving.evacuate(shelves, server.host, host, _asker(), stopped=stopped)
        begin(server, "evacuate", ("active", "stopped", "error"), "rebuilding", work, fatal=True)
        return ("", 200) if asking.since(14) else {"adminPass": asked.adminPass or "none"}

    def resize(server: ServerRecord, told: Any) -> tuple[str, int]:
        flavor = str(asking.read(Resize, told).flavorRef).rpartition("/")[2]
        if flavor not in FLAVORS:
            raise bad(f"Flavor {flavor} could not be found.")
        if flavor == server.flavor:
            raise bad("When resizing, instances must change flavor!")
        begin(server, "resize", ("active", "stopped"), "resize_prep", moving.cold(shelves, "", flavor, _asker()))
        return "", 202

    return {"os-migrateLive": migrate_live, "migrate": migrate, "evacuate": evacuate, "resize": resize}


def _host(shelves: Shelves, named: str | None) -> str:
    if named and named not in shelves.reach.compute_hosts():
        raise bad(f"Compute host {named} could not be found.")
    return named or ""


def _asker() -> tuple[str, str]:
    asker = asking.requester()
    return asker.user_id, asker.project_id
