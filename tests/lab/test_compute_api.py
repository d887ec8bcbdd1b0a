"""Servers in Nova's place: the stock client and FakeVM's own commands see the same guests."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from fakevm.control import credentials
from fakevm.lab import compute_api
from fakevm.linux import supervision

from . import servers
from .conftest import Lab, Labs, until

pytestmark = pytest.mark.slow

CREATE = ("server", "create", "--image", "fakevm", "--flavor", "m1.nano", "--wait")


@pytest.fixture(scope="module", params=["ovn", "ovs"])
def lab(request: pytest.FixtureRequest, own_labs: Labs) -> Lab:
    return own_labs.up_from(f"compute-{request.param}", servers.lab_file(request.param))


def asked(lab: Lab, *words: str, user: str = "demo") -> subprocess.CompletedProcess[str]:
    variables = credentials.variables(lab.record, user)
    return lab.openstack(*words, env=lab.labs.env(**variables, FAKEVM_LAB=lab.record.name))


def told(lab: Lab, *words: str, user: str = "demo") -> Any:
    done = asked(lab, *words, "-f", "json", user=user)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def done(lab: Lab, *words: str, user: str = "demo") -> None:
    answer = asked(lab, *words, user=user)
    assert answer.returncode == 0, answer.stderr


def guests(lab: Lab) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in lab.told("guest", "list")}


def test_a_server_is_a_guest_from_its_creation_to_its_deletion(lab: Lab) -> None:
    made = told(lab, *CREATE, "--network", "private", "web1")
    assert made["status"] == "ACTIVE"
    (address,) = made["addresses"]["private"]
    assert guests(lab)["web1"]["state"] == "running"
    assert address in lab.fakevm("exec", "web1", "--", "ip", "-4", "-o", "address", "show", "eth0").stdout
    assert lab.fakevm("exec", "web1", "--", "hostname").stdout.strip() == "web1"
    (port,) = told(lab, "port", "list", "--device-id", made["id"])
    shown = told(lab, "port", "show", port["ID"], user="admin")
    assert (shown["device_owner"], shown["status"], shown["name"]) == ("compute:nova", "ACTIVE", "")

    done(lab, "server", "stop", "web1")
    until(lambda: told(lab, "server", "show", "web1")["status"] == "SHUTOFF")
    assert guests(lab)["web1"]["state"] == "stopped"
    done(lab, "server", "start", "web1")
    until(lambda: told(lab, "server", "show", "web1")["status"] == "ACTIVE")
    done(lab, "server", "reboot", "web1", "--wait")
    assert address in lab.fakevm("exec", "web1", "--", "ip", "-4", "-o", "address", "show", "eth0").stdout

    done(lab, "server", "delete", "--wait", "web1")
    assert "web1" not in guests(lab)
    assert told(lab, "port", "list", "--device-id", made["id"]) == []


def test_a_users_port_outlives_its_server(lab: Lab) -> None:
    port = told(lab, "port", "create", "--network", "private", "own")["id"]
    made = told(lab, *CREATE, "--port", "own", "web2")
    in_use = asked(lab, *CREATE, "--port", "own", "web3")
    assert in_use.returncode != 0
    assert f"Port {port} is still in use." in in_use.stderr
    done(lab, "server", "delete", "--wait", made["id"])
    shown = told(lab, "port", "show", "own", user="admin")
    assert (shown["device_id"], shown["device_owner"], shown["binding_host_id"]) == ("", "", "")
    done(lab, "port", "delete", "own")


def test_it_goes_where_an_administrator_says_and_nobody_else(lab: Lab) -> None:
    words = ("--network", "private", "--availability-zone", "nova:compute2", "placed")
    refused = asked(lab, *CREATE, *words)
    assert refused.returncode != 0
    assert "forced_host" in refused.stderr
    made = told(lab, *CREATE, *words, user="admin")
    assert made["OS-EXT-SRV-ATTR:host"] == guests(lab)["placed"]["host"] == "compute2"
    done(lab, "server", "delete", "--wait", "placed", user="admin")


def test_it_is_whole_again_when_the_service_is_killed(lab: Lab) -> None:
    made = told(lab, *CREATE, "--nic", "none", "steady")
    folder = lab.record.services()[""]
    before = supervision.deaths(folder)[compute_api.NAME]
    supervision.crash(folder, compute_api.NAME)
    until(lambda: supervision.deaths(folder)[compute_api.NAME] > before)
    until(lambda: asked(lab, "server", "list").returncode == 0)
    assert told(lab, "server", "show", "steady")["id"] == made["id"]
    done(lab, "server", "delete", "--wait", "steady")
    assert "steady" not in guests(lab)
