"""QEMU as a process that outlives who started it, in a network namespace in which there is nothing."""

from __future__ import annotations

import os
import select
from pathlib import Path

from fakevm import errors, tool
from fakevm.guest.console import last_bytes
from fakevm.linux import lasting, namespace
from fakevm.waiting import until

from . import jail, machine
from .machine import Machine
from .qmp import Monitor

TOOL = "qemu"
PROGRAM = "qemu-system-x86_64"
# Seconds until its monitor answers: it loads a kernel first, on a loaded machine.
_STARTING = 30.0
_LAST_WORDS = 400


class Qemu:
    """The QEMU of one guest; ``folder`` is that of what there is while it runs, ``log`` has what it says itself.

    ``uid`` is the user that it is, 0: ours.
    """

    def __init__(self, guest_namespace: str, folder: Path, log: Path, uid: int) -> None:
        self._uid = uid
        self._namespace = guest_namespace
        self._folder = folder
        self._log = log
        self._note = folder / "process"

    def start(self, wanted: Machine) -> None:
        """Start it; returns when its monitor answers.

        :raises Prerequisite: it is not installed
        :raises PlugFailed: it has ended, with its last words, or does not answer
        """
        found = tool.find(TOOL)
        command = [*found.command(PROGRAM), *machine.firmware(found.root), *machine.arguments(wanted)]
        enter = ["nsenter", f"--net={namespace.DIRECTORY / self._namespace}", "--", "env", "LC_ALL=C"]
        if modules := machine.modules(found.root):
            enter.append(f"QEMU_MODULE_DIR={modules}")
        self._log.parent.mkdir(parents=True, exist_ok=True)
        root, place = self._folder / "root", wanted.log.parent
        root.mkdir(exist_ok=True)
        wanted.log.touch()
        sockets = self._folder / "sockets"
        sockets.mkdir(mode=0o700, exist_ok=True)
        overlays = [drive.overlay for drive in wanted.drives if drive.overlay]
        jail.own(sockets, wanted.log, self._uid, overlays)
        own = [found.root] if not found.is_systems else []
        read = [drive.image for drive in wanted.drives if isinstance(drive.image, Path)]
        opened = [drive.image for drive in wanted.drives if isinstance(drive.image, int)]
        command = jail.command(
            command,
            root=root,
            uid=self._uid,
            writable=[sockets, place, *overlays],
            readable=[*own, *read, *([wanted.kernel] if wanted.kernel else [])],
        )
        with self._log.open("wb") as said:
            started = lasting.start(
                [*enter, *command],
                wanted.title,
                self._note,
                said,
                [*(card.descriptor for card in wanted.cards), *opened],
            )

        def silent() -> str:
            try:
                with Monitor(wanted.sockets.monitor):
                    return ""
            except errors.Unreachable as problem:
                return problem.what

        def require() -> None:
            if select.select([started.descriptor], [], [], 0)[0]:
                raise errors.PlugFailed(f"QEMU has ended: {self.last_words() or 'without a word'}")

        try:
            until(silent, f"QEMU did not start {wanted.title}", _STARTING, pause=0.02, require=require,
                  error=errors.PlugFailed)  # fmt: skip
        finally:
            os.close(started.descriptor)

    def is_alive(self) -> bool:
        """Tell whether it runs, whoever started it."""
        if found := lasting.find(self._note):
            os.close(found[1].descriptor)
        return found is not None

    def last_words(self) -> str:
        """Give the end of what it has said itself."""
        try:
            return last_bytes(self._log, _LAST_WORDS).decode(errors="replace").strip()
        except OSError:
            return ""
