"""Links: how their devices are joined, what carriers do with frames, and what is refused beforehand."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from fakevm.errors import Conflict
from fakevm.lab import carrying, reading
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle
from fakevm.link import joining
from fakevm.link.carriers import CARRIERS
from fakevm.link.carriers.base import Carrier, Far, Side, Sockets, State, Wire, joined, resolved, split
from fakevm.link.devices import ASLEEP, AWAKE, joints, of_bridge, of_carrier, of_link, of_place
from fakevm.link.joining import Joint
from fakevm.link.relay import Loop
from fakevm.model.interface import BridgePort, LinkEnd
from fakevm.model.labfile import LinkFile

A = LinkEnd(link="core", end="a")
A1, A2, B2 = of_place(A, "host1"), of_place(A, "host2"), of_place(A.far, "host2")
CA, CB = of_carrier(A), of_carrier(A.far)


# -- devices -----------------------------------------------------------------------------------------------------


def test_devices_have_names_that_the_kernel_takes_and_no_two_the_same() -> None:
    names = [A1, A2, B2, CA, CB, of_place(LinkEnd(link="other", end="a"), "host1"), of_bridge("lan")]
    names += [of_place(BridgePort(bridge="lan", owner=f"r{n}:eth1"), "host1") for n in range(3)]
    assert len(set(names)) == len(names)
    assert all(len(name.encode()) <= 15 for name in names)


@pytest.mark.parametrize(
    ("devices", "wanted"),
    [
        ({A1: AWAKE}, {Joint(A1)}),
        ({A1: AWAKE, B2: AWAKE}, {Joint(A1, B2), Joint(B2, A1)}),
        # While a guest moves: the far end gets what the one that is awake sends, and sends there.
        ({A1: AWAKE, A2: ASLEEP, B2: AWAKE}, {Joint(A1, B2), Joint(A2, B2), Joint(B2, A1)}),
        ({A1: ASLEEP, A2: AWAKE, B2: AWAKE}, {Joint(A1, B2), Joint(A2, B2), Joint(B2, A2)}),
        # Carried: each end with what is in front of it.
        ({A1: AWAKE, B2: AWAKE, CA: AWAKE, CB: AWAKE}, {Joint(A1, CA), Joint(CA, A1), Joint(B2, CB), Joint(CB, B2)}),
        ({CA: AWAKE}, {Joint(CA)}),
        ({A1: AWAKE, CA: AWAKE}, {Joint(A1, CA), Joint(CA, A1)}),
        ({of_place(LinkEnd(link="other", end="b"), "host1"): AWAKE, A1: AWAKE}, {Joint(A1)}),
    ],
)
def test_ends_are_joined_with_the_far_one_or_with_what_carries_them(
    devices: dict[str, str], wanted: set[Joint]
) -> None:
    assert set(joints("core", devices)) == wanted
    assert set(of_link("core", devices)) == {joint.source for joint in wanted}


def test_what_leads_nowhere_is_dropped() -> None:
    assert "redirect dev b" in joining.steps(Joint("a", "b"))[-1]
    assert "redirect" not in joining.steps(Joint("a"))[-1]


# -- carriers ----------------------------------------------------------------------------------------------------

FRAMES = [bytes([size % 251]) * size for size in (14, 60, 1514, 1518, 9234)]


class Taken(Side):
    """Who takes what comes."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.told: list[tuple[State, str]] = []
        self.wire: Wire | None = None

    def take(self, frame: bytes) -> None:
        self.frames.append(frame)

    def tell(self, state: State, why: str = "") -> None:
        self.told.append((state, why))


