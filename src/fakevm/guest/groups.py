"""The control groups of guests that have limits, and where links to them are kept.

The links are with a guest's files, in its host's folder: so they are found, and the groups removed, whether the host
still runs or not; and where the guest runs, for commands that come in.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm import errors
from fakevm.linux import cgroup, tree

from .place import groups_directory

if TYPE_CHECKING:
    from fakevm.model.guest import Guest

_LINKS = "groups"
# In a host's folder: the guests' folders (guest/container.py).
_OF_HOST = "agent/containers/*"


def make(guest: Guest, folder: Path) -> list[Path]:
    """Make the groups that limit a guest, if it has limits; gives those that its processes are to be in.

    :param folder: that of the guest's files
    :raises PlugFailed: it may not be done here
    :raises OSError: the links could not be made
    """
    remove(folder)  # those of a guest whose host was killed
    if not guest.settings.limits.named:
        return []
    try:
        made = cgroup.make(guest.settings.limits.named)
    except cgroup.Refused as exc:
        raise errors.PlugFailed(
            f"the guest {guest.title} cannot have limits: {exc}", hint="Leave out `limits`; 'fakevm doctor' says more."
        ) from exc
    try:
        links = folder / _LINKS
        links.mkdir()
        for number, group in enumerate(made):
            (links / str(number)).symlink_to(group)
        groups_directory(guest.namespace).symlink_to(links)
    except OSError:
        with contextlib.suppress(OSError):
            cgroup.remove(made)
        raise
    return made


def remove(folder: Path) -> None:
    """Remove the groups of a guest, by the folder of its files; none is no error. Raises OSError."""
    if (links := folder / _LINKS).is_dir():
        cgroup.remove(link.readlink() for link in links.iterdir())
        tree.remove(links)


def remove_all(folder: Path) -> None:
    """Remove the groups of all guests of a lab, of its hosts, or of one, by their folder; nothing runs in it.

    :raises OSError: there are processes in one, or the kernel refuses it
    """
    for pattern in (_OF_HOST, f"*/{_OF_HOST}", f"hosts/*/{_OF_HOST}"):
        for guest in folder.glob(pattern):
            remove(guest)
