"""Whether KVM works here: found by a trial, as /dev/kvm may be there and machines hang all the same.

What was found holds for this boot of the machine, and for this kernel of the tiny machine's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from fakevm import tool
from fakevm.release import own_cache

from . import jail, machine
from .qemu import PROGRAM, TOOL
from .tiny import NAME, Tiny

_DEVICE = Path("/dev/kvm")
# What the tiny machine says when it has started; it takes a second with KVM.
_STARTED = b"fakevm:"
_PATIENCE = 8.0
_TRYING = threading.Lock()


def chosen(folder: Path, system: Tiny, uid: int) -> str:
    """Name the acceleration that works, ``kvm`` or ``tcg``; what was found is kept. Raises Prerequisite.

    ``uid`` is the user that QEMU is, 0: ours.
    """
    if not _is_open_to(uid):
        return "tcg"
    # The machine's other hosts and labs have it, too, where this user's cache can be written.
    places = [_everybodys(), folder / "acceleration"]
    now = f"{_boot()} {system.kernel.name}"
    with _TRYING:
        for kept in places:
            found, _, known = _read(kept).partition(" ")
            if known == now:
                return found
        found = "kvm" if _starts(system) else "tcg"
        for kept in places:
            with contextlib.suppress(OSError):
                kept.write_text(f"{found} {now}\n")
                break
        return found


def problem() -> str:
    """Say why machines are emulated here; empty where none is, as far as is known: only a trial boot tells for sure."""
    if not _DEVICE.exists():
        return f"there is no {_DEVICE}"
    if not _is_open_to(jail.user("")):
        return f"{_DEVICE}: the user that QEMU is may not use it"
    found, _, known = _read(_everybodys()).partition(" ")
    if found == "tcg" and known.startswith(_boot()):
        return f"machines hang with {_DEVICE}: tried"
    return ""


def _everybodys() -> Path:
    return own_cache() / "tools" / NAME / "acceleration"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _read(kept: Path) -> str:
    try:
        return kept.read_text().strip()
    except OSError:
        return ""


def _is_open_to(uid: int) -> bool:
    """Tell whether a user who is of the device's group, too (jail.sh), may use it."""
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return False
    mode = _DEVICE.stat().st_mode
    return not uid or any(mode & both == both for both in (0o060, 0o006))


def _starts(system: Tiny) -> bool:
    """Try whether the tiny machine starts with KVM."""
    found = tool.find(TOOL)
    environment = os.environ | ({"QEMU_MODULE_DIR": str(at)} if (at := machine.modules(found.root)) else {})
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        command = [
            # It would outlive an agent that is killed meanwhile.
            *("setpriv", "--pdeathsig", "KILL"),
            *found.command(PROGRAM),
            *machine.firmware(found.root),
            *machine.trial("kvm", system.kernel, system.archive, log),
        ]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        ) as trial:
            try:
                deadline = time.monotonic() + _PATIENCE
                while time.monotonic() < deadline and trial.poll() is None:
                    if log.exists() and _STARTED in log.read_bytes():
                        return True
                    time.sleep(0.05)
                return False
            finally:
                trial.kill()
