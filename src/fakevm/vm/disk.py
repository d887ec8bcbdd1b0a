"""The disk of a virtual machine that has an image: a file of what it has written, over the image, which nobody writes.

It outlives the machine's stops, and is where all hosts of a lab see it: so a machine moves alive as in a cloud whose
hosts share their storage, and the disk is that of the host on which the machine runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm import errors, names, tool

from . import machine, transfer
from .image import Image
from .qemu import TOOL

if TYPE_CHECKING:
    from fakevm.model.guest import Guest

# Seconds that it may take to make an empty file.
_PATIENCE = 60.0


class Disk:
    """The disk of a guest, as a host sees it; ``place`` is that host's folder for the guest."""

    def __init__(self, guest: Guest, host: str, place: Path) -> None:
        self._guest = guest
        self._host = host
        shared = transfer.shared("disks")
        self._folder = shared / names.guest_folder(guest.id) if shared else place / "disk"
        self.file = self._folder / "overlay.qcow2"
        self._of = self._folder / "of"
        self._owner = self._folder / "host"

    def make(self, image: Image) -> None:
        """Make it, unless it is there.

        :raises Conflict: it is that of another image, or of what that was before it was changed
        :raises PlugFailed: it cannot be made, for want of room, say
        """
        now = _known(image)
        if self.file.exists():
            if self._of.read_text() != now:
                raise errors.Conflict(
                    f"the disk of {self._guest.title} was made of an image that has changed since: {image.file}",
                    hint="Remove the guest, and have it made anew: its disk goes.",
                )
            return
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        # The image is not opened for it: only QEMU does that, in its jail.
        words = ["create", "-q", "-f", "qcow2", "-u", "-b", str(image.file), "-F", image.format]
        _image_tool([*words, str(new), str(image.size)], f"cannot make the disk of {self._guest.title}")
        self._of.write_text(now)
        new.replace(self.file)

    def own(self) -> None:
        """Say that the machine runs on this host, so that the disk goes when it is removed here."""
        if self._folder.is_dir():
            new = self._owner.with_suffix(".new")
            new.write_text(self._host)
            new.replace(self._owner)

    def forget(self) -> None:
        """Remove it, unless the machine has moved to another host."""
        with contextlib.suppress(FileNotFoundError):
            if self._owner.read_text() != self._host:
                return
        shutil.rmtree(self._folder, ignore_errors=True)


def _known(image: Image) -> str:
    found = image.file.stat()
    return f"{image.file} {found.st_size} {found.st_mtime_ns}\n"


def _image_tool(arguments: Sequence[str], doing: str) -> None:
    """Run qemu-img. Raises Prerequisite, PlugFailed."""
    found = tool.find(TOOL)
    environment = os.environ | {"LC_ALL": "C"}
    if modules := machine.modules(found.root):
        environment["QEMU_MODULE_DIR"] = str(modules)
    try:
        done = subprocess.run(
            [*found.command("qemu-img"), *arguments], capture_output=True, text=True, errors="replace", check=False,
            stdin=subprocess.DEVNULL, env=environment, timeout=_PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        raise errors.PlugFailed(f"{doing}: it took longer than {_PATIENCE:g} s") from exc
    if done.returncode:
        said = done.stderr.strip().removeprefix("qemu-img: ")
        ended = f"it was ended by {signal.Signals(-done.returncode).name}" if done.returncode < 0 else ""
        raise errors.PlugFailed(f"{doing}: {ended or said}")
