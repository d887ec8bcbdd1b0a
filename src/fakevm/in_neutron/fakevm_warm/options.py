"""Options of oslo.config that modules ask for while they are imported.

A program that imports them late, as it does when it starts by itself, has read its configuration by then; a warmed
process has none. So where its configuration says something else, the program is started from scratch after all.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NoReturn

from .ask import ANEW

# What was asked for, by group (None: DEFAULT) and name, and the answer: None also for an option that was not there yet.
Asked = dict[tuple[str | None, str], Any]


@contextlib.contextmanager
def watched(asked: Asked, preset: Collection[str] = ()) -> Iterator[None]:
    """Note which options are asked for meanwhile; those that are named in ``preset`` (of DEFAULT) are true."""
    try:
        cfg: Any = importlib.import_module("oslo_config.cfg")
    except ImportError:
        yield
        return
    get = cfg.ConfigOpts._get

    def tell(conf: Any, name: str, group: Any = None, *rest: Any, **named: Any) -> Any:
        answer = None
        if conf is cfg.CONF and group is None and name in preset:
            asked[None, name] = True
            return True
        try:
            answer = get(conf, name, group, *rest, **named)
            return answer
        finally:
            if conf is cfg.CONF and not isinstance(answer, conf.GroupAttr):
                asked[getattr(group, "name", group), name] = answer

    cfg.ConfigOpts._get = tell
    try:
        yield
    finally:
        cfg.ConfigOpts._get = get


def start_anew_where_they_differ(asked: Asked, argv: list[str], directory: str) -> None:
    """Have this process become the program from scratch when it has read other answers from its configuration.

    Where one that it has forked reads them, as uWSGI's workers do, it ends, and its supervisor starts it from scratch:
    he does so in ``directory``.
    """
    if not asked:
        return
    cfg: Any = importlib.import_module("oslo_config.cfg")
    call, program = cfg.ConfigOpts.__call__, os.getpid()

    def read(conf: Any, *rest: Any, **named: Any) -> Any:
        answer = call(conf, *rest, **named)
        if conf is cfg.CONF:
            cfg.ConfigOpts.__call__ = call
            if differing := [name for (group, name), said in asked.items() if _differs(conf, group, name, said)]:
                why = f"its configuration sets {', '.join(sorted(differing))}"
                if os.getpid() != program:
                    _end(program, Path(directory, ANEW), why)
                name = Path(argv[0]).name
                print(f"fakevm: {name} is started from scratch, not by a warmed process: {why}", file=sys.stderr)
                sys.stderr.flush()
                os.execv(argv[0], argv)
        return answer

    cfg.ConfigOpts.__call__ = read


def _end(program: int, note: Path, why: str) -> NoReturn:
    # The next start reads it and then removes it: half of it would be lost.
    part = note.with_name(f"{note.name}-{os.getpid()}")
    part.write_text(why)
    part.rename(note)
    os.kill(program, signal.SIGKILL)
    os._exit(1)


def _differs(conf: Any, group: str | None, name: str, said: Any) -> bool:
    cfg: Any = importlib.import_module("oslo_config.cfg")
    try:
        now = getattr(getattr(conf, group) if group else conf, name)
    except cfg.NoSuchOptError:
        return False
    return bool(now if said is None else now != said)