def turned(loop: Loop, condition: Callable[[], object], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        loop.turn(0.05)


@pytest.fixture
def opened() -> Iterator[Callable[[Sockets], Sockets]]:
    held: list[socket.socket] = []

    def keep(sockets: Sockets) -> Sockets:
        held.extend(sockets)
        return sockets

    yield keep
    for each in held:
        each.close()


def wired(loop: Loop, carrier: Carrier, sockets: Sockets, far: Far) -> Taken:
    side = Taken()
    side.wire = carrier.wire(loop, side, sockets, far)
    return side


@pytest.mark.parametrize("name", CARRIERS)
def test_frames_pass_both_ways_as_they_are_and_nobody_hears_himself(
    name: str, opened: Callable[[Sockets], Sockets]
) -> None:
    loop, carrier = Loop(), CARRIERS[name]
    a, b = (wired(loop, carrier, opened(sockets), far) for sockets, far in carrier.pair())
    assert a.wire
    assert b.wire
    if name == "tcp":
        # Until it has connected, what is sent is lost.
        turned(loop, lambda: ("answered", "") in a.told and ("answered", "") in b.told)
    for frame in FRAMES:
        a.wire.send(frame)
        b.wire.send(frame[::-1] + b"b")
    turned(loop, lambda: len(a.frames) == len(b.frames) == len(FRAMES))
    assert b.frames == FRAMES
    assert a.frames == [frame[::-1] + b"b" for frame in FRAMES]
    loop.turn(0.05)
    assert len(a.frames) == len(FRAMES)
    assert ("answered", "") in a.told
    assert ("answered", "") in b.told


def free(kind: socket.SocketKind) -> str:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return joined(sock.getsockname())


def test_tcp_connects_again_whoever_starts_first_or_anew(opened: Callable[[Sockets], Sockets]) -> None:
    loop, tcp, here = Loop(), CARRIERS["tcp"], free(socket.SOCK_STREAM)
    ours = wired(loop, tcp, opened(tcp.opened(Far(remote=here))), Far(remote=here))
    turned(loop, lambda: ours.told)
    assert ours.told[0] == ("waiting", "Connection refused")
    for number in range(3):
        theirs = opened(tcp.opened(Far(local=here)))
        far = wired(loop, tcp, theirs, Far(local=here))
        turned(loop, lambda far=far: far.told)  # type: ignore[misc]
        turned(loop, lambda: ours.told[-1][0] == "answered")
        assert ours.wire
        ours.wire.send(bytes([number]) * 100)
        turned(loop, lambda far=far: far.frames)  # type: ignore[misc]
        assert far.frames == [bytes([number]) * 100]
        far.wire._close()  # type: ignore[union-attr]
        loop.reading(theirs[0], None)
        theirs[0].close()
        turned(loop, lambda: ours.told[-1][0] == "lost")


def test_tcp_listens_again_and_takes_no_rubbish(opened: Callable[[Sockets], Sockets]) -> None:
    loop, tcp, here = Loop(), CARRIERS["tcp"], free(socket.SOCK_STREAM)
    ours = wired(loop, tcp, opened(tcp.opened(Far(local=here))), Far(local=here))
    for number in range(2):
        with socket.create_connection(split(here)) as far:
            far.sendall((60).to_bytes(4, "big") + b"x" * 30)
            loop.turn(1)
            loop.turn(1)
            far.sendall(b"x" * 30 + (60).to_bytes(4, "big"))
            turned(loop, lambda number=number: len(ours.frames) == number + 1)  # type: ignore[misc]
        turned(loop, lambda: ours.told[-1][0] == "lost")
    with socket.create_connection(split(here)) as far:
        far.sendall(b"GET / HTTP/1.1\r\n\r\n")
        turned(loop, lambda: "something else than frames" in ours.told[-1][1])
    assert ours.frames == [b"x" * 60] * 2


def test_tcp_reads_while_the_far_end_does_not(opened: Callable[[Sockets], Sockets]) -> None:
    loop, tcp = Loop(), CARRIERS["tcp"]
    a, b = (wired(loop, tcp, opened(sockets), far) for sockets, far in tcp.pair())
    assert a.wire
    assert b.wire
    turned(loop, lambda: a.told and b.told)
    big = bytes(9000)
    for _ in range(3000):
        a.wire.send(big)
        b.wire.send(big)
    before = len(a.frames)
    turned(loop, lambda: len(a.frames) > before + 50 and len(b.frames) > 50)


def test_vxlan_takes_what_is_of_its_network_and_far_end(opened: Callable[[Sockets], Sockets]) -> None:
    loop, vxlan = Loop(), CARRIERS["vxlan"]
    local, remote = free(socket.SOCK_DGRAM), "127.0.0.1:1"
    far = Far(local, remote, 42)
    ours = wired(loop, vxlan, opened(vxlan.opened(far)), far)
    header = b"\x08\0\0\0" + (42).to_bytes(3, "big") + b"\0"
    other = b"\x08\0\0\0" + (43).to_bytes(3, "big") + b"\0"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        stranger.bind(("127.0.0.2", 0))
        for sender, datagram in ((stranger, header + b"s" * 60), (kernel, other + b"o" * 60), (kernel, b"short")):
            sender.sendto(datagram, split(local))
        kernel.sendto(header + b"k" * 60, split(local))
        turned(loop, lambda: ours.frames)
    assert ours.frames == [b"k" * 60]


def test_udp_says_that_nobody_is_there_and_sends_all_the_same(opened: Callable[[Sockets], Sockets]) -> None:
    loop, udp = Loop(), CARRIERS["udp"]
    here, there = free(socket.SOCK_DGRAM), free(socket.SOCK_DGRAM)
    ours = wired(loop, udp, opened(udp.opened(Far(here, there))), Far(here, there))
    assert ours.wire
    ours.wire.send(b"lost")
    turned(loop, lambda: ours.told)
    assert ours.told == [("waiting", "Connection refused")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(split(there))
        ours.wire.send(b"there")
        assert far.recv(100) == b"there"
        far.sendto(b"answer", split(here))
        turned(loop, lambda: ours.frames)
    assert ours.told[-1] == ("answered", "")
    for _ in range(3):
        ours.wire.send(b"gone")
        loop.turn(0.05)
    assert ours.told[-1] == ("lost", "Connection refused")


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:7001", ("127.0.0.1", 7001)),
        ("[::1]:7001", ("::1", 7001)),
        ("127.0.0.1", ("127.0.0.1", 0)),
        ("[::1]", ("::1", 0)),
    ],
)
def test_addresses_are_parted(address: str, parts: tuple[str, int]) -> None:
    assert split(address) == parts
    assert split(resolved(address, 5)) == (parts[0], parts[1] or 5)


