"""A lab with Keystone: users see what is theirs, FakeVM's own commands work as in any lab."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakevm.control import credentials
from fakevm.linux import supervision

from . import machine
from .conftest import Lab, Labs, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

LAB = """\
auth: keystone
project: demo
backend: ovn
hosts: {compute1: {}, compute2: {}}
networks:
  theirs: {subnets: {theirs4: {cidr: 10.0.0.0/24}}}
guests:
  vm1: {host: compute1, ports: [{network: theirs, security_groups: [ping]}]}
  vm2: {host: compute2, ports: [{network: theirs, security_groups: [ping]}]}
security_groups: {ping: {rules: [{protocol: icmp}]}}
checks: {ping: {kind: ping, from: vm1, to: vm2, within: 60s}}
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Lab:
    return own_labs.up_from("keystone", LAB)


@pytest.fixture
def network(lab: Lab) -> Iterator[str]:
    """Give a network of the administrator's; it goes with its rules."""
    made = lab.openstack("network", "create", "secret", "-f", "value", "-c", "id")
    assert made.returncode == 0, made.stderr
    yield made.stdout.strip()
    assert lab.openstack("network", "delete", "secret").returncode == 0


def as_user(lab: Lab, user: str, *words: str) -> subprocess.CompletedProcess[str]:
    variables = credentials.variables(lab.record, user)
    return lab.openstack(*words, env=lab.labs.env(**variables, FAKEVM_LAB=lab.record.name))


def listed(lab: Lab, user: str) -> set[str]:
    done = as_user(lab, user, "network", "list", "-f", "json")
    assert done.returncode == 0, done.stderr
    return {row["Name"] for row in json.loads(done.stdout)}


def test_demo_sees_nothing_of_the_administrators_until_it_is_shared(lab: Lab, network: str) -> None:
    assert listed(lab, "admin") >= {"theirs", "secret"}
    # What the file describes is in the project that it names.
    assert listed(lab, "demo") == {"theirs"}
    assert as_user(lab, "demo", "network", "show", network).returncode != 0
    shared = lab.openstack(
        "network", "rbac", "create", "--type", "network", "--action", "access_as_shared", "--target-project", "demo",
        network,
    )  # fmt: skip
    assert shared.returncode == 0, shared.stderr
    assert listed(lab, "demo") == listed(lab, "demo_reader") == {"theirs", "secret"}
    assert listed(lab, "alt_demo") == set()


def test_roles_may_what_neutron_lets_them(lab: Lab) -> None:
    refused = as_user(lab, "demo_reader", "network", "create", "own")
    assert refused.returncode != 0
    assert "HttpException: 403" in refused.stderr or "ForbiddenException: 403" in refused.stderr
    assert as_user(lab, "demo", "network", "create", "own").returncode == 0
    assert listed(lab, "demo_reader") == {"theirs", "own"}
    assert as_user(lab, "demo_manager", "network", "delete", "own").returncode == 0
    # Agents are the administrator's alone: a list without any.
    assert json.loads(as_user(lab, "demo", "network", "agent", "list", "-f", "json").stdout or "[]") == []


def test_what_is_changed_of_a_user_counts_at_once(lab: Lab) -> None:
    """Keystone remembers what it has looked up."""
    role = ("--project", "alt_demo", "--user", "alt_demo", "member")
    for off, on in (
        (("user", "set", "--disable", "alt_demo"), ("user", "set", "--enable", "alt_demo")),
        (("role", "remove", *role), ("role", "add", *role)),
    ):
        assert as_user(lab, "alt_demo", "token", "issue").returncode == 0
        assert lab.openstack(*off).returncode == 0
        assert as_user(lab, "alt_demo", "token", "issue").returncode != 0
        assert lab.openstack(*on).returncode == 0
        assert as_user(lab, "alt_demo", "token", "issue").returncode == 0


def test_quotas_and_policies_are_as_neutron_ships_them(lab: Lab) -> None:
    quota = json.loads(as_user(lab, "demo", "quota", "show", "--network", "-f", "json").stdout)
    found = {row["Resource"]: row["Limit"] for row in quota}
    assert (found["networks"], found["ports"]) == (100, 500)


def test_who_has_no_token_is_not_answered(lab: Lab) -> None:
    variables = {**credentials.variables(lab.record, "demo"), "OS_PASSWORD": "another"}
    done = lab.openstack("network", "list", env=lab.labs.env(**variables))
    assert done.returncode != 0
    assert "HTTP 401" in done.stderr


