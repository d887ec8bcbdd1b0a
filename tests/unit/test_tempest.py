"""Tempest's tests: which are meant, what their configuration says of a lab, what comes of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fakevm import release
from fakevm.control import credentials
from fakevm.errors import CommandFailed, InvalidInput, NotFound
from fakevm.lab import outside_api
from fakevm.model.lab import LabRecord
from fakevm.progress import SILENT
from fakevm.tempest import compute, configuration, evidence, facts, known, page, parts, running, session, tests
from fakevm.tempest.configuration import Facts, Server
from fakevm.tempest.known import KnownFailure
from fakevm.tempest.result import TempestResult, identity_of, name_of, summary

PORTS = "neutron_tempest_plugin.api.test_ports.PortsTestJSON"
LISTED = f"{PORTS}.test_list[id-00000000-0000-0000-0000-00000000000a,smoke]"
SHOWN = f"{PORTS}.test_show[id-00000000-0000-0000-0000-00000000000b]"
OTHER = "tempest.api.network.test_networks.NetworksTest.test_create[id-00000000-0000-0000-0000-00000000000c]"
REQUEST = "req-01234567-89ab-cdef-0123-456789abcdef"
ADMIN = {
    "username": "admin",
    "password": "s3cret",
    "project_name": "admin",
    "auth_url": "http://127.0.0.1:4000/v3",
    "region_name": "RegionOne",
}
OVS = Facts(
    admin=ADMIN,
    extensions=["router", "port-security", "trunk"],
    external=("1234", "public"),
    types=["flat", "vlan", "vxlan"],
    physical=["physnet1"],
    zone="nova",
    l3_mode="legacy",
    firewall="openvswitch",
    domain="openstacklocal",
    nested_snat=True,
    igmp_snooping=False,
)


def record(directory: Path, **changes: Any) -> LabRecord:
    made = LabRecord(
        "x", directory, "up", 1, "29.0.0", "ovs", "userspace", (), "http://127.0.0.1:1000", auth="keystone"
    )
    return made._replace(**changes)


def config(found: Facts) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None, default_section="none")
    parser.read_string(configuration.text(found))
    return {section: dict(parser[section]) for section in parser.sections()}


def event(test: str, status: str, **details: str) -> dict[str, Any]:
    return {"test": test, "status": status, "begin": 10.0, "end": 12.5, "details": details}


# -- which tests -----------------------------------------------------------------------------------------------


def test_tempest_has_one_environment_whose_pins_are_whole() -> None:
    pins = release.constraints(tests.ENVIRONMENT).read_text().splitlines()
    names = {line.partition("==")[0].lower() for line in pins}
    assert {"tempest", "neutron-tempest-plugin", "stestr", "python-subunit", "testtools"} <= names
    assert all("==" in line for line in pins)
    assert release.called(tests.ENVIRONMENT) == f"Tempest for Neutron {release.DEFAULT}"


def test_by_default_all_of_the_api_is_meant_and_no_scenario() -> None:
    every = [LISTED, OTHER, "neutron_tempest_plugin.scenario.test_mtu.X.test_y", "tempest.api.compute.test_x.X.test_y"]
    assert tests.chosen(every, tests.DEFAULT) == [LISTED, OTHER]


def test_tests_are_chosen_by_what_is_in_their_ids() -> None:
    assert tests.chosen([LISTED, SHOWN, OTHER], "PortsTest", "smoke") == [SHOWN]
    with pytest.raises(NotFound, match="none of 2 tests is called so: nothing") as unknown:
        tests.chosen([LISTED, OTHER], "nothing")
    assert "neutron_tempest_plugin or tempest" in unknown.value.hint
    with pytest.raises(InvalidInput, match=r"'test_\('.* is not a regular expression"):
        tests.chosen([LISTED], "test_(")


def test_a_test_is_called_by_its_name_and_has_an_id_that_stays() -> None:
    assert name_of(LISTED) == f"{PORTS}.test_list"
    assert identity_of(LISTED) == "00000000-0000-0000-0000-00000000000a"
    assert identity_of("a.b.C.test_d") == ""


# -- which labs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"), [({"auth": "token"}, "auth: keystone"), ({"endpoint": ""}, "fakevm lab up")]
)
def test_a_lab_without_keystone_or_neutron_is_refused_with_the_line_to_add(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    facts.refuse(record(tmp_path))
    with pytest.raises(InvalidInput) as refused:
        facts.refuse(record(tmp_path, **changes))
    assert said in refused.value.hint


# -- their configuration ---------------------------------------------------------------------------------------


def test_what_neutron_has_is_tested_and_nothing_else_is_switched_off() -> None:
    found = config(OVS)
    # Without it the ids of requests are not written.
    assert found["DEFAULT"]["debug"] == "true"
    assert found["network-feature-enabled"]["api_extensions"] == "port-security,router,trunk"
    assert found["network-feature-enabled"]["port_security"] == "true"
    assert found["network"] == {"public_network_id": "1234", "floating_network_name": "public"}
    assert found["auth"]["admin_password"] == "s3cret"
    assert found["identity"]["uri_v3"] == ADMIN["auth_url"]
    available = {name for name, value in found["service_available"].items() if value == "true"}
    assert available == {"neutron"}
    plugin = found["neutron_plugin_options"]
    assert plugin["available_type_drivers"] == "flat,vlan,vxlan"
    assert plugin["provider_vlans"] == "physnet1"
    assert json.loads(plugin["test_mtu_networks"])[0]["provider:network_type"] == "vxlan"
    assert "compute" not in found


def test_what_a_lab_does_not_have_is_left_out_and_told() -> None:
    bare = OVS._replace(external=None, physical=[], zone="", extensions=[], types=["flat", "geneve"], firewall="")
    found = config(bare)
    assert "network" not in found
    assert not {"provider_vlans", "agent_availability_zone", "firewall_driver"} & found["neutron_plugin_options"].keys()
    assert json.loads(found["neutron_plugin_options"]["test_mtu_networks"])[0]["provider:network_type"] == "geneve"
    assert found["network-feature-enabled"]["port_security"] == "false"
    told = list(session.remarks(bare))
    assert len(told) == 2
    assert not list(session.remarks(OVS))


@pytest.mark.parametrize(
    ("test", "meant"),
    [
        ("neutron_tempest_plugin.scenario.test_basic.NetworkBasicTest.test_basic_instance[id-1]", True),
        ("neutron_tempest_plugin.scenario.test_floatingip.FloatingIpSameNetwork.test_east_west_2[id-1]", False),
        ("neutron_tempest_plugin.scenario.test_evpn.NetworkEvpnTest.test_basic_instance_evpn[id-1]", False),
    ],
)
def test_a_smoke_is_of_some_scenarios(test: str, meant: bool) -> None:
    every = [test, "tempest.scenario.test_network_basic_ops.TestNetworkBasicOps.test_hotplug_nic[id-2]"]
    assert (test in tests.chosen(tests.chosen(every, tests.SCENARIOS), tests.SMOKE)) is meant


def test_a_smoke_without_scenarios_is_refused() -> None:
    command = [sys.executable, "-m", "fakevm.cli.main", "tempest", "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "--scenario --smoke" in done.stderr) == (2, True)


def test_a_compute_api_has_servers_for_the_scenarios() -> None:
    found = config(OVS._replace(server=Server("4711", "cloud", ("1", "2"), 3)))
    assert found["service_available"]["nova"] == found["service_available"]["glance"] == "true"
    assert (found["compute"]["image_ref"], found["compute"]["flavor_ref_alt"]) == ("4711", "2")
    assert found["compute"]["min_compute_nodes"] == "3"
    assert found["validation"]["image_ssh_user"] == "cloud"
    assert found["validation"]["network_for_ssh"] == "public"
    assert found["neutron_plugin_options"]["default_image_is_advanced"] == "true"


def test_a_scenario_needs_a_compute_api(tmp_path: Path) -> None:
    known = tmp_path / credentials.KNOWN
    known.parent.mkdir()
    known.write_text(
        json.dumps({"url": "http://127.0.0.1:4/v3", "services": {"neutron": {"type": "network", "url": "x"}}})
    )
    with pytest.raises(InvalidInput) as refused:
        facts.refuse(record(tmp_path), scenario=True)
    assert "compute_api: true" in refused.value.hint
    assert compute.of(record(tmp_path)) is None
    assert outside_api.ports(tmp_path) == [4]


def test_physical_networks_are_those_of_which_neutron_hands_out_vlans() -> None:
    assert facts._with_vlans("public,physnet1:100:199,foo:1:10") == ["physnet1", "foo"]


# -- what comes of them ----------------------------------------------------------------------------------------


def test_a_class_that_is_skipped_is_all_of_its_tests() -> None:
    left = parts.Unended([LISTED, SHOWN, OTHER])
    found = list(left.of(event(f"setUpClass ({PORTS})", "skip", reason="trunk extension not enabled.\n")))
    assert [(one.test, one.status, one.seen) for one in found] == [
        (LISTED, "skipped", "trunk extension not enabled."),
        (SHOWN, "skipped", "trunk extension not enabled."),
    ]
    assert [(one.test, one.status) for one in left.lost()] == [(OTHER, "failed")]


def test_a_class_that_fails_before_or_after_its_tests_is_told() -> None:
    left = parts.Unended([LISTED, SHOWN])
    (done,) = left.of(event(LISTED, "success"))
    assert (done.status, done.seconds) == ("passed", 2.5)
    assert [one.status for one in left.of(event(f"setUpClass ({PORTS})", "fail", traceback=TRACEBACK))] == ["failed"]
    (after,) = left.of(event(f"tearDownClass ({PORTS})", "fail", traceback=TRACEBACK))
    assert after.name.startswith("tearDownClass")
    assert not list(left.of(event(f"tearDownClass ({PORTS})", "success")))


def test_a_test_that_never_ended_took_no_time_and_is_told() -> None:
    begun = {**event(LISTED, "inprogress"), "end": 0.0}
    (lost,) = parts.Unended([LISTED]).of(begun)
    assert (lost.status, lost.seconds, lost.seen) == ("failed", 0.0, "the process that had it has ended")


TRACEBACK = """\
Traceback (most recent call last):
  File "/x/test_ports.py", line 7, in test_list
    self.assertEqual(1, 2)
