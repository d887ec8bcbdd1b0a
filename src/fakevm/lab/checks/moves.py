"""Checks that move guests: there, with somebody watching, and back."""

from __future__ import annotations

import time

from fakevm.control import neutron as neutrons
from fakevm.control.access import Access
from fakevm.control.agents import Agents
from fakevm.control.expectation import events_at
from fakevm.control.migration.base import Migration, Move
from fakevm.control.migration.cold import ColdMigration
from fakevm.control.migration.live import LiveMigration
from fakevm.control.neutron import Neutron
from fakevm.errors import FakevmError, InvalidInput
from fakevm.lab.place import Places
from fakevm.model.check import Observed
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.check import MigrateCheck
from fakevm.probe import outage, outcome

from .helper import Helper
from .outages import until_back

_KINDS: dict[str, type[Migration]] = {"live": LiveMigration, "cold": ColdMigration}
# Seconds between two probes; the longest wait of a migration for Neutron.
_INTERVAL = 0.02
_LONGEST = 120.0


class Moves:
    """Moves guests of a lab, one at a time."""

    def __init__(self, record: LabRecord, lab: LabFile, places: Places) -> None:
        self._record = record
        self._lab = lab
        self._places = places

    def attempt(self, check: MigrateCheck) -> Observed:
        """Move the guest, judge, and move it back.

        Raises FakevmError when it cannot be moved as things are, when it did not answer before, or does not come back.
        """
        access = Access.of(self._record)
        neutron = neutrons.connect(access)
        agents = Agents(access, neutron)
        try:
            return self._there_and_back(check, neutron, agents)
        finally:
            agents.close()

    def _there_and_back(self, check: MigrateCheck, neutron: Neutron, agents: Agents) -> Observed:
        guest = self._places.guest(check.target)
        destination = check.host or self._next(guest.host)

        def migration(where: str) -> Migration:
            move = Move(
                guest=guest.record.guest.id,
                destination=where,
                timeout=_LONGEST,
                probe_from="none",
                processes=check.processes,
            )
            return _KINDS[check.way](neutron, agents, move, events=events_at(self._record.events_endpoint))

        address = self._places.address(check.target, check.source, check.family)
        prober = outage.prober(address, _INTERVAL)
        with Helper(self._places.command(check.source, prober), outage.READY) as watcher:
            seen = self._moved(check, migration(destination), watcher)
        if self._places.guest(check.target).host == destination:
            migration(guest.host).run()
        return seen

    def _moved(self, check: MigrateCheck, migration: Migration, watcher: Helper) -> Observed:
        """Move it while it is watched. Raises FakevmError when it never began."""
        begin = time.monotonic()
        try:
            migration.run()
        except FakevmError as problem:
            if not migration.report:
                raise
            return Observed(verdict="unclear", words=f"{migration.report.result}: {problem.what}")
        seconds = time.monotonic() - begin
        host, status = self._where(check.target, migration)
        # What was sent just before the end of a quick move counts only when its answer has had its time.
        lines, now = until_back(watcher, check.at_most, outcome.PATIENCE)
        seen = outage.read(lines, now, check.at_most, _INTERVAL)
        words = f"{migration.kind} to {host} in {seconds:.1f} s; {seen.words}"
        if status != "ACTIVE" or host != migration.destination:
            return Observed(verdict="unclear", words=f"{words}; the port is {status}")
        return Observed(verdict=seen.verdict, words=words)

    def _where(self, name: str, migration: Migration) -> tuple[str, str]:
        """Give the host that has the guest, and its ports' status in Neutron: ACTIVE also when it has none."""
        return self._places.guest(name).host, migration.status() or "ACTIVE"

    def _next(self, host: str) -> str:
        """Choose the compute host that comes after a guest's own in the file. Raises InvalidInput."""
        compute = [name for name, wanted in self._lab.hosts.items() if "compute" in wanted.roles or name == host]
        if len(compute) < 2:
            raise InvalidInput("there is no other compute host to move to", hint="A migration needs two.")
        return compute[(compute.index(host) + 1) % len(compute)]
