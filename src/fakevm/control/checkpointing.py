"""Guests that are written down with all that runs in them, and go on from that later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fakevm.control.agents import Agents
from fakevm.control.guests import Guests, ports_of
from fakevm.control.job import Job
from fakevm.control.known import guest_words
from fakevm.control.lookout import Lookout
from fakevm.control.neutron import Neutron
from fakevm.control.watch import ActiveWatch
from fakevm.errors import Conflict, NotFound
from fakevm.model.checkpoint import Checkpoint
from fakevm.model.guest import GuestSeen
from fakevm.progress import SILENT, Progress


@dataclass
class Checkpointing:
    """Writes guests down, and has them go on; ``timeout`` (seconds) is for each wait."""

    neutron: Neutron
    agents: Agents
    timeout: float = 300.0
    progress: Progress = SILENT

    def __post_init__(self) -> None:
        self._guests = Guests(self.neutron, self.agents)
        self._job = Job(Lookout(self.neutron, self.agents), self.progress)

    def write(self, guest: GuestSeen, folder: Path, bring: Callable[[], None], *, goes_on: bool) -> Checkpoint:
        """Write a guest down in a new folder on its host, and bring that to where it is to be; then the guest ends.

        :param goes_on: it does not

        Raises Conflict: it does not run, or some of its processes cannot be written down, or there is such a folder;
        PlugFailed: it goes on.
        """
        agent, words = self.agents.on(guest.host), guest_words(guest.id)
        with self._guests.alone(guest, "a checkpoint", [port.attached for port in ports_of(guest)]) as seen:
            if seen.state != "running":
                raise Conflict(
                    f"{words} does not run on {guest.host}", hint=f"Start it: fakevm guest start {guest.title}"
                )
            self.progress.seen("looking at its processes")
            found = agent.processes(guest.id)
            if found.unwritable:
                raise Conflict(f"{words} cannot be written down: {found.unwritable}")
            if found.problems:
                raise Conflict(f"not all processes of {words} can be written down: {'; '.join(found.problems)}")

            def work() -> Checkpoint:
                self._job.undo.add(f"woke {words}", lambda: agent.resume(guest.id))
                with self._job.step():
                    self.progress.seen(f"writing {words} down")
                    written = agent.checkpoint(guest.id, str(folder), self.timeout)
                bring()
                return written

            written = self._job.run(work)
            if goes_on:
                agent.resume(guest.id)
            else:
                agent.stop(guest.id)
            return written

    def whose(self, folder: Path, host: str | None) -> GuestSeen:
        """Find the guest that is to go on from a checkpoint: the one of its id, else of its name.

        Raises NotFound: there is none; InvalidInput: it is not what it should be; Conflict: it has other interfaces.
        """
        asked = [host] if host else self.agents.alive()
        if not asked:
            raise NotFound("no host answers: nobody can read a checkpoint")
        written = self.agents.on(asked[0]).read_checkpoint(str(folder))
        rows, _ = self._guests.rows(host)
        named = [guest for guest in rows if written.guest.name and guest.name == written.guest.name]
        known = [guest for guest in rows if guest.id == written.guest.id]
        for guest in (*known, *named):
            _require_alike(guest, written, folder)
            return guest
        raise NotFound(
            f"there is no guest {written.guest.title}{f' on {host}' if host else ''}",
            hint="The guest itself must be there, with its interfaces: it is given its processes.",
        )

    def restore(self, guest: GuestSeen, folder: Path) -> GuestSeen:
        """Have a guest go on from a checkpoint; what ran in it until now ends. When that fails, it starts anew.

        Raises Conflict: it has other interfaces, or its host cannot have processes go on; what reading the checkpoint
        there raises; PlugFailed.
        """
        ports = [port.attached for port in ports_of(guest)]
        agent, words = self.agents.on(guest.host), guest_words(guest.id)
        with self._guests.alone(guest, "a restoration", ports) as seen:
            written = agent.read_checkpoint(str(folder))
            runs = seen.state == "running" and not seen.problem
            if runs and written.trees and (why := agent.processes(guest.id).unwritable):
                raise Conflict(f"{words} cannot go on from {folder}: {why}")

            def begin() -> None:
                agent.stop(guest.id)
                agent.start(guest.same)

            def work() -> GuestSeen:
                with self._job.step():
                    self._job.undo.add(f"started {words} anew", begin)
                    self.progress.seen(f"stopping {words}")
                    agent.stop(guest.id)
                    agent.start(guest.same, asleep=True)
                self.progress.seen("waiting until its ports are wired")
                watch = ActiveWatch(self.neutron)
                for port in ports:
                    watch.wait(port, self.timeout)
                with self._job.step():
                    self.progress.seen(f"having {words} go on")
                    return agent.restore(guest.id, str(folder), self.timeout)

            return self._job.run(work)


def _require_alike(guest: GuestSeen, written: Checkpoint, folder: Path) -> None:
    """Refuse what its host would refuse, too, when what runs in it had been ended. Raises Conflict."""
    if guest.kind != written.guest.kind:
        raise Conflict(f"the checkpoint {folder} is of a {written.guest.kind}; {guest.title} is a {guest.kind}")
    if misfit := written.misfit(guest.title, (one for one in guest.interfaces if one.kind != "vlan")):
        raise Conflict(
            f"the checkpoint {folder} {misfit}",
            hint="Its connections need the same interfaces with the same MAC addresses.",
        )
