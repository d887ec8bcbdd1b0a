"""How many source files a change of each kind touches: a kept sample of each is applied to a copy, and works there.

A sample is ``tests/samples/NAME.patch``, made by ``git diff``: the change, its test, its documentation. When a
neighbour's change makes it old (``git apply`` refuses it), make it anew; it must not touch more files than before.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests/samples"
# What each may touch beside docs and tests; ARCHITECTURE.md has the table.
MOST = {"resource": 2, "attribute": 2, "check": 3, "verb": 2, "part": 2, "kind": 2}
BIN = Path(sys.executable).parent


def touched(patch: Path) -> list[str]:
    """Name the files that a patch changes."""
    done = subprocess.run(["git", "apply", "--numstat", patch], capture_output=True, text=True, check=True)
    return [line.split("\t")[2] for line in done.stdout.splitlines()]


def source(files: list[str]) -> list[str]:
    return [name for name in files if name.startswith("src/") or name == "pyproject.toml"]


@pytest.mark.parametrize("name", MOST)
def test_a_sample_touches_no_more_files_than_the_table_says(name: str) -> None:
    files = source(touched(SAMPLES / f"{name}.patch"))
    assert 0 < len(files) <= MOST[name], files


@pytest.mark.parametrize("name", MOST)
def test_a_sample_applies(name: str) -> None:
    done = subprocess.run(
        ["git", "apply", "--check", "--whitespace=nowarn", SAMPLES / f"{name}.patch"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"make it anew: {done.stderr}"


def test_the_table_of_the_architecture_is_that_of_the_samples() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| .* \| (\d) \| .* \| `tests/samples/(\w+)\.patch` \|$", text, re.MULTILINE)
    assert {name: int(most) for most, name in rows} == MOST
    assert {path.stem for path in SAMPLES.glob("*.patch")} == set(MOST)


@pytest.mark.slow
@pytest.mark.parametrize("name", MOST)
def test_a_sample_passes_lint_and_its_test(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    left_out = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".pytest_cache")
    shutil.copytree(ROOT, copy, ignore=left_out, symlinks=True)
    patch = SAMPLES / f"{name}.patch"
    run(copy, "git", "apply", "--whitespace=nowarn", str(patch))
    run(copy, "ruff", "check", "--no-cache", "-q", ".")
    run(copy, "ruff", "format", "--no-cache", "-q", "--check", ".")
    run(copy, "mypy")
    run(copy, "lint-imports", "--no-logo", "--no-cache")
    tests = [file for file in touched(patch) if file.startswith("tests/")]
    assert tests, "a sample has a test of its own"
    run(copy, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "tests/unit/test_docs.py")


def run(folder: Path, program: str, *arguments: str) -> None:
    """Run one of the environment's programs on the copy; its last words are the failure's."""
    found = BIN / program
    modules = os.pathsep.join(map(str, (folder / "src", folder / "src/fakevm/in_neutron")))
    # In a folder of a git repository, git apply would leave out what is not of that folder.
    environment = {**os.environ, "PYTHONPATH": modules, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    words = [str(found) if found.exists() else program, *arguments]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, f"{' '.join(words)}:\n{(done.stdout + done.stderr)[-3000:]}"
