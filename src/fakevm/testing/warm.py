"""Warmed processes for a run of tests: what all its labs import is imported once, and ends with the run."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from . import leftovers

_begun: list[int] = []


def begin() -> None:
    """Begin to import in the background, once in this process; not where the user keeps some, or wants none.

    What is begun ends when this process does, however it ends.
    """
    if not _begun:
        _begun.append(os.getpid())
        # Every pytest of this environment imports this module.
        from fakevm.errors import FakevmError
        from fakevm.lab import warm

        # A release that is not installed yet is no mistake of the tests'.
        with contextlib.suppress(FakevmError):
            if os.environ.get(warm.VARIABLE) != "0":
                _begin()


def _begin() -> None:
    from fakevm import release
    from fakevm.lab import kept, warm

    places = warm.kept_for(release.DEFAULT)
    if any(kept.asking(place) for place in places):
        return
    folder = Path(tempfile.mkdtemp(prefix="fv-kept-"))
    leftovers.expect(folder)
    os.environ[kept.VARIABLE] = str(folder)
    theirs, ours = os.pipe()
    atexit.register(_end, folder, ours)
    try:
        for place in places:
            warm.keep(place, owner=theirs)
    finally:
        os.close(theirs)


def _end(folder: Path, pipe: int) -> None:
    from fakevm.lab import kept

    # Not in its forks.
    if _begun == [os.getpid()]:
        os.close(pipe)
        kept.stop()
        os.environ.pop(kept.VARIABLE, None)
        shutil.rmtree(folder, ignore_errors=True)
