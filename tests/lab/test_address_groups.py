"""What an address group lets in, and what it does not any more when its addresses are changed in a lab that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakevm.lab import reading

from .conftest import Lab, Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "examples/address-groups/lab.yaml"
FULL = "addresses: [10.0.0.10, 10.0.0.64/26]"
CHECKS = """
checks:
  the desk: {kind: tcp, from: desk, to: web, port: 80, expect: DESK, within: 60s}
  the room: {kind: tcp, from: meeting-room, to: web, port: 80, within: 60s}
  the cafe: {kind: tcp, from: cafe, to: web, port: 80, expect: CAFE, within: 60s}
"""


def written(folder: Path, backend: str, addresses: str, desk: str, cafe: str) -> str:
    """Write the example with other addresses, and with checks of who gets in; gives the file."""
    text = (
        f"backend: {backend}\n"
        + EXAMPLE.read_text().split("\nchecks:")[0]
        + CHECKS.replace("DESK", desk).replace("CAFE", cafe)
    )
    path = folder / "groups.yaml"
    path.write_text(text.replace(FULL, f"addresses: {addresses}"))
    return str(path)


def changed(lab: Lab, file: str) -> list[tuple[str, str, str]]:
    done = lab.fakevm("lab", "apply", file, "-f", "json")
    assert done.returncode == 0, done.stderr
    if reading.read(Path(file)).checks:
        met = lab.fakevm("check")
        assert met.returncode == 0, met.stdout + met.stderr
    return [(step["action"], step["kind"], step["name"]) for step in json.loads(done.stdout)]


@pytest.mark.parametrize("backend", ["ovs", "ovn"])
def test_addresses_are_let_in_as_long_as_they_are_in_the_group(backend: str, labs: Labs) -> None:
    up = labs.fakevm("lab", "up", written(labs.folder, backend, FULL.split(": ")[1], "passes", "blocked"))
    assert up.returncode == 0, up.stderr
    lab = Lab(labs, labs.record("address-groups"))
    met = lab.fakevm("check")
    assert met.returncode == 0, met.stdout + met.stderr
    assert lab.fakevm("lab", "diff", "--exit-code").returncode == 0

    fewer = written(labs.folder, backend, "[10.0.0.64/26]", "blocked", "blocked")
    only_the_group = [("change", "address group", "office")]
    assert changed(lab, fewer) == only_the_group
    assert (
        changed(lab, written(labs.folder, backend, "[10.0.0.64/26, 10.0.0.11]", "blocked", "passes")) == only_the_group
    )
    assert lab.fakevm("lab", "diff", "--exit-code").returncode == 0

    unset = lab.openstack("address", "group", "unset", "office", "--address", "10.0.0.11")
    assert unset.returncode == 0, unset.stderr
    (row,) = json.loads(lab.fakevm("lab", "diff", "-f", "json").stdout)
    assert (row["state"], row["kind"], row["name"]) == ("changed", "address group", "office")
    assert row["difference"]["attribute"] == "addresses"

    exported = lab.fakevm("lab", "export")
    office = reading.parse(exported.stdout, "exported").model_dump()["address_groups"]["office"]
    assert office["addresses"] == ("10.0.0.64/26", "10.0.0.11")
    tree = Path(written(labs.folder, backend, "[]", "blocked", "blocked")).read_text()
    gone = tree.replace(", remote_address_group: office", "").replace(
        "address_groups:\n  office: {addresses: []}\n", ""
    )
    (labs.folder / "gone.yaml").write_text(gone.split("\nchecks:")[0])
    assert ("remove", "address group", "office") in changed(lab, str(labs.folder / "gone.yaml"))
    assert lab.openstack("address", "group", "list", "-f", "value").stdout.strip() == ""
    assert lab.fakevm("lab", "down", "address-groups").returncode == 0
