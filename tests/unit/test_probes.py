"""What probes make of what their commands say, and when a check is met."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from fakevm.cli.check import exit_status
from fakevm.errors import CommandFailed, NotFound
from fakevm.lab.checks import faults, running
from fakevm.model.check import CheckResult, Observed
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import Check, LoggedCheck, MeteredCheck, PingCheck
from fakevm.model.labfile.fault import FaultFile
from fakevm.probe import outage
from fakevm.probe.bandwidth import PORT, BandwidthProbe
from fakevm.probe.base import Probe, Run
from fakevm.probe.command import CommandProbe
from fakevm.probe.dhcp import DhcpProbe
from fakevm.probe.dns import DnsProbe
from fakevm.probe.http import HttpProbe
from fakevm.probe.mtu import MtuProbe
from fakevm.probe.path import PathProbe, Sighting
from fakevm.probe.ping import PingProbe
from fakevm.probe.tcp import TcpProbe
from fakevm.probe.udp import UdpProbe
from fakevm.progress import Progress
from fakevm.view import junit


def pinged(sent: int, received: int) -> str:
    return f"{sent} packets transmitted, {received} received, 0% packet loss, time 4ms\n"


def said(**facts: object) -> Run:
    return Run(0, json.dumps(facts) + "\n")


def offered(*offers: tuple[str, str]) -> Run:
    messages = [
        {
            "interface": "x",
            "message": {"dhcp": {"yiaddr": address, "options": {"message_type": 2, "server_id": server}}},
        }
        for server, address in offers
    ]
    return Run(0 if offers else 1, "".join(json.dumps(message, indent=2) + "\n" for message in messages))


def flowed(**report: object) -> Run:
    """What a client of iperf3 to one port reported."""
    return said(**{str(PORT): json.dumps(report)})


def measured(rate: float) -> Run:
    """What iperf3 reports of seconds of which all but the first had this rate (kbit/s)."""
    rates = [5000.0, rate, rate]
    lines = [
        f"[  5]   {second}.00-{second + 1}.00   sec   127 KBytes  {each:.0f} Kbits/sec"
        for second, each in enumerate(rates)
    ]
    return flowed(start={"tcp_mss_default": 1448}, server_output_text="\n".join(lines))


def test_datagrams_fill_a_queue_and_count_as_frames() -> None:
    probe = BandwidthProbe("192.0.2.1", {80: 500.0, 25: 200.0}, 3.0, 10.0, frames=True, datagrams=True)
    words = probe.command()
    assert words[words.index("--bitrate") + 1] == "750000"  # half as fast again as the fastest
    assert words[words.index("--length") + 1] == "1200"
    # 42 bytes of headers for each 1200 of data
    report = json.loads(json.loads(measured(500 * 1200 / 1242).output)[str(PORT)])
    del report["start"]["tcp_mss_default"]
    one = BandwidthProbe("192.0.2.1", {PORT: 500.0}, 0.5, 10.0, frames=True, datagrams=True)
    assert one.read(flowed(**report)).verdict == "passes"


def echoed(*answered: int) -> Run:
    lines = [["sent", number, number * 0.2] for number in range(5)]
    lines += [["answer", number, number * 0.2 + 0.01] for number in answered]
    return Run(0, "".join(f"{json.dumps(line)}\n" for line in lines))


HTTP = HttpProbe("192.0.2.1", 80, "/", status=200, contains="hello")
DHCP = DhcpProbe("qfv0", ("10.0.0.5",), 2)
RATE = BandwidthProbe("192.0.2.1", {PORT: 1000.0}, 5.0, 5.0)
MTU = MtuProbe("192.0.2.1", 1450)


@pytest.mark.parametrize(
    ("probe", "run", "verdict"),
    [
        (PingProbe("192.0.2.1", 3), Run(0, pinged(3, 3)), "passes"),
        (PingProbe("192.0.2.1", 3), Run(0, pinged(3, 2)), "unclear"),
        (PingProbe("192.0.2.1", 3), Run(1, pinged(3, 0)), "blocked"),
        (PingProbe("192.0.2.1", 3), Run(2, "", "ping: connect: Network is unreachable\n"), "blocked"),
        (TcpProbe("192.0.2.1", 22, echo=True), said(answered=True), "passes"),
        (TcpProbe("192.0.2.1", 22, echo=True), said(answered=False, error="timed out"), "blocked"),
        (TcpProbe("192.0.2.1", 22, echo=True), said(answered=False, error="unreachable"), "blocked"),
        (TcpProbe("192.0.2.1", 22, echo=True), said(answered=False, error="refused"), "unclear"),
        (UdpProbe("192.0.2.1", 53, echo=True), said(answered=True), "passes"),
        (UdpProbe("192.0.2.1", 53, echo=True), said(answered=False, error="timed out"), "blocked"),
        (UdpProbe("192.0.2.1", 53, echo=True), said(answered=False, error="refused"), "unclear"),
        (HTTP, said(answered=True, status=200, body="oh, hello there"), "passes"),
        (HTTP, said(answered=True, status=200, body="bye"), "unclear"),
        (HTTP, said(answered=True, status=404, body="hello"), "unclear"),
        (HTTP, said(answered=False, error="timed out"), "blocked"),
        (DnsProbe("a.example", "", ""), said(answers=["192.0.2.7"], error=""), "passes"),
        (DnsProbe("a.example", "", "192.0.2.8"), said(answers=["192.0.2.7"], error=""), "unclear"),
        (DnsProbe("a.example", "", ""), said(answers=[], error="no such name"), "unclear"),
        (DnsProbe("a.example", "", ""), said(answers=[], error="timed out"), "blocked"),
        (DHCP, offered(("10.0.0.2", "10.0.0.5"), ("10.0.0.3", "10.0.0.5")), "passes"),
        (DHCP, offered(("10.0.0.2", "10.0.0.5"), ("10.0.0.2", "10.0.0.5")), "unclear"),
        (DHCP, offered(("10.0.0.2", "10.0.0.5"), ("10.0.0.3", "10.0.0.6")), "unclear"),
        (DHCP, offered(), "blocked"),
        (MTU, Run(0, f"{pinged(3, 3)}----\n{pinged(3, 0)}"), "passes"),
        (MTU, Run(0, f"{pinged(3, 3)}----\n{pinged(3, 3)}"), "unclear"),
        (MTU, Run(0, f"{pinged(3, 0)}----\n{pinged(3, 0)}"), "blocked"),
        (RATE, measured(1_040), "passes"),
        (RATE, measured(1_060), "unclear"),
        (RATE, measured(940), "unclear"),
        (RATE, flowed(error="unable to connect to server: Connection timed out"), "blocked"),
        (CommandProbe("ip addr", r"mtu 14\d0"), Run(0, "2: x: mtu 1450 up\n"), "passes"),
        (CommandProbe("ip addr", r"mtu 14\d0"), Run(0, "2: x: mtu 1500 up\n"), "blocked"),
        (CommandProbe("ip addr", r"mtu 14\d0"), Run(1, "mtu 1450"), "blocked"),
    ],
)
def test_a_probe_sees_one_of_three_things(probe: Probe, run: Run, verdict: str) -> None:
    assert probe.read(run).verdict == verdict


@pytest.mark.parametrize(
    ("probe", "run"),
    [
        (PingProbe("192.0.2.1", 3), Run(1, "", "Cannot open network namespace")),
        (TcpProbe("192.0.2.1", 22, echo=True), Run(255, "", "nsenter: failed")),
        (HTTP, Run(1, "", "Traceback")),
        (DHCP, Run(1, "", "No such device")),
        (DHCP, Run(0, "nonsense")),
        (MTU, Run(1, "", "Cannot open network namespace")),
        (RATE, Run(1, "", "iperf3: not found")),
        (RATE, flowed(error="the server is busy running a test. try again later")),
        (CommandProbe("nonsuch", ""), Run(127, "", "sh: 1: nonsuch: not found")),
    ],
)
def test_what_could_not_be_run_is_an_error_and_no_result(probe: Probe, run: Run) -> None:
    with pytest.raises(CommandFailed):
        probe.read(run)


LINKS = {"underlay1": "compute1", "underlay2": "compute2", "underlay3": "network1"}
WAY = [
    Sighting("underlay1", "in", "request", 4),  # compute1 sends it into the tunnel
    Sighting("underlay3", "out", "request", 4),
    Sighting("underlay3", "in", "request", 4),  # network1 routes it
    Sighting("underlay2", "out", "request", 4),
    Sighting("underlay2", "in", "answer", 4),
]


def path(hosts: str = "", avoids: str = "", ends: str = "compute1 compute2") -> PathProbe:
    made = PathProbe(
        "192.0.2.1",
        ends=frozenset(ends.split()),
        links=LINKS,
        hosts=frozenset(hosts.split()),
        avoids=frozenset(avoids.split()),
    )
    made.sightings += WAY
    return made


@pytest.mark.parametrize(
    ("probe", "answered", "verdict"),
    [
        (path("compute1 network1 compute2"), [3, 4], "passes"),
        (path("compute1 compute2"), [3, 4], "unclear"),
        (path(avoids="network1"), [3, 4], "unclear"),
        (path(avoids="compute3"), [3, 4], "passes"),
        (path("compute1 network1 compute2"), [], "blocked"),
        # The last packet that was answered counts: of this one nothing was seen on any link.
        (path("compute1 compute2"), [3], "passes"),
    ],
)
def test_a_host_is_crossed_when_it_sends_the_packet_on(probe: PathProbe, answered: list[int], verdict: str) -> None:
    assert probe.read(echoed(*answered)).verdict == verdict


def test_a_flooded_copy_that_nobody_sends_on_crosses_nothing() -> None:
    probe = path("compute1 compute2")
    probe.sightings = [Sighting("underlay1", "in", "request", 4), Sighting("underlay3", "out", "request", 4)]
    assert probe.read(echoed(4)).words == "compute1, compute2"


def probed(*lost: int, of: int = 100) -> list[str]:
    lines = [["sent", number, number * 0.1] for number in range(of)]
    lines += [["answer", number, number * 0.1 + 0.001] for number in range(of) if number not in lost]
    return [json.dumps(line) for line in lines]


@pytest.mark.parametrize(
    ("lines", "verdict", "words"),
    [
        (probed(), "passes", "no answer for 0.0 s, 0 of 100 lost"),
        (probed(*range(20, 39)), "passes", "no answer for 2.0 s, 19 of 100 lost"),
        (probed(*range(20, 59)), "unclear", "no answer for 4.0 s, 39 of 100 lost"),
        (probed(*range(95, 100)), "blocked", "no answer for 0.5 s, 5 of 100 lost; not back yet"),
    ],
)
def test_an_outage_ends_when_answers_come_in_a_row(lines: list[str], verdict: str, words: str) -> None:
    seen = outage.read(lines, 10.5, 3.0)
    assert (seen.verdict, seen.words) == (verdict, words)


# -- running ----------------------------------------------------------------------------------------------------------

LAB = LabFile.model_validate(
    {
        "networks": {"n": {"subnets": {"s": {"cidr": "10.0.0.0/24"}}}},
        "guests": {"vm1": {"ports": ["n"]}, "vm2": {"ports": ["n"]}},
        "checks": {
            "there": {"kind": "ping", "from": "vm1", "to": "vm2", "within": "5s"},
            "not there": {"kind": "ping", "from": "vm1", "to": "10.9.9.9", "expect": "blocked"},
            "without power": {"kind": "ping", "from": "vm1", "to": "vm2", "during": {"kill": "network1"}},
        },
    }
)


def ping_check(expect: str = "passes", within: float = 0.0) -> PingCheck:
    return PingCheck.model_validate({"from": "vm1", "to": "vm2", "expect": expect, "within": within})


def saw(*verdicts: str) -> Callable[[object], Observed]:
    rest = list(verdicts)

    def attempt(_check: object) -> Observed:
        verdict = rest.pop(0) if len(rest) > 1 else rest[0]
        if verdict == "error":
            raise NotFound("there is no guest", hint="Plug it.")
        return Observed.model_validate({"verdict": verdict, "words": verdict})

    return attempt


@pytest.mark.parametrize(
    ("expect", "verdict", "status"),
    [
        ("passes", "passes", "met"),
        ("passes", "blocked", "failed"),
        ("passes", "unclear", "failed"),
        ("blocked", "blocked", "met"),
        ("blocked", "passes", "failed"),
        ("blocked", "unclear", "failed"),
        ("passes", "error", "error"),
        ("blocked", "error", "error"),
    ],
)
def test_a_check_is_met_by_what_it_expects_alone(expect: str, verdict: str, status: str) -> None:
    assert running.until("met", "c", ping_check(expect), saw(verdict)).status == status


def test_within_tries_again_also_after_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_PAUSE", 0.0)
    result = running.until("met", "c", ping_check(within=60), saw("error", "blocked", "passes"))
    assert (result.status, result.attempts) == ("met", 3)
    result = running.until("met", "c", ping_check(within=0.01), saw("blocked"))
    assert result.status == "failed"
    assert running.until("met", "c", ping_check(), saw("blocked", "passes")).attempts == 1


def test_the_opposite_of_what_takes_its_time_fails_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_PAUSE", 0.0)
    result = running.until("failed", "c", ping_check("blocked", within=60), saw("blocked", "blocked", "passes"))
    assert (result.status, result.attempts) == ("failed", 3)


def test_what_is_given_up_is_not_tried_again() -> None:
    given_up = threading.Event()
    given_up.set()
    assert running.until("met", "c", ping_check(within=60), saw("blocked", "passes"), given_up).attempts == 1


def test_inverted_checks_expect_the_opposite() -> None:
    inverted = running.inverted(LAB.checks)
    assert [check.expect for check in inverted.values()] == ["blocked", "passes", "blocked"]


def test_checks_with_a_fault_come_last_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    @contextmanager
    def made(_record: object, _lab: object, wanted: FaultFile | None, _progress: object) -> Iterator[None]:
        order.append(f"({wanted or ''}")
        yield
        order.append(")")

    def attempt(_self: object, check: object) -> Observed:
        order.append(str(getattr(check, "target", "")))
        return Observed(verdict="passes", words="")

    monkeypatch.setattr(faults, "made", made)
    monkeypatch.setattr(running.Attempts, "make", attempt)
    kill = {"kill": "network1"}
    checks = {
        name: PingCheck.model_validate({"from": "vm1", "to": name, "during": fault})
        for name, fault in (("10.0.0.1", kill), ("10.0.0.2", None), ("10.0.0.3", kill))
    }
    record: Any = SimpleNamespace(backend="ovs", hosts=[SimpleNamespace(name="network1")])
    results = running.run(record, LAB, checks, lambda _name, _result: None, Progress())
    assert [result.name for result in results] == list(checks)
    assert sorted(order[4:6]) == ["10.0.0.1", "10.0.0.3"]
    assert order[:4] + order[6:] == ["(", "10.0.0.2", ")", "(kill network1", ")"]


def test_what_counters_and_logs_say_is_read_while_no_other_check_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def attempt(_self: object, check: Any) -> Observed:
        order.append(check.kind)
        return Observed(verdict="passes", words="")

    monkeypatch.setattr(running.Attempts, "make", attempt)
    to: dict[str, Any] = {"from": "vm1", "to": "10.0.0.1"}
    checks: dict[str, Check] = {
        "counted": MeteredCheck.model_validate({**to, "label": "m"}),
        "logged": LoggedCheck.model_validate({**to, "port": 22}),
        "ping": PingCheck.model_validate(to),
    }
    record: Any = SimpleNamespace(backend="ovs", hosts=[])
    assert list(running.run(record, LAB, checks, lambda _name, _result: None, Progress()))
    assert order == ["ping", "metered", "logged"]


def test_a_fault_is_of_one_kind() -> None:
    with pytest.raises(ValueError, match="give one of stop, kill, cut, restart and kill_zone"):
        FaultFile.model_validate({"kill": "network1", "cut": "network1"})


def test_an_unknown_check_is_refused_with_a_suggestion() -> None:
    with pytest.raises(Exception, match="Did you mean 'there'"):
        running.chosen(LAB, ("thre",))
    assert list(running.chosen(LAB, ("there",))) == ["there"]


def result(status: str, seen: str = "seen") -> CheckResult:
    return CheckResult.model_validate(
        {"name": f"a <{status}>", "kind": "ping", "source": "vm1", "expect": "passes", "status": status, "seen": seen}
        | {"seconds": 1.5, "attempts": 1}
    )


def test_the_exit_status_tells_failures_from_errors() -> None:
    assert exit_status([result("met")]) == 0
    assert exit_status([result("met"), result("failed")]) == 1
    assert exit_status([result("failed"), result("error"), result("met")]) == 3


def test_junit_has_every_check_whatever_it_said() -> None:
    text = junit.document(
        {
            "lab": [result("met"), result("failed", "\x1b[31mno & <none>"), result("error"), result("skipped")],
            "other": [result("error")],
        }
    )
    suite, other = ElementTree.fromstring(text)
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    assert [[part.tag for part in case] for case in suite] == [["system-out"], ["failure"], ["error"], ["skipped"]]
    assert [case.get("name") for case in suite] == [f"a <{word}>" for word in ("met", "failed", "error", "skipped")]
    assert other.get("name") == "fakevm check of lab other"
