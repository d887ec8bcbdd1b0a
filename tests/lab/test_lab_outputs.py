"""Commands on a lab that runs, whose output cannot be written: what they did is done, and nothing of it is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from fakevm.cli.app import App
from fakevm.testing.forks import CLOSED, Ended, Forks

from .conftest import Lab

FULL = "/dev/full"
# What each command is given; None: it would break the lab that all tests share, or needs none (test_every_command).
LINES: dict[str, str | None] = {
    "list": "", "show": "VIF", "events": "", "exec": "VIF -- cat /etc/hostname", "plug": "VIF --host compute1",
    "lab env": "", "lab exec": "compute1 -- cat /etc/hostname", "lab export": "", "lab list": "", "lab status": "",
    "lab logs": "neutron-api -n 1", "lab diff": "", "host list": "", "lab config": "ovs_agent --host compute1",
    "guest list": "", "guest show": "VIF", "guest reboot": "VIF --no-wait", "guest stop": "VIF",
    "guest start": "VIF --no-wait", "guest remove": None, "interface attach": None, "interface detach": None,
    "unplug": "VIF --host compute1", "unplug-all-host": "VIF", "delete-port": "VIF", "create-port": None,
    "migrate": None, "check": None, "complete": None, "doctor": None, "help": None, "host cut": None,
    "host down": None, "host exec": None, "host join": None, "host kill": None, "host start": None, "host stop": None,
    "host upgrade": None, "lab apply": None, "lab down": None, "lab init": None, "lab schema": None, "lab up": None,
    "lab kill": None, "lab restart": None, "lab start": None, "lab stop": None,
    "lab upgrade": None, "lab validate": None, "release install": None, "release list": None, "release remove": None,
    "ssh": "--on VIF cat /etc/hostname", "ssh-config": "", "inventory": "",
    "warm start": None, "warm status": None, "warm stop": None, "graph": "", "link list": "", "tool list": "",
    "capture": None, "impair set": None, "impair reset": None, "impair show": None, "lab reload": None,
    "lab stacks": None, "link add": None, "link cut": None, "link join": None, "link remove": None,
    "link show": None, "tool install": None, "tool remove": None, "tool run": None, "guest log": "VIF",
    "guest console": None, "guest checkpoint": None, "guest restore": None, "lab shell": None, "tempest": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def forks(lab: Lab) -> Iterator[Forks]:
    made = Forks(lab.labs.env(FAKEVM_LAB=lab.record.name), lab.labs.folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def vif(lab: Lab, forks: Forks) -> Iterator[str]:
    """Make a guest by a command whose output is lost."""
    lab.network("outputs", "10.44.0.0/24")
    words = ("create-port", "outputs", "lost", "--host", "compute1", "--no-wait")
    said = no_fault(forks.run(*words, stdout=FULL)).stderr
    assert "standard output cannot be written: No space left on device" in said
    (made,) = re.findall(r"Created all the same: lost \(([0-9a-f-]{36})\)\n", said)
    assert [row["vif_id"] for row in lab.told("list") if row["instance"] == "lost"] == [made]
    yield made
    lab.remove_network("outputs")


def no_fault(ended: Ended) -> Ended:
    for said in ("Traceback", "fault of FakeVM's own", "Exception ignored"):
        assert said not in ended.stderr
    return ended


def test_every_command_is_tried_here_or_for_a_reason_not() -> None:
    assert {name for name, _ in App().command_manager} == set(LINES)


@pytest.mark.parametrize("command", [command for command, line in LINES.items() if line is not None])
def test_output_that_cannot_be_written_is_told(forks: Forks, vif: str, command: str) -> None:
    line = [*command.split(), *str(LINES[command]).replace("VIF", vif).split()]
    for place in (FULL, CLOSED):
        ended = no_fault(forks.run(*line, stdout=place))
        assert ended.status, line
        assert ended.stderr, line


def test_output_that_is_lost_was_no_reason_not_to_do_it(lab: Lab, forks: Forks, vif: str) -> None:
    no_fault(forks.run("delete-port", vif, stdout=FULL))
    rows: list[dict[str, Any]] = lab.told("list")
    assert vif not in [row["vif_id"] for row in rows]
