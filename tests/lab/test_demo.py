"""The demo, as ``make demo`` runs it: it checks everything itself.

By an ordinary user, who has less than root: one made for the test in a mount namespace whose /etc is a copy, so that
the machine gets no user. Where ordinary users have no user namespaces it is run by whoever runs the tests.

There, /dev/net/tun has the mode that distributions give it (0666), and folders that only root may enter (a checkout
below /root) are laid open.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from fakevm import release

from .conftest import Labs

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples/demo.sh"
USER = "fakevm-test"
UID = 54321


def _closed(path: Path) -> Path | None:
    """Find the outermost folder on the way to a path that others may not enter."""
    return next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)


def _lay_open(paths: Iterable[Path], stage: Path) -> list[str]:
    """Give the commands after which others reach these folders by the same names, and nothing else beside them."""
    behind: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(paths):
        if closed := _closed(path):
            behind.setdefault(closed, []).append(path)
    lines = []
    for closed, inside in behind.items():
        places = {path: shlex.quote(str(stage / str(number))) for number, path in enumerate(inside)}
        for path, place in places.items():
            lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(path))} {place}"]
        lines.append(f"mount -t tmpfs -o mode=755 open {shlex.quote(str(closed))}")
        for path, place in places.items():
            lines += [f"mkdir -p {shlex.quote(str(path))}", f"mount --bind {place} {shlex.quote(str(path))}"]
    return lines


def _script(labs: Labs, home: Path) -> str:
    """Make the world of the user, then become the user and run the demo."""
    stage = labs.folder / "stage"
    stage.mkdir()
    needed = [ROOT, Path(sys.prefix), Path(sys.base_prefix), release.path(release.DEFAULT)]
    return "\n".join(
        (
            "set -e",
            f"mount -t tmpfs -o mode=755 stage {stage}",
            f"mkdir {stage}/etc && cp -a /etc/. {stage}/etc && mount --bind {stage}/etc /etc",
            f"useradd --no-create-home --home-dir {home} --uid {UID} --shell /bin/sh {USER}",
            "mkdir -p /dev/net && mount -t tmpfs -o mode=755 tun /dev/net",
            "mknod /dev/net/tun c 10 200 && chmod 0666 /dev/net/tun",
            *_lay_open(needed, stage / "open"),
            f"chown {USER} {home} {labs.root}",
            f"chmod 0711 {labs.folder}",
            f"cd {home}",
            f"exec setpriv --reuid={USER} --regid={USER} --init-groups --inh-caps=-all --bounding-set=-all "
            f"env -i PATH=/usr/local/bin:/usr/bin:/bin HOME={home} FAKEVM_LABS={labs.root} "
            f"sh {shlex.quote(str(DEMO))}",
        )
    )


def _user_namespaces() -> str:
    """Say why an ordinary user has no user namespaces; empty when there are."""
    become = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*become, "unshare", "--user", "--map-root-user", "true"], capture_output=True, text=True, check=False
    )
    return done.stderr.strip()


def _runner() -> str:
    return "whoever runs the tests" if _user_namespaces() else "an ordinary user"


@pytest.mark.parametrize("by", [_runner()])
def test_the_demo_shows_what_it_promises(by: str, labs: Labs, untouched: Callable[[], None]) -> None:
    home = labs.folder / "home"
    home.mkdir()
    command = ["sh", str(DEMO)]
    if by == "an ordinary user" and os.geteuid() == 0:
        command = ["unshare", "--mount", "sh", "-c", _script(labs, home)]
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
