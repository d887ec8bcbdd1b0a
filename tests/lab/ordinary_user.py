"""An ordinary user for tests, made in a mount namespace whose /etc is a copy, so that the machine gets no user.

There, /dev/net/tun has the mode that distributions give it (0666), and folders that only root may enter (a checkout
below /root) are laid open.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .conftest import Labs

ROOT = Path(__file__).parents[2]
USER = "fakevm-test"
UID = 54321
# What somebody has who was made by useradd, and can use newuidmap.
RANGE = "200000:65536"


def command(
    labs: Labs, home: Path, words: Sequence[str], needed: Iterable[Path] = (), *, subordinate: str = ""
) -> list[str]:
    """Give the command that becomes the user, in ``home``, to run another.

    :param needed: what it reads beside FakeVM
    :param subordinate: subordinate ids, as /etc/subuid has them. A user without has less than others: no program gives
        it any right
    """
    stage = labs.folder / "stage"
    stage.mkdir()
    rights = [] if subordinate else ["--bounding-set=-all"]
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--inh-caps=-all", *rights]
    environment = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", f"HOME={home}", f"FAKEVM_LABS={labs.root}"]
    script = (
        "set -e",
        f"mount -t tmpfs -o mode=755 stage {stage}",
        f"mkdir {stage}/etc && cp -a /etc/. {stage}/etc && mount --bind {stage}/etc /etc",
        "rm -f /etc/subuid /etc/subgid",
        f"useradd --no-create-home --home-dir {home} --uid {UID} --shell /bin/sh {USER}",
        *(f"echo {USER}:{subordinate} >/etc/{file}" for file in ("subuid", "subgid") if subordinate),
        "mkdir -p /dev/net && mount -t tmpfs -o mode=755 tun /dev/net",
        "mknod /dev/net/tun c 10 200 && chmod 0666 /dev/net/tun",
        *_lay_open([ROOT, Path(sys.prefix), Path(sys.base_prefix), *needed], stage / "open"),
        f"chown {USER} {home} {labs.root}",
        f"chmod 0711 {labs.folder}",
        f"cd {home}",
        f"exec {shlex.join([*become, *environment, *words])}",
    )
    return ["unshare", "--mount", "sh", "-c", "\n".join(script)]


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


def cannot() -> str:
    """Say why an ordinary user has no user namespaces; empty when there are."""
    become = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*become, "unshare", "--user", "--map-root-user", "true"], capture_output=True, text=True, check=False
    )
    return done.stderr.strip()
