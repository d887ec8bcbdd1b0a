"""``eval "$(fakevm lab env)"`` where there is no lab to take: in a real shell, with the real programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
SCRIPT = f"""
eval "$({BIN}/fakevm lab env $name)"
echo status $?
echo cloud ${{OS_CLOUD-unset}} ${{OS_ENDPOINT-unset}} ${{FAKEVM_LAB-unset}}
{BIN}/fakevm list
{BIN}/openstack network list
"""


def shell(labs: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run it in a shell that has the variables of another cloud, and of a lab that was."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OS_", "FAKEVM_LAB"))}
    env = clean | {"FAKEVM_LABS": str(labs), "OS_CLOUD": "production", "OS_ENDPOINT": "http://127.0.0.1:1"}
    return subprocess.run(
        ["sh", "-c", SCRIPT], env=env | {"name": name}, capture_output=True, text=True, timeout=120, check=False
    )


def test_it_fails_visibly_and_leaves_no_other_cloud_behind(tmp_path: Path) -> None:
    done = shell(tmp_path, "")
    assert done.stdout.splitlines()[:2] == ["status 1", "cloud unset unset unset"]
    # Each of the three says it.
    assert done.stderr.count("no lab runs") == 3
    assert "fakevm lab env: no lab was chosen: no lab runs. Start one: fakevm lab up" in done.stderr


def test_the_lab_that_was_named_is_the_one_that_is_missed(tmp_path: Path) -> None:
    done = shell(tmp_path, "second")
    assert done.stdout.splitlines()[:2] == ["status 1", "cloud unset unset second"]
    assert done.stderr.count("there is no lab 'second'") == 3
