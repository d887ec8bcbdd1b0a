"""A lab that is brought up from its own export is the same lab: all examples, written out and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.lab import export, reading
from fakevm.lab.topology.description import resources

FILES = sorted((Path(__file__).parents[2] / "examples").glob("*/lab.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_an_example_is_the_same_when_it_was_exported(file: Path, tmp_path: Path) -> None:
    lab = reading.read(file)
    again = tmp_path / "exported.yaml"
    again.write_text(export.written(lab))
    other = reading.read(again)
    assert resources(other) == resources(lab)
    assert other == lab