testtools.matchers._impl.MismatchError: 1 != 2: not as wanted
"""
CONFLICT = """\
Traceback (most recent call last):
  File "/x/rest_client.py", line 7, in _error_checker
    raise exceptions.Conflict(resp_body, resp=resp)
tempest.lib.exceptions.Conflict: Conflict with state of target resource
Details: {'type': 'IpAddressInUse', 'message': 'Unable to complete operation', 'detail': ''}
"""


def test_what_was_wrong_is_said_in_a_line() -> None:
    assert parts.seen(TRACEBACK) == "testtools.matchers._impl.MismatchError: 1 != 2: not as wanted"
    assert parts.seen(CONFLICT).startswith(
        "tempest.lib.exceptions.Conflict: Conflict with state of target resource Det"
    )
    assert parts.seen("") == "it did not say why"
    one = parts.result(SHOWN, event(SHOWN, "fail", traceback=TRACEBACK, pythonlogging=f"GET {REQUEST}"))
    assert TRACEBACK.strip() in one.detail
    assert REQUEST in one.detail


def known_failure(**changes: Any) -> KnownFailure:
    return KnownFailure.model_validate(
        {"tests": f"{PORTS}.test_list", "reason": "Neutron's bug 1, of its code", **changes}
    )


@pytest.mark.parametrize(
    ("listed", "status", "judged"),
    [
        ({}, "failed", "known"),
        ({}, "passed", "unlisted"),
        ({}, "skipped", "skipped"),
        ({"sometimes": True}, "passed", "passed"),
        ({"sometimes": True}, "failed", "known"),
        ({"backends": ["ovn"]}, "failed", "failed"),
        ({"releases": ["2026.1"]}, "failed", "failed"),
        ({"releases": ["2026.2"], "backends": ["ovs"]}, "failed", "known"),
        ({"tests": "PortsTest"}, "failed", "failed"),
    ],
)
def test_a_listed_test_that_passes_makes_a_run_red(
    listed: dict[str, Any], status: Any, judged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "listed", lambda: (known_failure(**listed),))
    work = session.Session(record(tmp_path), [LISTED], SILENT)
    assert work._judged(TempestResult(LISTED, status, 0.0, 0.0)).status == judged


def test_each_known_failure_has_a_reason_that_cites_something() -> None:
    for one in known.listed():
        assert any(word in one.reason for word in ("bug ", "neutron/", "neutron_lib/", "without FakeVM")), one.tests


def test_log_lines_are_those_of_the_requests_of_what_failed(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    lines = [f"a [{REQUEST}] refused", "b of another", "c req-11111111-1111-1111-1111-111111111111 of another request"]
    (tmp_path / "log/neutron-api.log").write_text("\n".join(lines))
    wanted = {SHOWN: evidence.requests(f"'x-openstack-request-id': '{REQUEST}'"), OTHER: frozenset[str]()}
    assert evidence.of(record(tmp_path), wanted) == {SHOWN: f"neutron-api: a [{REQUEST}] refused"}


# -- how they run ----------------------------------------------------------------------------------------------

Venv = Callable[[str], Path]


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    """Make an environment whose Python is a script of the shell's."""

    def make(script: str) -> Path:
        program = tmp_path / "venv/bin/python"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return tmp_path / "venv"

    return make


