"""What a capture is written as, and how tcpdump's words and streams are read."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.errors import FakevmError, InvalidInput
from fakevm.lab.capture import listener
from fakevm.lab.capture.listener import Line, Wanted
from fakevm.lab.capture.output import Pcapng
from fakevm.lab.capture.pcap import Packet, Stream

PING = bytes.fromhex(
    "02000000000202000000000108004500005400010000400166900a0000010a000002" + "0800f7ff00010001" + "00" * 56
)
SECOND = 1_700_000_000_000_000_000


def pcap(*packets: Packet, magic: int = 0xA1B23C4D) -> bytes:
    header = struct.pack("=IHHiIII", magic, 2, 4, 0, 0, 262144, 1)
    unit = 1 if magic == 0xA1B23C4D else 1000
    records = (
        struct.pack("=IIII", at // 10**9, at % 10**9 // unit, len(kept), length) + kept for at, kept, length in packets
    )
    return header + b"".join(records)


def read_back(path: Path) -> list[str]:
    done = subprocess.run(
        ["tcpdump", "-n", "-tt", "--nano", "-r", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        kind, length = struct.unpack_from("=II", data)
        assert length % 4 == 0
        assert struct.unpack_from("=I", data, length - 4) == (length,)
        yield kind, data[8 : length - 4]
        data = data[length:]


def option(body: bytes, wanted: int, at: int = 8) -> bytes:
    """Find an option of an interface's block."""
    while True:
        code, length = struct.unpack_from("=HH", body, at)
        if code == wanted:
            return body[at + 4 : at + 4 + length]
        assert code, "no such option"
        at += 4 + (length + 3) // 4 * 4


def written(path: Path, *packets: tuple[int, Packet], names: tuple[str, ...] = ("r1:eth1", "core")) -> bytes:
    with path.open("wb") as file:
        output = Pcapng(file.fileno(), str(path))
        for number, name in enumerate(names):
            output.add(number, name, f"of {name}", 1, 262144)
        for number, packet in packets:
            output.write(number, packet)
        output.flush()
        output.end([(len(packets), 2)] * len(names))
    return path.read_bytes()


def test_tcpdump_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "made.pcapng"
    written(path, (0, Packet(SECOND + 5, PING, 98)), (1, Packet(SECOND + 123_456_789, PING[:60], 98)))
    first, second = read_back(path)
    assert first.startswith("1700000000.000000005 IP 10.0.0.1 > 10.0.0.2: ICMP echo request")
    assert second.startswith("1700000000.123456789 IP 10.0.0.1 > 10.0.0.2: ")


def test_each_point_is_an_interface_with_its_name(tmp_path: Path) -> None:
    data = written(tmp_path / "made.pcapng", (1, Packet(SECOND, PING[:61], 98)))
    found = list(blocks(data))
    assert [kind for kind, _ in found] == [0x0A0D0D0A, 1, 1, 6, 5, 5]
    assert option(found[1][1], 2) == b"r1:eth1"
    assert option(found[2][1], 2) == b"core"
    assert struct.unpack_from("=I", found[3][1]) == (1,)
    assert struct.unpack_from("=II", found[3][1], 12) == (61, 98)


def test_a_stream_is_read_whatever_its_pieces_are() -> None:
    packets = [Packet(SECOND + number, PING[: 20 + number], 98) for number in range(5)]
    stream, whole = Stream(), pcap(*packets)
    found = [packet for at in range(len(whole)) for packet in stream.feed(whole[at : at + 1])]
    assert found == packets
    assert stream.link_type == 1


def test_microseconds_are_read_as_such() -> None:
    stream = Stream()
    assert [packet.at for packet in stream.feed(pcap(Packet(SECOND + 7000, b"x", 1), magic=0xA1B2C3D4))] == [
        SECOND + 7000
    ]


def test_lines_that_go_on_belong_to_the_packet_before() -> None:
    lines = listener._Lines()
    assert list(lines.feed(b"1700000000.000000005 IP a\n\tflags\n17000")) == []
    assert list(lines.feed(b"00001.5 IP b\n")) == [
        Line(SECOND + 5, "IP a\n\tflags"),
        Line(SECOND + 1_500_000_000, "IP b"),
    ]


@pytest.mark.parametrize("words", ["icmp", "icmp or arp", "ether proto 0x88cc", "not ( tcp port 22 )"])
def test_filters_are_tcpdumps(words: str) -> None:
    listener.check(Wanted(tuple(words.split())))


def test_a_filter_that_tcpdump_does_not_take_is_told_in_its_words() -> None:
    with pytest.raises(InvalidInput, match=r"does not take the filter 'prot icmp': .*syntax error"):
        listener.check(Wanted(("prot", "icmp")))


def test_a_full_disk_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "full.pcapng"
    pid = os.fork()
    if not pid:
        os._exit(_fill(path))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(read_back(path)) == 10


def _fill(path: Path) -> int:
    """Write until there is no room any more, here by a limit (EFBIG): what is written half is taken back."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with path.open("wb") as file:
        output = Pcapng(file.fileno(), str(path))
        output.add(0, "r1:eth1", "", 1, 262144)
        for number in range(10):
            output.write(0, Packet(SECOND + number, PING, 98))
        output.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50,) * 2)
        output.write(0, Packet(SECOND + 11, PING, 98))
        try:
            output.flush()
        except FakevmError as problem:
            return int("cannot write" not in problem.what)
    return 1