@pytest.mark.parametrize("carrier", ["udp", "tcp"])
def test_an_address_that_is_taken_or_none_of_ours_is_told_with_the_link(carrier: str) -> None:
    kind = socket.SOCK_STREAM if carrier == "tcp" else socket.SOCK_DGRAM
    remote = "" if carrier == "tcp" else "127.0.0.1:1"
    with socket.socket(socket.AF_INET, kind) as taken, ExitStack() as held:
        taken.bind(("127.0.0.1", 0))
        if carrier == "tcp":
            taken.listen()
        for local, why in ((joined(taken.getsockname()), "in use"), ("192.0.2.1:7001", "Cannot assign")):
            link = LinkFile(ends=("r1:eth1",), carrier=carrier, local=local, remote=remote)
            with pytest.raises(Conflict, match=f"link 'out'.*{local}.*{why}"):
                carrying.opened({"out": link}, held)


# -- files -------------------------------------------------------------------------------------------------------

FILE = """\
neutron: false
hosts: {{host1: {{}}}}
guests: {{r1: {{interfaces: {{eth8: {{bridge: lan}}}}}}, r2: {{}}}}
bridges: {{lan: }}
links:
  core: {}
"""


def told(link: str) -> str:
    try:
        settle(reading.parse(FILE.format(link), "lab.yaml"), kernel_datapath=False)
    except InvalidFile as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize(
    "link",
    [
        "r1:eth1 -- r2:eth1",
        "{ends: [r1:eth1, r2:eth1], carrier: multicast, mtu: 9216}",
        "{ends: r1:eth1, carrier: udp, local: '127.0.0.1:7001', remote: '127.0.0.1:7002'}",
        "{ends: [r1:eth1], carrier: tcp, local: '127.0.0.1:7001'}",
        "{ends: r1:eth1, carrier: tcp, remote: '[::1]:7001'}",
        "{ends: r1:eth1, carrier: multicast, remote: '239.1.1.1:7001', local: 127.0.0.1}",
        "{ends: r1:eth1, carrier: vxlan, remote: far.example, vni: 0}",
    ],
)
def test_what_can_be_is_let_through(link: str) -> None:
    assert told(link) == ""


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("r1:eth1", "a link that veth carries has two ends"),
        ("{ends: [r1:eth1, r2:eth1, r1:eth2]}", "a link has two ends"),
        ("r1:eth1 -- r3:eth1", "there is no guest 'r3'"),
        ("r1:eth1 -- r1:eth1", "is the other end of this link already"),
        ("r1:eth8 -- r2:eth1", "it is an end of the link 'core' already"),
        ("{ends: [r1:eth1, r2:eth1], carrier: upd}", "there is no carrier 'upd'. Did you mean 'udp'?"),
        ("{ends: [r1:eth1, r2:eth1], carrier: udp, local: '127.0.0.1:1'}", "'local' is for a far end that is not ours"),
        ("{ends: r1:eth1, carrier: udp, local: '127.0.0.1:1'}", "the carrier udp needs 'remote'"),
        ("{ends: r1:eth1, carrier: tcp}", "the carrier tcp needs 'local' or 'remote'"),
        ("{ends: r1:eth1, carrier: tcp, remote: 127.0.0.1}", "the port is missing"),
        ("{ends: r1:eth1, carrier: tcp, remote: '127.0.0.1:70000'}", "expected an address with a port"),
        ("{ends: r1:eth1, carrier: tcp, remote: '127.0.0.1:1', vni: 7}", "'vni' says nothing to the carrier tcp"),
        ("{ends: r1:eth1, carrier: multicast, remote: '127.0.0.1:1'}", "no IPv4 address of a multicast group"),
        ("{ends: r1:eth1, carrier: vxlan, remote: 127.0.0.1}", "the carrier vxlan needs 'vni'"),
        ("{ends: r1:eth1, carrier: vxlan, remote: 127.0.0.1, vni: 16777216}", "vni"),
        ("{ends: [r1:eth1, r2:eth1], carrier: udp, mtu: 65535}", "udp carries packets of at most 65000 bytes"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(link: str, said: str) -> None:
    assert said in told(link)
    assert re.search(r"(links\.core|interfaces\.eth8)\S*: ", told(link))


def test_a_bridge_that_is_not_there_and_an_interface_too_large_for_it_are_told() -> None:
    text = FILE.format("r1:eth1 -- r2:eth1")
    for change, said in (
        (("{bridge: lan}", "{bridge: lam}"), "there is no bridge 'lam'. Did you mean 'lan'?"),
        (("{bridge: lan}", "{bridge: lan, mtu: 9000}"), "the bridge has an MTU of 1500 only"),
        (("{lan: }", "{lan: , core: }"), "'core' is also the name of a"),
    ):
        with pytest.raises(InvalidFile, match=said):
            settle(reading.parse(text.replace(*change), "lab.yaml"), kernel_datapath=False)
