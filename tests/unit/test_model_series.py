"""Many names in few words."""

from __future__ import annotations

import pytest

from fakevm.model.series import ordered, spans


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["network1"], "network1"),
        (["compute1", "compute2"], "compute1, compute2"),
        ([f"compute{n}" for n in range(1, 101)], "compute1…compute100"),
        (["compute1", "compute2", "compute3", "compute5", "network1"], "compute1…compute3, compute5, network1"),
        (["a08", "a09", "a10", "a11"], "a08, a09, a10, a11"),
        (["0", "1", "2"], "0…2"),
        (["east1", "west2", "west3", "west4"], "east1, west2…west4"),
    ],
)
def test_names_that_count_on_are_said_in_short(names: list[str], said: str) -> None:
    assert spans(names) == said


def test_names_are_sorted_as_people_count() -> None:
    assert ordered(["compute10", "compute9", "compute", "a7"]) == ["a7", "compute", "compute9", "compute10"]
