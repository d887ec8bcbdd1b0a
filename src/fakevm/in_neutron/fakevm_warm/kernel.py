"""What a process tells the kernel of itself, and Python 3.11's ``os`` has no words for."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Sequence
from pathlib import Path

# linux/sched.h; in this order a process may enter a host: the mount namespace has the /proc of the others.
NAMESPACES = {
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "mnt": 0x00020000,
}

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_MM = 35
_PR_SET_MM_MAP = 14

# Places in /proc/PID/stat, counted from the field after the name (proc(5): its field 3 is 0 here).
_CODE, _STACK, _DATA = (23, 24), 25, (42, 43)
_HEAP, _ARGUMENTS, _ENVIRONMENT = 44, (45, 46), (47, 48)

_libc = ctypes.CDLL(None, use_errno=True)


def enter(descriptor: int, kind: str) -> None:
    """Enter a namespace; into a PID namespace go only children that are forked from now on. Raises OSError."""
    if _libc.setns(descriptor, NAMESPACES[kind]):
        problem = ctypes.get_errno()
        raise OSError(problem, f"entering the {kind} namespace: {os.strerror(problem)}")


def die_with_parent() -> None:
    """Have the kernel end this process, by SIGKILL, when the one that forked it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def be_visible() -> None:
    """Let processes of this user look into /proc of this one, though it has entered a user namespace."""
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


class _MemoryMap(ctypes.Structure):
    """The kernel's ``struct prctl_mm_map``."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in (
            "start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack",
            "arg_start", "arg_end", "env_start", "env_end", "auxv",
        )),
        ("auxv_size", ctypes.c_uint32),
        ("exe_fd", ctypes.c_uint32),
    ]  # fmt: skip


def _layout() -> list[int]:
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[1:]
    return [0, *map(int, fields)]


def set_title(words: Sequence[str]) -> None:
    """Let ``ps`` and ``pgrep -f`` see these words as the arguments of this process, the first's end as its name.

    They are written where the arguments are, as that is where setproctitle, which Neutron has, writes later.
    """
    seen = _layout()
    start, end = (seen[place] for place in _ARGUMENTS)
    text = b"\0".join(map(os.fsencode, words))[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, len(text))
    # Where the kernel refuses, zeros follow the last word.
    told = _MemoryMap(
        *(seen[place] for place in (*_CODE, *_DATA, _HEAP)), _libc_break(), seen[_STACK],
        start, start + len(text) + 1, *(seen[place] for place in _ENVIRONMENT), 0, 0, 0xFFFFFFFF,
    )  # fmt: skip
    _libc.prctl(_PR_SET_MM, _PR_SET_MM_MAP, ctypes.byref(told), ctypes.c_ulong(ctypes.sizeof(told)), 0)


def set_name(name: str) -> None:
    """Name this process as the kernel does that of a program: the first 15 bytes are kept."""
    _libc.prctl(_PR_SET_NAME, os.fsencode(name)[:15], 0, 0, 0)


def _libc_break() -> int:
    _libc.sbrk.restype = ctypes.c_void_p
    return int(_libc.sbrk(0))
