"""The probes of loss, delay and bandwidth: what they make of what was said."""

from __future__ import annotations

import json

import pytest

from fakevm.errors import CommandFailed
from fakevm.lab import reading
from fakevm.lab.problem import InvalidFile
from fakevm.probe.bandwidth import BandwidthProbe
from fakevm.probe.base import Run
from fakevm.probe.stream import DelayProbe, LossProbe, Stream, StreamProbe, port_of

STREAM = Stream("10.9.0.2", 4000, 20000, 0.001)


def seen(probe: StreamProbe, sent: int, **taken: float) -> tuple[str, str]:
    probe.told = [json.dumps(taken)]
    observed = probe.read(Run(0, json.dumps({"sent": sent})))
    return observed.verdict, observed.words


@pytest.mark.parametrize(
    ("taken", "verdict"), [(19800, "passes"), (19744, "passes"), (19743, "unclear"), (20000, "unclear"), (0, "blocked")]
)
def test_a_loss_is_met_within_four_standard_deviations(taken: int, verdict: str) -> None:
    assert seen(LossProbe(STREAM, 1.0), 20000, taken=taken)[0] == verdict


def test_without_loss_all_arrive() -> None:
    assert seen(LossProbe(STREAM, 0.0), 20000, taken=20000)[0] == "passes"
    assert seen(LossProbe(STREAM, 0.0), 20000, taken=19999) == (
        "unclear",
        "1 of 20000 lost, 0.01%; 0.00% are 0 ± 0",
    )


@pytest.mark.parametrize(("median", "verdict"), [(0.1019, "passes"), (0.1021, "unclear"), (0.0979, "unclear")])
def test_a_delay_is_met_within_its_tolerance(median: float, verdict: str) -> None:
    taken = {"taken": 5, "median": median, "deviation": 0.0, "least": median, "most": median}
    assert seen(DelayProbe(STREAM, 0.1, None), 5, **taken)[0] == verdict
    assert seen(DelayProbe(STREAM, 0.1, 0.01), 5, **taken)[0] == "passes"


def test_what_could_not_be_sent_or_counted_is_told() -> None:
    probe = LossProbe(STREAM, 1.0)
    assert probe.read(Run(0, '{"sent": 0, "error": "Network is unreachable"}')).verdict == "blocked"
    with pytest.raises(CommandFailed, match="without a count: no word"):
        probe.read(Run(0, '{"sent": 5}'))
    assert port_of(["taking 4711"]) == 4711


# -- bandwidth ---------------------------------------------------------------------------------------------------

SERVER = """\
[ ID] Interval           Transfer     Bitrate
[  5]   0.00-1.00   sec   300 KBytes  2458 Kbits/sec                  (omitted)
[  5]   0.00-1.00   sec   150 KBytes  1200 Kbits/sec
[  5]   1.00-2.00   sec   117 KBytes   956 Kbits/sec
[  5]   2.00-3.00   sec   117 KBytes   957 Kbits/sec
[  5]   3.00-3.20   sec   100 KBytes  4096 Kbits/sec
- - - - - - - - - - - - - - - - - - - - - - - - -
[  5]   0.00-3.20   sec   484 KBytes  1200 Kbits/sec                  receiver
"""


def said(**ports: object) -> Run:
    reports = {port[1:]: json.dumps(report) for port, report in ports.items()}
    return Run(0, json.dumps(reports))


def report(text: str = SERVER) -> dict[str, object]:
    return {"start": {"tcp_mss_default": 1448}, "server_output_text": text, "end": {}}


def test_a_rate_is_that_of_the_seconds_that_were_counted_whole() -> None:
    found = BandwidthProbe("10.9.0.2", {80: 1000}, 3, 3, frames=True).read(said(p80=report()))
    assert (found.verdict, found.words) == ("passes", "1 Mbit/s, +0.0 % of 1 Mbit/s")
    data = BandwidthProbe("10.9.0.2", {80: 1000}, 3, 3).read(said(p80=report()))
    assert (data.verdict, data.words) == ("unclear", "0.957 Mbit/s, -4.3 % of 1 Mbit/s")


def test_every_class_has_to_have_its_rate() -> None:
    probe = BandwidthProbe("10.9.0.2", {80: 1000, 25: 500}, 3, 3, frames=True)
    found = probe.read(said(p80=report(), p25=report()))
    assert found.verdict == "unclear"
    assert "port 25: 1 Mbit/s, +100.0 % of 0.5 Mbit/s" in found.words
    lost = {"error": "unable to connect to server: Connection timed out"}
    assert probe.read(said(p80=lost, p25=lost)).verdict == "blocked"
    with pytest.raises(CommandFailed, match="did not say what it received"):
        probe.read(said(p80=report(""), p25=report()))


FILE = """
neutron: false
guests: {a: {}, b: {}}
checks: {one: {kind: bandwidth, from: a, to: b, %s}}
"""


def test_a_check_says_one_rate_or_those_of_classes() -> None:
    assert reading.parse(FILE % "rate: 1 Mbit/s", "file")
    assert reading.parse(FILE % "classes: {80: 1 Mbit/s}", "file")
    for wrong in ("seconds: 5", "rate: 1, classes: {80: 1}"):
        with pytest.raises(InvalidFile, match="give the rate that is expected, or classes"):
            reading.parse(FILE % wrong, "file")
