"""Boots a guest as a cloud's image boots: ``python -m fakevm.guest.server.boot``, started by ``starting``.

It runs in the guest's network with its host's programs, so that a guest needs no Python; its standard input is JSON
(``Birth``), and its standard output the guest's console. It ends with the guest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from . import asking, image, user_data
from .asking import Metadata
from .inside import Inside

# As long (seconds) as images mostly ask for their metadata.
_PATIENCE = 240.0
# User data that runs for longer (seconds) goes on, and who waits for the prompt has it.
_FOR_THE_PROMPT = 20.0
# Of cloud-init: what was done for this instance.
_DONE = "/var/lib/cloud/instances/{instance}/sem/user-data"
_SCRIPTS = "/var/lib/cloud/instance/scripts"


@dataclass(frozen=True)
class Birth:
    """What there is to know: the guest's name and id, its image's user, and the argv before a command in it.

    ``of_the_machine``: it has no root file system of its own.
    """

    name: str
    instance: str
    user: str
    enter: list[str]
    of_the_machine: bool


class Boot:
    """The boot of a guest."""

    def __init__(self, birth: Birth) -> None:
        self._birth = birth
        self._inside = Inside(birth.enter)

    def run(self) -> None:
        """Do all of it."""
        birth = self._birth
        tell(f"{birth.name} boots, instance {birth.instance}")
        if said := image.boot(self._inside, birth.user, of_the_machine=birth.of_the_machine):
            tell(said)
        metadata = asking.ask(_PATIENCE, tell)
        running: list[subprocess.Popen[bytes]] = []
        if metadata is None:
            tell(f"nobody answered with metadata in {_PATIENCE:.0f} s: there are no keys, and no user data")
        else:
            self._let_in(metadata)
            running = self._user_data(metadata)
        print(f"\n\nFakeVM {birth.name} console\n\n{birth.name} login: ", flush=True)
        for process in running:
            process.wait()

    def _let_in(self, metadata: Metadata) -> None:
        if problem := image.let_in(self._inside, self._birth.user, metadata.keys):
            tell(f"the keys of {self._birth.user} cannot be written: {problem}")
        else:
            tell(f"{len(metadata.keys)} keys of {self._birth.user}")

    def _user_data(self, metadata: Metadata) -> list[subprocess.Popen[bytes]]:
        """Do once for each instance what the user data say; gives what still runs of it."""
        done = _DONE.format(instance=self._birth.instance)
        if not metadata.user_data or not self._inside.run(["test", "-e", done])[0]:
            return []
        # Beforehand: a guest that is rebooted by its user data is not so for ever.
        if problem := self._inside.write(done, b""):
            tell(f"the user data are not run: {problem}")
            return []
        self._inside.run(["ln", "-sfn", f"/var/lib/cloud/instances/{self._birth.instance}", "/var/lib/cloud/instance"])
        running = self._start(self._scripts(metadata.user_data))
        if running:
            try:
                status = running.wait(_FOR_THE_PROMPT)
            except subprocess.TimeoutExpired:
                return [running]
            tell(f"user data done, status {status}")
        return []

    def _scripts(self, data: bytes) -> list[bytes]:
        """Do what cloud-config says; gives all that is to run, in its order: commands first, as cloud-init does it."""
        from .cloud_config import CloudConfig

        config = CloudConfig(self._inside, self._birth.user, tell)
        first, then = [], []
        for part in user_data.parts(data):
            if part.kind == user_data.CONFIG:
                if script := config.apply(part.content):
                    first.append(script.encode())
            elif part.kind in (user_data.SCRIPT, user_data.BOOTHOOK):
                content = part.content.lstrip()
                then.append(content if content.startswith(b"#!") else b"#!/bin/sh\n" + content)
            else:
                tell(f"user data of the type {part.kind} are ignored")
        return first + then

    def _start(self, scripts: list[bytes]) -> subprocess.Popen[bytes] | None:
        """Run scripts in the guest, one after the other."""
        files = [f"{_SCRIPTS}/part-{number:03}" for number in range(1, len(scripts) + 1)]
        for file, script in zip(files, scripts, strict=True):
            if problem := self._inside.write(file, script, mode="0700"):
                tell(f"{file} cannot be written: {problem}")
                return None
        line = 'for file; do "$file" || status=$?; done; exit $status'
        return self._inside.start(["sh", "-c", line, "sh", *files]) if files else None


def tell(line: str) -> None:
    """Write a line to the console."""
    print(f"fakevm: {line}", flush=True)


def main() -> None:
    """Boot the guest that standard input tells of."""
    Boot(Birth(**json.load(sys.stdin))).run()


if __name__ == "__main__":
    main()
