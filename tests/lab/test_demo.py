"""The demo, as ``make demo`` runs it: it checks everything itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples/demo.sh"


def run_demo(labs: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with its labs in a folder of its own."""
    environment = {**os.environ, "FAKEVM_LABS": str(labs), "PATH": path}
    return subprocess.run(
        ["sh", DEMO], env=environment, cwd=labs, capture_output=True, text=True, timeout=1800, check=False
    )


@pytest.mark.lab
@pytest.mark.slow
def test_the_demo_shows_what_it_promises(tmp_path: Path) -> None:
    done = run_demo(tmp_path, f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    # The demo pings until three answers have come: one more may have been sent.
    assert len(re.findall(r"\b3 received", done.stdout)) == 12
    assert done.stdout.count("fixed-address ") >= 4
    assert "All of it was seen to work." in done.stdout
    assert not list(tmp_path.iterdir()), "the demo left its lab"


@pytest.mark.lab
def test_the_demo_fails_when_a_step_fails(tmp_path: Path) -> None:
    labs = tmp_path / "labs"
    labs.write_text("a file where the folder of the labs should be")
    environment = {**os.environ, "FAKEVM_LABS": str(labs)}
    done = subprocess.run(["sh", DEMO], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "seen to work" not in done.stdout
