"""A lab file's guests by their names, through every command that takes one; with Open vSwitch and with OVN."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lab, Labs

pytestmark = pytest.mark.lab

FILE = """
backend: {backend}
hosts:
  compute1: {{roles: [compute{dhcp}]}}
  compute2: {{roles: [compute]}}
networks:
  front: {{subnets: {{front4: {{cidr: 10.91.0.0/24}}}}}}
  back: {{subnets: {{back4: {{cidr: 10.92.0.0/24}}}}}}
guests:
  web1: {{host: compute1, ports: [front]}}
  db: {{host: compute2, ports: [front]}}
  router1: {{host: compute1, ports: [front, back]}}
checks:
  web1-db: {{kind: ping, source: web1, target: db, within: 60}}
"""


@pytest.fixture(scope="module", params=["ovn", pytest.param("ovs", marks=pytest.mark.slow)])
def named(own_labs: Labs, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Start a lab whose file has guests."""
    name, path = f"names-{request.param}", own_labs.folder / "names.yaml"
    path.write_text(FILE.format(backend=request.param, dhcp=", dhcp" if request.param == "ovs" else ""))
    done = own_labs.fakevm("lab", "up", str(path), "--name", name)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "fakevm check" in done.stderr.split("Next:")[1]
    yield Lab(own_labs, own_labs.record(name))
    assert own_labs.fakevm("lab", "down", name).returncode == 0


def told(lab: Lab, *words: str) -> Any:
    done = lab.fakevm(*words, "-f", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def addresses(done: subprocess.CompletedProcess[str]) -> set[str]:
    assert done.returncode == 0, done.stderr
    return {word for word in done.stdout.split() if word.startswith("10.9") and "/" in word}


def test_a_guest_is_reached_by_its_name(named: Lab) -> None:
    assert {row["name"] for row in told(named, "list")} == {"web1", "db", "router1", "router1-1"}
    web1 = told(named, "show", "web1")
    assert (web1["name"], web1["plugged_on"]) == ("web1", ["compute1"])
    wanted = {f"{address}/24" for address in web1["fixed_ips"]}
    for way in ((), ("--remote",), ("--remote", "--host", "compute1")):
        assert addresses(named.fakevm("exec", *way, "web1", "--", "ip", "-4", "address")) == wanted
    # Of a guest with several ports any is meant: they are in one namespace.
    assert len(addresses(named.fakevm("exec", "router1", "--", "ip", "-4", "address"))) == 2
    (other,) = told(named, "show", "router1")["other_ports"]
    assert other.startswith("router1-1 (")
    (row,) = told(named, "check")
    assert (row["source"], row["target"], row["status"]) == ("web1", "db", "met")


def test_a_guest_moves_by_its_name(named: Lab, tmp_path: Path) -> None:
    page = tmp_path / "move.html"
    moved = told(named, "migrate", "compute2", "web1", "--probe-from", "db", "--report", str(page))
    assert (moved["name"], moved["host"], moved["outage"]["observer"]) == ("web1", "compute2", "db")
    assert "migration of web1" in page.read_text()
    assert told(named, "migrate", "--recover", "web1")["name"] == "web1"
    back = told(named, "migrate", "--all", "--host", "compute2", "--to", "compute1")
    assert {row["name"] for row in back} == {"web1", "db"}
    whole = told(named, "migrate", "compute2", "router1")
    assert (whole["host"], len(whole["interfaces"])) == ("compute2", 2)


def test_a_guest_is_plugged_and_unplugged_by_its_name(named: Lab) -> None:
    host = told(named, "show", "web1")["host"]
    assert told(named, "unplug", "web1", "--host", host)["name"] == "web1"
    assert told(named, "plug", "web1", "--host", host)["name"] == "web1"
    done = told(named, "unplug-all-host", "web1")
    assert ("web1", host, "unplugged") in [(row["name"], row["host"], row["result"]) for row in done]
    assert told(named, "plug", "web1", "--host", host)["host"] == host
    for words in (("plug", "router1"), ("unplug", "router1")):
        refused = named.fakevm(*words, "--host", "compute1")
        assert (refused.returncode, "'router1' has 2 ports" in refused.stderr) == (2, True)


def test_a_name_that_two_guests_have_is_refused_with_both(named: Lab) -> None:
    made = told(named, "create-port", "front", "db", "--host", "compute2")
    for words in (("exec", "db", "true"), ("exec", "--remote", "db", "true"), ("show", "db"), ("delete-port", "db")):
        refused = named.fakevm(*words)
        assert (refused.returncode, "2 ports are named 'db'" in refused.stderr) == (2, True), refused.stderr
        assert sum("db" in line and " on compute" in line for line in refused.stderr.splitlines()) == 2
    for way in ((), ("--remote",)):
        done = named.fakevm("exec", *way, "--host", "compute2", "db", "--", "ip", "-4", "address")
        assert addresses(done) == set(made["addresses"])
    assert named.fakevm("delete-port", made["vif_id"]).returncode == 0
    assert told(named, "show", "db")["name"] == "db"


def test_guests_are_deleted_by_their_names(named: Lab) -> None:
    refused = named.fakevm("delete-port", "router1")
    assert refused.returncode == 2
    assert "'router1' has 2 ports" in refused.stderr and "delete-port --all router1" in refused.stderr
    assert len(told(named, "list")) == 4
    done = told(named, "delete-port", "--all", "router1")
    assert [row["name"] for row in done if row["host"] == "Neutron"] == ["router1", "router1-1"]
    assert {row["name"] for row in told(named, "delete-port", "web1", "db")} == {"web1", "db"}
    assert told(named, "list") == []
    gone = named.fakevm("exec", "web1", "true")
    assert (gone.returncode, "there is no guest 'web1'" in gone.stderr) == (2, True)
