"""Tempest in a lab: its tests run, results are written, Ctrl-C ends it; its endpoints answer in the world outside."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from fakevm.control import credentials

from .conftest import Lab, Labs, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

LAB = """\
auth: keystone
physical_networks: {external: {}}
hosts: {host1: {roles: [compute, dhcp]}}
config: {server: {quotas: {quota_floatingip: 0}}}
networks:
  public:
    type: flat
    physical_network: external
    external: true
    subnets: {public4: {cidr: 203.0.113.0/24, dhcp: false}}
"""
# Quick ones, of classes that make a project each.
OVER_QUOTA = r"\.test_floating_ips\.FloatingIPTestJSON\.test_create_update_floatingip_with_port_multiple_ip_address"
SOME = r"test_availability_zones|api\.network\.test_versions|test_extensions\."


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Iterator[Lab]:
    yield own_labs.up_from("tempest", LAB)


def test_some_of_neutrons_tests_pass_and_are_written_down(lab: Lab) -> None:
    junit, page = lab.labs.folder / "t.xml", lab.labs.folder / "t.html"
    done = lab.fakevm("tempest", "--regex", SOME, "-f", "json", "--junit", str(junit), "--html", str(page))
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    assert {row["status"] for row in told} <= {"passed", "skipped"}
    assert sum(row["status"] == "passed" for row in told) >= 3
    (suite,) = ElementTree.parse(junit).getroot()
    assert suite.get("tests") == str(len(told))
    assert all(row["test"] in page.read_text() for row in told)
    # Nothing of it is left in the lab's folder: its configuration has a password.
    assert not (lab.record.directory / "tempest").exists()


def test_a_failure_makes_it_red_and_has_the_servers_log_lines(lab: Lab) -> None:
    page = lab.labs.folder / "red.html"
    done = lab.fakevm("tempest", "--regex", OVER_QUOTA, "--html", str(page))
    assert done.returncode == 1, done.stderr + done.stdout
    assert "OverQuota" in done.stdout
    assert "1 failed" in done.stdout
    assert "neutron-api: " in page.read_text()


def test_ctrl_c_ends_all_of_it(lab: Lab) -> None:
    process = lab.labs.begin("tempest", "--regex", r"^tempest\.api\.network\.")
    until(lambda: any((lab.record.directory / "tempest").glob("*/.stestr/*")))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert not (lab.record.directory / "tempest").exists()


def test_the_endpoints_answer_in_a_client_outside_as_on_the_machine(lab: Lab) -> None:
    known = json.loads((lab.record.directory / credentials.KNOWN).read_text())
    for url in (known["url"], known["services"]["neutron"]["url"]):
        done = lab.fakevm(
            "lab", "exec", "outside/client", "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url
        )
        assert done.stdout in ("200", "300"), (url, done.stdout, done.stderr)
    # By nothing but the client's own loopback.
    port = urlsplit(known["url"]).port
    assert lab.fakevm("lab", "exec", "outside", "--", "curl", "-s", f"http://127.0.0.1:{port}/v3").returncode == 7


def test_a_scenario_is_refused_without_a_compute_api(lab: Lab) -> None:
    done = lab.fakevm("tempest", "--scenario", "--regex", "test_basic")
    assert done.returncode == 2
    assert "compute_api: true" in done.stderr
