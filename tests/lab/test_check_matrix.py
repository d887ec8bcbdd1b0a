"""``fakevm check --matrix``: one lab file over backends, of which one lacks much and one does not fit the release."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import Labs, interrupt

pytestmark = pytest.mark.lab

FILE = str(Path(__file__).parents[2] / "examples/backends/lab.yaml")
PATIENCE = 600.0


@pytest.fixture
def toy_labs(labs: Labs, toy_folder: Path) -> Labs:
    labs.environment["PYTHONPATH"] = str(toy_folder)
    return labs


def test_what_a_backend_lacks_is_skipped_and_the_rest_is_run(toy_labs: Labs, untouched: Callable[[], None]) -> None:
    junit = toy_labs.folder / "matrix.xml"
    words = (
        "check",
        "--matrix",
        "backend=toy,linuxbridge",
        "release=2026.2",
        FILE,
        "--junit",
        str(junit),
        "-f",
        "json",
    )
    done = toy_labs.fakevm(*words, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    rows = {row.pop("check"): row for row in json.loads(done.stdout)}
    assert {cells["linuxbridge 29.0.0"]["status"] for cells in rows.values()} == {"skipped"}
    assert "does not run with Neutron 29.0.0" in rows["lab up"]["linuxbridge 29.0.0"]["seen"]
    toy = {name: cells["toy 29.0.0"] for name, cells in rows.items()}
    assert {name: seen["lacks"] or seen["status"] for name, seen in toy.items()} == {
        "lab up": "met",
        "DHCP offers the address": "dhcp",
        "ping across hosts": "met",
        "another network is apart": "met",
        "port 80 is let in": "met",
        "no other port is": "security-groups",
        "moved cold": "met",
        "moved live": "live-migration",
    }
    assert toy["no other port is"]["seen"] == "toy lacks security-groups: nothing filters"
    assert "left out: security group web; toy lacks security-groups: nothing filters" in done.stderr
    suites = ElementTree.fromstring(junit.read_text())
    assert [(suite.get("errors"), suite.get("skipped")) for suite in suites] == [("0", "3"), ("0", "8")]
    untouched()


def test_ctrl_c_ends_the_lab_that_runs(toy_labs: Labs, untouched: Callable[[], None]) -> None:
    process = toy_labs.begin("check", FILE, "--matrix", "backend=toy")
    assert process.stdout
    said = iter(process.stdout.readline, "")
    assert any("sandbox (" in line for line in said)
    status, _ = interrupt(process, signal.SIGINT)
    assert status == 130
    untouched()
