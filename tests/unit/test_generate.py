"""Guests and links that a lab file has made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.lab import export, reading
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle
from fakevm.model.labfile import LabFile


def lab(text: str) -> LabFile:
    return reading.parse(f"neutron: false\nhosts: {{host1: {{}}}}\n{text}", "x.yaml")


def ends(made: LabFile) -> list[tuple[str, str]]:
    return [tuple(sorted(f"{guest}:{device}" for guest, device in link.interfaces)) for link in made.links.values()]  # type: ignore[misc]


def test_a_leaf_spine_has_a_link_from_each_leaf_to_each_spine_and_a_ring() -> None:
    made = lab("generate: {leaf_spine: {spines: 4, leaves: 16, leaf_ring: true}}")
    assert [*made.guests][:5] == ["spine1", "spine2", "spine3", "spine4", "leaf1"]
    assert len(made.guests) == 20
    assert len(made.links) == 64 + 16
    assert made.links["spine2-leaf3"].ends == ("spine2:eth3", "leaf3:eth2")
    every = [end for pair in ends(made) for end in pair]
    assert len(every) == len(set(every))
    assert {end for end in every if end.startswith("leaf7:")} == {f"leaf7:eth{number}" for number in range(1, 7)}


@pytest.mark.parametrize(
    ("shape", "guests", "links"),
    [("{ring: 8}", 8, 8), ("{mesh: 5}", 5, 10), ("{line: 4}", 4, 3), ("{ring: 3, line: 2}", 5, 4)],
)
def test_other_shapes(shape: str, guests: int, links: int) -> None:
    made = lab(f"generate: {shape}")
    assert (len(made.guests), len(made.links)) == (guests, links)


def test_what_the_file_says_itself_wins() -> None:
    made = lab(
        "generate: {line: 3, guest: {run: [echo all], sysctl: {net.ipv4.ip_forward: 1}}}\n"
        "guests: {line2: {run: [echo own]}, other: {}}\n"
        "links: {line1-line2: {ends: [line1:eth1, line2:eth1], mtu: 9000}}"
    )
    assert [*made.guests] == ["line1", "line2", "line3", "other"]
    assert made.guests["line2"].run[0].command == "echo own"
    assert made.guests["line2"].sysctl == made.guests["line1"].sysctl == {"net.ipv4.ip_forward": "1"}
    assert made.guests["other"].run == ()
    assert made.links["line1-line2"].mtu == 9000
    assert made.links["line2-line3"].mtu == 1500


def test_an_export_has_it_written_out() -> None:
    made = lab("generate: {ring: 3}")
    again = reading.parse(export.written(made), "x.yaml")
    assert again == made
    assert "generate" not in export.written(made)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("generate: {ring: 2}", "generate.ring", "at least 3"),
        ("generate: {leaf_spine: {spines: 2, leaves: 2, leaf_ring: true}}", "generate.leaf_spine", "three leaves"),
        ("generate: {leaf_spine: {spines: 64, leaves: 500}}", "generate.leaf_spine", "more than 4096 links"),
        ("generate: {star: 4}", "generate.star", "unknown key"),
        ("generate: {line: 2, guest: {kind: 3}}", "generate.guest.kind", "a word is expected"),
        ("generate: {line: 2, guest: {host: host7}}", "generate.guest.host", "there is no compute host 'host7'"),
    ],
)
def test_what_cannot_be_is_told_where_it_stands(text: str, path: str, words: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        lab(text)
    (problem,) = refused.value.problems
    assert problem.path == path
    assert words in problem.message
    assert problem.line == 3


def test_what_settling_refuses_of_them_stands_where_they_are_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(
        "neutron: false\nhosts: {host1: {}}\ngenerate:\n"
        "  line: 2\n  guest:\n    routing: {frr: {ospf: {interfaces: [eth7]}}}\n"
    )
    written = reading.load(file)
    with pytest.raises(InvalidFile) as refused:
        settle(written.lab, kernel_datapath=True, place=written.place)
    (problem,) = refused.value.problems
    assert (problem.line, problem.path) == (6, "generate.guest.routing.frr.ospf.interfaces.0")
