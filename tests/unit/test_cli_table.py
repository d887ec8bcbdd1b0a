"""Tables fit a terminal of 80 columns, with no word torn; elsewhere they have every column and no colour."""

from __future__ import annotations

import argparse
import io
import json
import re
from typing import Any

import pytest
from tests.unit.view.samples import live, several

from fakevm.cli import doctor
from fakevm.cli.app import App
from fakevm.cli.check import Check
from fakevm.cli.command import Lister, ShowOne
from fakevm.cli.events import ListEvents
from fakevm.cli.failure import complain
from fakevm.cli.host import HostList
from fakevm.cli.lab import LabList, LabStatus
from fakevm.cli.lab_apply import LabApply
from fakevm.cli.migration_output import moved
from fakevm.cli.output import guest_table
from fakevm.cli.port import DeletePort, ListPorts
from fakevm.cli.table import wrapped
from fakevm.control.listing import GuestRow
from fakevm.doctor import Finding, Status
from fakevm.errors import FakevmError

ID = "688fc27e-fe28-4c1c-a02c-2996913e123"
LONG = "a-rather-long-database-server-2"


class Screen(io.StringIO):
    """A terminal, as far as Python can tell."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def row(number: int, **changes: Any) -> GuestRow:
    values: dict[str, Any] = {
        "name": LONG, "port_id": f"{ID}{number}", "instance_id": f"{ID}{number}", "network": "private",
        "bound_host": "compute1", "status": "ACTIVE", "mac_address": "fa:16:3e:ad:99:23",
        "addresses": ("10.1.0.217/24",), "plugged_on": ("compute1",),
    }  # fmt: skip
    return GuestRow(**{**values, **changes})


def shown(kind: type[Lister | ShowOne], answer: Any, words: str = "", screen: io.StringIO | None = None) -> str:
    """Show an answer of a command; its output is a terminal of 80 columns."""
    app = App()
    app.stdout = screen or Screen()
    app.options = argparse.Namespace()

    class Answering(kind):  # type: ignore[misc,valid-type]
        _remarks = _wrong = ()

        def take_action(self, parsed_args: argparse.Namespace) -> Any:
            return answer

    command: Any = Answering(app, None)
    parsed = command.get_parser("x").parse_args(words.split())
    command.formatter = command._formatter_plugins[parsed.formatter].obj
    command.produce_output(parsed, *answer)
    return str(app.stdout.getvalue())


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("CLIFF_MAX_TERM_WIDTH", raising=False)


def plain(text: str) -> str:
    return re.sub(r"\033\[\d+m", "", text)


def fits(text: str) -> bool:
    return max(map(len, plain(text).splitlines())) <= 80


def whole(text: str, *words: str) -> bool:
    return all(re.search(rf"(?<!\S){re.escape(word)}(?!\S)", plain(text)) for word in words)


def test_a_list_shows_the_columns_that_people_want_and_says_which_it_does_not() -> None:
    text = shown(ListPorts, guest_table([row(1), row(2)]))
    assert fits(text)
    assert whole(text, LONG, "compute1", "10.1.0.217/24", "ACTIVE")
    assert plain(text).splitlines()[1].split()[1] == "name"
    last = plain(text).splitlines()[-1]
    assert last.startswith("not shown: network, vif_id, instance") and "--wide" in last
    assert "problem" not in last, "an empty column is missed by nobody"


def test_a_problem_is_shown_rather_than_anything_less() -> None:
    problem = "Neutron has no such port: unplug-all-host removes what is left"
    text = shown(ListPorts, guest_table([row(1), row(2, name="x" * 36, problem=problem)]))
    assert fits(text)
    assert whole(text, *problem.split())


def test_every_column_is_shown_where_that_is_asked_for_and_where_there_is_no_terminal() -> None:
    for text in (
        shown(ListPorts, guest_table([row(1)]), "--wide"),
        shown(ListPorts, guest_table([row(1)]), screen=io.StringIO()),
    ):
        assert whole(text, f"{ID}1", "fa:16:3e:ad:99:23", "plugged_on")
        assert len(text.splitlines()) == 5
    assert whole(shown(ListPorts, guest_table([row(1)]), "-c vif_id"), f"{ID}1")


def test_what_is_asked_for_is_shown_even_if_it_does_not_fit() -> None:
    assert whole(shown(ListPorts, guest_table([row(1)]), "-c name -c vif_id -c status"), "server-2", f"{ID}1")


@pytest.mark.parametrize(
    ("kind", "columns", "cells", "shown_whole"),
    [
        (LabStatus, ("host", "program", "state", "for_seconds", "agent", "restarts"),
         ("compute100", "neutron-ovn-maintenance-worker", "running", 86400, "alive", 12),
         ("compute100", "neutron-ovn-maintenance-worker", "running", "alive")),
        (LabList, ("name", "state", "hosts", "release", "backend", "endpoint", "directory"),
         ("a-lab-of-thirty-one-characters-", "unreadable", 100, "29.0.0", "linuxbridge", "http://127.0.0.1:44679",
          "/var/lib/fakevm/labs/a-lab-of-thirty-one-characters-"),
         ("a-lab-of-thirty-one-characters-", "unreadable")),
        (HostList, ("name", "state", "lab", "roles", "directory"),
         ("network1", "running", "a-lab-of-thirty-one-characters-", "dhcp, l3, metadata, gateway", "/x" * 40),
         ("network1", "running", "a-lab-of-thirty-one-characters-")),
        (Check, ("name", "kind", "source", "target", "expect", "status", "seconds", "attempts", "seen"),
         ("web1-reaches-the-database", "migration", LONG, LONG, "passes", "failed", 12.34, 3,
          "12 of 1398 probes lost, the longest gap was 76 ms, which is more than 50 ms"),
         ("web1-reaches-the-database", "failed", "probes", "lost,")),
        (LabApply, ("action", "kind", "name", "changes"),
         ("change", "security group rule", "web: ingress tcp 80 from 0.0.0.0/0", "port_range_max: 80 → 8080, " * 4),
         ("change", "port_range_max:", "8080,")),
        (ListEvents, ("number", "at", "name", "instance", "vif_id", "status", "guest"),
         (12345, "2026-11-20 13:17:57.021", "network-vif-plugged", f"{ID}1", f"{ID}2", "completed", LONG),
         ("12345", "network-vif-plugged")),
        (DeletePort, ("name", "vif_id", "host", "result"),
         (LONG, f"{ID}1", "compute1", "agent down since 2026-11-20 13:17:57 UTC"), (LONG, "compute1", "since")),
    ],
)  # fmt: skip
def test_every_table_fits(
    kind: type[Lister], columns: tuple[str, ...], cells: tuple[Any, ...], shown_whole: tuple[str, ...]
) -> None:
    text = shown(kind, (columns, [cells]), "x" if kind in (LabApply, DeletePort) else "")
    assert fits(text), plain(text)
    assert whole(text, *shown_whole), plain(text)


def test_statuses_are_coloured_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = guest_table([row(1), row(2, status="DOWN", name="ACTIVE")])
    text = shown(ListPorts, rows)
    assert "\033[32mACTIVE\033[0m" in text and "\033[31mDOWN\033[0m" in text
    assert text.count("\033[32m") == 1, "a name is no status"
    assert "\033" not in shown(ListPorts, rows, screen=io.StringIO())
    for words in ("-f json", "-f value", "-f csv", "-f yaml"):
        assert "\033" not in shown(ListPorts, rows, words)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in shown(ListPorts, rows)


def test_json_has_every_column_whatever_the_terminal() -> None:
    (found,) = json.loads(shown(ListPorts, guest_table([row(1)]), "-f json"))
    assert list(found)[:3] == ["name", "vif_id", "instance"]
    assert len(found) == 10


def test_a_migration_is_one_table_with_a_line_for_each_step() -> None:
    report = live(1).model_copy(update={"name": "web1", "instance_id": f"{ID}1"})
    text = shown(ShowOne, moved(report, "ACTIVE"))
    assert fits(text)
    assert text.count("+---") == 6, "one table has three lines of two columns"
    for step in report.steps:
        assert re.search(rf"{step.name} +{step.seconds:.3f} +at {step.start:.3f}", text)
    assert re.search(r"\| name +\| web1 ", text)
    assert "interfaces" in dict(zip(*moved(report, "ACTIVE"), strict=True))
    assert "interfaces" not in dict(zip(*moved(report, "ACTIVE", brief=True), strict=True))
    seconds = json.loads(shown(ShowOne, moved(report, "ACTIVE"), "-f json"))["seconds"]
    assert seconds["total"] == pytest.approx(report.seconds, abs=0.001)


def test_a_migration_of_several_interfaces_tells_the_outage_of_each() -> None:
    report = several()
    text = shown(ShowOne, moved(report, "ACTIVE", brief=True))
    assert fits(text)
    told = json.loads(shown(ShowOne, moved(report, "ACTIVE"), "-f json"))
    assert [one["name"] for one in told["interfaces"]] == ["eth0", "eth1", "eth2"]
    assert told["outage"] == told["interfaces"][0]["outage"]
    assert told["vif_id"] == told["interfaces"][0]["attached"]
    for one, place in zip(told["interfaces"], ("private", "storage", "link core"), strict=True):
        said = f"{one['name']} ({place}): {one['outage']['lost']} of {one['outage']['sent']} probes lost"
        assert whole(text, *said.split())


def test_doctor_tells_below_what_it_found_what_that_means() -> None:
    finding = Finding(
        kind="kernel", name="openvswitch datapath", status=Status.MISSING, detail="ovs-dpctl: add_dp",
        without_it="the kernel datapath: labs use the userspace one", remedy="a kernel with the module openvswitch",
    )  # fmt: skip
    answer = (doctor._COLUMNS, [doctor.Doctor._row(finding)])
    text = shown(doctor.Doctor, answer)
    assert fits(text)
    told = " ".join(re.findall(r"\S+", plain(text).replace("|", "")))
    assert "Without it: the kernel datapath" in told and "Remedy: a kernel with" in told
    assert json.loads(shown(doctor.Doctor, answer, "-f json"))[0]["Remedy"] == finding.remedy


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("create 0.51, bind 1.14, plug 0.25", 18, ["create 0.51, bind", "1.14, plug 0.25"]),
        ("a-rather-long-name", 10, ["a-rather-", "long-name"]),
        ("one two-three", 9, ["one", "two-three"]),
        ("unbreakable/word", 4, ["unbreakable/word"]),
        ("  at the begin", 80, ["  at the begin"]),
        ("a\nb", 80, ["a", "b"]),
        ("", 5, [""]),
    ],
)
def test_lines_end_between_words(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width).split("\n") == lines


def test_an_error_is_torn_by_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"the guest of port {ID}1 (router1) has several ports: it cannot be moved port by port\nMove others."
    for screen in (Screen(), io.StringIO()):
        monkeypatch.setattr("sys.stderr", screen)
        assert complain(FakevmError(text)) == 1
        assert whole(screen.getvalue(), "several", f"{ID}1", "others.")
        assert fits(screen.getvalue()) == screen.isatty()
        assert (screen.getvalue() == f"error: {text}\n") != screen.isatty()
