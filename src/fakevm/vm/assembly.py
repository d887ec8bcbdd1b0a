"""Puts together what a virtual machine is made of: its kernel or its image, its drives, its memory, its cards."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm import errors
from fakevm.guest import console

from . import acceleration, access, image, jail, kernel, seed, tiny
from .disk import Disk
from .drive import Drive
from .machine import CPUS, MEMORY, Card, Machine
from .place import access_file, directory, sockets

if TYPE_CHECKING:
    from fakevm.model.guest import Guest
    from fakevm.model.interface import Interface

# What a machine with an image has where nothing is said (MB).
_MEMORY_OF_IMAGES = 512


class Assembly:
    """Puts the machines of one host together; ``folder`` is where the host keeps what it needs for all of them."""

    def __init__(self, host: str, folder: Path) -> None:
        self._host = host
        self._folder = folder
        self._tiny = threading.Lock()

    def machine(
        self, guest: Guest, place: Path, cards: Sequence[Card], interfaces: Sequence[Interface], opened: ExitStack
    ) -> Machine:
        """Give the machine of a guest; what it needs is written in its ``place``, and opened until ``opened`` ends.

        :raises InvalidInput: an image or a kernel cannot be used
        :raises Conflict, PlugFailed, Prerequisite, OSError: a disk cannot be made; a tool is missing
        """
        with self._tiny:
            system = tiny.made(self._folder)
        _write_access(guest)
        limits, wanted = guest.settings.limits, guest.settings.machine
        drives = self._drives(guest, place, interfaces, opened)
        common = Machine(
            title=guest.title,
            sockets=sockets(guest.namespace),
            log=place / console.NAME,
            kernel=None,
            initrd=None,
            cards=cards,
            acceleration=acceleration.chosen(self._folder, system, jail.user(guest.id)),
            memory=(limits.memory >> 20) or (MEMORY if access.is_tiny(guest.settings) else _MEMORY_OF_IMAGES),
            cpus=int(limits.cpus) or CPUS,
            drives=drives,
            has_agent=access.of(guest.settings) == "agent",
        )
        if access.is_tiny(guest.settings):
            own = place / "initrd"
            own.write_bytes(system.archive.read_bytes() + tiny.own(guest, interfaces))
            return common._replace(kernel=system.kernel, initrd=own)
        if wanted.kernel is None:
            return common
        return common._replace(
            kernel=_copied(kernel.seen(Path(wanted.kernel)), place / "kernel"),
            initrd=_copied(Path(wanted.initrd), place / "initrd") if wanted.initrd else None,
            words=f"console=ttyS0 {wanted.cmdline}".strip(),
        )

    def disk(self, guest: Guest, place: Path) -> Disk:
        """Give the disk of a guest, which may not be there."""
        return Disk(guest, self._host, place)

    def _drives(self, guest: Guest, place: Path, interfaces: Sequence[Interface], opened: ExitStack) -> list[Drive]:
        found, wanted = [], guest.settings.machine
        if guest.settings.image:
            boots = wanted.kernel is None
            seen = image.seen(Path(guest.settings.image), boots=boots)
            descriptor = os.open(seen.file, os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, descriptor)
            overlay = None
            if seen.format != "iso":
                disk = self.disk(guest, place)
                disk.make(seen)
                overlay = disk.file
            found.append(Drive("disk", wanted.disk, descriptor, seen.format, overlay, boots))
        if wanted.seed is not None:
            folder = seed.write(directory(guest.namespace) / "seed", guest, wanted.seed, interfaces)
            found.append(Drive(seed.NAME, wanted.disk, folder))
        return found


def _write_access(guest: Guest) -> None:
    file = access_file(guest.namespace)
    if access.of(guest.settings) == "shell":
        file.unlink(missing_ok=True)
        return
    wanted = guest.settings.machine
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps({"access": access.of(guest.settings), "user": wanted.user, "password": wanted.password}))
    new.replace(file)


def _copied(file: Path, place: Path) -> Path:
    """Copy what QEMU, who is somebody else, may not read."""
    try:
        shutil.copyfile(file, place)
    except OSError as exc:
        raise errors.InvalidInput(f"{exc.filename or file} cannot be used: {exc.strerror}") from exc
    return place
