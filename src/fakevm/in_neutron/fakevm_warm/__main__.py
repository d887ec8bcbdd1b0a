"""``python -m fakevm_warm FOLDER WORD…``: each word is a module or a script whose imports are made in advance.

The process listens in the folder. A last word of underscores may stand there for the room that it takes: titles of
programs are written over these words.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from . import options, preload, program, server


def main() -> None:
    """Warm up, then serve."""
    folder, *words = sys.argv[1:]
    _hide()
    listener = server.listen(Path(folder))
    with options.watched() as asked:
        preload.load(word for word in words if word.strip("_"))
    obstacle = preload.obstacle()
    print(f"nothing is forked: {obstacle}" if obstacle else "warm", flush=True)
    start = server.serve(listener, obstacle)
    program.settle(start)
    options.start_anew_where_they_differ(asked, start.argv, start.directory)
    program.end(program.run, start.argv)


def _hide() -> None:
    """Let modules be found only where the programs would find them: not in our folder, nor where we were started."""
    del sys.path[0]
    here = str(Path(__file__).parent.parent)
    # It may be the programs' own, too, and Python takes no folder twice.
    if os.environ["PYTHONPATH"].split(os.pathsep).count(here) == 1:
        sys.path.remove(here)


if __name__ == "__main__":
    main()
