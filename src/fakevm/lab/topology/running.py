"""Runs in a guest what the lab file says: commands of its shell, some of which go on in the background."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable

from fakevm import names
from fakevm.errors import CommandFailed, TimedOut
from fakevm.lab.entrance import enter_guest
from fakevm.model.lab import LabRecord
from fakevm.model.labfile.guest import RunFile


def run(record: LabRecord, host: str, guest: str, commands: Iterable[RunFile]) -> None:
    """Run a guest's commands one after the other; what they say is in the host's log ``guest-NAME``.

    Those that are kept running are the agent's. Raises CommandFailed, TimedOut with their last words.
    """
    server = names.instance_id(record.name, guest)
    for wanted in (command for command in commands if not command.is_kept):
        log = record.host_directory(host) / f"log/guest-{guest}.log"
        line = _in_background(wanted.command) if wanted.background else wanted.command
        words = enter_guest(record, host, server, ["sh", "-c", line])
        # Opened here: a guest with files of its own has no such log.
        with log.open("a+", errors="replace") as output:
            before = output.tell()
            try:
                done = subprocess.run(
                    words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=wanted.timeout, check=False
                )
            except subprocess.TimeoutExpired as exc:
                raise TimedOut(
                    f"in guest {guest}, {wanted.command!r} did not end in {wanted.timeout:g} s",
                    hint="Give it `background: true` or a longer `timeout`.",
                ) from exc
            output.seek(before)
            said = output.read().strip()[-500:]
        if done.returncode:
            raise CommandFailed(f"in guest {guest}, {wanted.command!r} ended with status {done.returncode}: {said}")


def _in_background(command: str) -> str:
    """Leave a command running: in a session of its own, it outlives the shell that started it."""
    words = f"sh -c {shlex.quote(command)}"
    # The guest may have files of its own, without setsid: then a signal to the shell's group ends it, too.
    return f"if command -v setsid >/dev/null; then setsid {words} </dev/null & else {words} </dev/null & fi"
