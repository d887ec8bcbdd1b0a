"""Several migrations on one page, as when a host is evacuated: a row for each guest, and its own report below."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from fakevm.model.migration import MigrationReport

from . import lanes, page, words
from .element import element
from .scale import Scale, Window, duration
from .timeline import LEFT, LETTER, RIGHT, WIDTH

_ROW = 24
_READING = "A bar for each migration, and in it the longest time without an answer, where probes were lost or late."


def many(reports: Sequence[MigrationReport]) -> str:
    """Write the page of several migrations."""
    sources = sorted({report.source for report in reports})
    title = words.count(len(reports), "migration") + (f" from {', '.join(sources)}" if sources else "")
    children = [element("h1", title), element("p", words.summary(reports))]
    if reports:
        children += [_table(reports), element("h2", "All of them on one axis"), element("p", _READING)]
        children += [page.scroll(_picture(reports), label="All migrations on one axis"), element("h2", "Each guest")]
        children += [_guest(number, report) for number, report in enumerate(reports, 1)]
    return page.document(title, element("main", *children))


def _table(reports: Sequence[MigrationReport]) -> Element:
    columns = ("guest", "addresses", "from", "to", "result", "took", "longest gap", "lost")
    rows = [_row(number, report) for number, report in enumerate(reports, 1)]
    return page.table("A row for each guest", columns, rows, numbers=("took", "longest gap", "lost"))


def _row(number: int, report: MigrationReport) -> Element:
    seen = report.worst
    measured = (duration(seen.longest_gap), f"{seen.lost} of {seen.sent}") if seen else ("not watched", "unknown")
    return element(
        "tr",
        element("td", element("a", report.title, href=f"#guest-{number}")),
        element("td", ", ".join(address for one in report.interfaces for address in one.addresses)),
        element("td", report.source),
        element("td", report.destination),
        element("td", page.badge(report)),
        *(element("td", said, class_="number") for said in (duration(report.seconds), *measured)),
    )


def _guest(number: int, report: MigrationReport) -> Element:
    """Fold a report; the anchor is inside, so that following a link to it opens the fold."""
    anchor = element("span", id=f"guest-{number}")
    return element(
        "details",
        element("summary", words.heading(report), " ", page.badge(report)),
        anchor,
        *page.body(report),
        class_="guest",
    )


def _picture(reports: Sequence[MigrationReport]) -> Element:
    """Draw a bar for each migration, and in it the longest time without an answer."""
    first = min(report.began for report in reports)
    scale = Scale(
        Window(0, max(max(report.began + report.seconds for report in reports) - first, 0.001)),
        LEFT,
        WIDTH - LEFT - RIGHT,
    )
    bottom = 46 + _ROW * len(reports)
    drawn = [element("text", "seconds since the first", x=LEFT - 24, y=38, class_="name faint")]
    for at, said in scale.ticks():
        drawn.append(element("path", d=f"M{scale.x(at):.1f} 44V{bottom}", class_="grid"))
        drawn.append(element("text", said, x=scale.x(at), y=38, class_="tick"))
    for count, report in enumerate(reports):
        drawn += _bar(report, report.began - first, scale, 46.0 + _ROW * count)
    title = element("title", "All migrations on one axis")
    desc = element("desc", words.summary(reports))
    return element("svg", title, desc, *drawn, viewBox=f"0 0 {WIDTH} {bottom + 6}", class_="timeline", role="img")


def _bar(report: MigrationReport, offset: float, scale: Scale, y: float) -> list[Element]:
    x, end = scale.x(offset), scale.x(offset + report.seconds)
    kind = "step" if report.result == "moved" else "failed"
    said = f"{report.title}: {report.result}, {duration(report.seconds)}"
    bar = element(
        "rect", element("title", said), x=x, y=y + 4, width=max(end - x, 2), height=_ROW - 9, rx=2, class_=kind
    )
    name = report.title
    most = int((LEFT - 14) / LETTER)
    shown = name if len(name) <= most else f"{name[: most - 1]}…"
    drawn = [element("text", element("title", name), shown, x=LEFT - 10, y=y + 16, class_="name"), bar]
    worst = lanes.worst(report)
    if worst:
        found = worst[1]
        left, right = scale.x(offset + found.start), scale.x(offset + found.end)
        band = element("rect", element("title", f"{duration(found.seconds)} without an answer"), class_="outage")
        for attribute, value in (("x", left), ("y", y + 1), ("width", max(right - left, 2)), ("height", _ROW - 3)):
            band.set(attribute, f"{value:.1f}")
        drawn.append(band)
    if report.result != "moved":
        drawn.append(
            element("text", f"{words.MARKS[report.result]} {report.result}", x=x + 6, y=y + 16, class_="inside")
        )
    return drawn
