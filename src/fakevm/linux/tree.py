"""Folders that are removed with all that is in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from .permission import become_root, has_subordinate_ids, needs_user_namespace


def remove(folder: Path) -> None:
    """Remove a folder; one that is not there is no error, nor are folders of ours that we may not look into.

    Guests make such ones, and so does the kernel, for an overlay (``work/work``, mode 0). What belongs to ids that are
    subordinate to ours, as guests of an ordinary user's may leave, is removed by who is root of them.

    :raises OSError: something is left
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except PermissionError:
        _open(folder)
        try:
            shutil.rmtree(folder)
        except PermissionError:
            if not (needs_user_namespace() and has_subordinate_ids()):
                raise
            subprocess.run(["unshare", *become_root(), "rm", "-rf", "--", folder], capture_output=True, check=False)
            if folder.exists():
                shutil.rmtree(folder)


def _open(folder: Path) -> None:
    """Let us look into a folder, and all folders in it."""
    folder.chmod(0o700)
    for place, inner, _ in os.walk(folder):
        for path in (Path(place, name) for name in inner):
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
