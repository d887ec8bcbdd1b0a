"""Imports what programs import, before anybody asks for them."""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.util
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path


def load(wanted: Iterable[str]) -> None:
    """Import modules, and all that is imported by scripts (words with a slash) and by modules that are run (-mNAME).

    What cannot be imported is left out, and told: the program that needs it will say more.
    """
    # What modules are made of stays; to look through it again and again takes a fifth of the time (29.0.0).
    gc.disable()
    for name in (name for word in wanted for name in _modules(word)):
        try:
            importlib.import_module(name)
        except Exception:
            print(f"cannot import {name}:", file=sys.stderr)
            traceback.print_exc()
    _map()
    # Programs would copy all memory that the collector writes to. What it would free is left alone, too: they would
    # fill the holes, and copy the memory around each.
    gc.freeze()
    gc.enable()


def _map() -> None:
    """Have SQLAlchemy bring the classes of a database together, as the first query of each program would.

    What is imported later is added then. It raises where a class names another that is not there.
    """
    if orm := sys.modules.get("sqlalchemy.orm"):
        orm.configure_mappers()


def _modules(word: str) -> Iterator[str]:
    try:
        if word.startswith("-m"):
            yield from _imported(*_source(word.removeprefix("-m")))
        elif "/" in word:
            yield from _imported(Path(word), "")
        else:
            yield word
    except (OSError, SyntaxError, ImportError) as exc:
        print(f"cannot see what {word} imports: {exc}", file=sys.stderr)


def _source(module: str) -> tuple[Path, str]:
    """Find the file that is run for a module, and the package that it is in. Raises ImportError."""
    found = importlib.util.find_spec(module)
    if found and found.submodule_search_locations:
        found = importlib.util.find_spec(f"{module}.__main__")
    if not found or not found.origin:
        raise ImportError(f"there is no module {module}")
    return Path(found.origin), found.parent or ""


def _imported(source: Path, package: str) -> Iterator[str]:
    for node in ast.parse(source.read_bytes(), str(source)).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            # A name may be a module of its own.
            names = (f"{base}.{alias.name}" for alias in node.names)
            yield base
            yield from (name for name in names if _is_module(name))


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def obstacle() -> str:
    """Say why this process must not fork programs; empty when it may. Only the thread that forks lives on."""
    running = len(list(Path("/proc/self/task").iterdir()))
    if running > 1:
        named = ", ".join(thread.name for thread in threading.enumerate())
        return f"what was imported has started threads: {running} run ({named})"
    with contextlib.suppress(KeyError):
        if sys.modules["eventlet.patcher"].already_patched:
            return "eventlet has taken the place of Python's threads"
    return ""
