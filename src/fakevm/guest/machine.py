"""The machine's files as container guests find them: what anybody on the machine may run and read, and no more.

Programs (/usr, /opt) are the machine's own, below what each guest writes. All around them is a skeleton, made once
for a host: /etc as far as everybody may read it, the folders of /var, the rest empty. So no guest meets a secret of the
machine's, whatever root in a guest may read.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fakevm.linux import process

from .birth import kernel
from .place import DHCLIENT

_TREES = ("usr", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_EMPTY = {"boot": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "root": 0o700, "srv": 0o755, "tmp": 0o1777}
# Left out with all below: a folder that not everybody may enter.
_CLOSED = r"\( -type d ! -perm -005 -prune \) -o"
# How deep the folders of /var go that programs expect.
_DEPTH = 3
_COPY = (
    "copy() {{ tar --null --no-recursion --files-from=- --create --file=- | tar --extract --preserve-permissions"
    ' --file=- --directory="$1" $2; }}; '
    "cd /etc && find . -name netns -prune -o {closed} \\( -type f {readable} -o -type l -o -type d \\) -print0"
    ' | copy "$1/etc" "$2" && '
    f"cd /var && find . -maxdepth {_DEPTH} -xdev -path ./lib/fakevm -prune -o {_CLOSED}"
    ' \\( -type d -o -type l -path "./*" ! -path "./*/*" \\) -print0 | copy "$1/var" "$2"'
)


def trees() -> list[str]:
    """Name the folders of the machine's that hold its programs."""
    return [name for name in _TREES if Path("/", name).is_dir() and not Path("/", name).is_symlink()]


def skeleton(folder: Path) -> Path:
    """Give the skeleton that is kept in a folder; it is made if it is not there. Raises OSError, CommandFailed."""
    made = folder / "machine"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix="machine.", dir=folder))
        try:
            _make(new)
            new.chmod(0o755)
            new.rename(made)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            if made.exists():  # two guests at once: it is the same
                return made
            raise
    return made


def _make(new: Path) -> None:
    for name, mode in {**_EMPTY, "etc": 0o755, "var": 0o755, **dict.fromkeys(trees(), 0o755)}.items():
        (new / name).mkdir()
        (new / name).chmod(mode)
    for name in _TREES:
        if Path("/", name).is_symlink():
            (new / name).symlink_to(Path("/", name).readlink())
    if kernel.is_initial_user():
        copy, owners = _COPY.format(closed=_CLOSED, readable="-perm -004"), ""
    else:
        # Most owners are nobody here, and cannot be given; this /etc is a copy of what its one user may read.
        copy, owners = _COPY.format(closed="", readable=""), "--no-same-owner"
    process.run(["sh", "-c", copy, "sh", str(new), owners])
    _own_etc(new / "etc")


def _own_etc(etc: Path) -> None:
    """Make what of /etc is not for everybody, or each guest's own, as on a machine that nobody has logged in to."""
    users = [line.partition(":")[0] for line in (etc / "passwd").read_text().splitlines()]
    (etc / "shadow").write_text("".join(f"{user}:*:1:0:99999:7:::\n" for user in users))
    (etc / "shadow").chmod(0o640)
    for name in ("hostname", "machine-id"):
        (etc / name).write_text("")
    if DHCLIENT.is_dir():
        shutil.rmtree(etc / "dhcp", ignore_errors=True)
        shutil.copytree(DHCLIENT, etc / "dhcp")
