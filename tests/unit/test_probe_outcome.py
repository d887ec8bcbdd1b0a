"""What is made of a prober's lines."""

from __future__ import annotations

import json
import random

import pytest

from fakevm.errors import FakevmError
from fakevm.model.migration import Outage, Probe
from fakevm.probe import outcome

BEGAN = 1_790_000_000.0


def lines(*entries: tuple[str, int, float]) -> list[str]:
    return [json.dumps([kind, number, BEGAN + at]) + "\n" for kind, number, at in entries]


def probes(*answers: tuple[float, ...]) -> tuple[Probe, ...]:
    """Make a probe for each: they are sent every 10 ms, and answered so many seconds later."""
    return tuple(
        Probe(number=number, sent=number / 100, answers=tuple(number / 100 + later for later in times))
        for number, times in enumerate(answers)
    )


def outage(*answers: tuple[float, ...]) -> Outage:
    return outcome.outage(probes(*answers), observer="o", interval=0.01)


def test_times_are_counted_from_the_beginning_and_a_lost_probe_is_a_result() -> None:
    read = outcome.read(lines(("sent", 0, 0.5), ("answer", 0, 0.75), ("sent", 1, 1.0)), began=BEGAN)
    assert read == (Probe(number=0, sent=0.5, answers=(0.75,)), Probe(number=1, sent=1.0))


def test_the_order_of_lines_and_empty_ones_do_not_matter() -> None:
    some = lines(("sent", 0, 0.0), ("sent", 1, 0.25), ("answer", 1, 0.5), ("answer", 0, 0.75), ("answer", 0, 0.625))
    expected = outcome.read(some, began=BEGAN)
    assert expected[0].answers == (0.625, 0.75)
    for seed in range(20):
        shuffled = ["\n", *some]
        random.Random(seed).shuffle(shuffled)
        assert outcome.read(shuffled, began=BEGAN) == expected


@pytest.mark.parametrize(
    "line",
    ["ping", "[", '["sent", 1]', '["sent", 1, 2, 3]', '["lost", 1, 2.0]', '["sent", "1", 2.0]', '["sent", true, 2.0]',
     '["sent", 1, "2"]', '["sent", 1, NaN]', '["sent", 1, null]', "null", "3", '{"sent": 1}', '["answer", 7, 2.0]',
     '["sent", 0, 1.0]'],
)  # fmt: skip
def test_a_line_that_is_not_the_probers_is_an_error(line: str) -> None:
    with pytest.raises(FakevmError, match="makes no sense") as caught:
        outcome.read([*lines(("sent", 0, 0.0)), line], began=BEGAN)
    assert caught.value.hint


def test_a_probe_that_the_prober_waited_for_is_lost_even_at_the_end() -> None:
    some = lines(("sent", 0, 0.0), ("answer", 0, 0.25), ("sent", 1, 1.0))
    assert len(outcome.read(some, began=BEGAN)) == 2
    assert len(outcome.read(some, began=BEGAN, heard_until=BEGAN + 1.5)) == 2


def test_when_the_prober_was_cut_short_its_last_probes_say_nothing_unless_they_were_answered() -> None:
    some = lines(("sent", 0, 0.0), ("sent", 1, 1.0), ("sent", 2, 1.25), ("answer", 2, 1.375))
    read = outcome.read(some, began=BEGAN, heard_until=BEGAN + 1.4)
    assert [probe.number for probe in read] == [0, 2]


def test_all_answered() -> None:
    seen = outage((0.001,), (0.002,), (0.003,))
    assert (seen.sent, seen.lost, seen.duplicated, seen.reordered) == (3, 0, 0, 0)
    assert seen.median_rtt == pytest.approx(0.002)
    assert seen.longest_gap == pytest.approx(0.011)


def test_nothing_was_sent_or_nothing_came() -> None:
    assert outage() == Outage(
        observer="o", interval=0.01, sent=0, lost=0, duplicated=0, reordered=0, longest_gap=0.0, median_rtt=None
    )
    silent = outage((), (), ())
    assert (silent.lost, silent.median_rtt, silent.longest_gap) == (3, None, pytest.approx(0.02))


def test_duplicates_are_counted_beyond_the_first_and_do_not_fill_a_gap() -> None:
    seen = outage((0.001, 0.03, 0.031), (), (), (), (0.001,))
    assert (seen.duplicated, seen.lost, seen.reordered) == (2, 3, 0)
    assert seen.longest_gap == pytest.approx(0.04)


def test_an_answer_that_a_later_one_overtook_is_reordered_but_fills_the_gap() -> None:
    seen = outage((0.025,), (0.02,), (0.001,), (0.001,))
    assert seen.reordered == 2
    assert outcome.reordered(probes((0.025,), (0.02,), (0.001,))) == {0, 1}
    assert seen.longest_gap == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("answers", "gap"),
    [
        (((), (), (0.001,), (0.001,)), (0.0, 0.021)),  # silent at first
        (((0.001,), (0.001,), (), (), ()), (0.011, 0.04)),  # silent in the end
        (((0.001,), (), (), (0.001,)), (0.001, 0.031)),
        (((0.001,),), None),
    ],
)
def test_where_the_longest_gap_is(answers: tuple[tuple[float, ...], ...], gap: tuple[float, float] | None) -> None:
    found = outcome.longest_gap(probes(*answers))
    assert found == (pytest.approx(gap) if gap else None)


@pytest.mark.parametrize("seed", range(50))
def test_what_holds_for_every_outcome(seed: int) -> None:
    dice = random.Random(seed)
    answers = [
        tuple(sorted(dice.uniform(0.0001, 0.08) for _ in range(dice.choice((0, 1, 1, 1, 2)))))
        for _ in range(dice.randint(2, 60))
    ]
    made, seen = probes(*answers), outage(*answers)
    came = [probe for probe in made if probe.answers]
    assert seen.lost + len(came) == seen.sent == len(made)
    assert seen.duplicated == sum(map(len, answers)) - len(came)
    overtaken = {
        one.number for one in came for other in came if other.number > one.number and other.answers[0] < one.answers[0]
    }
    assert outcome.reordered(made) == overtaken
    gap = outcome.longest_gap(made)
    assert gap
    assert seen.longest_gap == pytest.approx(gap[1] - gap[0])
    assert not [probe for probe in came if gap[0] < probe.answers[0] < gap[1]]
    written = [
        entry
        for probe in made
        for entry in [("sent", probe.number, probe.sent), *(("answer", probe.number, at) for at in probe.answers)]
    ]
    again = outcome.outage(outcome.read(lines(*written), began=BEGAN), observer="o", interval=0.01)
    assert (again.lost, again.duplicated, again.reordered) == (seen.lost, seen.duplicated, seen.reordered)
    assert again.longest_gap == pytest.approx(seen.longest_gap, abs=1e-5)
