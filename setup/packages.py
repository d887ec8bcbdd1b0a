"""System packages: what Debian must have installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from fakevm import errors
from fakevm.release import environment

from steps import LOG, step

_HERE = Path(__file__).parent


def wanted() -> list[str]:
    """Read the list of packages."""
    return (_HERE / "debian-packages.txt").read_text().split()


def missing(packages: list[str]) -> list[str]:
    """Tell which packages are not installed."""
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Package}\n", *packages]
    # Its exit status is 1 when one of them was never heard of.
    listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    installed = {line[3:].strip() for line in listed if line.startswith("ii ") or line.startswith("hi ")}
    return [package for package in packages if package not in installed]


def _privilege() -> list[str] | None:
    """Give the words that make a command run as root, None when nothing does without asking."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "--non-interactive"]
    if shutil.which("sudo") is None:
        return None
    allowed = subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0
    return sudo if allowed else None


def install() -> None:
    """Install the packages that are missing. Raises Prerequisite (not ours to install), CommandFailed."""
    if shutil.which("dpkg-query") is None:
        print("  ! not Debian: install the like of setup/debian-packages.txt; `fakevm doctor` tells what lacks")
        return
    absent = missing(wanted())
    if not absent:
        return
    privilege = _privilege()
    if privilege is None:
        raise errors.Prerequisite(
            f"{len(absent)} system packages are missing, and only root can install them: {' '.join(absent)}",
            hint=f"Run as root: apt-get install --no-install-recommends {' '.join(absent)}\n"
            f"or, so that no daemon is started: {_HERE / 'install-packages.sh'} {' '.join(absent)}",
        )
    script = _HERE / "install-packages.sh"
    with step(f"Installing {len(absent)} system packages") as doing:
        doing.note(" ".join(absent))
        environment.run([*privilege, "sh", script, *absent], LOG, doing="Installing system packages")
