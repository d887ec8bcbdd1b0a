"""What a QEMU may see, and who it is: its own files, and nobody else.

Whoever breaks out of a machine into its QEMU finds no network, no file of others and no privilege.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

_SCRIPT = Path(__file__).parent / "jail.sh"
# Users whom nobody else has: beyond those of systemd's, of subordinate ids and of directories (systemd's UIDS-GIDS).
_FIRST, _MANY = 1_900_000_000, 1 << 20
_ALL = 4294967295


def user(guest_id: str) -> int:
    """Give the user that a guest's QEMU is; 0: there is nobody else here, as in an ordinary user's lab."""
    if os.geteuid() != 0 or not _has_all_users():
        return 0
    return _FIRST + zlib.crc32(guest_id.encode()) % _MANY


def _has_all_users() -> bool:
    words = Path("/proc/self/uid_map").read_text().split()
    return words == ["0", "0", str(_ALL)]


def own(sockets: Path, log: Path, uid: int, disks: Iterable[Path] = ()) -> None:
    """Give a QEMU its folder of sockets, its console's log and its disks; what else is in the log's folder it can only
    read.

    If that folder were its own it could put links there, and who rules this host would write to where they lead.
    Raises OSError.
    """
    if not uid:
        return
    place, ours = log.parent, os.geteuid()
    os.chown(place, ours, uid)
    place.chmod(0o750)
    for path in place.iterdir():
        os.chown(path, ours, uid, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(0o640)
    for path in (sockets, log, *disks):
        os.chown(path, uid, uid, follow_symlinks=False)


def command(
    words: Sequence[str], *, root: Path, uid: int, writable: Iterable[Path], readable: Iterable[Path]
) -> list[str]:
    """Build the argv of a command in its jail; ``root`` is an empty folder of its own."""
    seen = [*map(str, writable), ":", *map(str, readable), ":"]
    return ["unshare", "--mount", "--propagation=private", "sh", str(_SCRIPT), str(root), str(uid), *seen, *words]
