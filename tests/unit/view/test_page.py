"""Reports as pages: complete, well-formed, and harmless whatever is in them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fakevm.errors import InvalidInput
from fakevm.model.migration import MigrationReport, Probe
from fakevm.view import explanations, page, report, words
from fakevm.view.element import element, html
from fakevm.view.overview import many
from fakevm.view.scale import duration

from . import samples

REPORTS = {
    "live": samples.live(),
    "failed": samples.live(2, fail_at="activate"),
    "failed early": samples.live(2, fail_at="check"),
    "cold": samples.cold(),
    "unwatched": samples.live(4, probes=False),
    "several": samples.several(),
    "hostile": samples.hostile(),
}
VOID = {"meta", "br", "link", "img", "input"}


class Reader(HTMLParser):
    """Reads a page: its tags, its text, and whether all that was opened was closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str, class_: str) -> int:
        return sum(name == tag and class_ in (found.get("class") or "").split() for name, found in self.tags)


@pytest.mark.parametrize("made", REPORTS.values(), ids=REPORTS)
def test_a_page_is_well_formed_and_needs_nothing_from_elsewhere(made: MigrationReport) -> None:
    text = page.one(made)
    read = Reader(text)
    tags = [tag for tag, _ in read.tags]
    assert not {"script", "link", "img", "iframe", "object"} & set(tags)
    assert not [found for _, found in read.tags if {"src", "srcset", "onload", "onclick", "style"} & set(found)]
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert tags.count("main") == tags.count("h1") == 1


def test_whatever_is_in_a_report_it_is_only_text() -> None:
    for text in (page.one(REPORTS["hostile"]), many([REPORTS["hostile"], REPORTS["live"]])):
        assert "<script" not in text
        assert "\0" not in text
        assert "<script>alert('&\"')</script>" in "".join(Reader(text).text)


def test_attributes_and_control_characters_are_escaped() -> None:
    made = html(
        element("a", "<b>\x1b[0m", element("i", "&"), "tail", None, title='"&', class_="x", data_n=1.50, href=None)
    )
    assert (
        made
        == '<a title="&quot;&amp;" class="x" data-n="1.5">&lt;b&gt;\N{REPLACEMENT CHARACTER}[0m<i>&amp;</i>tail</a>'
    )


def test_every_step_is_drawn_told_and_explained() -> None:
    made = REPORTS["live"]
    text = page.one(made)
    for step in made.steps:
        assert explanations.explain("live", step.name).words
        assert text.count(f">{step.name}<") >= 2
    assert [step.name for step in made.steps] == [
        name for name in explanations.LIVE if name not in explanations.SOMETIMES
    ]


def test_every_lost_probe_is_drawn_and_listed() -> None:
    made = REPORTS["live"]
    seen = made.interfaces[0]
    assert seen.outage
    read = Reader(page.one(made))
    lost = [probe for probe in seen.probes if not probe.answers]
    drawn = [
        found["d"] or "" for tag, found in read.tags if tag == "path" and (found.get("class") or "").startswith("lost")
    ]
    assert sum(d.count("V") for d in drawn) == 2 * len(lost)  # in the picture and in the close-up
    title = (
        f"probes {lost[0].number} to {lost[-1].number}, sent from {lost[0].sent:.3f} s to {lost[-1].sent:.3f} s: lost"
    )
    assert read.text.count(title) == 2
    assert read.count("rect", "gap") == 2
    assert f"{seen.outage.lost} probes without an answer" in read.text


def test_a_page_of_a_long_outage_stays_small() -> None:
    probes = tuple(Probe(number=number, sent=number / 100) for number in range(30_000))
    text = page.one(samples.with_(REPORTS["live"], probes=probes).model_copy(update={"seconds": 300.0}))
    assert len(text) < 300_000


def test_what_a_failure_left_out_is_said() -> None:
    text = page.one(REPORTS["failed"])
    assert "The step activate failed; all was undone, and the guest is on compute1 as before." in text
    assert text.count("not reached") == len(explanations.LIVE) - list(explanations.LIVE).index("activate") - 1
    assert "✕ activate" in text
    assert "not reached" not in page.one(REPORTS["live"])


def test_what_could_not_be_undone_names_the_way_out() -> None:
    left = REPORTS["failed"].model_copy(update={"result": "left half-way"})
    assert f"fakevm migrate --recover {left.interfaces[0].attached}" in words.result(left)
    bare = left.model_copy(update={"interfaces": ()})
    assert f"fakevm migrate --recover {left.guest_id}" in words.result(bare)


def test_without_an_observer_that_is_said_and_no_packets_are_drawn() -> None:
    text = page.one(REPORTS["unwatched"])
    assert "nothing is known of an outage" in text
    assert ">packets<" not in text.split("How to read")[0]


