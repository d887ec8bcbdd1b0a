"""Puts files into a guest: a program of its own, which goes where the guest's processes are before it touches any.

``unpacking.py NAMESPACES DESCRIPTOR=FOLDER…``: an archive, open as this, and a folder in the guest. They are what
``files`` has packed: what lies over the files that every guest like it finds. So a device 0:0 stands for what was
deleted there, and a folder that is marked opaque hides all that was in it (kernel's
Documentation/filesystems/overlayfs.rst).

Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import tarfile

_NAMESPACES = ("user", "mnt")
_XATTR = "SCHILY.xattr."
_OVERLAY = ("trusted.overlay.", "user.overlay.")


def main() -> int:
    """Do it; gives the exit status."""
    namespaces, *places = sys.argv[1:]
    try:
        _enter(namespaces)
        for place in places:
            number, _, folder = place.partition("=")
            with os.fdopen(int(number), "rb") as archive, tarfile.open(fileobj=archive, mode="r:") as files:
                # The guest's own, with owners and all: from Python 3.14 on, others would be left out.
                files.extraction_filter = lambda member, _: member
                for member in files:
                    _put(files, member, folder)
    except (OSError, tarfile.TarError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _enter(namespaces: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    opened = [os.open(f"{namespaces}/{name}", os.O_RDONLY) for name in _NAMESPACES]
    for descriptor in opened:
        if libc.setns(descriptor, 0):
            raise OSError(ctypes.get_errno(), f"cannot join the guest: {os.strerror(ctypes.get_errno())}")
    os.umask(0)


def _put(files: tarfile.TarFile, member: tarfile.TarInfo, folder: str) -> None:
    path = os.path.normpath(os.path.join(folder, member.name))  # noqa: PTH118
    kept = {name[len(_XATTR) :]: value for name, value in member.pax_headers.items() if name.startswith(_XATTR)}
    if member.ischr() and (member.devmajor, member.devminor) == (0, 0):
        _clear(path)
        return
    goes_on = member.isdir() and _is_folder(path) and not any(f"{overlay}opaque" in kept for overlay in _OVERLAY)
    if not goes_on and path != folder:
        _clear(path)
    member.name = os.path.relpath(path, folder)
    if member.islnk():
        member.linkname = os.path.normpath(member.linkname)
    files.extract(member, folder, numeric_owner=True)
    for name, value in kept.items():
        if not name.startswith(_OVERLAY):
            with contextlib.suppress(OSError):
                os.setxattr(path, name, value.encode("utf-8", "surrogateescape"), follow_symlinks=False)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114


def _clear(path: str) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108


if __name__ == "__main__":
    sys.exit(main())
