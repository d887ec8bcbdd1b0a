"""Impairments and shapes: what may be said of them, and the commands that make them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

import pytest

from fakevm.lab import reading
from fakevm.lab.apply.reality import impaired
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.conditions import of_port
from fakevm.lab.topology.links import ends
from fakevm.link import filter as rules
from fakevm.link import shape
from fakevm.link.detour import LEAVING, USED, Detour
from fakevm.link.devices import joints, of_place
from fakevm.link.queue import form_of
from fakevm.model.impairment import (
    NOTHING,
    Change,
    Conditions,
    Hierarchy,
    Impairment,
    Shape,
    TokenBucket,
    TrafficClass,
    whole,
)
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.labfile import PortFile
from fakevm.model.port import Binding, Port

LINK = """\
neutron: false
guests: {r1: {}, r2: {}}
links: {core: {ends: [r1:eth1, r2:eth1], %s}}
"""
PORT = """\
networks: {private: {subnets: {four: {cidr: 10.0.0.0/24}}}}
guests: {vm: {interfaces: {eth0: {network: private, %s}}}}
"""
HTB = Shape(
    htb=Hierarchy(
        rate=1000,
        classes=(TrafficClass(share=50, dport=80), TrafficClass(share=30, dport=25), TrafficClass(share=20)),
    )
)


def sent(said: str, guest: str) -> Conditions:
    return ends(reading.parse(LINK % said, "file"))[guest]["eth1"].sent


def refused(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        settle(reading.parse(text, "file"), kernel_datapath=False)
    return [problem.message for problem in caught.value.problems]


# -- what a file says --------------------------------------------------------------------------------------------


def test_a_link_says_it_for_both_directions_and_for_one() -> None:
    said = "impair: {delay: 5 ms, jitter: 1 ms, from: {r1: {delay: 7 ms, loss: 1 %}}}"
    assert sent(said, "r1").impair == Impairment(delay=0.007, jitter=0.001, loss=1)
    assert sent(said, "r2").impair == Impairment(delay=0.005, jitter=0.001)
    said = "shape: {tbf: 10 Mbit/s, from: {r2: {htb: {rate: 1 Mbit/s, classes: [{share: 50, dport: 80}]}}}}"
    assert sent(said, "r1").shape.words == "tbf 10 Mbit/s"
    assert sent(said, "r2").shape.words == "htb 1 Mbit/s, 50 %"


def test_an_interface_says_it_for_what_it_sends_and_for_what_it_receives() -> None:
    said = "impair: {delay: 5 ms, sent: {loss: 1}, received: {delay: 0}}, shape: {upload: {tbf: 1 Mbit/s}}"
    port = reading.parse(PORT % said, "file").guests["vm"].interfaces["eth0"]
    assert isinstance(port, PortFile)
    up, down = of_port(port)
    assert (up.words, down.words) == ("delay 5 ms, loss 1 %; tbf 1 Mbit/s", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LINK % "impair: {loss: 101 %}", "must be at most 100"),
        (LINK % "impair: {delay: 11 s}", "must be at most 10"),
        (LINK % "shape: {tbf: 0}", "must be more than 0"),
    ],
)
def test_a_value_that_cannot_be_is_refused_where_it_stands(text: str, words: str) -> None:
    with pytest.raises(InvalidFile, match=words):
        reading.parse(text, "file")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LINK % "impair: {jitter: 5 ms}", "what r1 sends: jitter 5 ms is more than the delay (0 ms)"),
        (LINK % "impair: {from: {r2: {reorder: 5}}}", "what r2 sends: reorder needs a delay"),
        (LINK % "shape: {tbf: {rate: 1 Mbit/s, burst: 1513}}", "a burst of 1513 bytes no frame of 1514 ever passes"),
        (LINK % "mtu: 9000, shape: {tbf: {rate: 1 Mbit/s, burst: 1600}}", "no frame of 9014 ever passes"),
        (LINK % "shape: {tbf: 0.5 kbit/s}", "0.5 kbit/s is less than 1 kbit/s"),
        (LINK % "shape: {htb: {rate: 1 Mbit/s, classes: [{share: 60}, {share: 50, dport: 80}]}}", "110 % together"),
        (LINK % "shape: {htb: {rate: 1 Mbit/s, classes: [{share: 60}, {share: 40}]}}", "two classes have all the rest"),
        (LINK % "shape: {tbf: 1000, htb: {rate: 1000, classes: [{share: 1}]}}", "two ways to shape"),
        (LINK.replace("r2: {}", "r2: {}, r3: {}") % "impair: {from: {r3: {loss: 1}}}", "'r3' is at no end of the link"),
        (
            LINK.replace("r1: {}", "r1: {interfaces: {eth1: {impair: {loss: 1}}}}") % "impair: {delay: 1 ms}",
            "the link 'core' says already what befalls the frames that it sends",
        ),
        (
            PORT % "shape: {download: {tbf: {rate: 1 Mbit/s, burst: 100}}}",
            "what it receives: with a burst of 100",
        ),
        (PORT % "impair: {sent: {reorder: 1}}", "what it sends: reorder needs a delay"),
    ],
)
def test_what_cannot_be_together_is_refused_beforehand(text: str, words: str) -> None:
    assert any(words in message for message in refused(text)), refused(text)


# -- changes -----------------------------------------------------------------------------------------------------


def test_a_change_changes_only_what_it_names() -> None:
    before = Conditions(impair=Impairment(delay=0.01, loss=1), shape=HTB)
    after = Change(impair={"loss": 5.0}).of(before)
    assert after == Conditions(impair=Impairment(delay=0.01, loss=5), shape=HTB)
    assert NOTHING.of(before) == Conditions(shape=HTB)
    assert whole(after).of(Conditions(impair=Impairment(corrupt=3))) == after
    assert not Conditions()


# -- the commands ------------------------------------------------------------------------------------------------


def run_bpf(text: str, frame: bytes, *, mark: int = 0, lot: int = 0) -> int:
    """Carry classic BPF out, as the kernel does: what it returns for a frame."""
    count, *words = text.split(",")
    code = [tuple(map(int, word.split())) for word in words]
    assert len(code) == int(count)
    extra = {2**32 - 0x1000 + 20: mark, 2**32 - 0x1000 + 56: lot}
    a = x = at = 0
    while True:
        operation, true, false, value = code[at]
        at += 1
        match operation:
            case 32:
                a = extra[value]
            case 40 | 72:
                start = value + (x if operation == 72 else 0)
                if start + 2 > len(frame):
                    return 0
                (a,) = struct.unpack_from("!H", frame, start)
            case 48:
                a = frame[value]
            case 177:
                x = 4 * (frame[value] & 0xF)
            case 1:
                x = value
            case 21 | 53 | 69:
                met = {21: a == value, 53: a >= value, 69: bool(a & value)}[operation]
                at += true if met else false
            case 6:
                return value


def bytecode(step: str) -> str:
    return step.split('"')[1]


def ipv4(protocol: int, sport: int, dport: int, *, options: int = 0, fragment: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH8s", 0x45 + options, 0, 40, 0, fragment, 64, protocol, 0, bytes(8))
    return bytes(12) + b"\x08\x00" + head + bytes(4 * options) + struct.pack("!HH", sport, dport) + bytes(8)


def ipv6(protocol: int, sport: int, dport: int) -> bytes:
    head = struct.pack("!IHBB32s", 6 << 28, 20, protocol, 64, bytes(32))
    return bytes(12) + b"\x86\xdd" + head + struct.pack("!HH", sport, dport) + bytes(8)


def test_classes_are_known_by_their_ports_whatever_the_header_has() -> None:
    web = TrafficClass(share=50, dport=80)
    for frame, met in (
        (ipv4(6, 1234, 80), True),
        (ipv4(17, 1234, 80), True),
        (ipv4(6, 1234, 80, options=3), True),
        (ipv4(6, 80, 1234), False),
        (ipv4(1, 1234, 80), False),
        (ipv4(6, 1234, 80, fragment=1), False),
    ):
        assert bool(run_bpf(shape.bytecode(web, 4), frame)) is met
    assert run_bpf(shape.bytecode(web, 6), ipv6(6, 1234, 80))
    assert not run_bpf(shape.bytecode(web, 6), ipv6(58, 1234, 80))
    both = TrafficClass(share=50, protocol="udp", sport=53, dport=80)
    assert run_bpf(shape.bytecode(both, 4), ipv4(17, 53, 80))
    assert not any(run_bpf(shape.bytecode(both, 4), ipv4(*other)) for other in ((6, 53, 80), (17, 5, 80), (17, 53, 8)))
    assert run_bpf(shape.bytecode(TrafficClass(share=1, protocol="udp"), 4), ipv4(17, 1, 2))


def test_a_gate_loses_its_part_and_lets_marked_frames_pass() -> None:
    code = bytecode(rules.gate("eth0", "egress", 25, mark=7))
    stolen, go_on = 4, 2**32 - 1
    assert [run_bpf(code, b"", lot=lot) for lot in (0, 2**30 - 1, 2**30, 2**32 - 1)] == [stolen, stolen, go_on, go_on]
    assert run_bpf(code, b"", mark=7, lot=0) == 0
    assert run_bpf(bytecode(rules.gate("eth0", "ingress", 100, mark=7)), b"", lot=2**32 - 1) == 2
    assert run_bpf(bytecode(rules.gate("eth0", "ingress", 0, mark=7)), b"", lot=0) == go_on


def test_netem_is_told_all_and_has_the_shape_below_it() -> None:
    said = shape.netem("eth0", Impairment(delay=0.025, jitter=0.002, loss=1, duplicate=2, reorder=3, corrupt=0.5))
    assert said == (
        "qdisc replace dev eth0 root handle f: netem limit 100000"
        " delay 25000us 2000us loss 1% duplicate 2% reorder 3% corrupt 0.5%"
    )
    (below,) = shape.steps("eth0", Shape(tbf=TokenBucket(rate=1000)), 1500, shape.NETEM_CLASS)
    assert below == "qdisc replace dev eth0 parent f:1 handle 1: tbf rate 1000000bit burst 3028 limit 9278"


def test_a_bucket_holds_a_frame_at_least_and_what_passes_in_a_moment() -> None:
    (fast,) = shape.steps("eth0", Shape(tbf=TokenBucket(rate=1_000_000)), 1500)
    assert "burst 625000 " in fast
    (own,) = shape.steps("eth0", Shape(tbf=TokenBucket(rate=1024, burst=1540, latency=0.05)), 1500)
    assert own.endswith("tbf rate 1024000bit burst 1540 limit 7940")


def test_classes_share_the_rate_and_what_none_of_them_has_goes_last() -> None:
    steps = list(shape.steps("eth0", HTB, 1500))
    assert steps[0] == "qdisc replace dev eth0 root handle 1: htb default c"
    leaves = [step for step in steps if "parent 1:1 " in step]
    assert [step.split(" rate ")[1] for step in leaves] == [
        "500000bit ceil 1000000bit quantum 3785",
        "300000bit ceil 1000000bit quantum 2271",
        "200000bit ceil 1000000bit quantum 1514",
    ]
    assert list(shape.steps("eth0", HTB, 1500, there=True)) == steps[1:]
    full = Shape(htb=Hierarchy(rate=1000, classes=(TrafficClass(share=100, dport=80),)))
    rest = [step for step in shape.steps("eth0", full, 1500) if "classid 1:b" in step]
    assert len(rest) == 1, "frames of no class would pass unshaped"


def test_only_a_shape_of_another_form_is_made_anew() -> None:
    faster = HTB.model_copy(update={"htb": HTB.htb and HTB.htb.model_copy(update={"rate": 2000})})
    bucket = Conditions(shape=Shape(tbf=TokenBucket(rate=1)))
    forms = [
        form_of(each, netem=False) for each in (Conditions(shape=HTB), Conditions(shape=faster), bucket, Conditions())
    ]
    assert forms[0] == forms[1]
    assert all(a != b for a, b in pairwise(forms[1:]))
    delayed = Conditions(impair=Impairment(delay=1), shape=HTB)
    assert form_of(delayed, netem=False) == forms[0] != form_of(delayed, netem=True)


# -- on a link ---------------------------------------------------------------------------------------------------


def test_frames_are_joined_where_they_come_out_at_last() -> None:
    a, b = LinkEnd(link="core", end="a"), LinkEnd(link="core", end="b")
    left, right = of_place(a, "host1"), of_place(b, "host1")
    detour = Detour(left)
    there = {left: "awake", right: "awake"}
    for stages, outlet in (
        ({}, ""),
        ({detour.inlet: USED, detour.exit: USED}, detour.exit),
        ({detour.inlet: USED, detour.exit: USED, detour.tap: USED}, detour.tap),
        ({detour.inlet: USED, detour.exit: USED, detour.tap: LEAVING}, detour.exit),
    ):
        found = {joint.source: joint for joint in joints("core", there | stages)}
        assert set(found) == {left, right}
        assert (found[left].target, found[left].outlet) == (right, outlet)
        assert found[right].outlet == ""
    assert len({*detour, detour.inlet, detour.exit, detour.tap, detour.back}) == 5
    assert all(len(name) <= 15 for name in (detour.inlet, detour.exit, detour.tap, detour.back))


def test_stages_follow_one_another() -> None:
    detour = Detour("ln00000000a0000")
    assert list(detour.stages(pair=False, line=False)) == []
    both: Sequence[tuple[str, str]] = detour.stages(pair=True, line=True)
    assert both == [(detour.inlet, detour.exit), (detour.tap, detour.tap)]


def test_a_port_whose_impairment_was_changed_by_hand_is_told() -> None:
    guest = reading.parse(PORT % "impair: {delay: 5 ms}", "file").guests["vm"]
    binding = Binding(host="compute1", vif_type="ovs")
    known = {"id": "p", "name": "vm", "network_id": "n", "instance_id": "vm", "mtu": 1450}
    port = Port(**known, mac_address="fa:16:3e:00:00:01", binding=binding)
    asked = Conditions(impair=Impairment(delay=0.005))
    nic = Interface(name="eth0", mac_address=port.mac_address, mtu=1450, attachment=port, sent=asked)
    assert [tuple(row) for row in impaired("vm", guest, [nic])] == [
        ("changed", "interface", "vm:eth0", "received", "delay 5 ms", "")
    ]
    assert list(impaired("vm", guest, [nic.model_copy(update={"received": asked})])) == []
