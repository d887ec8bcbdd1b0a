"""The option that the toy backend brings into the lab file; nothing outside this folder knows of it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.backend import base as backends
from fakevm.errors import InvalidInput
from fakevm.lab import form, reading
from fakevm.lab.settle.settling import settle
from fakevm.testing.contracts.description import plan_of
from fakevm.testing.labs import Labs

LAB = """
backend: toy
toy: {first_vni: 9990}
hosts: {host1: {}}
networks: {net: {subnets: {sub: {cidr: 10.0.0.0/24}}}}
"""


@pytest.fixture(autouse=True)
def toy(toy_folder: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(toy_folder))
        importlib.invalidate_caches()
        yield toy_folder


def test_neutron_is_told_what_the_file_says() -> None:
    backend = backends.load("toy")
    plan = plan_of("toy", backend, kernel_datapath=True)
    assert backend.ml2(plan)["ml2_type_vxlan"] == {"vni_ranges": "1:10000"}
    told = plan.model_copy(update={"options": reading.parse(LAB, "f").toy})  # type: ignore[attr-defined]
    assert backend.ml2(told)["ml2_type_vxlan"] == {"vni_ranges": "9990:10000"}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("first_vni: none", "f:2: toy.first_vni: a whole number is expected"),
        ("first_vni: 0", "f:2: toy.first_vni: must be at least 1"),
        ("frist_vni: 2", "f:2: toy.frist_vni: unknown key. Did you mean 'first_vni'? Allowed: first_vni"),
    ],
)
def test_its_keys_are_checked_with_their_lines(option: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        reading.parse(f"toy:\n  {option}\n", "f")
    assert said in str(refused.value)


def test_it_may_refuse_a_value_itself(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("backend: toy\ntoy:\n  first_vni: 10001\n")
    written = reading.load(path)
    with pytest.raises(InvalidInput, match=r"lab\.yaml:3: toy\.first_vni: 10001 is above the last VNI"):
        settle(written.lab, kernel_datapath=True, place=written.place)


def test_editors_know_it() -> None:
    schema = form.whole().model_json_schema()
    assert schema["$defs"]["ToyOptions"]["properties"]["first_vni"]["description"]


@pytest.mark.lab
@pytest.mark.slow
def test_networks_of_a_lab_have_the_vnis_that_its_file_says(toy: Path, tmp_path: Path) -> None:
    labs = Labs.made()
    labs.environment["PYTHONPATH"] = str(toy)
    file = tmp_path / "lab.yaml"
    file.write_text(LAB)
    try:
        lab = labs.up("toy-options", str(file))
        lab.guest("net", "a", "host1")
        shown = lab.fakevm("lab", "exec", "host1", "--", "ip", "-json", "-details", "link", "show", "type", "vxlan")
        (vni,) = [link["linkinfo"]["info_data"]["id"] for link in json.loads(shown.stdout)]
        # Neutron takes any of those that it may (29.0.0, get_random_unallocated_segment).
        assert 9990 <= vni <= 10000
    finally:
        labs.remove()
