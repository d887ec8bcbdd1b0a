"""An action of several steps that is taken back when it fails or is interrupted."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, InvalidStateError, wait
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

from fakevm.control.lookout import Lookout
from fakevm.control.undo import Undo
from fakevm.errors import FakevmError, Gone
from fakevm.progress import SILENT, Progress

LOG = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Stopped(Exception):
    """The action was given up before this step."""


class Job:
    """Runs its work in other threads, so that an interrupt never cuts a request to Neutron or to an agent in two.

    It ends when the ``lookout`` misses something, too. After a failure or an interrupt no further step begins; those
    under way are waited for; then ``undo`` is run, or ``clearance`` (if there is any) when the port is gone: then there
    is nothing to go back to. The ``claims`` that were entered meanwhile are given back at the very end.
    """

    def __init__(self, lookout: Lookout, progress: Progress = SILENT) -> None:
        self.lookout = lookout
        self.undo = Undo()
        self.clearance = Undo()
        self.claims = ExitStack()
        self._progress = progress
        self._stopped = False
        self._given_up: Future[None] = Future()
        self._under_way = 0
        self._changed = threading.Condition()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Do something that must not be abandoned half-way. Raises Stopped when the job was given up."""
        with self._changed:
            self.check()
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def check(self) -> None:
        """Raise Stopped when the job was given up."""
        if self._stopped:
            raise Stopped

    def give_up(self) -> None:
        """End the job as an interrupt does, from another thread; whoever runs it gets Stopped."""
        with suppress(InvalidStateError):
            self._given_up.set_result(None)

    def run(self, work: Callable[[], Answer]) -> Answer:
        """Do the work; on any failure or interrupt take back what was done, say so, and raise it again."""
        with self.claims:
            try:
                return self.attend(work)
            except BaseException as problem:
                told = self._take_back(self.clearance if isinstance(problem, Gone) and self.clearance else self.undo)
                if isinstance(problem, FakevmError):
                    problem.hint = "\n".join(filter(None, (problem.hint, told)))
                elif told:
                    LOG.warning("%s", told)
                raise

    def attend(self, work: Callable[[], Answer]) -> Answer:
        """Do the work for as long as the lookout misses nothing; nothing is taken back."""
        ended = threading.Event()
        missing = in_background(lambda: self.lookout.watch(ended))
        future = in_background(work)
        try:
            with self.lookout.explained():
                first: tuple[Future[Any], ...] = (future, missing, self._given_up)
                wait(first, return_when=FIRST_COMPLETED)
                if not future.done() and self._given_up.done():
                    raise Stopped
                if not future.done() and (problem := missing.result()):
                    raise problem
                return future.result()
        finally:
            ended.set()

    def _take_back(self, way: Undo) -> str:
        with signals_held(), self._changed:
            self._stopped = True
            self._progress.seen("taking back what was done")
            # Bounded: every request has its own time-out.
            self._changed.wait_for(lambda: not self._under_way)
            return way.run(self._progress)


def in_background(work: Callable[[], Answer]) -> Future[Answer]:
    """Begin work in a thread that does not keep the program from ending."""
    future: Future[Answer] = Future()

    def carry_out() -> None:
        try:
            future.set_result(work())
        except BaseException as problem:
            future.set_exception(problem)

    threading.Thread(target=carry_out, daemon=True).start()
    return future


def all_in_background(works: Iterable[Callable[[], Answer]], most: int = 0) -> list[Answer]:
    """Do many things at once, or ``most`` of them; the first failure is raised at once.

    One that must wait for others is not even taken from ``works`` meanwhile.
    """
    futures: list[Future[Answer]] = []
    running: set[Future[Answer]] = set()
    for work in works:
        futures.append(in_background(work))
        running.add(futures[-1])
        while most and len(running) >= most:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            _raise_failure(done)
    done, _ = wait(running, return_when=FIRST_EXCEPTION)
    _raise_failure(done)
    return [future.result() for future in futures]


def _raise_failure(futures: Iterable[Future[Answer]]) -> None:
    for future in futures:
        if problem := future.exception():
            raise problem


@contextmanager
def signals_held() -> Iterator[None]:
    """Let nothing interrupt a taking back, which is bounded itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in held]
    try:
        yield
    finally:
        for number, handler in zip(held, before, strict=True):
            signal.signal(number, handler)
