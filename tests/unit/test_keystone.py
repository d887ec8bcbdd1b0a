"""A lab with Keystone: what is written for it, who is known, whose the file's resources are."""

from __future__ import annotations

import json
import stat
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakevm import release
from fakevm.backend import base as backends
from fakevm.backend.ovs import OvsBackend
from fakevm.control import credentials
from fakevm.errors import InvalidInput, LabFailed, NotFound
from fakevm.lab import database, database_template, keystone, lifecycle, neutron, planning, projects, reading, releases
from fakevm.lab.config import effective, known
from fakevm.lab.doors import Doors
from fakevm.lab.parts import parts_of
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle
from fakevm.model.lab import LabRecord
from fakevm.model.plan import IdentityPlan, LabPlan

URL, API = "http://127.0.0.1:4000/v3", "http://127.0.0.1:1000"
PORTS = Doors(1000, 2000, 3000, 4000)


def plan_of(text: str) -> LabPlan:
    lab = reading.parse(text, "lab.yaml")
    venvs = {lab.version(): Path("/venv"), "29.0.0/keystone": Path("/keystone")}
    plan = planning.make_plan(lab, Path("/labs/x"), venvs, kernel_datapath=False)
    return planning.reached(plan, PORTS)


def identity_of(plan: LabPlan) -> IdentityPlan:
    assert plan.identity is not None
    return plan.identity


@pytest.fixture
def plan() -> LabPlan:
    return plan_of("auth: keystone")


def record(plan: LabPlan, directory: Path) -> LabRecord:
    parts = parts_of(plan, backends.load("ovs"))
    return lifecycle._record(plan, PORTS, parts, "")._replace(directory=directory)


def config(path: Path) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None, default_section="none", strict=False)
    parser.read(path)
    return {section: dict(parser[section]) for section in parser.sections()}


def test_only_a_lab_that_says_so_has_it(plan: LabPlan) -> None:
    for text in ("", "auth: none", "auth: token"):
        assert plan_of(text).identity is None
        assert "keystone" not in [part.name for part in parts_of(plan_of(text), backends.load("ovs"))]
    assert "keystone" in [part.name for part in parts_of(plan, backends.load("ovs"))]
    assert plan.token == ""


def test_its_environment_goes_with_the_servers_release() -> None:
    lab = reading.parse("auth: keystone", "lab.yaml")
    assert releases.keystone(lab) == "29.0.0/keystone"
    assert releases.of(lab) == ["29.0.0", "29.0.0/keystone"]
    assert release.beside("keystone", "29.0.0+abcdef01") == "29.0.0/keystone"
    assert release.called("29.0.0/keystone") == "Keystone for Neutron 29.0.0"
    with pytest.raises(NotFound):
        release.beside("nova", "29.0.0")


@pytest.mark.parametrize("version", release.shipped())
def test_each_release_has_a_keystone_of_its_series(version: str) -> None:
    pins = release.constraints(release.beside("keystone", version)).read_text().splitlines()
    names = {line.partition("==")[0].lower(): line.partition("==")[2] for line in pins}
    # Keystone's major version counts series as Neutron's does: 25 of Neutron is 26 of Keystone.
    assert int(names["keystone"].partition(".")[0]) == int(version.partition(".")[0]) + 1
    assert {"waitress", "pymysql"} <= names.keys()


def test_it_remembers_what_it_has_looked_up(plan: LabPlan, tmp_path: Path) -> None:
    keystone.write(identity_of(plan), tmp_path)
    written = ConfigParser(interpolation=None)
    written.read(tmp_path / "keystone/keystone.conf")
    # What comes out is a copy: Keystone changes what it has been given.
    assert written.getboolean("cache", "enabled")
    assert written["cache"]["backend"] == "dogpile.cache.memory_pickle"


