"""What a birth asks the kernel for, by the C library; and how it says what failed."""

from __future__ import annotations

import ctypes
import os

# linux/sched.h
NEWNS, NEWUTS, NEWIPC = 0x20000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
# linux/mount.h
RDONLY, NOSUID, NODEV, NOEXEC, _REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_SYS_PIVOT_ROOT = {"x86_64": 155, "i686": 217}.get(os.uname().machine, 41)
# /proc/self/ns/user of the machine itself (linux/proc_ns.h: PROC_USER_INIT_INO)
_INITIAL_USER = 0xEFFFFFFD

_libc = ctypes.CDLL(None, use_errno=True)


def is_initial_user() -> bool:
    """Tell whether we are in the machine's own user namespace."""
    return os.stat("/proc/self/ns/user").st_ino == _INITIAL_USER  # noqa: PTH116


def unshare(namespaces: int, doing: str) -> None:
    """Leave for new namespaces. Raises OSError."""
    _checked(_libc.unshare(namespaces), doing)


def join(namespace: int, kind: int, doing: str) -> None:
    """Join a namespace, which is open as this descriptor; 0: whatever kind it is. Raises OSError."""
    _checked(_libc.setns(namespace, kind), doing)


def change_root() -> None:
    """Make the folder we are in the root; the old one lies on it then, and is reached by "." alone (pivot_root(2))."""
    _checked(_libc.syscall(_SYS_PIVOT_ROOT, b".", b"."), "change the root")


def leave_old_root() -> None:
    """Take off the old root, which we are in. Raises OSError."""
    _checked(_libc.umount2(b".", _MNT_DETACH), "leave the machine's files")


def touch(path: str) -> None:
    """Make a file, unless it is there. Raises OSError."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def bind_read_only(source: str, target: str) -> None:
    """Mount what is at one place at another, too, where it cannot be written. Raises OSError."""
    mount(source, target, None, BIND)
    mount(None, target, None, BIND | _REMOUNT | RDONLY | NOSUID | NODEV)


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount something (mount(2)). Raises OSError, which says what."""
    words = [os.fsencode(word) if word else None for word in (source, target, kind, options)]
    done = _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _checked(done, f"mount {kind or source or 'anew'} on {target}")


def _checked(done: int, doing: str) -> None:
    if done:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {doing}: {os.strerror(number)}")


def words(exc: BaseException) -> str:
    """Say what went wrong, and with which file."""
    if isinstance(exc, OSError) and exc.strerror:
        return f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror
    return str(exc) or type(exc).__name__
