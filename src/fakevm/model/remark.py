"""What is to be said of a part of a lab file: it is wrong, or will not be as it says."""

from __future__ import annotations

from typing import NamedTuple

# The keys, and the indexes of lists, that lead to a place in the file.
Location = tuple[int | str, ...]


class Remark(NamedTuple):
    """What is to be said, and of which part (``at``; empty: of no one part)."""

    what: str
    at: Location = ()
    hint: str = ""

    @property
    def path(self) -> str:
        """The part as messages write it: ``networks.private.mtu``."""
        return ".".join(map(str, self.at))
