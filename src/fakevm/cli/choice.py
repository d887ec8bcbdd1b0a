"""Several guests at once: ``--on PATTERN``, as often as wanted, and ``--all``. Nothing heavy may be imported here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from fakevm.errors import InvalidInput, NotFound

# Guests that an error lists.
_LISTED = 20


class Known(Protocol):
    """A guest as it is known to whoever lists them."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def title(self) -> str:
        """What people call it."""


One = TypeVar("One", bound=Known)


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Declare which guests are meant, when not one."""
    parser.add_argument(
        "--on", metavar="PATTERN", action="append", default=[],
        help="all guests whose name, or id, is this or fits it: 'leaf*', 'r[12]'; may be repeated",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="all guests")


def is_group(parsed: argparse.Namespace) -> bool:
    """Tell whether several guests were asked for, even if that is one."""
    return bool(parsed.on or parsed.all)


def refuse_both(parsed: argparse.Namespace, named: object) -> None:
    """Make sure that guests are named in one way. Raises InvalidInput."""
    ways = [way for way, given in (("GUEST", named), ("--on", parsed.on), ("--all", parsed.all)) if given]
    if not ways:
        raise InvalidInput("which guest?", hint="Name it; or --on PATTERN, --all for several.")
    if len(ways) > 1:
        raise InvalidInput(f"{' and '.join(ways)} are two ways to say which guests", hint="Use one of them.")


def chosen(parsed: argparse.Namespace, guests: Sequence[One]) -> list[One]:
    """Give the guests that are meant, each once, in their order. Raises NotFound that names those that there are."""
    if not guests:
        where = f" on {parsed.host}" if parsed.host else ""
        raise NotFound(f"there is no guest{where}", hint="`fakevm guest list` shows those of all hosts.")
    if parsed.all:
        return list(guests)
    for pattern in parsed.on:
        if not any(_fits(guest, pattern) for guest in guests):
            names = ", ".join(guest.title for guest in guests[:_LISTED])
            more = f" and {len(guests) - _LISTED} more" if len(guests) > _LISTED else ""
            raise NotFound(f"no guest is called {pattern!r}", hint=f"There are: {names}{more}.")
    return [guest for guest in guests if any(_fits(guest, pattern) for pattern in parsed.on)]


def _fits(guest: Known, pattern: str) -> bool:
    """A name may hold what has a meaning in patterns: it is what it is first."""
    return pattern in (guest.title, guest.id) or fnmatchcase(guest.title, pattern) or fnmatchcase(guest.id, pattern)
