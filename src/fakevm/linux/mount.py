"""Folders as mounts of their own, in no namespace: who has one open sees what is below it, and nothing above."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

# The same on all architectures: asm-generic/unistd.h
_OPEN_TREE, _MOUNT_SETATTR = 428, 442
# linux/fcntl.h, linux/mount.h
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_CLONE, _RDONLY = 1, 1


class _Attributes(ctypes.Structure):
    """struct mount_attr."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns_fd")]


def detached(folder: Path, *, writable: bool = False) -> int:
    """Open a folder as a mount of its own, which goes when nobody has it open any more; gives a descriptor.

    Raises OSError: the kernel has no such mounts (before Linux 5.12), or we have no rights.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(folder), ctypes.c_uint(_CLONE | os.O_CLOEXEC))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    if not writable:
        wanted = _Attributes(set=_RDONLY)
        size = ctypes.c_size_t(ctypes.sizeof(wanted))
        if libc.syscall(_MOUNT_SETATTR, descriptor, b"", _AT_EMPTY_PATH, ctypes.byref(wanted), size):
            number = ctypes.get_errno()
            os.close(descriptor)
            raise OSError(number, os.strerror(number), str(folder))
    return int(descriptor)
