"""Guests that are containers: with processes, files, a host name of their own, beside their network."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm import errors, names, tool
from fakevm.linux import namespace as netns
from fakevm.linux import process, tree
from fakevm.model.checkpoint import ProcessesSeen

from . import console, groups, machine
from .base import Wired
from .births import Births
from .checkpoint import freezing
from .namespace import NamespaceKind, as_plug_failed
from .place import (
    ETC,
    command_in_container,
    command_in_guest,
    daemon_in_container,
    processes_directory,
    runtime_directory,
)

if TYPE_CHECKING:
    from fakevm.model.checkpoint import TreeWritten
    from fakevm.model.guest import Guest, GuestState
    from fakevm.model.interface import Interface

    from .base import Kept, Revival

_MNT_DETACH = 2  # linux/fs.h


class ContainerKind(NamespaceKind):
    """Guests of this host that are containers; their network is that of the kind ``namespace``, and made as that is."""

    serves = True

    def __init__(self, host: str, folder: Path) -> None:
        super().__init__(host, folder)
        self._births = Births()
        self._skeleton = threading.Lock()
        # Guests whose processes are about to go on: they have booted, elsewhere.
        self._booted: set[str] = set()

    def make(self, guest: Guest, wired: Sequence[Wired], *, asleep: bool = False) -> None:
        """See Kind."""
        if guest.settings.server:
            from .server import starting

            starting.require_users()
        super().make(guest, wired, asleep=asleep)
        if not asleep:
            self._boot(guest, [each.interface for each in wired])

    def wake(self, guest: Guest, interfaces: Sequence[Interface], state: GuestState, *, moved: bool) -> None:
        """See Kind. A server boots when it can be heard; one that was asleep where it was has booted."""
        super().wake(guest, interfaces, state, moved=moved)
        self._boot(guest, interfaces)

    def _boot(self, guest: Guest, interfaces: Sequence[Interface]) -> None:
        if guest.settings.server and guest.id not in self._booted:
            from .server import starting

            with as_plug_failed(f"cannot boot the guest {guest.title}"):
                enter, around = self.command(guest, interfaces, ()), self.program(guest, interfaces, ())
                starting.start(guest, enter, around, self._place(guest) / console.NAME)

    def _begin(self, guest: Guest) -> str:
        """Make all but the network's devices: see ``birth``."""
        init = shutil.which("catatonit")
        if init is None:
            raise errors.Prerequisite(
                "a guest of the kind container needs catatonit, its first process, and there is none on this host",
                hint="Install catatonit; or give the guest `kind: namespace`.",
            )
        place = self._place(guest)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        etc, image = ETC / guest.namespace, guest.settings.image
        wanted = {
            "folder": str(place),
            "processes": str(processes_directory(guest.namespace)),
            "init_pid": str(_pid_file(guest)),
            "root": image or self._root(),
            "trees": [] if image else machine.trees(),
            "hostname": guest.hostname,
            "init": init,
            "files": {name: str(etc / name) for name in ("resolv.conf", "hosts")},
            "programs": [] if image else [str(folder) for folder in tool.folders()],
            "groups": [str(group) for group in groups.make(guest, place)],
        }
        return f"netns attach {guest.namespace} {self._births.of(wanted)}"

    def _root(self) -> str:
        with self._skeleton:
            return str(machine.skeleton(self.folder))

    def _place(self, guest: Guest) -> Path:
        return self.folder / "containers" / names.guest_folder(guest.id)

    def _end(self, guest: Guest, inside: Collection[netns.Identity]) -> None:
        """See NamespaceKind. The first process goes last, as all others end with it, without a word."""
        init = _init(guest)
        process.stop(pid for pid in netns.processes(inside) if pid != init)
        if init is not None:
            process.stop([init])
        _unmount(processes_directory(guest.namespace))
        groups.remove(self._place(guest))

    def console_log(self, guest: Guest, most: int) -> bytes:
        """See Kind."""
        with as_plug_failed(f"cannot read the console log of the guest {guest.title}"):
            return console.read(self._place(guest), most)

    def forget(self, guest: Guest) -> None:
        """See Kind."""
        with as_plug_failed(f"cannot remove the files of the guest {guest.title}"):
            tree.remove(self._place(guest))

    def close(self) -> None:
        """See Kind."""
        self._births.close()

    def problem(self, guest: Guest) -> str:
        """See Kind."""
        return super().problem(guest) or ("" if _is_alive(guest) else "its first process has ended")

    def command(self, guest: Guest, interfaces: Sequence[Interface], command: Sequence[str]) -> list[str]:
        """See Kind."""
        return command_in_container(guest.namespace, command, limited=bool(guest.settings.limits.named))

    def daemon(self, guest: Guest, interfaces: Sequence[Interface], command: Sequence[str]) -> list[str]:
        """See Kind."""
        return daemon_in_container(guest.namespace, command, limited=bool(guest.settings.limits.named))

    def processes(self, guest: Guest, daemons: Mapping[str, Kept]) -> ProcessesSeen:
        """See Kind."""
        with as_plug_failed(f"cannot see the processes of the guest {guest.title}"):
            found = freezing.look(guest.namespace, daemons)
        if found and (missing := freezing.missing()):
            return ProcessesSeen(problems=(missing,), unwritable=missing)
        return ProcessesSeen(
            movable=tuple(f"{tree.name} ({tree.number})" for tree in found if not tree.problems),
            problems=tuple(problem for tree in found for problem in tree.problems),
        )

    def freeze(
        self, guest: Guest, folder: Path, daemons: Mapping[str, Kept], seconds: float
    ) -> tuple[TreeWritten, ...]:
        """See Kind."""
        with as_plug_failed(f"cannot write the processes of the guest {guest.title} down"):
            return freezing.freeze(guest.namespace, self._place(guest), folder, daemons, seconds)

    def thaw(self, guest: Guest) -> None:
        """See Kind."""
        freezing.thaw(guest.namespace)

    def abandon(self, guest: Guest) -> None:
        """See Kind."""
        freezing.end_frozen(guest.namespace)

    def revive(self, guest: Guest, folder: Path, trees: Sequence[TreeWritten], revival: Revival) -> dict[str, int]:
        """See Kind."""
        if trees:
            self._booted.add(guest.id)
        try:
            with as_plug_failed(f"the processes of the guest {guest.title} cannot run again"):
                return freezing.revive(guest.namespace, folder, trees, revival)
        finally:
            self._booted.discard(guest.id)

    def program(self, guest: Guest, interfaces: Sequence[Interface], command: Sequence[str]) -> list[str]:
        """See Kind. It is in the guest's network, and sees the host's files."""
        return command_in_guest(guest.namespace, interfaces[0].name if interfaces else "", command)


def _pid_file(guest: Guest) -> Path:
    return runtime_directory(guest.namespace) / ".init"


def _is_alive(guest: Guest) -> bool:
    return (processes_directory(guest.namespace) / "1").exists()


def _init(guest: Guest) -> int | None:
    """Find a guest's first process, by the number that it has on the host; None when it has ended."""
    try:
        pid = int(_pid_file(guest).read_text())
        own = Path(f"/proc/{pid}/ns/pid").stat().st_ino
        return pid if own == (processes_directory(guest.namespace) / "1/ns/pid").stat().st_ino else None
    except (OSError, ValueError):
        return None


def _unmount(folder: Path) -> None:
    """Take what is mounted on a folder away; nothing is no error. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(folder), _MNT_DETACH) and ctypes.get_errno() not in (errno.ENOENT, errno.EINVAL):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
