"""Which tools a lab file's guests and checks need."""

from __future__ import annotations

import pytest

from fakevm.lab import reading
from fakevm.lab.settle import kinds


@pytest.mark.parametrize(
    ("check", "needed"),
    [("", ()), ("processes: auto", ()), ("way: cold", ()), ("processes: move", ("criu",))],
)
def test_processes_that_a_check_moves_need_criu(check: str, needed: tuple[str, ...]) -> None:
    lab = reading.parse(
        f"guests: {{g: {{}}, h: {{}}}}\nchecks: {{c: {{kind: migrate, from: g, to: h, {check}}}}}", "lab.yaml"
    )
    assert kinds.tools(lab) == needed
