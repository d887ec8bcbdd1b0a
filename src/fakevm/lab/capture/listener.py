"""One tcpdump, at one place of one point: what it sees, as it comes, and how it ended."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fakevm.errors import InvalidInput, Prerequisite
from fakevm.linux.kernel import SEARCH_PATH

from .pcap import Packet, Stream
from .point import Place

TCPDUMP = "tcpdump"
# KiB, in the kernel: what comes while tcpdump has no processor.
_BUFFER = 8192
_PIECE = 1 << 18
# tcpdump ends when our end of its standard input is closed: because we say so, or because we are gone. A signal would
# not reach it through the namespaces. Whoever has its number then is only signalled while it is this shell's own.
_KEEPER = (
    'exec 3<&0; (cat <&3 >/dev/null; read -r _ _ _ parent _ </proc/self/stat; [ "$parent" = "$$" ] && kill "$$") '
    '>/dev/null 2>&1 & exec "$@" 3<&- </dev/null'
)
_LISTENING = re.compile(rb"^(tcpdump: )?listening on ", re.MULTILINE)
_NOISE = re.compile(
    r"^(tcpdump: )?(listening on .*|verbose output suppressed.*|data link type .*|dropped privs to .*|)$"
    r"|^\d+ packets? (captured|received by filter|dropped by (kernel|interface))$"
)
_GONE = re.compile(r"interface disappeared|interface went down|network is down|no such device", re.IGNORECASE)
_DROPPED = re.compile(r"^(\d+) packets? dropped by kernel$", re.MULTILINE)


class Line(NamedTuple):
    """A packet in tcpdump's words: when it was seen (ns since 1970), and its lines, without the time."""

    at: int
    text: str


@dataclass(frozen=True)
class Wanted:
    """What is asked of each tcpdump: words of a filter; bytes of a packet to keep; whether it is to write words."""

    filter: Sequence[str] = ()
    longest: int = 262144
    words: bool = False
    ethernet: bool = False


def check(wanted: Wanted) -> None:
    """Let tcpdump read the filter. Raises InvalidInput with tcpdump's words, Prerequisite: it is not installed."""
    program = shutil.which(TCPDUMP, path=SEARCH_PATH)
    if not program:
        raise Prerequisite(
            "there is no program tcpdump, which sees the packets", hint="As root: apt-get install tcpdump"
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
    """A tcpdump that runs."""

    def __init__(self, place: Place, wanted: Wanted) -> None:
        self.place = place
        self.dropped = 0
        self.problem = ""
        self.listening = False
        self.ended = False
        self._stream = Stream()
        self._lines: _Lines | None = _Lines() if wanted.words else None
        self._said = bytearray()
        self._process = subprocess.Popen(
            [*place.entrance, "env", f"PATH={SEARCH_PATH}", "sh", "-c", _KEEPER, "sh", *_command(place.device, wanted)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self.seen = self._process.stdout.fileno()
        self.said = self._process.stderr.fileno()
        os.set_blocking(self.seen, False)
        os.set_blocking(self.said, False)

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
        self.listening = self.listening or bool(_LISTENING.search(self._said))

    def stop(self) -> None:
        """Ask it to end: it says what it still has."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()

    def close(self) -> None:
        """Let go of it, whatever it does."""
        self.stop()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _end(self) -> None:
        self.stop()
        deadline = time.monotonic() + 2
        while self._process.poll() is None and time.monotonic() < deadline:
            self.listen()
            time.sleep(0.005)
        self.listen()
        said = self._said.decode(errors="replace")
        self.dropped = sum(map(int, _DROPPED.findall(said)))
        left = [line.removeprefix("tcpdump: ") for line in said.splitlines() if not _NOISE.match(line)]
        self.problem = "its device is gone" if _GONE.search(said) else "; ".join(left)
        self.ended = True


def _read(descriptor: int) -> bytes | None:
    """Read what there is; None when nothing is yet, nothing at the end."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


def _command(device: str, wanted: Wanted) -> list[str]:
    # -p: the device stays as it is; what is for others comes along a guest's device anyway. -Z root: a lab of an
    # ordinary user has no other user to become.
    words = [TCPDUMP, "-i", device, "-p", "-n", "-B", str(_BUFFER), "-s", str(wanted.longest), "-Z", "root"]
    words += ["--immediate-mode"]
    if wanted.words:
        words += ["-l", "-tt", "--nano", *(["-e"] if wanted.ethernet else [])]
    else:
        words += ["-U", "-w", "-", "--nano"]
    return [*words, *([" ".join(wanted.filter)] if wanted.filter else [])]


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
