"""How fast data arrives, by iperf3: in one flow, or in several at once that share a way.

TCP shows what a program gets: it backs off where frames are lost, so that of several flows in narrow classes one may
send too little for its share. Datagrams that are sent faster than their rate always fill a queue, and so show it alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from fakevm.errors import CommandFailed
from fakevm.model.check import Observed

from .base import PATIENCE, Probe, Run, facts, program

PORT = 5201
# Seconds at the beginning that do not count, as TCP starts slowly and a limit has a burst: in which the slowest sends
# so many frames (of so many kbit), until it has filled its queue, lost some and recovered.
_LEAST_OMITTED, _MOST_OMITTED, _FRAMES, _FRAME = 1, 8, 60, 12.112
# A block, in seconds and in bytes; the greatest is iperf3's own.
_BLOCK, _LEAST_BLOCK, _MOST_BLOCK = 0.01, 1400, 131072
# A line of the server's.
_SECOND = re.compile(r"\]\s+(?P<begin>[\d.]+)-(?P<end>[\d.]+)\s+sec\s+\S+ \w+\s+(?P<rate>[\d.]+) Kbits/sec(?P<rest>.*)")
# Of a second that was counted.
_WHOLE = 0.9
_NO_CONNECTION = ("timed out", "unreachable", "No route to host")
# Of each frame: Ethernet, and IPv4 or IPv6; then TCP with its timestamps, which iperf3's segment size does not count.
_HEADERS, _TCP, _UDP = {4: 14 + 20, 6: 14 + 40}, 32, 8
# Datagrams: bytes of data in one, that fit in each tunnel's MTU; sent so many times as fast as the fastest arrives.
_DATAGRAM, _TOO_FAST = 1200, 1.5


def server(port: int = PORT) -> list[str]:
    """Build the argv of what listens at the target, for one measurement."""
    return ["iperf3", "--server", "--one-off", "--port", str(port), "--forceflush", "--format", "k"]


READY = "Server listening"
"""What the server says when it can be measured."""


class BandwidthProbe(Probe):
    """Sends for ``seconds`` to each port, to all at once; passes when what arrives has its rate.

    :param rates: the rate of each port in kbit/s
    :param tolerance: so far off it may be, in percent
    :param frames: count the bytes of Ethernet frames, as queues do, and not only those of data
    :param datagrams: send UDP, faster than the rate, instead of TCP
    """

    def __init__(
        self, address: str, rates: Mapping[int, float], tolerance: float, seconds: float,
        *, frames: bool = False, datagrams: bool = False,
    ) -> None:  # fmt: skip
        self._address = address
        self._rates = dict(rates)
        self._tolerance = tolerance
        self._seconds = max(1, round(seconds))
        self._datagrams = datagrams
        self._headers = _HEADERS[6 if ":" in address else 4] + (_UDP if datagrams else _TCP) if frames else 0
        starting = math.ceil(_FRAMES * _FRAME / min(self._rates.values()))
        self._omitted = min(max(starting, _LEAST_OMITTED), _MOST_OMITTED)
        self.longest = self._seconds + self._omitted + 3 * PATIENCE

    def command(self) -> list[str]:
        """See Probe."""
        pace = ["--get-server-output", "--time", str(self._seconds), "--omit", str(self._omitted)]
        pace += self._datagram() if self._datagrams else ["--length", str(self._block())]
        words = ["--client", self._address, "--json", "--connect-timeout", f"{PATIENCE * 1000:.0f}", *pace]
        return ["env", "LC_ALL=C", *program("flows", ",".join(map(str, self._rates)), *words)]

    def _datagram(self) -> list[str]:
        bits = round(max(self._rates.values()) * 1000 * _TOO_FAST)
        return ["--udp", "--bitrate", str(bits), "--length", str(_DATAGRAM)]

    def _block(self) -> int:
        """Choose a block (bytes). iperf3 counts it when all of it has come: in the slowest flow in 10 ms at most."""
        return min(max(round(min(self._rates.values()) * 1000 / 8 * _BLOCK), _LEAST_BLOCK), _MOST_BLOCK)

    def read(self, run: Run) -> Observed:
        """See Probe."""
        said = facts(run)
        seen = {port: self._read(str(said.get(str(port), "")), run) for port in self._rates}
        if all(rate is None for rate in seen.values()):
            return Observed(verdict="blocked", words="no connection")
        words, met = [], True
        for port, wanted in self._rates.items():
            rate = seen[port] or 0.0
            off = (rate / wanted - 1) * 100
            met = met and abs(off) <= self._tolerance
            which = f"port {port}: " if len(self._rates) > 1 else ""
            words.append(f"{which}{rate / 1000:.3g} Mbit/s, {off:+.1f} % of {wanted / 1000:g} Mbit/s")
        return Observed(verdict="passes" if met else "unclear", words="; ".join(words))

    def _read(self, said: str, run: Run) -> float | None:
        """Read the rate (kbit/s) in what a client said; None: it found no connection. Raises CommandFailed."""
        try:
            report = json.loads(said)
        except ValueError as exc:
            raise CommandFailed(f"iperf3 ended without a report: {run.last_words}") from exc
        if problem := report.get("error"):
            if any(words in problem for words in _NO_CONNECTION):
                return None
            raise CommandFailed(f"iperf3: {problem}")
        return _received(report) * self._in_frames(report)

    def _in_frames(self, report: dict[str, Any]) -> float:
        segment = _DATAGRAM if self._datagrams else int(report["start"]["tcp_mss_default"])
        return (segment + self._headers) / segment


def _received(report: dict[str, Any]) -> float:
    """Give what the target received, in kbit/s. Raises CommandFailed.

    It tells that by the second. Its first second that counts has what waited in a queue before, and its last may be
    short: what comes while the end is still on its way. They tell nothing where there are others.
    """
    seconds = []
    for found in _SECOND.finditer(report.get("server_output_text", "")):
        if "omitted" not in found["rest"] and "receiver" not in found["rest"]:
            seconds.append((float(found["end"]) - float(found["begin"]), float(found["rate"])))
    whole = [each for each in seconds if each[0] > _WHOLE] or seconds
    counted = whole[1:] or whole
    if not counted:
        raise CommandFailed("iperf3 at the target did not say what it received")
    return sum(length * rate for length, rate in counted) / sum(length for length, _ in counted)
