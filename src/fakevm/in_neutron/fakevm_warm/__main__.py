"""``python -m fakevm_warm FOLDER WORD…``: each word is a module or a script whose imports are made in advance.

A word ``+NAME`` is an option of oslo.config that they find set (true) meanwhile.

The process listens in the folder. A last word of underscores may stand there for the room that it takes: titles of
programs are written over these words.

``python -m fakevm_warm --keep FOLDER SECONDS PIPE WORD…`` is kept beyond labs (``keeper``).
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from . import keeper, options, preload, program, server, shepherd
from .sources import Sources


def main() -> None:
    """Warm up, then serve."""
    words = sys.argv[1:]
    _hide()
    asked: options.Asked = {}
    sources, stub = Sources(strict=False), None
    if words[0] == "--keep":
        sources = Sources(strict=keeper.is_strict())
        start, stub = _keep(words[1:], asked, sources)
        words = start.argv[3:]
    listener = server.listen(Path(words[0]))
    obstacle = _warm_up(words[1:], asked, sources)
    start = server.serve(listener, obstacle, sources, stub)
    program.settle(start)
    options.start_anew_where_they_differ(asked, start.argv, start.directory)
    program.end(program.run, start.argv)


def _warm_up(words: list[str], asked: options.Asked, sources: Sources) -> str:
    """Import what is wanted; says why nothing can be forked after that, or nothing."""
    preset = [word.removeprefix("+") for word in words if word.startswith("+")]
    with options.watched(asked, preset), sources.noted():
        preload.load(word for word in words if word.strip("_") and not word.startswith("+"))
    obstacle = preload.obstacle()
    print(f"nothing is forked: {obstacle}" if obstacle else "warm", flush=True)
    return obstacle


def _keep(words: list[str], asked: options.Asked, sources: Sources) -> tuple[program.Start, socket.socket]:
    """Be kept for labs; gives what one of them starts its warmed process with, in that process."""
    terms = keeper.Terms.read(words)
    listener = server.listen(terms.folder)
    obstacle = _warm_up(words[len(terms) :], asked, sources)
    start, stub = keeper.Keeper(terms, listener, sources, obstacle).serve()
    try:
        program.settle(start)
    except OSError as exc:
        shepherd.answer(stub, f"cannot enter the lab: {exc}")
        os._exit(1)
    sources.moved()
    shepherd.answer(stub, f"started {os.getpid()}")
    stub.settimeout(None)
    return start, stub


def _hide() -> None:
    """Let modules be found only where the programs would find them: not in our folder, nor where we were started."""
    del sys.path[0]
    here = str(Path(__file__).parent.parent)
    # It may be the programs' own, too, and Python takes no folder twice.
    if os.environ["PYTHONPATH"].split(os.pathsep).count(here) == 1:
        sys.path.remove(here)


if __name__ == "__main__":
    main()
