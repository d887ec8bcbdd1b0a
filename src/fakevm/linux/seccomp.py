"""Makes ``sshd`` run where there is one user id only: ``python seccomp.py COMMAND...`` becomes the command.

In a user namespace with one user and one group id, the kernel refuses setgroups(2) to everybody (user_namespaces(7)),
and to give a file to a group that is not mapped. Programs that become a user do the first, those that make a terminal
the second (chown to the group tty), and give up when they cannot; although nothing would be another for it: the user
who logs in is the one who runs the server. So a filter of system calls (seccomp(2)) answers these calls with success.

It is run as a file, and imports what starts quickly only.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator

# linux/prctl.h, linux/seccomp.h
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_SUCCESS = 0x00050000  # SECCOMP_RET_ERRNO, with the error 0
# linux/bpf_common.h: load a word of the call's data; jump if equal; return
_LOAD, _JUMP, _RETURN = 0x20, 0x15, 0x06
# struct seccomp_data: the call's number, the architecture, the low words of the arguments
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
# The group of terminals, in every Linux (devpts is mounted with gid=5).
_TTY = 5
# Of each machine: its number (linux/audit.h), that of setgroups(2); and those of calls that give a file to a group,
# with the place of the group among the arguments.
_MACHINES = {
    "x86_64": (0xC000003E, 116, {92: 2, 93: 2, 94: 2, 260: 3}),
    "aarch64": (0xC00000B7, 159, {55: 2, 54: 3}),
}

Step = tuple[int, int, int, int]


def program(machine: str) -> bytes:
    """Write the filter for a machine, as uname(2) names it. Raises KeyError: its calls are not known."""
    return b"".join(struct.pack("=HBBI", *step) for step in _steps(machine))


def _steps(machine: str) -> Iterator[Step]:
    architecture, setgroups, gives = _MACHINES[machine]
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_JUMP, 1, 0, architecture)
    yield (_RETURN, 0, 0, _ALLOW)
    yield (_LOAD, 0, 0, _NUMBER)
    yield (_JUMP, 0, 1, setgroups)
    yield (_RETURN, 0, 0, _SUCCESS)
    for call, place in gives.items():
        yield (_JUMP, 0, 4, call)
        yield (_LOAD, 0, 0, _ARGUMENTS + 8 * place)
        yield (_JUMP, 0, 1, _TTY)
        yield (_RETURN, 0, 0, _SUCCESS)
        yield (_RETURN, 0, 0, _ALLOW)
    yield (_RETURN, 0, 0, _ALLOW)


def install() -> None:
    """Filter the calls of this process, and of all that it starts.

    It gains no privileges by programs any more (PR_SET_NO_NEW_PRIVS), as is asked of those who are not root. Raises
    OSError; KeyError: this machine's calls are not known.
    """
    code = program(os.uname().machine)
    held = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog
    filter_ = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, filter_, 0, 0)):
        if libc.prctl(*call):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))


if __name__ == "__main__":
    install()
    os.execvp(sys.argv[1], sys.argv[1:])
