"""Finding the one thing that the user's words mean."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from fakevm.errors import Ambiguous, NotFound


def find_by_name_or_id(kind: str, words: str, things: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Choose the thing whose id, else whose name, is ``words``; ``kind`` names the kind in errors.

    Raises NotFound with the nearest names, or Ambiguous with the candidates.
    """
    for thing in things:
        if thing["id"] == words:
            return thing
    named = [thing for thing in things if thing["name"] == words]
    if len(named) == 1:
        return named[0]
    if named:
        raise Ambiguous(
            f"{len(named)} {kind}s are named {words!r}: {', '.join(thing['id'] for thing in named)}",
            hint="Give the id instead.",
        )
    raise NotFound(f"there is no {kind} {words!r}", hint=_suggest(kind, words, [t["name"] or t["id"] for t in things]))


def find_by_prefix(kind: str, prefix: str, ids: Mapping[str, str]) -> str:
    """Choose the only id that begins with ``prefix``; ``ids`` gives each id and a word that tells it apart.

    Raises NotFound, or Ambiguous with the candidates.
    """
    wanted = prefix.lower()
    fitting = sorted(id_ for id_ in ids if id_.startswith(wanted))
    if wanted and len(fitting) == 1:
        return fitting[0]
    if wanted and fitting:
        listed = "".join(f"\n  {id_}  {ids[id_]}" for id_ in fitting[:10])
        more = f"\n  and {len(fitting) - 10} more" if len(fitting) > 10 else ""
        raise Ambiguous(f"{len(fitting)} {kind}s begin with {prefix}:{listed}{more}", hint="Give more of the id.")
    raise NotFound(f"there is no {kind} {prefix!r}", hint="`fakevm list` shows those that there are.")


def _suggest(kind: str, words: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(words, names, n=5, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if names:
        return f"There are: {', '.join(sorted(names)[:10])}."
    return f"There is no {kind} at all yet."
