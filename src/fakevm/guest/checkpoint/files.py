"""A container guest's own files, packed and put into another guest: what it has written, and what is in its memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fakevm import errors
from fakevm.linux import process

from ..place import processes_directory
from . import unpacking

_PROGRAM = Path(unpacking.__file__)
_UPPER = "upper"
# Of the guest's memory, below its root.
_IN_MEMORY = ("run", "dev/shm")
_SUFFIX = ".tar"
# Sockets are left out: CRIU makes them.
_TAR = ("--format=posix", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--sparse", "--warning=no-file-ignored")
# 1: a file was changed or removed while it was read (tar's info, "Return Values"), by what goes on meanwhile.
_PACKED = (0, 1)
# CRIU's notes of what the kernel can do.
_LEFT_OUT = ("./criu.kdat",)


def pack(namespace: str, place: Path, folder: Path, *, seconds: float) -> None:
    """Pack a guest's files into archives in a folder; ``place`` is where the container has its own.

    Raises CommandFailed, TimedOut.
    """
    deadline = time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        for name, source in _sources(namespace, place, stack):
            archive = folder / f"{name.replace('/', '-')}{_SUFFIX}"
            left_out = [f"--exclude={path}" for path in _LEFT_OUT]
            command = ["tar", "--create", "--file", str(archive), "--directory", str(source), *_TAR, *left_out, "."]
            process.run(command, timeout=max(0.0, deadline - time.monotonic()), good=_PACKED)


def _sources(namespace: str, place: Path, stack: contextlib.ExitStack) -> Iterator[tuple[str, Path]]:
    """Give the folders that hold something, and what archive each is to be."""
    folders = {"root": place / _UPPER}
    folders |= {path.name.removesuffix(f"-{_UPPER}"): path for path in sorted(place.glob(f"*-{_UPPER}"))}
    for name in _IN_MEMORY:
        with contextlib.suppress(OSError):  # it is no folder there
            opened = _opened(processes_directory(namespace) / "1/root", name)
            stack.callback(os.close, opened)
            folders[name] = Path(f"/proc/{os.getpid()}/fd/{opened}")
    for name, folder in folders.items():
        if folder.is_dir() and any(folder.iterdir()):
            yield name, folder


def _opened(root: Path, name: str) -> int:
    """Open a folder of the guest's; by no link, which would lead to the host's files. Raises OSError."""
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in Path(name).parts:
        above, how = descriptor, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(part, how, dir_fd=above)
        finally:
            os.close(above)
    return descriptor


def unpack(namespace: str, folder: Path, *, seconds: float) -> None:
    """Put what was packed into a folder into a guest, over what it has. Raises CommandFailed, TimedOut."""
    with contextlib.ExitStack() as stack:
        archives = [stack.enter_context(archive.open("rb")) for archive in sorted(folder.glob(f"*{_SUFFIX}"))]
        places = [f"{archive.fileno()}={_target(Path(archive.name).stem)}" for archive in archives]
        command = [sys.executable, "-I", "-S", str(_PROGRAM), str(processes_directory(namespace) / "1/ns"), *places]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                pass_fds=[archive.fileno() for archive in archives],
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as exc:
            raise errors.TimedOut(f"the guest's files were not in their place within {seconds:g} s") from exc
    if done.returncode:
        raise errors.CommandFailed(f"cannot put the guest's files in their place: {done.stderr.strip()[-500:]}")


def _target(archive: str) -> str:
    return "/" if archive == "root" else f"/{archive.replace('-', '/')}"
