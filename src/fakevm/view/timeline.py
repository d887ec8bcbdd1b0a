"""A migration as a picture: steps, events, statuses and packets over one axis of time, as SVG."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from fakevm.model.migration import InterfaceReport, MigrationReport, Step

from . import lanes, packets, words
from .element import element
from .scale import Scale, Window, duration

WIDTH = 1080
LEFT = 190
RIGHT = 16
ROW = 22
LETTER = 6.6


class Timeline:
    """Draws lane below lane; ``y`` is where the next one begins."""

    def __init__(self, report: MigrationReport, window: Window) -> None:
        self.report = report
        self.scale = Scale(window, LEFT, WIDTH - LEFT - RIGHT)
        self.y = self.bottom = 46.0
        self.drawn: list[Element] = []
        self.behind: list[Element] = []

    def picture(self, title: str) -> Element:
        """Draw all lanes."""
        self._steps()
        self._events()
        for interface in self.report.interfaces:
            self._heading(interface)
            self._statuses(interface)
            self._packets(interface)
        return element(
            "svg",
            element("title", title),
            element("desc", describe(self.report, self.scale.window)),
            *self.behind,
            *self._gap(),
            *self._axis(),
            *self.drawn,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {WIDTH} {self.y + 6:.0f}",
            class_="timeline",
            role="img",
        )

    def _steps(self) -> None:
        for step in lanes.steps_in(self.report, self.scale.window):
            self._name(step.name)
            self._step(step)
            self.y += ROW
        self._rule()

    def _step(self, step: Step) -> None:
        shown = self.scale.window.clip(step.start, step.start + step.seconds)
        if shown is None:
            return
        x, end = self.scale.x(shown.start), self.scale.x(shown.end)
        kind = "failed" if step.error else "switch" if step.name in lanes.SWITCH else "step"
        said = duration(step.seconds) + (" ✕ failed" if step.error else "")
        bar = _bar(x, self.y + 4, end - x, ROW - 8, kind)
        bar.append(element("title", f"{step.name}: {said}, from {step.start:.3f} s"))
        self.drawn += [bar, self._beside(x, max(end, x + 2), self.y + 15, said)]

    def _beside(self, x: float, end: float, y: float, said: str) -> Element:
        """Write to the right of a bar, to its left when there is no room, else into it."""
        needed = len(said) * LETTER + 6
        if end + needed <= self.scale.right + RIGHT:
            return element("text", said, x=end + 5, y=y)
        if x - needed >= LEFT:
            return element("text", said, x=x - 5, y=y, text_anchor="end")
        return element("text", said, x=end - 6, y=y, text_anchor="end", class_="inside")

    def _events(self) -> None:
        window, began = self.scale.window, self.report.began
        events = [event for event in self.report.events if event.at - began in window]
        if not events:
            return
        self._name("events to Nova")
        marks = [(event.at - began, words.event(self.report, event)) for event in events]
        labels = lanes.place_labels(marks, self.scale, letter=LETTER)
        for label in labels:
            x, y = self.scale.x(label.at), self.y + ROW / 2 + label.row * 15
            diamond = element("path", element("title", f"{label.at:.3f} s: {label.words}"), class_="event")
            diamond.set("d", f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z")
            room = x + len(label.words) * LETTER + 8 <= WIDTH
            text = element(
                "text", label.words, x=x + 8 if room else x - 8, y=y + 4, text_anchor=None if room else "end"
            )
            self.drawn += [diamond, text]
        self.y += ROW + 15 * max((label.row for label in labels), default=0)
        self._rule()

    def _heading(self, interface: InterfaceReport) -> None:
        """Write above the lanes of an interface whose they are, where there are several."""
        if len(self.report.interfaces) > 1 and (interface.samples or interface.probes):
            self.drawn.append(element("text", words.interface(interface), x=LEFT, y=self.y + 15, class_="whose"))
            self.y += ROW

    def _statuses(self, interface: InterfaceReport) -> None:
        if not interface.samples:
            return
        end = lanes.whole(self.report).end
        self._spans("port", lanes.port_spans(interface, end))
        for host in lanes.hosts(self.report, interface):
            self._spans(f"binding {host}", lanes.binding_spans(interface, end, host))
        profile = lanes.profile_spans(interface, end)
        if profile:
            self._spans("migrating_to", profile, "note")
        self._rule()

    def _spans(self, name: str, spans: list[lanes.Span], kind: str = "") -> None:
        self._name(name)
        for span in spans:
            shown = self.scale.window.clip(span.start, span.end)
            if shown is not None:
                self.drawn += self._span(shown, span.status, kind or _LOOKS.get(span.status, "low"))
        self.y += ROW

    def _span(self, shown: Window, status: str, kind: str) -> list[Element]:
        x, end = self.scale.x(shown.start), self.scale.x(shown.end)
        low = kind == "low"
        bar = _bar(x, self.y + (ROW - 7 if low else 3), end - x, 5 if low else ROW - 6, kind)
        bar.append(element("title", f"{status} from {shown.start:.3f} s to {shown.end:.3f} s"))
        if end - x < len(status) * LETTER + 8:
            return [bar]
        return [bar, element("text", status, x=x + 5, y=self.y + (12 if low else 15), class_=f"on-{kind}")]

    def _packets(self, interface: InterfaceReport) -> None:
        if not interface.probes:
            return
        self._name("packets", 20)
        self.drawn += packets.draw(interface.probes, self.scale, self.y + 4)
        self.y += packets.HEIGHT + 8
        self.bottom = self.y
        self.drawn += packets.legend(LEFT, self.y + 12)
        self.y += ROW

    def _name(self, name: str, lower: float = 15) -> None:
        shown = name if len(name) * LETTER <= LEFT - 14 else f"{name[: int((LEFT - 14) / LETTER) - 1]}…"
        self.drawn.append(element("text", element("title", name), shown, x=LEFT - 10, y=self.y + lower, class_="name"))

    def _rule(self) -> None:
        self.y += 4
        self.bottom = self.y
        self.behind.append(element("path", d=f"M0 {self.y:.1f}H{WIDTH}", class_="rule"))
        self.y += 4

    def _axis(self) -> list[Element]:
        drawn = [element("text", "seconds since the start", x=LEFT - 24, y=38, class_="name faint")]
        for at, said in self.scale.ticks():
            x = self.scale.x(at)
            drawn.append(element("path", d=f"M{x:.1f} 44V{self.bottom:.1f}", class_="grid"))
            drawn.append(element("text", said, x=x, y=38, class_="tick"))
        return drawn

    def _gap(self) -> list[Element]:
        worst = lanes.worst(self.report)
        shown = worst and self.scale.window.clip(worst[1].start, worst[1].end)
        if not worst or not shown:
            return []
        x, end = self.scale.x(shown.start), self.scale.x(shown.end)
        said = f"{words.whose(self.report, worst[0])}{duration(worst[1].seconds)} without an answer"
        half = len(said) * LETTER / 2
        middle = min(max((x + end) / 2, LEFT + half), self.scale.right - half)
        band = element("rect", x=x, y=20, width=max(end - x, 1), height=self.bottom - 20, class_="gap")
        return [band, element("text", said, x=middle, y=14, class_="gap-words")]


_LOOKS = {"ACTIVE": "full", "INACTIVE": "standby"}


def draw(report: MigrationReport, window: Window, title: str) -> Element:
    """Draw what happened in a window."""
    return Timeline(report, window).picture(title)


def describe(report: MigrationReport, window: Window) -> str:
    """Say in words what the picture shows."""
    steps = ", ".join(f"{step.name} {duration(step.seconds)}" for step in lanes.steps_in(report, window))
    said = f"From {window.start:.3f} s to {window.end:.3f} s. Steps: {steps or 'none'}."
    for interface in report.interfaces:
        if found := lanes.gap(interface):
            gap = f"{duration(found.seconds)} at {found.start:.3f} s"
            said += f" Longest time without an answer{words.of(report, interface)}: {gap}."
    return said


def _bar(x: float, y: float, width: float, height: float, kind: str) -> Element:
    return element("rect", x=x, y=y, width=max(width, 2.5), height=height, rx=2, class_=kind)
