"""The compute API's answers are as Nova's: tempest's own schemas say so, in each microversion."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tempest.lib.common.api_version_request import APIVersionRequest
from tempest.lib.common.rest_client import FORMAT_CHECKER, JSONSCHEMA_VALIDATOR
from werkzeug.test import TestResponse

from fakevm.compute.api import BLUEPRINTS
from fakevm.compute.model.action import Action
from fakevm.compute.model.migration import MigrationRecord
from fakevm.compute.model.server import ServerFault, now
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import application

from .test_compute_api import COMPUTE, KEY, PORT, PROJECT, USER, Client, Later, Reach, asked, server

# Those that something begins or ends with; the others are slow.
BORDERS = (1, 3, 10, 19, 28, 37, 47, 53, 57, 64, 71, 75, 96)
MINORS = [pytest.param(n, marks=[] if n in BORDERS else pytest.mark.slow) for n in range(1, 97)]
REQUEST = "req-55555555-8888-4777-8666-555555555556"
OTHER = "99999999-8888-4777-8666-555555555556"


class Judge:
    """Asks in one microversion, and has tempest judge the answers."""

    def __init__(self, client: Client, minor: int) -> None:
        self._client = client
        self._version = f"2.{minor}"
        self.wrong: list[str] = []

    def __call__(self, kind: str, schema: str, method: str, path: str, body: Any = None) -> Any:
        """Ask; ``kind`` is one of tempest's clients, ``schema`` what it judges an answer by, if it has that."""
        answer = self._client(method, COMPUTE + path, body, self._version)
        wanted = getattr(self._module(kind), schema, None)
        if wanted:
            self._judge(f"{method} {path}", wanted, answer)
        return answer.get_json(silent=True)

    def _module(self, kind: str) -> Any:
        module, _, name = kind.partition(":")
        known = getattr(importlib.import_module(f"tempest.lib.services.compute.{module}"), name).schema_versions_info
        asked_for = APIVersionRequest(self._version)
        for row in known:
            last = row["max"] if row["max"] not in (None, "latest") else "99.99"
            if APIVersionRequest(row["min"] or "2.1") <= asked_for <= APIVersionRequest(last):
                return row["schema"]
        raise AssertionError(f"tempest has no schema for {kind} in {self._version}")

    def _judge(self, what: str, wanted: dict[str, Any], answer: TestResponse) -> None:
        if answer.status_code not in wanted["status_code"]:
            self.wrong.append(f"{what}: {answer.status_code}: {answer.get_data(as_text=True)[:300]}")
        elif "response_body" in wanted:
            try:
                jsonschema.validate(
                    answer.get_json(),
                    wanted["response_body"],
                    cls=JSONSCHEMA_VALIDATOR,
                    format_checker=FORMAT_CHECKER,
                )
            except jsonschema.ValidationError as problem:
                self.wrong.append(f"{what}: {list(problem.absolute_path)}: {problem.message[:300]}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("minor", MINORS)
def test_answers_are_as_novas(tmp_path: Path, minor: int) -> None:
    shelves = Shelves(Reach(tmp_path), tmp_path / "state.sqlite")  # type: ignore[arg-type]
    shelves.pool = shelves.endings = Later()  # type: ignore[assignment]
    client = application.make(make(shelves) for make in BLUEPRINTS).test_client()
    ask = Judge(Client(client, "admin,member,reader", PROJECT), minor)
    _servers(shelves, ask)
    _things_of_servers(shelves, ask)
    _keypairs_and_flavors(ask)
    _hosts(ask, minor)
    _groups(ask, minor)
    assert ask.wrong == []


def _servers(shelves: Shelves, ask: Judge) -> None:
    kind = "servers_client:ServersClient"
    fault = ServerFault(code=500, message="no host", details="none", created=now())
    for known in (server(shelves), server(shelves, id=OTHER, vm_state="error", fault=fault)):
        ask(kind, "get_server", "GET", f"/servers/{known.id}")
    ask(kind, "create_server_with_admin_pass", "POST", "/servers", asked(shelves))
    ask(kind, "list_servers", "GET", "/servers")
    ask(kind, "list_servers_detail", "GET", "/servers/detail")
    ask(kind, "update_server", "PUT", f"/servers/{OTHER}", {"server": {"name": "another"}})
    ask(kind, "list_addresses", "GET", f"/servers/{OTHER}/ips")
    rebuilt = {"rebuild": {"imageRef": known.image}}
    ask(kind, "rebuild_server_with_admin_pass", "POST", f"/servers/{OTHER}/action", rebuilt)


def _things_of_servers(shelves: Shelves, ask: Judge) -> None:
    kind, known = "servers_client:ServersClient", server(shelves)
    done = {"user_id": USER, "project_id": PROJECT}
    action = Action(
        request_id=REQUEST, server=known.id, action="stop", began=now(), ended=now(), result="Success", **done
    )
    shelves.actions.put(action.id, action)
    ask(kind, "list_instance_actions", "GET", f"/servers/{known.id}/os-instance-actions")
    ask(kind, "show_instance_action", "GET", f"/servers/{known.id}/os-instance-actions/{REQUEST}")
    ask(kind, "list_tags", "GET", f"/servers/{known.id}/tags")
    where = {"source": "compute1", "destination": "compute2", "created": now(), "updated": now()}
    moved = MigrationRecord(id=1, uuid=OTHER, server=known.id, type="migration", status="done", **where, **done)
    shelves.migrations.put(moved.uuid, moved)
    ask("migrations_client:MigrationsClient", "list_migrations", "GET", "/os-migrations")
    interfaces = "interfaces_client:InterfacesClient"
    ask(interfaces, "list_interfaces", "GET", f"/servers/{known.id}/os-interface")
    ask(interfaces, "get_create_interfaces", "GET", f"/servers/{known.id}/os-interface/{PORT}")
    ask(kind, "delete_server", "DELETE", f"/servers/{known.id}")


def _keypairs_and_flavors(ask: Judge) -> None:
    kind = "keypairs_client:KeyPairsClient"
    ask(kind, "create_keypair", "POST", "/os-keypairs", {"keypair": {"name": "own", "public_key": KEY}})
    ask(kind, "list_keypairs", "GET", "/os-keypairs")
    ask(kind, "get_keypair", "GET", "/os-keypairs/own")
    ask(kind, "delete_keypair", "DELETE", "/os-keypairs/own")
    kind = "flavors_client:FlavorsClient"
    ask(kind, "list_flavors", "GET", "/flavors")
    ask(kind, "list_flavors_details", "GET", "/flavors/detail")
    for schema in ("create_get_flavor_details", "create_update_get_flavor_details"):
        ask(kind, schema, "GET", "/flavors/42")
    ask("limits_client:LimitsClient", "get_limit", "GET", "/limits")


def _hosts(ask: Judge, minor: int) -> None:
    kind = "hypervisor_client:HypervisorClient"
    hosts = ask(kind, "list_search_hypervisors", "GET", "/os-hypervisors")["hypervisors"]
    # Since 2.88 there is `uptime`, of which tempest 47.0.0 does not know.
    if minor < 88:
        ask(kind, "list_hypervisors_detail", "GET", "/os-hypervisors/detail")
        ask(kind, "get_hypervisor", "GET", f"/os-hypervisors/{hosts[0]['id']}")
        ask(kind, "get_hypervisor_statistics", "GET", "/os-hypervisors/statistics")
    kind = "services_client:ServicesClient"
    service = ask(kind, "list_services", "GET", "/os-services")["services"][0]
    named = {"host": service["host"], "binary": "nova-compute"}
    if minor >= 53:
        ask(kind, "update_service", "PUT", f"/os-services/{service['id']}", {"status": "disabled"})
    else:
        ask(kind, "enable_disable_service", "PUT", "/os-services/enable", named)
        ask(kind, "disable_log_reason", "PUT", "/os-services/disable-log-reason", {**named, "disabled_reason": "why"})


def _groups(ask: Judge, minor: int) -> None:
    kind = "server_groups_client:ServerGroupsClient"
    policy = {"policy": "affinity"} if minor >= 64 else {"policies": ["affinity"]}
    body = {"server_group": {"name": "group", **policy}}
    made = ask(kind, "create_show_server_group", "POST", "/os-server-groups", body)["server_group"]
    ask(kind, "list_server_groups", "GET", "/os-server-groups")
    ask(kind, "delete_server_group", "DELETE", f"/os-server-groups/{made['id']}")
