"""What docs/reference/testing.md says of fakevm.testing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fakevm.testing.labs import Lab, Labs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/testing.md").read_text()


@pytest.mark.parametrize("kind", [Labs, Lab], ids=lambda kind: kind.__name__)
def test_all_that_tests_can_use_is_described_and_no_other(kind: type) -> None:
    section = PAGE.split(f"## `fakevm.testing.labs.{kind.__name__}`\n")[1].split("\n## ")[0]
    words = re.findall(r"`(\w+)(?:\(.*?\))?`", " ".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)))
    public = {name for name in (*vars(kind), *kind.__annotations__) if not name.startswith("_")}
    assert set(words) == public - {"folder"}


def test_pytest_finds_the_fixtures_by_itself(tmp_path: Path) -> None:
    for text in ("", 'pytest_plugins = ["fakevm.testing.fixtures"]\n'):
        (tmp_path / "conftest.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--fixtures", "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert {"fakevm_lab", "fakevm_labs"} <= set(re.findall(r"^(\w+) \[session scope\]", done.stdout, re.MULTILINE))


def test_the_example_for_ci_is_a_workflow_whose_commands_are_well_formed() -> None:
    workflow = yaml.safe_load(
        next(text for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    )
    steps = workflow["jobs"]["test"]["steps"]
    # YAML 1.1 reads `on` as true.
    assert workflow[True] == ["push", "pull_request"]
    assert all(("run" in step) != ("uses" in step) for step in steps)
    for step in steps:
        subprocess.run(["bash", "-n", "-c", step.get("run", "true")], check=True)


def test_the_examples_for_pytest_are_python() -> None:
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        compile(text, "example", "exec")
