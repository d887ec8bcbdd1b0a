"""The demo, as ``make demo`` runs it: it checks everything itself.

By an ordinary user, who has less than root. Where ordinary users have no user namespaces it is run by whoever runs the
tests.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fakevm import release

from . import ordinary_user
from .conftest import Labs

DEMO = ordinary_user.ROOT / "examples/demo.sh"


def _runner() -> str:
    return "whoever runs the tests" if ordinary_user.cannot() else "an ordinary user"


@pytest.mark.parametrize("by", [_runner()])
def test_the_demo_shows_what_it_promises(by: str, labs: Labs, untouched: Callable[[], None]) -> None:
    home = labs.folder / "home"
    home.mkdir()
    command = ["sh", str(DEMO)]
    if by == "an ordinary user" and os.geteuid() == 0:
        command = ordinary_user.command(labs, home, command, [release.path(release.DEFAULT)])
    done = subprocess.run(command, env=labs.env(), capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    # The demo pings until three answers have come: one more may have been sent.
    assert len(re.findall(r"\b3 received", done.stdout)) == 12, done.stdout
    assert done.stdout.count("fixed-address ") >= 4
    assert "All of it was seen to work." in done.stdout
    untouched()


def test_the_demo_fails_when_a_step_fails(tmp_path: Path) -> None:
    labs = tmp_path / "labs"
    labs.write_text("a file where the folder of the labs should be")
    environment = {**os.environ, "FAKEVM_LABS": str(labs)}
    done = subprocess.run(["sh", DEMO], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "seen to work" not in done.stdout