def test_an_outage_in_words() -> None:
    seen = REPORTS["live"].interfaces[0].outage
    assert seen

    def said(**changes: float | None) -> str:
        assert seen
        return words.outage(seen.model_copy(update=changes))

    assert said(sent=200, lost=1, longest_gap=0.0421, duplicated=1, reordered=0) == (
        "The guest observer-1 sent 200 probes, one every 10 ms; 1 of them (0.5 %) got no answer. "
        "The longest time without an answer was 42.1 ms. 1 answer came twice."
    )
    assert "all were answered" in said(lost=0)
    assert said(sent=3, lost=3).endswith("none was answered.")
    assert "sent no probe" in said(sent=0, lost=0)


def test_many_are_an_overview_with_a_row_and_a_fold_for_each() -> None:
    made = samples.evacuation()
    text = many(made)
    read = Reader(text)
    links = [found["href"] for tag, found in read.tags if tag == "a"]
    assert links == [f"#guest-{number}" for number in range(1, 11)]
    assert {link[1:] for link in links if link} <= {found.get("id") for _, found in read.tags}
    assert "10 guests: 9 moved, 1 rolled back." in text
    assert read.count("details", "guest") == 10
    assert read.count("rect", "outage") == 9


def test_nobody_to_move_is_a_page_too() -> None:
    assert "There was no guest to move." in many([])


@pytest.mark.parametrize("name", ["report.html", "report.HTML"])
def test_a_page_is_written(tmp_path: Path, name: str) -> None:
    report.write(REPORTS["live"], tmp_path / name)
    assert (tmp_path / name).read_text() == page.one(REPORTS["live"])
    report.write([REPORTS["live"]], tmp_path / name)
    assert (tmp_path / name).read_text() == page.one(REPORTS["live"])


# What a report said of a guest when that had one port.
OF_0_1 = ("port_id", "network", "mac_address", "addresses", "outage", "samples", "probes")


def parsed(told: dict[str, Any]) -> MigrationReport:
    return MigrationReport.model_validate({name: value for name, value in told.items() if name not in OF_0_1})


def test_json_is_the_report_or_a_list_of_reports(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(REPORTS["live"], path)
    assert parsed(json.loads(path.read_text())) == REPORTS["live"]
    for made in ([], [REPORTS["live"]], [REPORTS["live"], REPORTS["several"]]):
        report.write(made, path)
        assert [parsed(one) for one in json.loads(path.read_text())] == made


def test_json_tells_of_the_first_port_as_when_a_guest_had_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(REPORTS["several"], path)
    told = json.loads(path.read_text())
    first = told["interfaces"][0]
    assert len(told["interfaces"]) == 3
    assert told["port_id"] == first["attached"]
    assert {name: told[name] for name in OF_0_1[1:]} == {name: first[name] for name in OF_0_1[1:]}


def test_each_of_several_interfaces_has_its_lanes_its_outage_and_its_lost_probes() -> None:
    made = REPORTS["several"]
    text = page.one(made)
    read = Reader(text)
    whole = [line for line in read.text if line == "eth1, in the network storage"]
    assert len(whole) == 2, "in the picture and in the close-up"
    assert "eth2, link core" in read.text
    for interface in made.interfaces:
        assert interface.outage
        assert f"{interface.name}: {words.outage(interface.outage)}" in read.text
        assert f"Lost probes of {interface.name}" in read.text
    assert read.count("rect", "gap") == 2
    assert any(line.startswith("eth1: ") and line.endswith(" without an answer") for line in read.text)
    assert "network-vif-plugged of eth1" in read.text
    assert made.worst == made.interfaces[1].outage
    assert words.summary([made]).endswith(f"{duration(made.worst.longest_gap)}, of {made.title}.")


def test_a_guest_without_interfaces_has_a_page_too() -> None:
    bare = REPORTS["several"].model_copy(update={"interfaces": (), "events": ()})
    assert "nothing to watch" in page.one(bare)
    assert bare.title in many([bare])


UNWRITABLE = ["report.pdf", "report", ".html", "missing/report.html", "/dev/null/report.html", f"{'a' * 300}.html"]


@pytest.mark.parametrize("name", UNWRITABLE)
def test_a_report_that_cannot_be_written_is_refused_before_the_migration(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        report.check(tmp_path / name)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InvalidInput, match=r"cannot write .*: Is a directory"):
        report.write(REPORTS["live"], tmp_path / "report.html")


def test_the_guide_has_every_step() -> None:
    guide = (Path(__file__).parents[3] / "docs/howto/live-migration.md").read_text()
    for kind, steps in explanations.STEPS.items():
        section = guide.split(f"## The steps of a {kind} migration")[1].split("\n## ")[0]
        assert re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE) == list(steps)
