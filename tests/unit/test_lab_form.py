"""A backend brings keys of its own into the lab file: they are checked as FakeVM's own, and nothing else knows them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import Field

from fakevm.backend import base as backends
from fakevm.backend.ovs import OvsBackend
from fakevm.errors import InvalidInput
from fakevm.lab import export, form, planning, reading
from fakevm.lab.apply.difference import refuse_fixed
from fakevm.model.labfile import LabFile, Options

SOURCE = Path(__file__).parents[2] / "src/fakevm"


class CloudOptions(Options):
    """How the cloud is made."""

    droplets: int = Field(default=3, ge=1, description="How many there are.")
    # The name of a file that FakeVM's own keys have no form for.
    colour: str = Field(default="white", pattern="^[a-z]+$", description="A small word.")


class CloudBackend(OvsBackend):
    options = CloudOptions
    programs = ("cloud-maker",)


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install one more backend."""
    load, there = backends.load, backends.installed_names()
    monkeypatch.setattr(backends, "load", lambda name: CloudBackend() if name == "cloud" else load(name))
    monkeypatch.setattr(backends, "installed_names", lambda: sorted([*there, "cloud"]))
    monkeypatch.setattr(backends, "installed", lambda: {name: backends.load(name) for name in [*there, "cloud"]})


def plan_of(text: str, tmp_path: Path) -> CloudOptions:
    lab = reading.parse(text, "lab.yaml")
    lab = planning.completed(lab, backends.load(lab.backend))
    told = planning.make_plan(lab, tmp_path, {lab.release: tmp_path}, kernel_datapath=False).options
    assert isinstance(told, CloudOptions)
    return told


def test_what_the_file_says_is_in_the_plan(tmp_path: Path) -> None:
    assert plan_of("backend: cloud\ncloud: {droplets: 9}", tmp_path) == CloudOptions(droplets=9)


def test_what_it_does_not_say_is_as_by_default(tmp_path: Path) -> None:
    assert plan_of("backend: cloud", tmp_path) == CloudOptions()


def test_other_backends_leave_it_alone() -> None:
    lab = reading.parse("backend: ovs\ncloud: {droplets: 9}", "lab.yaml")
    assert planning.options_of(lab) is None
    assert form.of({}) is LabFile


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cloud:\n  droplets: many", ":2: cloud.droplets: a whole number is expected"),
        ("cloud:\n  droplets: 0", "f:2: cloud.droplets: must be at least 1"),
        ("cloud:\n  colour: 5x", "f:2: cloud.colour: must match ^[a-z]+$"),
        ("cloud:\n  droplet: 5", "f:2: cloud.droplet: unknown key. Did you mean 'droplets'? Allowed: droplets, colour"),
        ("cloud: 5", "f:1: cloud: keys with values are expected"),
        ("clout: {}", "f:1: clout: unknown key. Did you mean 'cloud'?"),
        ("ovs: {}", "f:1: ovs: unknown key"),
    ],
)
def test_its_keys_are_checked_as_all_others(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        reading.parse(text, "f")
    assert said in str(refused.value)


def test_editors_know_its_keys() -> None:
    schema = form.whole().model_json_schema()
    assert schema["properties"]["cloud"]["description"] == "With the backend `cloud`: how the cloud is made."
    assert list(schema["$defs"]["CloudOptions"]["properties"]) == ["droplets", "colour"]


def test_its_programs_can_be_stopped_by_checks() -> None:
    text = "checks: {c: {kind: ping, from: client, to: client, during: {restart: cloud-maker}}}"
    assert str(reading.parse(text, "f").checks["c"].during) == "restart cloud-maker"


def test_a_lab_that_runs_keeps_its_options() -> None:
    old = reading.parse("backend: cloud\ncloud: {droplets: 9}", "f")
    refuse_fixed(old, reading.parse("backend: cloud\ncloud: {droplets: 9}", "f"))
    refuse_fixed(reading.parse("backend: cloud", "f"), reading.parse("{backend: cloud, cloud: {droplets: 3}}", "f"))
    with pytest.raises(InvalidInput, match="cloud"):
        refuse_fixed(old, reading.parse("backend: cloud", "f"))


def test_what_it_is_told_is_written_down_and_read_again() -> None:
    lab = reading.parse("backend: cloud\ncloud: {droplets: 9}", "f")
    text = lab.model_dump_json(by_alias=True)
    assert form.of({"backend": "cloud", "cloud": {}}).model_validate_json(text) == lab
    assert "droplets: 9" in export.written(lab)


def test_a_backend_named_as_another_key_does_not_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "installed_names", lambda: ["hosts", "ovs"])
    monkeypatch.setattr(backends, "load", lambda name: CloudBackend())
    assert list(reading.parse("hosts: {h: {}}", "f").hosts) == ["h"]


# -- whose name stands where -------------------------------------------------------------------------------------

NEUTRONS = {
    # The mechanism driver, as a port's binding names it.
    "control/migration/settling.py": {"ovn"},
    # A section of the file of Neutron's Open vSwitch agent.
    "agent/emulation.py": {"ovs"},
    # Sections of the files of Neutron's programs.
    "lab/config/reserved.py": {"ovs", "ovn"},
    # Drivers of networking-sfc, as its options name them.
    "lab/services/known.py": {"ovs"},
    # The kind of a network device, as Nova's metadata names it.
    "metadata/document.py": {"ovs"},
    # The one default.
    "names.py": {"ovs"},
}


def test_no_backends_name_stands_in_code_that_is_not_its_own() -> None:
    """Prose may name one: the words of help, of a description, of a comment."""
    names = {point for point in backends.installed_names() if point != "cloud"}
    found = {}
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE)
        if place.parts[0] in ("backend", "vif", "in_neutron"):
            continue
        if here := set(words(ast.parse(path.read_text()))) & names:
            found[str(place)] = here
    assert found == NEUTRONS


def words(tree: ast.AST) -> Iterator[str]:
    """Give the constants of a module that are one word, and what it imports and speaks of by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.-]+", node.value):
            yield node.value
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            yield node.arg
