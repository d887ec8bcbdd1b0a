"""Who is known to a lab's Keystone: domains and roles as Keystone makes them itself, projects, users, the catalogue."""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from keystone import exception
from keystone.cmd.bootstrap import Bootstrapper
from keystone.common import driver_hints, provider_api

_APIS = provider_api.ProviderAPIs
_INTERFACES = ("public", "internal", "admin")
# Longer than labs live: Keystone's own limit is for what users ask for.
_LIFE = datetime.timedelta(days=3650)


class Identities:
    """All of it is made where it is not there: who was killed meanwhile begins again."""

    def __init__(self) -> None:
        # It loads all that Keystone keeps its data with, which the server goes on with.
        self._bootstrapper = Bootstrapper()
        self._users: dict[str, tuple[str, str]] = {}
        self.projects: dict[str, str] = {}
        """Their ids by their names."""

    def make(self, told: Mapping[str, Any]) -> None:
        """Make it: ``region``, ``url``, ``admin`` (a name), ``users``, ``services``."""
        self._bootstrap(told)
        for user, known in told["users"].items():
            # The administrator's role, too: nothing is done twice.
            self._user(user, known["password"], known["project"], known["roles"])
        for name, service in told["services"].items():
            self._service(name, service["type"], service["url"], told["region"])

    def token(self, user: str) -> str:
        """Give a token of a user's, in the user's project."""
        user_id, project_id = self._users[user]
        until = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + _LIFE
        issued = _APIS.token_provider_api.issue_token(user_id, ["password"], expires_at=until, project_id=project_id)
        return str(issued.id)

    def _bootstrap(self, told: Mapping[str, Any]) -> None:
        """Do what ``keystone-manage bootstrap`` does."""
        made, admin = self._bootstrapper, told["users"][told["admin"]]
        made.admin_username, made.admin_password = told["admin"], admin["password"]
        made.project_name = admin["project"]
        made.admin_role_name = "admin"
        made.service_name, made.region_id = "keystone", told["region"]
        made.public_url = made.internal_url = made.admin_url = told["url"]
        made.immutable_roles = True
        made.bootstrap()
        self.projects[admin["project"]] = made.project_id

    def _user(self, name: str, password: str, project: str, roles: Iterable[str]) -> None:
        domain = self._bootstrapper.default_domain_id
        project_id = self._project(project, domain)
        try:
            user = _APIS.identity_api.create_user(
                {
                    "name": name,
                    "password": password,
                    "domain_id": domain,
                    "enabled": True,
                    "default_project_id": project_id,
                }
            )
        except exception.Conflict:
            user = _APIS.identity_api.get_user_by_name(name, domain)
        for role in roles:
            with contextlib.suppress(exception.Conflict):
                _APIS.assignment_api.add_role_to_user_and_project(
                    user_id=user["id"], project_id=project_id, role_id=_role(role)
                )
        self._users[name] = user["id"], project_id

    def _project(self, name: str, domain: str) -> str:
        if name not in self.projects:
            new = uuid.uuid4().hex
            try:
                project = _APIS.resource_api.create_project(
                    new, {"id": new, "name": name, "domain_id": domain, "enabled": True, "description": ""}
                )
            except exception.Conflict:
                project = _APIS.resource_api.get_project_by_name(name, domain)
            self.projects[name] = project["id"]
        return self.projects[name]

    @staticmethod
    def _service(name: str, kind: str, url: str, region: str) -> None:
        hints = driver_hints.Hints()
        hints.add_filter("type", kind)
        found = _APIS.catalog_api.list_services(hints)
        new = {"id": uuid.uuid4().hex, "name": name, "type": kind, "enabled": True}
        service = found[0] if found else _APIS.catalog_api.create_service(new["id"], new)
        own = driver_hints.Hints()
        own.add_filter("service_id", service["id"])
        there = {endpoint["interface"] for endpoint in _APIS.catalog_api.list_endpoints(own)}
        for interface in _INTERFACES:
            if interface not in there:
                id_ = uuid.uuid4().hex
                endpoint = {
                    "id": id_,
                    "interface": interface,
                    "url": url,
                    "service_id": service["id"],
                    "region_id": region,
                    "enabled": True,
                }
                _APIS.catalog_api.create_endpoint(id_, endpoint)


def _role(name: str) -> str:
    hints = driver_hints.Hints()
    hints.add_filter("name", name)
    return str(_APIS.role_api.list_roles(hints)[0]["id"])
