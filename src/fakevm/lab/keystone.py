"""The lab's Keystone: its configuration, who is known to it, its program (ADR 0060)."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakevm.control import credentials
from fakevm.model.labfile.auth import DEFAULT_PROJECT
from fakevm.model.plan import IdentityPlan, LabPlan
from fakevm.model.program import Program

from . import database, files, readiness
from .doors import Doors
from .part import Part, Run

NAME = "keystone"
HOME = f"/run/fakevm/{NAME}"
REGION = "RegionOne"
#: whom Neutron's server asks as, and FakeVM: in Nova's place, so with its roles
SERVER, OURS = "neutron", "fakevm"
#: in a lab's folder: with which ids its projects were made
PROJECTS = f"{NAME}/projects.json"
#: users, each with a project and roles in it; what a role implies is Keystone's
USERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    credentials.ADMIN: (DEFAULT_PROJECT, ("admin",)),
    SERVER: ("service", ("service",)),
    OURS: ("service", ("admin", "service")),
    "demo": ("demo", ("member",)),
    "demo_manager": ("demo", ("manager",)),
    "demo_reader": ("demo", ("reader",)),
    "alt_demo": ("alt_demo", ("member",)),
}
_MODULES = Path(__file__).parent.parent / "in_neutron"
_DOOR = 6


def projects() -> list[str]:
    """Name the projects that every lab's Keystone has."""
    return list(dict.fromkeys(project for project, _ in USERS.values()))


def planned(environment: str, venv: Path) -> IdentityPlan:
    """Plan a Keystone that runs in an environment, with passwords that are made for this lab."""
    return IdentityPlan(
        environment=environment,
        venv=venv,
        passwords={user: secrets.token_urlsafe(18) for user in USERS},
        database_password=secrets.token_urlsafe(18),
    )


def token_settings(plan: IdentityPlan, user: str = SERVER) -> dict[str, object]:
    """Give what a server, Neutron's or another, must know to have tokens validated by ``user`` (keystonemiddleware)."""
    return {
        "auth_type": "password",
        "auth_url": plan.endpoint,
        "www_authenticate_uri": plan.endpoint,
        "username": user,
        "password": plan.passwords[user],
        "project_name": USERS[user][0],
        "user_domain_id": "default",
        "project_domain_id": "default",
        "region_name": REGION,
        "service_token_roles_required": True,
    }


def migrate_command(plan: IdentityPlan) -> list[str]:
    """The command that makes the schema, to be run in the lab."""
    return [f"{plan.venv}/bin/keystone-manage", "--config-file", f"{HOME}/keystone.conf", "db_sync"]


def _settings(plan: IdentityPlan) -> dict[str, dict[str, object]]:
    return {
        "DEFAULT": {"use_stderr": True, "public_endpoint": plan.endpoint.removesuffix("/v3")},
        "database": {"connection": database.keystone_url(plan), "max_pool_size": 5, "max_overflow": 20},
        "fernet_tokens": {"key_repository": f"{HOME}/fernet-keys"},
        "fernet_receipts": {"key_repository": f"{HOME}/fernet-keys"},
        "credential": {"key_repository": f"{HOME}/credential-keys"},
        # The least that bcrypt takes: a quarter of a second of a processor for each password otherwise.
        # Bytes of longer passwords it would not look at.
        "identity": {"password_hash_rounds": 4, "max_password_length": 72},
        # What it has looked up it looks up again for each request otherwise (a cache for several processes would be a
        # memcached): making a user and asking for tokens takes a third of the time. It is one process.
        "cache": {"enabled": True, "backend": "dogpile.cache.memory_pickle"},
        "oslo_messaging_notifications": {"driver": "noop"},
    }


def _known(plan: IdentityPlan) -> dict[str, Any]:
    """Say who is to be known, as ``in_neutron/fakevm_keystone`` reads it."""
    users = {
        name: {"password": plan.passwords[name], "project": project, "roles": roles, "region": REGION}
        for name, (project, roles) in USERS.items()
    }
    return {
        "region": REGION,
        "url": plan.endpoint,
        "admin": credentials.ADMIN,
        "users": users,
        "services": _services(plan),
        "token_of": OURS,
    }


def _services(plan: IdentityPlan) -> dict[str, dict[str, str]]:
    found = {"neutron": {"type": "network", "url": plan.api_endpoint}}
    if plan.compute_endpoint:
        found["nova"] = {"type": "compute", "url": plan.compute_endpoint}
        found["glance"] = {"type": "image", "url": plan.image_endpoint}
    return found


def _clouds(plan: IdentityPlan, users: Mapping[str, Any]) -> dict[str, Any]:
    """Give a cloud for each user, called as the user is."""
    apart = ("auth_type", "identity_api_version", "region_name")
    found = {}
    for name, user in users.items():
        settings = credentials.of_user(plan.endpoint, name, user)
        auth = {key: value for key, value in settings.items() if key not in apart}
        found[name] = {**{key: settings[key] for key in apart}, "auth": auth}
    return found


def _key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def write(plan: IdentityPlan, directory: Path) -> None:
    """Write its configuration, its keys, and who is to be known; keys by numbers: the highest signs, 0 comes next."""
    folder, known = directory / NAME, _known(plan)
    files.write(folder / "keystone.conf", files.ini(_settings(plan)))
    files.write(directory / credentials.KNOWN, json.dumps(known, indent=2))
    # YAML, too.
    files.write(directory / credentials.CLOUDS, json.dumps({"clouds": _clouds(plan, known["users"])}, indent=2))
    for keys in ("fernet-keys", "credential-keys"):
        (folder / keys).mkdir(mode=0o700)
        for number in ("0", "1"):
            files.write(folder / keys / number, _key())


class Keystone(Part):
    """It imports for as long as Neutron's server does, beside it; only the database must be there before."""

    name = NAME
    program_names = (NAME,)
    title = "Keystone"
    door = NAME
    needs = ("database",)

    @classmethod
    def is_wanted(cls, plan: LabPlan) -> bool:
        """See Part."""
        return plan.identity is not None

    @property
    def _plan(self) -> IdentityPlan:
        assert self.plan.identity is not None
        return self.plan.identity

    def write(self) -> None:
        """See Part."""
        write(self._plan, self.plan.directory)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        command = (f"{self._plan.venv}/bin/python", "-m", "fakevm_keystone", HOME, str(_DOOR))
        environment = {"PYTHONPATH": str(_MODULES)}
        # It has its environment to itself, and its modules look at its configuration while they are imported.
        return (Program(name=NAME, command=command, environment=environment, descriptors=(_DOOR,), alone=True),)

    def recorded(self, ports: Doors) -> dict[str, str]:
        """See Part."""
        return {"identity": self._plan.endpoint}

    def wait(self, run: Run) -> None:
        """See Part."""
        readiness.wait(run.record, lambda: readiness.keystone(run.record), "Keystone", run.timeout)
