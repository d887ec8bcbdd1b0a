"""Where a capture goes: pcapng to a file or a pipe, or words to a terminal."""

from __future__ import annotations

import os
import stat
import sys
import time
from datetime import datetime
from typing import Protocol

from fakevm.errors import FakevmError

from . import pcapng
from .listener import Line
from .pcap import Packet


class Output(Protocol):
    """Takes packets in the order of their times."""

    def add(self, number: int, name: str, about: str, link_type: int, longest: int) -> None:
        """Take note of a point, by its number, before its first packet."""

    def write(self, number: int, packet: Packet | Line) -> None:
        """Take a packet."""

    def flush(self) -> None:
        """Write what was taken. Raises FakevmError: it cannot be written."""

    def end(self, seen: list[tuple[int, int]]) -> None:
        """Write what is known at the end: of each point the packets, and those that were dropped."""


class Pcapng:
    """A capture file, or a pipe. A file is well-formed whenever a write has ended, also one that failed half-way.

    :param descriptor: where it is written, from here on
    :param words: what it is called in an error
    """

    def __init__(self, descriptor: int, words: str) -> None:
        self._descriptor = descriptor
        self._words = words
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._blocks = [pcapng.section()]
        self._numbers: dict[int, int] = {}

    def add(self, number: int, name: str, about: str, link_type: int, longest: int) -> None:
        """See Output."""
        if number not in self._numbers:
            self._numbers[number] = len(self._numbers)
            self._blocks.append(pcapng.interface(name, about, link_type, longest))

    def write(self, number: int, packet: Packet | Line) -> None:
        """See Output."""
        assert isinstance(packet, Packet)
        self._blocks.append(pcapng.packet(self._numbers[number], *packet))

    def flush(self) -> None:
        """See Output."""
        data, self._blocks = memoryview(b"".join(self._blocks)), []
        begin = os.lseek(self._descriptor, 0, os.SEEK_CUR) if self._is_file else 0
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            raise
        except OSError as exc:
            if self._is_file:
                os.ftruncate(self._descriptor, begin)
                os.lseek(self._descriptor, begin, os.SEEK_SET)
            raise FakevmError(
                f"cannot write {self._words}: {exc.strerror}",
                hint="What was written until then can be read." if self._is_file and begin else "",
            ) from exc

    def end(self, seen: list[tuple[int, int]]) -> None:
        """See Output."""
        for number, (packets, dropped) in enumerate(seen):
            if number in self._numbers:
                of = self._numbers[number]
                self._blocks.append(pcapng.statistics(of, time.time_ns(), packets + dropped, dropped))
        self.flush()


class Words:
    """Lines on a terminal, as tcpdump writes them; with the name of its point before each, if there are several."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._width = max(map(len, names)) if len(names) > 1 else 0

    def add(self, number: int, name: str, about: str, link_type: int, longest: int) -> None:
        """See Output."""

    def write(self, number: int, packet: Packet | Line) -> None:
        """See Output."""
        assert isinstance(packet, Line)
        moment = datetime.fromtimestamp(packet.at // 1_000_000_000).strftime("%H:%M:%S")
        named = f"{self._names[number]:{self._width}}  " if self._width else ""
        sys.stdout.write(f"{moment}.{packet.at % 1_000_000_000 // 1000:06}  {named}{packet.text}\n")

    def flush(self) -> None:
        """See Output."""
        sys.stdout.flush()

    def end(self, seen: list[tuple[int, int]]) -> None:
        """See Output."""
        self.flush()
