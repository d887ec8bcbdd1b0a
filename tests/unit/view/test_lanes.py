"""What is where on a picture."""

from __future__ import annotations

import pytest

from fakevm.model.migration import PortSample, Probe
from fakevm.view import lanes
from fakevm.view.lanes import Span
from fakevm.view.scale import Scale, Window, duration

from . import samples

SCALE = Scale(Window(2.0, 4.0), left=100, width=200)


def test_a_moment_has_its_place() -> None:
    assert [SCALE.x(at) for at in (2.0, 3.0, 4.0)] == [100, 200, 300]


def test_an_interval_is_cut_to_the_window() -> None:
    assert SCALE.window.clip(0, 3) == Window(2, 3)
    assert SCALE.window.clip(2.5, 9) == Window(2.5, 4)
    assert SCALE.window.clip(0, 1) is None
    assert SCALE.window.clip(5, 6) is None


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (Window(0, 5), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5", "5.0"]),
        (Window(2.77, 2.872), ["2.78", "2.80", "2.82", "2.84", "2.86"]),
        (Window(0, 90), ["0", "10", "20", "30", "40", "50", "60", "70", "80", "90"]),
    ],
)
def test_ticks_are_round_and_within(window: Window, words: list[str]) -> None:
    ticks = Scale(window, 0, 100).ticks()
    assert [said for _, said in ticks] == words
    assert all(float(said) == pytest.approx(at) for at, said in ticks)


@pytest.mark.parametrize("exponent", range(-4, 4))
@pytest.mark.parametrize("factor", [1, 1.3, 2, 4.9, 7])
def test_there_are_neither_too_many_nor_too_few_ticks(exponent: int, factor: float) -> None:
    ticks = Scale(Window(0.1234, 0.1234 + factor * 10.0**exponent), 0, 100).ticks()
    assert 3 <= len(ticks) <= 11
    assert len({said for _, said in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.00 ms"), (0.00042, "0.42 ms"), (0.0421, "42.1 ms"), (0.421, "421 ms"), (4.213, "4.21 s"), (75, "75.00 s")],
)
def test_lengths_are_said_as_one_would(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_status_holds_until_the_next_sample_and_the_last_to_the_end() -> None:
    report = samples.live()
    whole = lanes.whole(report)
    (first,) = report.interfaces
    port = lanes.port_spans(first, whole.end)
    assert [span.status for span in port] == ["ACTIVE", "DOWN", "ACTIVE"]
    assert [span.start for span in port[1:]] == [span.end for span in port[:-1]]
    assert port[-1].end == whole.end
    assert [span.status for span in lanes.binding_spans(first, whole.end, "compute1")] == ["ACTIVE", "INACTIVE"]
    assert [span.status for span in lanes.binding_spans(first, whole.end, "compute2")] == ["INACTIVE", "ACTIVE"]
    assert [span.status for span in lanes.profile_spans(first, whole.end)] == ["compute2"]


def test_a_binding_that_goes_and_comes_leaves_a_hole() -> None:
    taken = [
        PortSample(at=at, status="DOWN", host="a", bindings=held)
        for at, held in ((0, {"a": "X"}), (1, {}), (2, {"a": "X"}))
    ]
    report = samples.with_(samples.live(), samples=tuple(taken))
    (first,) = report.interfaces
    assert lanes.binding_spans(first, 3.0, "a") == [Span(0, 1, "X"), Span(2, 3, "X")]
    assert lanes.binding_spans(first, 3.0, "b") == []
    assert lanes.hosts(report, first) == ["compute1", "compute2", "a"]


def test_the_close_up_holds_the_switch_and_the_gap() -> None:
    report = samples.live()
    detail, gap = lanes.close_up(report), lanes.gap(report.interfaces[0])
    assert detail
    assert gap
    assert detail.start < gap.start < gap.end < detail.end
    for step in report.steps:
        if step.name in lanes.SWITCH:
            assert step.start in detail
            assert step.start + step.seconds in detail
    assert detail.seconds < lanes.whole(report).seconds / 10


def test_of_several_interfaces_the_worst_gap_is_told_and_the_close_up_holds_all() -> None:
    report = samples.several()
    found = lanes.worst(report)
    assert found
    assert found[0].name == "eth1"
    detail = lanes.close_up(report)
    assert detail
    for interface in report.interfaces:
        gap = lanes.gap(interface)
        assert gap
        assert detail.start < gap.start < gap.end < detail.end


def test_when_nobody_answers_to_the_end_the_close_up_is_of_the_switch() -> None:
    report = samples.live()
    unanswered = tuple(probe.model_copy(update={"answers": ()}) for probe in report.interfaces[0].probes)
    silent = samples.with_(report, probes=unanswered)
    detail = lanes.close_up(silent)
    assert detail
    assert detail.seconds < 0.1
    assert all(step.start in detail for step in report.steps if step.name in lanes.SWITCH)


def test_there_is_no_close_up_of_what_is_most_of_the_picture_or_of_nothing() -> None:
    assert lanes.close_up(samples.cold()) is None
    assert lanes.close_up(samples.live(fail_at="bind-destination")) is None
    assert lanes.worst(samples.live(fail_at="bind-destination")) is None


def test_steps_are_shown_as_they_began_not_as_they_ended() -> None:
    report = samples.live()
    nudge = report.steps[-1].model_copy(update={"name": "nudge", "start": report.steps[-1].start + 0.1, "seconds": 0.0})
    report = report.model_copy(update={"steps": (*report.steps[:-1], nudge, report.steps[-1])})
    assert [step.name for step in lanes.steps_in(report, lanes.whole(report))][-2:] == ["wait-active", "nudge"]


def test_a_report_without_anything_has_a_window() -> None:
    report = samples.live().model_copy(update={"seconds": 0.0, "steps": (), "events": (), "interfaces": ()})
    assert lanes.whole(report).seconds > 0


def test_words_do_not_run_over_each_other() -> None:
    marks = [(2.0 + number * 0.13, f"event-{number}") for number in range(12)]
    labels = lanes.place_labels(marks, SCALE, letter=7)
    assert [label.words for label in labels] == [words for _, words in marks]
    for one in labels:
        for other in labels:
            if one.at < other.at and one.row == other.row:
                assert SCALE.x(one.at) + 7 * len(one.words) < SCALE.x(other.at)


def test_of_probes_in_the_same_place_the_slowest_is_drawn() -> None:
    moments = [(number, 2 + number / 1000) for number in range(2000)]
    probes = [Probe(number=n, sent=at, answers=(at + (0.5 if n == 700 else 0.001),)) for n, at in moments]
    drawn = lanes.thin_out(probes, SCALE)
    assert len(drawn) <= 2 * SCALE.width + 1
    assert 700 in [probe.number for probe in drawn]


def test_losses_are_told_in_runs() -> None:
    probes = [Probe(number=n, sent=n / 10, answers=() if n in (0, 3, 4, 9) else (n / 10 + 0.01,)) for n in range(10)]
    assert [[probe.number for probe in run] for run in lanes.losses(probes)] == [[0], [3, 4], [9]]
    assert lanes.losses([]) == []
