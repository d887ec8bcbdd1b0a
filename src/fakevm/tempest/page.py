"""Results of Tempest's tests as pages: HTML for people, JUnit XML for continuous integration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from fakevm.model.lab import LabRecord
from fakevm.view import junit, page
from fakevm.view.element import Child, element
from fakevm.view.junit import Verdict

from .result import Status, TempestResult, summary

_VERDICTS: Mapping[Status, Verdict] = {
    "passed": "passed",
    "failed": "failure",
    "unlisted": "failure",
    "known": "skipped",
    "skipped": "skipped",
}
_WORDS: Mapping[Status, str] = {"known": "failed, as listed", "unlisted": "passed, although listed"}
# What one looks for first comes first.
_ORDER: tuple[Status, ...] = ("failed", "unlisted", "known", "skipped", "passed")


def xml(record: LabRecord, results: Sequence[TempestResult]) -> str:
    """Write JUnit XML; a test that failed as it is listed is skipped there, with its reason."""
    return junit.of_suites({f"fakevm tempest in lab {record.name}": [_case(one) for one in results]})


def _case(one: TempestResult) -> junit.Case:
    kind, _, name = one.name.rpartition(".")
    output = "\n\n".join(filter(None, (one.detail, one.logs)))
    return junit.Case(kind or one.name, name, one.seconds, _VERDICTS[one.status], one.seen, output)


def html(record: LabRecord, results: Sequence[TempestResult]) -> str:
    """Write a page: those that did not pass with all that is known of them, then a table of all."""
    title = f"Tempest in lab {record.name}"
    wrong = [one for one in _ordered(results) if one.status not in ("passed", "skipped")]
    return page.document(
        title,
        element("h1", title),
        element("p", f"Neutron {record.release}, backend {record.backend}: {summary(list(results))}", class_="facts"),
        *([element("h2", "Not as it should be")] if wrong else []),
        *(part for one in wrong for part in _told(one)),
        *_skipped(results),
        element("h2", "All tests"),
        page.table(
            "In their classes", ("test", "result", "seconds"), map(_row, _ordered(results)), numbers=("seconds",)
        ),
    )


def _ordered(results: Sequence[TempestResult]) -> list[TempestResult]:
    return sorted(results, key=lambda one: (_ORDER.index(one.status), one.name))


def _told(one: TempestResult) -> list[Child]:
    parts = (("What the test wrote", one.detail), ("What the lab's programs wrote of its requests", one.logs))
    return [
        element("h3", one.name),
        element("p", element("strong", _WORDS.get(one.status, one.status)), f": {one.seen}"),
        *(element("details", element("summary", title), element("pre", text)) for title, text in parts if text),
    ]


def _skipped(results: Sequence[TempestResult]) -> list[Child]:
    """Count the reasons for which tests were skipped."""
    reasons = skips(results)
    if not reasons:
        return []
    rows = [
        element("tr", element("td", str(number), class_="number"), element("td", reason)) for reason, number in reasons
    ]
    return [element("h2", "Skipped"), page.table("Why", ("tests", "reason"), rows, numbers=("tests",))]


def skips(results: Sequence[TempestResult]) -> list[tuple[str, int]]:
    """Give the reasons for which tests were skipped, each with their number, the most frequent first."""
    return Counter(one.seen for one in results if one.status == "skipped").most_common()


def _row(one: TempestResult) -> Element:
    return element(
        "tr",
        element("td", one.name, class_="name-of"),
        element("td", _WORDS.get(one.status, one.status)),
        element("td", f"{one.seconds:.1f}", class_="number"),
    )
