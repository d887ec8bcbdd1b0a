"""``python -m fakevm.compute LAB DESCRIPTOR``: serve; LAB is the lab's folder, DESCRIPTOR a listening socket."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from . import reach
from .api import BLUEPRINTS
from .shelves import Shelves
from .web import application, serving
from .work import clearing, watching
from .work.starting import go_on


def main() -> None:
    """Serve until the process ends."""
    folder, inherited = Path(sys.argv[1]), int(sys.argv[2])
    # oslo.config takes what is left for options.
    del sys.argv[1:]
    # What is kept is this user's alone.
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # It warns of its cache, which a lab's few tokens are right for, and at each start.
    logging.getLogger("keystonemiddleware").setLevel(logging.ERROR)
    told = reach.told(folder)
    shelves = Shelves(reach.Reach(folder, told), folder / "compute/state.sqlite")
    app = application.guarded(application.make(make(shelves) for make in BLUEPRINTS), folder / "compute/tokens.conf")
    go_on(shelves)
    watching.begin(shelves)
    clearing.begin(shelves)
    serving.serve(app, inherited)


if __name__ == "__main__":
    main()
