"""Debian 13, as it comes from its mirror: the set-up and the demo in namespaces of their own (``make debian13``)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm import release

pytestmark = [pytest.mark.lab, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "setup/fresh-debian.sh"
SUITE = "trixie"
# The first time packages and libraries are downloaded (seconds).
PATIENCE = 3600


def root_of(suite: str) -> Path:
    return release.own_cache() / "debian" / suite / "root"


def mounts() -> set[str]:
    return {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """See that mounts, processes and the folder end with the script."""
    before = mounts()
    yield
    assert mounts() == before
    assert not root_of(SUITE).exists()
    said = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout
    assert not [line for line in said.splitlines() if "--inside" in line and str(root_of(SUITE)) in line]


def test_the_demo_passes_there() -> None:
    with subprocess.Popen([SCRIPT, SUITE, "make", "demo"], stdout=subprocess.PIPE, text=True) as demo:
        said = ""
        for line in demo.stdout or ():
            sys.stdout.write(line)
            said += line
        assert demo.wait(PATIENCE) == 0
    assert "All of it was seen to work." in said


def test_a_release_that_does_not_run_there_says_so() -> None:
    """25.2.3 wants a Python that Debian 13 does not have; nothing is made, and what runs instead is told."""
    ask = 'python3 -c \'import sys; sys.path.insert(0, "src"); from fakevm import release; release.install("25.2.3")\''
    done = subprocess.run(
        [SCRIPT, SUITE, "sh", "-c", ask], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert "Neutron 25.2.3 runs with Python 3.11 or 3.12, and no such Python was found" in done.stderr


def test_a_command_s_status_is_passed_on() -> None:
    done = subprocess.run([SCRIPT, SUITE, "sh", "-c", "exit 7"], timeout=PATIENCE, check=False)
    assert done.returncode == 7


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_who_ends_it_ends_all_of_it(signum: int, status: int) -> None:
    command = [SCRIPT, SUITE, "sh", "-c", "setsid sleep 600 & echo begun; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout
        assert next(line for line in script.stdout if "begun" in line)
        os.kill(script.pid, signum)
        began = time.monotonic()
        assert script.wait(300) == status
        assert time.monotonic() - began < 300
