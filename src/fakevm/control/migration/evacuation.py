"""Emptying a host: all its guests are moved, some at a time, to the hosts that have the fewest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from fakevm.control.agents import Agents
from fakevm.control.migration.base import Migration
from fakevm.errors import FakevmError, InvalidInput
from fakevm.model.guest import GuestSeen
from fakevm.model.migration import MigrationReport
from fakevm.progress import Progress

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one guest: its report, or why it has none."""

    guest: GuestSeen
    destination: str
    report: MigrationReport | None
    problem: str = ""


def spread(guests: Sequence[GuestSeen], counts: Mapping[str, int]) -> list[tuple[GuestSeen, str]]:
    """Give each guest a host: always the one that has the fewest by then, the first by name among equals.

    ``counts`` are the hosts to choose from, with how many guests each has now; at least one.
    """
    now = dict(counts)
    placed = []
    for guest in guests:
        host = min(sorted(now), key=lambda name: now[name])
        now[host] += 1
        placed.append((guest, host))
    return placed


def guests_on(agents: Agents, host: str) -> list[GuestSeen]:
    """List the guests on a host by what they are called. Raises AgentDown, NotFound, Unreachable."""
    return sorted(agents.on(host).list_guests(), key=lambda guest: guest.title)


def destinations(agents: Agents, source: str, candidates: Sequence[str], *, named: bool) -> dict[str, int]:
    """Count the guests of the hosts that may take more.

    Raises NotFound, AgentDown for hosts that the user ``named``; InvalidInput when there is none.
    """
    if source in candidates and named:
        raise InvalidInput(f"{source} is the host to empty: it cannot take its own guests")
    if named:
        agents.require(*candidates)
    answers = agents.ask_all([host for host in candidates if host != source], lambda host: guests_on(agents, host))
    for host, answer in answers.items():
        if isinstance(answer, FakevmError):
            if named:
                raise answer
            LOG.warning("%s is left out: %s", host, answer.what)
    counts = {host: len(answer) for host, answer in answers.items() if not isinstance(answer, FakevmError)}
    if not counts:
        raise InvalidInput(
            f"there is no other host that could take the guests of {source}", hint="Name one: --to HOST."
        )
    return counts


class Evacuation:
    """Moves many guests, ``parallel`` at a time; the failure of one does not keep the others from going."""

    def __init__(
        self, moves: Sequence[tuple[GuestSeen, str]], start: Callable[[GuestSeen, str], Migration], parallel: int
    ) -> None:
        self._moves = moves
        self._start = start
        self._parallel = parallel

    def run(self, progress: Progress) -> list[Outcome]:
        """Move them. When interrupted, those under way are finished, no other is begun, and it is raised again."""
        outcomes: list[Outcome] = []
        with ThreadPoolExecutor(self._parallel) as pool:
            futures: list[Future[Outcome]] = [pool.submit(self._move, *move) for move in self._moves]
            try:
                for future in as_completed(futures):
                    outcomes.append(future.result())
                    progress.seen(f"{len(outcomes)} of {len(futures)} moved or given up")
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
        return sorted(outcomes, key=lambda outcome: outcome.guest.title)

    def _move(self, guest: GuestSeen, host: str) -> Outcome:
        migration = self._start(guest, host)
        try:
            return Outcome(guest, host, migration.run())
        except FakevmError as problem:
            return Outcome(guest, host, migration.report, str(problem))