def test_fakevms_own_commands_and_the_file_work_as_in_any_lab(lab: Lab) -> None:
    assert [row["status"] for row in lab.told("check")] == ["met"]
    guest = lab.guest("theirs", "extra", "compute1")
    project = as_user(lab, "admin", "port", "show", guest["vif_id"], "-f", "value", "-c", "project_id").stdout.strip()
    assert project == json.loads((lab.record.directory / "keystone/projects.json").read_text())["demo"]
    # It needs what Neutron keeps for the role service.
    assert lab.fakevm("migrate", "compute2", guest["vif_id"]).returncode == 0
    lab.told("delete-port", guest["vif_id"])
    assert lab.told("lab", "diff") == []


def test_clients_of_openstack_know_each_user_by_a_cloud(lab: Lab) -> None:
    said = lab.fakevm("lab", "env", "--user", "demo").stdout
    assert "export OS_USERNAME=demo" in said
    clouds = lab.record.directory / credentials.CLOUDS
    env = lab.labs.env(OS_CLIENT_CONFIG_FILE=str(clouds))
    assert lab.openstack("--os-cloud", "demo", "network", "list", env=env).returncode == 0
    unknown = lab.fakevm("lab", "env", "--user", "nobody")
    assert unknown.returncode != 0
    assert "demo_reader" in unknown.stderr


def test_one_url_is_right_for_the_machine_and_for_the_lab(lab: Lab) -> None:
    listed = as_user(lab, "admin", "catalog", "list", "-f", "json")
    urls = [end["url"] for row in json.loads(listed.stdout) for end in row["Endpoints"]]
    assert set(urls) == {lab.record.endpoint, lab.record.identity}
    for url in set(urls):
        ask = f"import urllib.request; print(urllib.request.urlopen({url!r}).status)"
        inside = lab.fakevm("lab", "exec", "lab", "--", "python3", "-c", ask)
        assert inside.stdout.strip() in ("200", "300"), inside.stderr


def secrets_of(lab: Lab) -> set[str]:
    known: dict[str, Any] = json.loads((lab.record.directory / credentials.KNOWN).read_text())
    token = (lab.record.directory / credentials.TOKEN).read_text()
    return {token, *(user["password"] for user in known["users"].values())}


def test_secrets_are_in_closed_files_and_nowhere_else(lab: Lab) -> None:
    secrets = secrets_of(lab)
    for file in (lab.record.directory / "keystone").rglob("*"):
        mode = stat.S_IMODE(file.stat().st_mode)
        assert file.is_dir() or mode == 0o600, f"{file}: {mode:o}"
    said = lab.fakevm("lab", "export").stdout
    for log in lab.labs.logs():
        said += log.read_text(errors="replace")
    for pid in machine.pids(lab.labs.mark):
        try:
            said += Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue
    assert not [secret for secret in secrets if secret in said]
    assert "auth: keystone" in said


def processes(lab: Lab, *words: str) -> list[int]:
    """List the processes of the lab in whose command these words come one after the other."""
    wanted, found = b"\0".join(map(os.fsencode, words)) + b"\0", []
    for pid in machine.pids(lab.labs.mark):
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@pytest.mark.parametrize("how", ["the program", "its supervisor"])
def test_keystone_comes_back_when_it_is_killed(lab: Lab, how: str) -> None:
    folder = lab.record.directory / "service"
    before = supervision.deaths(folder)["keystone"]
    served = set(processes(lab, "-m", "fakevm_keystone"))
    assert served
    if how == "the program":
        supervision.crash(folder, "keystone")
        until(lambda: supervision.deaths(folder)["keystone"] > before)
    else:
        os.kill(processes(lab, "s6-supervise", "keystone")[0], signal.SIGKILL)
        until(lambda: served.isdisjoint(processes(lab, "-m", "fakevm_keystone")))
    until(lambda: as_user(lab, "demo", "token", "issue").returncode == 0, 120)
    rows = {row["program"]: row for row in lab.told("lab", "status") if not row["host"]}
    assert (rows["keystone"]["state"], rows["keystone"]["problem"]) == ("running", "")


def test_it_is_restarted_and_its_log_is_shown(lab: Lab) -> None:
    assert lab.fakevm("lab", "restart", "keystone").returncode == 0
    assert as_user(lab, "demo", "token", "issue").returncode == 0
    # What FakeVM shows is still good, also with an API that has forgotten that it was.
    assert lab.fakevm("lab", "restart", "neutron-api").returncode == 0
    assert lab.told("list")
    assert lab.fakevm("lab", "logs", "keystone").returncode == 0