def test_what_is_secret_is_in_closed_files_and_in_no_argument(plan: LabPlan, tmp_path: Path) -> None:
    own = identity_of(plan)
    keystone.write(own, tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 7
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keystone/fernet-keys").stat().st_mode) == 0o700
    (program,) = keystone.Keystone(plan, OvsBackend()).programs()
    told = repr(program) + " ".join(keystone.migrate_command(own))
    assert not [password for password in (*own.passwords.values(), own.database_password) if password in told]
    keys = [path.read_text() for path in files if path.parent.name.endswith("keys")]
    assert len(set(keys)) == 4


def test_each_lab_has_passwords_of_its_own(plan: LabPlan) -> None:
    both = [identity_of(one) for one in (plan, plan_of("auth: keystone"))]
    every = [password for one in both for password in (*one.passwords.values(), one.database_password)]
    assert len(set(every)) == len(every)


def test_neutron_asks_keystone_and_has_its_own_policies_and_quotas(plan: LabPlan, tmp_path: Path) -> None:
    neutron.write(plan, OvsBackend(), tmp_path)
    found = config(tmp_path / "neutron/neutron.conf")
    assert found["DEFAULT"]["auth_strategy"] == "keystone"
    assert found["keystone_authtoken"]["auth_url"] == URL
    assert found["keystone_authtoken"]["password"] == identity_of(plan).passwords["neutron"]
    assert not {"quotas", "oslo_policy"} & found.keys()
    assert not (tmp_path / "neutron/policy.yaml").exists()
    # The same address in the lab as on the machine, which the catalogue names.
    served = [line for line in (tmp_path / "neutron/uwsgi.ini").read_text().splitlines() if "http-socket" in line]
    assert served == ["http-socket = fd://3", "http-socket = localhost:1000"]
    assert "module = neutron.wsgi.api:application" in (tmp_path / "neutron/uwsgi.ini").read_text()


def test_what_neutron_goes_by_is_shown_without_its_password(
    plan: LabPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neutron.write(plan, OvsBackend(), tmp_path)
    # No library lists the options of ways to ask Keystone.
    monkeypatch.setattr(known, "of", lambda *_: known.Known())
    reader = effective.Reader("server", "", tmp_path / "neutron", "29.0.0")
    shown = effective.settings(record(plan, tmp_path), reader, reading.parse("auth: keystone", "x"))
    found = {(row.section, row.option): row.value for row in shown}
    assert found["keystone_authtoken", "username"] == "neutron"
    assert found["keystone_authtoken", "password"] == "***"
    assert identity_of(plan).passwords["neutron"] not in repr(shown)


def test_it_has_a_database_of_its_own_and_so_another_template(plan: LabPlan, tmp_path: Path) -> None:
    database.write(plan, tmp_path)
    statements = (tmp_path / "database/init.sql").read_text()
    assert "GRANT ALL ON keystone.* TO 'keystone'@'localhost'" in statements
    database.write(plan_of(""), tmp_path)
    assert "keystone" not in (tmp_path / "database/init.sql").read_text()
    names = {database_template._template(one) for one in (plan, plan_of(""))}
    assert len(names) == 2


def test_who_is_known_is_told_once_for_keystone_and_for_its_clients(plan: LabPlan, tmp_path: Path) -> None:
    keystone.write(identity_of(plan), tmp_path)
    known: dict[str, Any] = json.loads((tmp_path / credentials.KNOWN).read_text())
    assert {user: (told["project"], *told["roles"]) for user, told in known["users"].items()} == {
        "admin": ("admin", "admin"),
        "neutron": ("service", "service"),
        "fakevm": ("service", "admin", "service"),
        "demo": ("demo", "member"),
        "demo_manager": ("demo", "manager"),
        "demo_reader": ("demo", "reader"),
        "alt_demo": ("alt_demo", "member"),
    }
    assert known["services"] == {"neutron": {"type": "network", "url": API}}
    clouds = yaml.safe_load((tmp_path / credentials.CLOUDS).read_text())["clouds"]
    assert clouds.keys() == known["users"].keys()
    assert clouds["demo"]["auth"]["password"] == known["users"]["demo"]["password"]
    assert clouds["demo"]["auth"]["auth_url"] == URL


def test_a_shell_gets_the_variables_of_a_user(plan: LabPlan, tmp_path: Path) -> None:
    keystone.write(identity_of(plan), tmp_path)
    lab = record(plan, tmp_path)
    found = credentials.variables(lab)
    assert (found["OS_USERNAME"], found["OS_PROJECT_NAME"], found["OS_AUTH_URL"]) == ("admin", "admin", URL)
    assert found["OS_CLIENT_CONFIG_FILE"] == str(tmp_path / "keystone/clouds.yaml")
    assert credentials.variables(lab, "demo_reader")["OS_PROJECT_NAME"] == "demo"
    with pytest.raises(NotFound, match="nobody") as unknown:
        credentials.variables(lab, "nobody")
    assert "demo" in unknown.value.hint
    opened = record(plan_of(""), tmp_path)
    with pytest.raises(InvalidInput, match="no Keystone"):
        credentials.variables(opened, "demo")


def test_fakevm_shows_the_token_that_keystone_gave_it(plan: LabPlan, tmp_path: Path) -> None:
    lab = record(plan, tmp_path)
    # Not yet: Neutron then says 401, and a wait goes on.
    assert credentials.headers(lab) == {}
    (tmp_path / "keystone").mkdir()
    (tmp_path / credentials.TOKEN).write_text("gAAAA")
    assert credentials.headers(lab) == {"X-Auth-Token": "gAAAA"}
    assert "gAAAA" not in lab.to_json()


def test_resources_are_in_the_project_that_the_file_names(plan: LabPlan, tmp_path: Path) -> None:
    lab = record(plan, tmp_path)
    with pytest.raises(LabFailed):
        projects.id_of(lab, reading.parse("auth: keystone", "x"))
    (tmp_path / "keystone").mkdir()
    (tmp_path / keystone.PROJECTS).write_text(json.dumps({"admin": "1", "demo": "2"}))
    assert projects.id_of(lab, reading.parse("auth: keystone", "x")) == "1"
    assert projects.id_of(lab, reading.parse("{auth: keystone, project: demo}", "x")) == "2"
    assert projects.id_of(record(plan_of(""), tmp_path), reading.parse("", "x")) == "fakevm"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("project: demo", "only Keystone has projects"),
        ("{auth: keystone, project: dem}", "has no project 'dem'"),
    ],
)
def test_a_project_that_is_not_there_is_told(text: str, said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        settle(reading.parse(text, "lab.yaml"), kernel_datapath=False)
