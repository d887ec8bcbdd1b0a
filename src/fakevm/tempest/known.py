"""Tests that are known to fail, and why: no fault of the lab's or of FakeVM's (``known.yaml``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import Field
from ruamel.yaml import YAML

from fakevm import release
from fakevm.model.value import Value

_FILE = Path(__file__).with_name("known.yaml")


class KnownFailure(Value):
    """Tests that fail (``tests`` is a regular expression of all of a name), where, and why.

    Empty ``backends`` are all, and so are empty ``releases`` (series). ``reason`` says what happens and cites Neutron's
    code, a bug's number, or what shows the same without FakeVM. ``sometimes``: passing is right, too.
    """

    tests: str
    reason: str = Field(min_length=20)
    backends: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    sometimes: bool = False

    def is_about(self, name: str, backend: str, version: str) -> bool:
        """Tell whether it is about a test in a lab with a backend and a version of Neutron."""
        return (
            (not self.backends or backend in self.backends)
            and (not self.releases or release.series(release.base(version)) in self.releases)
            and re.fullmatch(self.tests, name) is not None
        )


@cache
def listed() -> tuple[KnownFailure, ...]:
    """Read the list."""
    written = YAML(typ="safe").load(_FILE.read_text()) or []
    return tuple(KnownFailure.model_validate(one) for one in written)


def of(name: str, backend: str, version: str, known: Sequence[KnownFailure] | None = None) -> KnownFailure | None:
    """Find why a test is known to fail; None: it is not."""
    these = listed() if known is None else known
    return next((one for one in these if one.is_about(name, backend, version)), None)