def test_results_are_read_as_they_come_and_the_folder_goes(tmp_path: Path, venv: Venv) -> None:
    told = [{"begun": LISTED}, event(LISTED, "success"), event(SHOWN, "fail", traceback=TRACEBACK)]
    written = "\n".join(f"printf '%s\\n' '{json.dumps(one)}'" for one in told)
    made, begun = venv(f'[ "$2 $3 $5" = "fakevm_tempest run 2" ] || exit 9\n{written}'), list[str]()
    with running.folder(tmp_path, "[auth]\n") as at:
        assert (at / "tempest.conf").stat().st_mode & 0o777 == 0o600
        run = running.Run(made, at, [LISTED, SHOWN, OTHER], 2, running.Place())
        found = list(run.results(begun.append))
        assert (at / "tests.txt").read_text().splitlines() == [LISTED, SHOWN, OTHER]
    assert begun == [LISTED]
    assert [(one.test, one.status) for one in found] == [(LISTED, "passed"), (SHOWN, "failed"), (OTHER, "failed")]
    assert "process that had it has ended" in found[-1].seen
    assert not (tmp_path / "tempest").exists()


def test_tempest_that_fails_is_told_in_its_last_words(tmp_path: Path, venv: Venv) -> None:
    made = venv("echo 'Traceback (most recent call last):\n  x\nImportError: no testtools' >&2; exit 3")
    with running.folder(tmp_path, "") as at, pytest.raises(CommandFailed, match="status 3: ImportError: no testtools"):
        list(running.Run(made, at, [LISTED], 1, running.Place()).results(lambda _: None))


