"""The report of one migration as HTML: what moved, what it cost, the pictures and the tables."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from importlib import resources
from xml.etree.ElementTree import Element

from fakevm.model.migration import InterfaceReport, MigrationReport, Outage, Probe, Step

from . import explanations, lanes, timeline, words
from .element import Child, element, html
from .scale import duration


def document(title: str, *children: Child) -> str:
    """Write a whole page that needs nothing from elsewhere."""
    style = "".join(resources.files(__package__).joinpath(name).read_text() for name in ("page.css", "timeline.css"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    return f"<!DOCTYPE html>\n{html(element('html', head, element('body', *children), lang='en'))}\n"


def one(report: MigrationReport) -> str:
    """Write the page of one migration."""
    title = words.heading(report)
    return document(title, element("main", element("h1", title), *body(report)))


def body(report: MigrationReport) -> list[Child]:
    """All of a report below its heading."""
    return [
        element("p", badge(report), " ", words.result(report)),
        element("p", report.error, class_="error") if report.error else None,
        *_outages(report),
        *(_facts(report, interface) for interface in report.interfaces),
        *_pictures(report),
        _legend(),
        element("h2", "The steps"),
        _steps(report),
        element("h2", "What Neutron told Nova"),
        _events(report),
        *(child for interface in report.interfaces for child in _lost(report, interface)),
    ]


def badge(report: MigrationReport) -> Element:
    """The result, as a mark and words."""
    kind = f"result {report.result.replace(' ', '-')}"
    return element("span", f"{words.MARKS[report.result]} {report.result}", class_=kind)


def _outages(report: MigrationReport) -> list[Child]:
    """What was seen of each interface, in words and figures."""
    whole = [("whole migration", duration(report.seconds))]
    if not report.interfaces:
        return [element("p", "The guest has no interface, so there was nothing to watch."), _figures(whole)]
    told: list[Child] = []
    for interface in report.interfaces:
        said = words.whose(report, interface) + words.outage(interface.outage)
        told += [element("p", said), _figures(whole + _seen(interface.outage))]
        whole = []
    return told


def _seen(seen: Outage | None) -> list[tuple[str, str]]:
    """The figures that one looks for first."""
    shown = []
    if seen is not None:
        rtt = "unknown" if seen.median_rtt is None else duration(seen.median_rtt)
        shown += [
            ("longest without an answer", duration(seen.longest_gap)),
            ("lost probes", f"{seen.lost} of {seen.sent}"),
            ("answered twice", str(seen.duplicated)),
            ("out of order", str(seen.reordered)),
            ("median round trip", rtt),
        ]
    return shown


def _figures(shown: Iterable[tuple[str, str]]) -> Element:
    return element(
        "dl", *(element("div", element("dt", name), element("dd", said)) for name, said in shown), class_="figures"
    )


def scroll(*children: Child, label: str) -> Element:
    """Let what is wide scroll by itself, by keyboard, too."""
    return element("div", *children, class_="scroll", tabindex="0", role="region", aria_label=label)


def table(
    caption: str,
    columns: Iterable[str],
    rows: Iterable[Element],
    *,
    numbers: Container[str] = (),
    kind: str | None = None,
) -> Element:
    """Make a table; the columns in ``numbers`` are aligned as such, ``kind`` is a class for the style sheet."""
    names = [element("th", name, scope="col", class_="number" if name in numbers else None) for name in columns]
    parts = (element("caption", caption), element("thead", element("tr", *names)), element("tbody", *rows))
    return scroll(element("table", *parts, class_=kind), label=caption)


def _facts(report: MigrationReport, interface: InterfaceReport) -> Element:
    began = datetime.fromtimestamp(report.began, UTC).isoformat(sep=" ", timespec="milliseconds")
    addresses = ", ".join(interface.addresses) or "no address"
    where = f" in the network {interface.network}" if interface.kind == "port" else ""
    return element(
        "p",
        *(f"{words.whose(report, interface)}{interface.kind} ", element("code", interface.attached)),
        *(f"{where}, {addresses}, ", element("code", interface.mac_address)),
        f"; began {began.removesuffix('+00:00')} UTC",
        class_="facts",
    )


def _pictures(report: MigrationReport) -> list[Child]:
    everything, detail = lanes.whole(report), lanes.close_up(report)
    title = "The whole migration"
    drawn: list[Child] = [element("h2", title), scroll(timeline.draw(report, everything, title), label=title)]
    if detail:
        title = f"The switch, enlarged: {duration(detail.seconds)} from {detail.start:.3f} s"
        drawn += [element("h2", title), scroll(timeline.draw(report, detail, title), label=title)]
    return drawn


def _legend() -> Element:
    rows = [child for name, said in explanations.LANES.items() for child in (element("dt", name), element("dd", said))]
    return element("details", element("summary", "How to read the picture"), element("dl", *rows, class_="legend"))


def _steps(report: MigrationReport) -> Element:
    known = list(explanations.STEPS[report.kind])
    done = {step.name for step in report.steps}
    last = max((known.index(name) for name in done if name in known), default=-1)
    rows = [_step(report.kind, step) for step in lanes.steps_in(report, lanes.whole(report))]
    missed = [name for name in known[last + 1 :] if name not in explanations.SOMETIMES]
    rows += [_not_reached(report.kind, name) for name in missed if report.result != "moved"]
    caption = "start: seconds since the migration began"
    return table(caption, ("step", "start", "length", "what happens"), rows, numbers=("start", "length"), kind="steps")


def _step(kind: str, step: Step) -> Element:
    return element(
        "tr",
        element("td", ("✕ " if step.error else "") + step.name, class_="name-of"),
        element("td", f"{step.start:.3f}", class_="number"),
        element("td", duration(step.seconds), class_="number"),
        element("td", element("span", step.error, class_="why") if step.error else None, *_explained(kind, step.name)),
    )


def _not_reached(kind: str, name: str) -> Element:
    cells = [element("td", name, class_="name-of"), element("td", "not reached", colspan=2, class_="number")]
    return element("tr", *cells, element("td", *_explained(kind, name)), class_="not-reached")


def _explained(kind: str, name: str) -> list[Child]:
    told = explanations.explain(kind, name)
    return [told.words, element("span", told.source, class_="source") if told.source else None]


def _events(report: MigrationReport) -> Element:
    if not report.events:
        return element("p", "No event came.")
    rows = [
        element(
            "tr", *(element("td", said, class_="number" if count == 0 else None) for count, said in enumerate(cells))
        )
        for event in report.events
        for cells in [(f"{event.at - report.began:.3f}", event.name, event.tag, event.status)]
    ]
    caption = "External events of the server, in the order in which they came"
    return table(caption, ("at", "event", "port", "status"), rows, numbers=("at",))


def _lost(report: MigrationReport, interface: InterfaceReport) -> list[Child]:
    runs = lanes.losses(interface.probes)
    if not runs:
        return []
    rows = [element("tr", *(element("td", said, class_="number") for said in _run(run))) for run in runs]
    columns = ("first probe", "last probe", "lost", "first sent", "last sent")
    made = table("Sent: seconds since the migration began", columns, rows, numbers=columns)
    summary = element("summary", f"{words.count(sum(map(len, runs)), 'probe')} without an answer")
    return [element("h2", f"Lost probes{words.of(report, interface)}"), element("details", summary, made)]


def _run(lost: Sequence[Probe]) -> tuple[str, ...]:
    first, last = lost[0], lost[-1]
    return str(first.number), str(last.number), str(len(lost)), f"{first.sent:.4f}", f"{last.sent:.4f}"
