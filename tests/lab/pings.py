"""A guest's pings that go on while something happens, and which of them were answered.

ping's own count of losses is of no use here: what ends it may come while the last answer is on its way.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .conftest import FAKEVM, until

if TYPE_CHECKING:
    from .conftest import Lab


class Pings:
    """What ping says, read from the file to which it goes: a pipe that nobody reads would fill up."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def answered(self) -> list[int]:
        """Give the numbers of those that were answered."""
        return sorted({int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", self._file.read_text())})

    def lost(self) -> list[int]:
        """Give those between the first answer and the last that were not answered."""
        answered = self.answered()
        return sorted(set(range(answered[0], answered[-1])) - set(answered))

    def longest_gap(self) -> int:
        """Count the lost ones of the longest run without an answer."""
        return max(later - earlier - 1 for earlier, later in itertools.pairwise(self.answered()))

    def go_on(self) -> None:
        """Wait for three more answers, so that what is lost before them shows as a gap."""
        before = len(self.answered())
        until(lambda: len(self.answered()) >= before + 3)


@contextmanager
def pinging(lab: Lab, vif_id: str, address: str, interval: float, folder: Path) -> Iterator[Pings]:
    """Ping an address from a guest, every ``interval`` seconds; the block begins and ends while answers come."""
    file = folder / "pings"
    words = [FAKEVM, "--lab", lab.record.name, "exec", vif_id, "--", "ping", "-n", "-i", f"{interval:g}", address]
    with file.open("w") as output:
        process = subprocess.Popen(words, env=lab.labs.env(), stdin=subprocess.DEVNULL, stdout=output)
    pings = Pings(file)
    try:
        pings.go_on()
        yield pings
        pings.go_on()
    finally:
        process.terminate()
        process.wait(timeout=60)