def test_what_runs_is_ended_with_who_wants_it(tmp_path: Path, venv: Venv) -> None:
    made = venv(f"sleep 600 & echo $! >{tmp_path}/child\necho '{json.dumps({'begun': LISTED})}'\nwait")

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    with running.folder(tmp_path, "") as at, pytest.raises(KeyboardInterrupt):
        list(running.Run(made, at, [LISTED], 1, running.Place()).results(interrupted))
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 30
    while _runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_of_the_callers_cloud_reaches_tempest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OS_AUTH_URL", "http_proxy", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "x")
    found = running.environment(tmp_path)
    assert not {"OS_AUTH_URL", "http_proxy", "PYTHONSTARTUP"} & found.keys()
    assert found["TEMPEST_CONFIG_DIR"] == str(tmp_path)
    assert found["PATH"] == os.environ["PATH"]


# -- how they are shown ----------------------------------------------------------------------------------------

RESULTS = [
    TempestResult(LISTED, "passed", 0.0, 1.5),
    TempestResult(SHOWN, "failed", 0.0, 2.0, "1 != 2", TRACEBACK, f"neutron-api: <b> {REQUEST}"),
    TempestResult(OTHER, "known", 0.0, 1.0, "Neutron's bug 1"),
    TempestResult("a.b.C.test_d", "skipped", 0.0, 0.0, "metering is not enabled"),
]


def test_a_page_has_the_log_lines_beside_a_failure(tmp_path: Path) -> None:
    text = page.html(record(tmp_path), RESULTS)
    assert "1 passed, 1 skipped, 1 failed as listed, 1 failed" in text
    assert f"neutron-api: &lt;b&gt; {REQUEST}" in text
    assert text.index("MismatchError") < text.index("All tests")
    assert "metering is not enabled" in text


def test_junit_has_a_case_for_each(tmp_path: Path) -> None:
    root = ElementTree.fromstring(page.xml(record(tmp_path), RESULTS))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "2")
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert (failed.get("classname"), failed.get("name")) == (PORTS, "test_show")
    assert REQUEST in failed.findtext("system-out", "")


def test_results_are_counted() -> None:
    assert summary(RESULTS) == "1 passed, 1 skipped, 1 failed as listed, 1 failed"
