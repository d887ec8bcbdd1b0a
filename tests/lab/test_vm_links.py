"""Links of virtual machines, which are started anew in either order: examples/vm-links in the order of its life."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fakevm import tool
from fakevm.testing.labs import BIN, Lab, Labs

from .conftest import until
from .machine import read
from .test_examples import EXAMPLES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (tool.look("qemu") and tool.look("tiny-vm")), reason="fakevm tool install qemu tiny-vm"),
]

FOLDER = EXAMPLES / "vm-links"
# What the readme says of links that are QEMU's own, of whichever version.
QEMUS_OWN = """\
UDP: passes LLDP, does not hear itself, up when the second was started anew, up when the first was started anew
TCP: passes LLDP, does not hear itself, up when the second was started anew, dead when the first was started anew
multicast: passes LLDP, hears itself, up when the second was started anew, up when the first was started anew
"""


def is_met(lab: Lab) -> None:
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def qemu(guest: str) -> int:
    """Find the process that is a guest of ours."""
    name = f"guest={guest}".encode()
    (found,) = [path for path in Path("/proc").glob("[0-9]*/cmdline") if name in read(path).split(b"\0")]
    return int(found.parent.name)


def test_they_are_reached_whichever_is_started_anew(labs: Labs, untouched: Callable[[], None]) -> None:
    lab = labs.up("vm-links", str(FOLDER / "lab.yaml"))
    is_met(lab)
    for order in (("left", "right"), ("right", "left")):
        for guest in order:
            assert lab.fakevm("guest", "reboot", guest).returncode == 0
            is_met(lab)
    assert lab.fakevm("guest", "reboot", "left", "right").returncode == 0
    is_met(lab)
    os.kill(qemu("left"), signal.SIGKILL)
    until(lambda: "has ended" in str([row["problem"] for row in lab.told("guest", "list") if row["name"] == "left"]))
    assert lab.fakevm("guest", "start", "left").returncode == 0
    is_met(lab)
    os.kill(qemu("right"), signal.SIGKILL)
    assert lab.fakevm("lab", "down").returncode == 0
    untouched()


def test_what_links_of_qemus_own_do() -> None:
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, str(FOLDER / "qemus-own.py")], env=os.environ | {"PATH": path}, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.stdout == QEMUS_OWN, done.stderr
    assert QEMUS_OWN in (FOLDER / "README.md").read_text()
