"""A sniffer at one place of one point: what it sees, as it comes, as packets or in tcpdump's words; how it ended."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from fakevm.errors import InvalidInput, Prerequisite
from fakevm.linux.kernel import SEARCH_PATH

from .pcap import Packet, Stream
from .point import Place

TCPDUMP = "tcpdump"
_SNIFFER = Path(__file__).with_name("sniffer.py")
_PIECE = 1 << 18
_GONE = re.compile(r"network is down|no such device", re.IGNORECASE)
_DROPPED = re.compile(r"^(\d+) packets dropped by kernel\n?", re.MULTILINE)
# What the sniffer says first.
_LISTENING = b"listening\n"
# Seconds that it may take to end, once nothing more comes from it.
_GRACE = 2.0


class Line(NamedTuple):
    """A packet in tcpdump's words: when it was seen (ns since 1970), and its lines, without the time."""

    at: int
    text: str


@dataclass(frozen=True)
class Wanted:
    """What is asked for: a filter; bytes of a packet to keep; words in place of packets, also of Ethernet."""

    filter: Sequence[str] = ()
    longest: int = 262144
    words: bool = False
    ethernet: bool = False


def check(wanted: Wanted) -> None:
    """Let tcpdump read the filter. Raises InvalidInput with tcpdump's words, Prerequisite: it is not installed."""
    program = shutil.which(TCPDUMP, path=SEARCH_PATH)
    if not program:
        raise Prerequisite(
            "there is no program tcpdump, which reads filters and packets", hint="As root: apt-get install tcpdump"
        )
    # A link type and -d: it compiles, and opens no device.
    done = subprocess.run(
        [program, "-y", "EN10MB", "-d", " ".join(wanted.filter)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = " ".join(done.stderr.removeprefix("tcpdump: ").split())
        raise InvalidInput(
            f"tcpdump does not take the filter {' '.join(wanted.filter)!r}: {said}",
            hint=f"It begins with {wanted.filter[0]!r}, the first word that names no point. See pcap-filter(7).",
        )


class Listener:
    """A sniffer that runs; if words are wanted, with a tcpdump behind it that reads what it writes."""

    def __init__(self, place: Place, wanted: Wanted) -> None:
        self.place = place
        self.dropped = 0
        self.problem = ""
        self.listening = False
        self.ended = False
        self._stream = Stream()
        self._lines: _Lines | None = _Lines() if wanted.words else None
        self._said = bytearray()
        which = "in" if place.incoming else "all"
        sniffer = [str(_SNIFFER), place.device, str(wanted.longest), which, " ".join(wanted.filter)]
        self._sniffer = subprocess.Popen(
            [*place.entrance, "env", f"PATH={SEARCH_PATH}", sys.executable, "-I", *sniffer],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._sniffer.stdout and self._sniffer.stderr
        self._packets: IO[bytes] = self._sniffer.stdout
        self._reader = self._read_by_tcpdump(wanted) if wanted.words else None
        self.seen, self.said = self._packets.fileno(), self._sniffer.stderr.fileno()
        os.set_blocking(self.seen, False)
        os.set_blocking(self.said, False)

    def _read_by_tcpdump(self, wanted: Wanted) -> subprocess.Popen[bytes]:
        words = [TCPDUMP, "-n", "-l", "-tt", "--nano", *(["-e"] if wanted.ethernet else []), "-r", "-"]
        reader = subprocess.Popen(
            words, stdin=self._packets, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "PATH": SEARCH_PATH},
        )  # fmt: skip
        self._packets.close()
        assert reader.stdout
        self._packets = reader.stdout
        return reader

    @property
    def link_type(self) -> int | None:
        """What its packets begin with (an Ethernet header: 1), once that is known."""
        return self._stream.link_type

    def packets(self) -> Iterator[Packet | Line]:
        """Give what there is. Once there is no more of it, it has ``ended``."""
        while (piece := _read(self.seen)) is not None:
            if not piece:
                self._end()
                if self._lines:
                    yield from self._lines.rest()
                return
            yield from self._lines.feed(piece) if self._lines else self._stream.feed(piece)

    def listen(self) -> None:
        """Read what it says."""
        while piece := _read(self.said):
            self._said += piece
        if self._said.startswith(_LISTENING):
            self.listening = True

    def stop(self) -> None:
        """Ask it to end: it writes what it still has."""
        if self._sniffer.stdin and not self._sniffer.stdin.closed:
            self._sniffer.stdin.close()

    def close(self) -> None:
        """Let go of it, whatever it does."""
        self.stop()
        for process in filter(None, (self._sniffer, self._reader)):
            if process.poll() is None:
                process.kill()
            process.wait()
        for stream in (self._packets, self._sniffer.stderr):
            if stream:
                stream.close()

    def _end(self) -> None:
        self.stop()
        deadline = time.monotonic() + _GRACE
        while self._sniffer.poll() is None and time.monotonic() < deadline:
            self.listen()
            time.sleep(0.005)
        self.listen()
        said = self._said.decode(errors="replace").removeprefix(_LISTENING.decode())
        self.dropped = sum(map(int, _DROPPED.findall(said)))
        last = _DROPPED.sub("", said).strip().rpartition("\n")[2]
        self.problem = "its device is gone" if _GONE.search(said) else last
        self.ended = True


def _read(descriptor: int) -> bytes | None:
    """Read what there is; None when nothing is yet, nothing at the end."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


class _Lines:
    """Makes one of the lines of a packet: those that go on begin with white space."""

    def __init__(self) -> None:
        self._left = b""
        self._begun: Line | None = None

    def feed(self, piece: bytes) -> Iterator[Line]:
        """Give the packets of which all lines are there, as far as that can be known."""
        *lines, self._left = (self._left + piece).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            if text[:1].isspace() and self._begun:
                self._begun = Line(self._begun.at, f"{self._begun.text}\n{text}")
            else:
                yield from self.rest()
                self._begun = _begun(text)
        # tcpdump writes a packet at once: what goes on would be here.
        if not self._left:
            yield from self.rest()

    def rest(self) -> Iterator[Line]:
        """Give the last one."""
        if self._begun:
            yield self._begun
        self._begun = None


def _begun(text: str) -> Line:
    moment, _, rest = text.partition(" ")
    seconds, _, fraction = moment.partition(".")
    if not seconds.isdecimal():
        return Line(time.time_ns(), text)
    return Line(int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0), rest)
