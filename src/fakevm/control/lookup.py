"""Finding the one thing that the user's words mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fakevm.errors import Ambiguous, NotFound
from fakevm.model.identity import called, port_words

# Candidates that an error lists.
LISTED = 10


class Candidate(NamedTuple):
    """A port that may be meant: its own ``name``, its ``instance`` (Neutron's device_id), where it is."""

    port_id: str
    name: str = ""
    instance: str = ""
    host: str = ""
    network: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return called(self.name, self.instance, self.port_id)

    @property
    def guest_id(self) -> str:
        """The id of its guest: of a port of nobody's its own."""
        return self.instance or self.port_id

    @property
    def words(self) -> str:
        """Name it in a sentence: its id, and whose it is."""
        return port_words(self.port_id, self.name, self.instance)


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


def find_guest(words: str, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Find the port that is meant; by the name or id of a guest with several ports all of them.

    In this order: an exact name (the instance's, or the port's own), an id, the beginning of an id. Raises NotFound
    with near names, or Ambiguous with the candidates.
    """
    known = list({candidate.port_id: candidate for candidate in candidates}.values())
    if named := [candidate for candidate in known if words and words in (candidate.name, candidate.instance)]:
        return _named(words, named, known)
    begin = words.lower()
    for candidate in known:
        if candidate.port_id == begin:
            return (candidate,)
    fitting = [candidate for candidate in known if begin and candidate.port_id.startswith(begin)]
    if len(fitting) == 1:
        return (fitting[0],)
    if fitting:
        raise Ambiguous(
            f"{len(fitting)} ports' ids begin with {words}:{listed(fitting)}", hint="Give a name, or more of the id."
        )
    raise not_found(words, known)


def not_found(words: str, candidates: Iterable[Candidate], unasked: Mapping[str, str] | None = None) -> NotFound:
    """Say that no guest is meant, and which have nearly that name.

    ``unasked``: of those that hosts were asked for, which hosts were not asked, and why.
    """
    import difflib  # not for exec, which is to be quick

    near = difflib.get_close_matches(words, {candidate.title for candidate in candidates}, n=5, cutoff=0.6)
    hint = f"Did you mean {' or '.join(sorted(near))}? " if near else ""
    silent = "".join(f"\n{host} was not asked: {why}" for host, why in (unasked or {}).items())
    list_ = "fakevm list" if unasked is None else "fakevm guest list"
    return NotFound(f"there is no guest {words!r}", hint=f"{hint}`{list_}` shows those that there are.{silent}")


def only(words: str, ports: Sequence[Candidate]) -> Candidate:
    """Give the one port of a guest. Raises Ambiguous with the ports of one that has several."""
    if len(ports) > 1:
        raise Ambiguous(f"the guest {words!r} has {len(ports)} ports:{listed(ports)}", hint="Give a port's id.")
    return ports[0]


def listed(candidates: Sequence[Candidate]) -> str:
    """Write candidates, a line each: name, id, host, network."""
    rows = sorted(candidates, key=lambda candidate: (candidate.title, candidate.port_id))
    shown = rows[:LISTED]
    width = max(len(candidate.title) for candidate in shown)
    lines = [f"\n  {candidate.title:{width}}  {candidate.port_id}{_where(candidate)}" for candidate in shown]
    return "".join(lines) + (f"\n  and {len(rows) - LISTED} more" if len(rows) > LISTED else "")


def _where(candidate: Candidate) -> str:
    host = f"  on {candidate.host}" if candidate.host else "  on no host"
    return host + (f"  network {candidate.network}" if candidate.network else "")


def _named(words: str, named: Sequence[Candidate], known: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Choose among ports that are named so: all of one guest that is called so, or one that alone has the name."""
    guests = {candidate.instance or candidate.port_id for candidate in named}
    if len(guests) == 1 and (guest := named[0].instance):
        ports = sorted((each for each in known if each.instance == guest), key=lambda each: (len(each.name), each.name))
        if words == guest or _names_all(words, ports):
            return tuple(ports)
    if len(named) == 1:
        return (named[0],)
    raise Ambiguous(f"{len(named)} ports are named {words!r}:{listed(named)}", hint="Give an id, or the beginning.")


def _names_all(words: str, ports: Sequence[Candidate]) -> bool:
    """Tell whether a name is that of a guest: in a lab file's, it begins those of all its other ports."""
    return all(port.name == words or port.name.startswith(f"{words}-") for port in ports)


def _suggest(kind: str, words: str, names: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(words, names, n=5, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if names:
        return f"There are: {', '.join(sorted(names)[:10])}."
    return f"There is no {kind} at all yet."
