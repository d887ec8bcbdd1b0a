"""Starts the boot of a guest that is a server, once for each time that the guest is made."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm import errors
from fakevm.guest.place import runtime_directory

from .boot import Birth

if TYPE_CHECKING:
    from fakevm.model.guest import Guest


def require_users() -> None:
    """Raise Prerequisite where a guest can have no user but root: sshd and sudo change to others."""
    try:
        denied = Path("/proc/self/setgroups").read_text() == "deny\n"
    except OSError:
        return
    if denied:
        raise errors.Prerequisite(
            "a guest that is a server needs users of its own, and this ordinary user's lab has one user id only",
            hint="apt-get install uidmap, a line for you in /etc/subuid and /etc/subgid, and start the lab anew.",
        )


def start(guest: Guest, enter: Sequence[str], around: Sequence[str], console: Path) -> None:
    """Start the boot; no change when it was started since the guest was made. Raises OSError, CommandFailed.

    :param enter: the argv before a command in the guest
    :param around: the argv before one of its host's programs, in its network
    :param console: the guest's console log
    """
    assert guest.settings.server
    mark = runtime_directory(guest.namespace) / ".boot"
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    birth = Birth(
        name=guest.hostname or guest.name or guest.id,
        instance=guest.id,
        user=guest.settings.server.user,
        enter=list(enter),
        of_the_machine=not guest.settings.image,
    )
    # It is no child of ours: it goes on when we do not, and ends with the guest's network, in which it is.
    program = [*around, "setsid", "--fork", sys.executable, "-m", "fakevm.guest.server.boot"]
    told = json.dumps(dataclasses.asdict(birth)).encode()
    try:
        with console.open("ab") as output:
            done = subprocess.run(program, input=told, stdout=output, stderr=output, check=False)
        if done.returncode:
            raise errors.CommandFailed(f"its boot could not be started: status {done.returncode}, see its console log")
    except BaseException:
        # Who tries again is to have one.
        mark.unlink(missing_ok=True)
        raise
