"""Every example: its lab comes up, its checks are met, each fails when the opposite is expected; nothing is left."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakevm import tool
from fakevm.lab import reading
from fakevm.lab.settle import kinds

from .conftest import BIN, Labs

pytestmark = pytest.mark.lab

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/lab.yaml"))
# The others take minutes together: they run with --slow.
ALWAYS = ("all-in-one",)
PATIENCE = 900.0


@pytest.mark.parametrize("name", [n if n in ALWAYS else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_the_lab_is_what_its_checks_say(name: str, labs: Labs, untouched: Callable[[], None]) -> None:
    file = EXAMPLES / name / "lab.yaml"
    if lacks := [name for name in kinds.tools(reading.read(file)) if tool.look(name) is None]:
        pytest.skip(f"not installed: {', '.join(lacks)}")
    with far_end(EXAMPLES / name / "beside.sh"):
        _is_what_its_checks_say(labs, file)
    untouched()


@contextmanager
def far_end(script: Path) -> Iterator[None]:
    """Run what is to run beside the lab, if there is anything; skip where what it needs is not installed."""
    if not script.exists():
        yield
        return
    # It says itself how to get that.
    if lacks := [name for name in re.findall(r"fakevm tool install (\w+)", script.read_text()) if not tool.look(name)]:
        pytest.skip(f"not installed: {', '.join(lacks)}")
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        ["sh", str(script)], env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate()


def _is_what_its_checks_say(labs: Labs, file: Path) -> None:
    up = labs.fakevm("lab", "up", str(file), timeout=PATIENCE)
    assert up.returncode == 0, up.stderr
    met = labs.fakevm("check", "-f", "json", "--junit", str(labs.folder / "checks.xml"), timeout=PATIENCE)
    assert met.returncode == 0, met.stderr
    wanted = list(reading.read(file).checks)
    assert [result["name"] for result in json.loads(met.stdout)] == wanted
    red = labs.fakevm("check", "--invert", "-f", "json", timeout=PATIENCE)
    assert red.returncode == 1, red.stderr
    assert {result["name"]: result["status"] for result in json.loads(red.stdout)} == dict.fromkeys(wanted, "failed")
    assert labs.fakevm("lab", "down").returncode == 0
