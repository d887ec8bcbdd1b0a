"""Reading a lab file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.errors import InvalidInput
from fakevm.lab import reading
from fakevm.lab.problem import InvalidFile, Problem
from fakevm.model.labfile import LabFile


def complaint(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        reading.parse(text, "lab.yaml")
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n", "---\n"])
def test_an_empty_file_is_the_default_lab(text: str) -> None:
    lab = reading.parse(text, "lab.yaml")
    assert lab == LabFile()
    assert {name: host.roles for name, host in lab.hosts.items()} == {
        "compute1": ("compute",),
        "compute2": ("compute",),
        "network1": ("dhcp",),
    }


def test_all_keys() -> None:
    lab = reading.parse(
        "name: mine\nrelease: 29.0.0\nbackend: ovs\ndatapath: userspace\nfirewall: iptables_hybrid\n"
        "physical_networks: {flat: {}, tagged: {vlans: [5, 7]}}\n"
        "hosts:\n  a: {}\n  b: {roles: [compute, dhcp], firewall: noop}\n",
        "lab.yaml",
    )
    assert lab.physical_networks["tagged"].vlans == (5, 7)
    assert lab.physical_networks["flat"].vlans is None
    assert lab.hosts["b"].roles == ("compute", "dhcp")
    assert lab.hosts["b"].firewall == "noop"


def test_every_error_with_its_line_path_and_what_is_allowed() -> None:
    said = complaint(
        "name: Bad Name\ndatapth: auto\nfirewall: strong\nhosts:\n  compute1:\n    roles: [cook]\n    firewal: noop\n"
    )
    assert said.startswith("5 errors in the lab file:")
    _, *lines = said.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["lab.yaml:1", "name"],
        ["lab.yaml:2", "datapth"],
        ["lab.yaml:3", "firewall"],
        ["lab.yaml:6", "hosts.compute1.roles.0"],
        ["lab.yaml:7", "hosts.compute1.firewal"],
    ]
    assert "Did you mean 'datapath'?" in lines[1]
    assert "physical_networks" in lines[1]
    assert "'openvswitch', 'iptables_hybrid', 'iptables' or 'noop'" in lines[2]
    assert "given: 'strong'" in lines[2]
    assert "'compute', 'dhcp', 'l3', 'metadata' or 'gateway'" in lines[3]
    assert "Did you mean 'firewall'? Allowed: roles, firewall, " in lines[4]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts:\n\tcompute1: {}\n", "lab.yaml:2: not YAML"),
        ("name: a\nname: b\n", "lab.yaml:2: not YAML: found duplicate key"),
        ("hosts: {a: {}\n", "not YAML"),
        ("- a\n", "lab.yaml:1: a lab file is a mapping of keys such as 'hosts', not a list"),
        ("just words\n", "not the word 'just words'"),
        ("hosts: 3\n", "lab.yaml:1: hosts: keys with values are expected (given: 3)"),
        ("hosts: {}\n", "lab.yaml:1: hosts: a lab needs at least one host"),
        ("hosts:\n  a: {roles: []}\n", "lab.yaml:2: hosts.a.roles: a host needs at least one role"),
        ("hosts:\n  a: {roles: compute}\n", "lab.yaml:2: hosts.a.roles"),
        ("name: 7\n", 'lab.yaml:1: name: a word is expected: "7" (given: 7)'),
        ("physical_networks: {p: {vlans: [9, 3]}}\n", "the first VLAN id must not be above the last"),
        ("physical_networks: {p: {vlans: [0, 5000]}}\n", "must be at most 4094"),
        ("physical_networks: {p: {vlans: [1]}}\n", "physical_networks.p.vlans"),
        ("hosts:\n  Compute_1: {}\n", "lab.yaml:2: hosts.Compute_1"),
        ("name: \x07\n", "not YAML"),
        ("hosts: {lab: {}}\n", "'lab' is the lab itself"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    assert said in complaint(text)


def test_a_name_of_the_right_form_is_asked_for() -> None:
    assert "a-z" in complaint("name: Bad Name\n")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read the lab file"):
        reading.read(tmp_path / "none.yaml")
    with pytest.raises(InvalidInput, match="cannot read the lab file"):
        reading.read(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InvalidInput, match="not text in UTF-8"):
        reading.read(binary)


def test_a_problem_has_its_parts_for_editors() -> None:
    with pytest.raises(InvalidFile) as caught:
        reading.parse("name: lab\nhosts:\n  a: {}\n  b: {rolez: [compute], release: 7.0.0}\n", "my.yaml")
    assert caught.value.problems == (
        Problem("my.yaml", 4, 25, "hosts.b.release", "there is no release '7.0.0'", caught.value.problems[0].hint),
        Problem(
            "my.yaml", 4, 7, "hosts.b.rolez", "unknown key",
            "Did you mean 'roles'? Allowed: roles, firewall, release, physical_networks, l3_mode, zone, config, count",
        ),
    )  # fmt: skip
    assert caught.value.problems[0].hint.startswith("There are: ")


@pytest.mark.parametrize(("text", "place"), [("a: [", (1, 5)), ("- a", (1, 1))])
def test_what_is_no_lab_file_is_one_problem(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(InvalidFile) as caught:
        reading.parse(text, "my.yaml")
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [place]
    assert str(caught.value).startswith("my.yaml:1: ")
