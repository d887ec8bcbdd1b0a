"""The words that commands take: what could only fail or mislead later is refused where it is read.

An empty word comes from a variable that is not set: taken for "none was given", it would end the only lab. Nothing
heavy is imported here: ``exec`` starts with it.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakevm.errors import InvalidInput
from fakevm.names import DEVICE_NAME_LENGTH

# A week, in seconds: the clocks of threads and of poll(2) count not much further.
LONGEST = 604800.0

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_WHOLE = re.compile(r"[0-9]{1,18}")


class Strict(argparse.ArgumentParser):
    """A parser that refuses empty words for every argument, and words that are not text for all but files.

    The words of a command that is passed on (argparse.REMAINDER) may be anything.
    """

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.nargs != argparse.REMAINDER:
            for text in arg_strings:
                _refuse(action, text)
        return super()._get_values(action, arg_strings)


def _refuse(action: argparse.Action, text: str) -> None:
    if not text.strip():
        raise argparse.ArgumentError(action, "an empty word (is a variable not set?)")
    if action.type is Path:
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentError(action, f"{text!r} is not text in UTF-8") from None


def host(text: str) -> str:
    """Read a host's name: it becomes part of the names of files and devices."""
    if not _HOST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a host's name: letters, digits, '.', '-' and '_'")
    return text


def host_or_client(text: str) -> str:
    """Read a host's name, or that of a client of the world outside: outside/CLIENT."""
    name, slash, client = text.partition("/")
    host(client if slash else name)
    if slash and name != "outside":
        raise argparse.ArgumentTypeError(f"{text!r} is not a host's name; a client is named so: outside/{client}")
    return text


def device(text: str) -> str:
    """Read the name of a device, as the kernel takes it (net/core/dev.c, dev_valid_name)."""
    if len(text.encode()) > DEVICE_NAME_LENGTH or text in (".", "..") or re.search(r"[/:%\s]", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a device's name: 1 to {DEVICE_NAME_LENGTH} bytes, without spaces, '/', ':' and '%'"
        )
    return text


def seconds(text: str) -> float:
    """Read a duration in seconds: greater than nothing, a week at most."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds greater than 0")
    if value > LONGEST:
        raise argparse.ArgumentTypeError(f"{text} seconds are more than a week ({LONGEST:.0f})")
    return value


def whole(what: str, low: int, high: int) -> Callable[[str], int]:
    """Make the reader of a whole number, ``what``, between two limits."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {low} to {high}")
        return int(text)

    return read


def refuse_empty_variables() -> None:
    """Refuse variables of ours that are set, but empty: FAKEVM_LABS="$folder" without folder. Raises InvalidInput."""
    for name, value in os.environ.items():
        if name.startswith("FAKEVM_") and not value.strip():
            raise InvalidInput(f"the variable {name} is set, but empty", hint=f"Give it a value, or: unset {name}")


def add_timeout(parser: argparse.ArgumentParser, meaning: str, default: float = 180.0) -> None:
    """Declare ``--timeout``, in seconds."""
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, default=default, help=f"{meaning} (default: %(default)g)"
    )
