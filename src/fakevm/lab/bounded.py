"""Reads files and YAML with limits, so that no file keeps a command busy, waiting or growing for long.

The limits are far above what a lab file needs: one of a thousand guests has about 60 000 bytes and 8 000 values.
"""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError, MaxDepthExceededError
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

# Bytes; the library reads about 70 000 a second.
MOST_BYTES = 2**18
# Values in a file, with those that aliases repeat.
MOST_VALUES = 20_000
DEEPEST = 30
# Seconds until somebody must have begun to write to a pipe, and until all must have come.
_BEGINNING = 1.5
_PATIENCE = 30.0

_MOST_DIGITS = 40
# What no program takes as an argument, and no file as text: NUL, and halves of UTF-16's pairs.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_TOO_DEEP = f"more than {DEEPEST} values inside one another"
_BEGUN = (0, 0)


def read_text(path: Path) -> str:
    """Read a file, a pipe or a device as text. Raises OSError, also when it is too large or nobody writes to it;
    UnicodeDecodeError."""
    # A pipe is opened whether or not somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        data = b""
        for piece in _pieces(descriptor, path):
            data += piece
            if len(data) > MOST_BYTES:
                raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES // 1024} KiB", str(path))
    finally:
        os.close(descriptor)
    return data.decode()


def _pieces(descriptor: int, path: Path) -> Iterator[bytes]:
    """Read until the end, which a pipe without a writer is at, too: somebody may be about to open it."""
    begin = time.monotonic()
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    seen = False
    while True:
        try:
            piece = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            # Somebody has it open, and has written nothing yet.
            if time.monotonic() - begin > _PATIENCE:
                raise OSError(errno.ETIMEDOUT, f"its end did not come within {_PATIENCE:.0f} s", str(path)) from None
            select.select([descriptor], [], [], 0.1)
            continue
        if not piece and is_pipe and not seen and _is_named(path):
            if time.monotonic() - begin > _BEGINNING:
                raise OSError(errno.ETIMEDOUT, "it is a pipe, and nobody writes to it", str(path))
            time.sleep(0.02)
            continue
        if not piece:
            return
        seen = True
        yield piece


def _is_named(path: Path) -> bool:
    """Tell a pipe that somebody may still open by its name from one whose writer is gone: an empty ``<(command)``."""
    return not path.resolve().is_relative_to("/proc")


def load(text: str) -> Any:
    """Read YAML, with the lines of all that is in it. Raises YAMLError, mostly MarkedYAMLError."""
    yaml = YAML(typ="rt")
    yaml.Composer = _Composer
    yaml.max_depth = DEEPEST
    yaml.Constructor = _Constructor
    try:
        return yaml.load(text)
    except MaxDepthExceededError as exc:
        raise ComposerError(None, None, _TOO_DEEP, exc.problem_mark) from exc


class _Constructor(RoundTripConstructor):
    """Says where a number or a date is none, or a tag does not fit: the library lets Python's own errors out there."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except YAMLError:
            raise
        except (ValueError, TypeError, AttributeError, LookupError, AssertionError, ArithmeticError) as exc:
            kind = str(node.tag).rpartition(":")[2]
            raise ConstructorError(None, None, f"this cannot be read as {kind}", node.start_mark) from exc


def _refuse_scalar(node: ScalarNode) -> None:
    """Raise ComposerError for a number of many digits, whose reading and printing takes long, and for no real text."""
    if str(node.tag).endswith((":int", ":float")) and len(node.value) > _MOST_DIGITS:
        raise ComposerError(None, None, f"a number of more than {_MOST_DIGITS} digits", node.start_mark)
    if _NO_TEXT.search(node.value):
        raise ComposerError(None, None, "text with signs that are no text", node.start_mark)


class _Composer(Composer):
    """Counts values, also those that aliases repeat, before anything is made of them."""

    _count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        node = super().compose_node(parent, index)
        if isinstance(node, ScalarNode):
            _refuse_scalar(node)
        self._count += 1
        if self._count > MOST_VALUES:
            raise ComposerError(None, None, f"more than {MOST_VALUES} values", node.start_mark)
        return node

    def compose_document(self) -> Any:
        node = super().compose_document()
        _measure(node, {})
        return node


def _measure(node: Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Count the values in a node, and how deep they are, as if each alias were written out. Raises ComposerError.

    What an alias refers to stands before it, so it is known, or is what the alias is in.
    """
    if id(node) in known:
        if known[id(node)] == _BEGUN:
            raise ComposerError(None, None, "an alias that refers to what it is in", node.start_mark)
        return known[id(node)]
    known[id(node)] = _BEGUN
    size, depth = 1, 0
    for child in _children(node):
        more, deeper = _measure(child, known)
        size, depth = size + more, max(depth, deeper)
    if size > MOST_VALUES:
        raise ComposerError(None, None, f"more than {MOST_VALUES} values, as aliases repeat them", node.start_mark)
    if depth >= DEEPEST:
        raise ComposerError(None, None, _TOO_DEEP, node.start_mark)
    known[id(node)] = size, depth + 1
    return known[id(node)]


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []
