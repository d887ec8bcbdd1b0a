"""A Python environment whose programs are forked from one warmed process (ADR 0034)."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import NamedTuple

HOME = "/run/fakevm/warm"
MODULES = Path(__file__).parent.parent / "in_neutron"
OWN = Path(sys.prefix) / "bin"


class Environment(NamedTuple):
    """What makes Python find the same modules: the folder of its programs, and PYTHONPATH; and import them alike.

    ``debug`` says whether its programs' configuration does: Neutron's modules look at that while they are imported.
    """

    programs: Path
    path: str
    debug: bool = False

    @property
    def name(self) -> str:
        """Name it by Neutron's release (CACHE/releases/VERSION/venv/bin), or as FakeVM's own."""
        return ("fakevm" if self.programs == OWN else self.programs.parent.parent.name) + self.mark

    @property
    def folder(self) -> str:
        """The folder of a lab's socket. It names the environment as programs do, and so it is changed as they are when
        they are to be another release's (``upgrade``).
        """
        return f"{HOME}{self.programs}{self.mark}"

    @property
    def mark(self) -> str:
        """Tell it from others of the same folder: a backend may give PYTHONPATH to some of Neutron's programs only."""
        path = f"-{zlib.crc32(self.path.encode()):08x}" if self.path else ""
        return path + ("-debug" if self.debug else "")

    @property
    def search_path(self) -> str:
        """PYTHONPATH of its warmed process."""
        return ":".join(filter(None, (str(MODULES), self.path)))

    def asking(self, *where: str) -> tuple[str, ...]:
        """Give the words before a command that is asked for where a warmed process listens."""
        return f"{self.programs}/python", "-ISE", str(MODULES / "fakevm_warm/ask.py"), *where
