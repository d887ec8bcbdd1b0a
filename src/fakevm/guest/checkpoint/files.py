"""A container guest's own files, packed and put into another guest: what it has written, and what is in its memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
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
# CRIU's notes of what the kernel can do.
_LEFT_OUT = ("./criu.kdat",)


def pack(namespace: str, place: Path, folder: Path, *, seconds: float) -> None:
    """Pack a guest's files into archives in a folder; ``place`` is where the container has its own.

    Raises CommandFailed, TimedOut.
    """
    for name, source in _sources(namespace, place):
        archive = folder / f"{name.replace('/', '-')}{_SUFFIX}"
        left_out = [f"--exclude={path}" for path in _LEFT_OUT]
        command = ["tar", "--create", "--file", str(archive), "--directory", str(source), *_TAR, *left_out, "."]
        process.run(command, timeout=seconds)


def _sources(namespace: str, place: Path) -> Iterator[tuple[str, Path]]:
    """Give the folders that hold something, and what archive each is to be."""
    root = processes_directory(namespace) / "1/root"
    folders = {"root": place / _UPPER}
    folders |= {path.name.removesuffix(f"-{_UPPER}"): path for path in sorted(place.glob(f"*-{_UPPER}"))}
    folders |= {name: root / name for name in _IN_MEMORY}
    for name, folder in folders.items():
        if folder.is_dir() and any(folder.iterdir()):
            yield name, folder


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
