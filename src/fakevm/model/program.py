"""A program that a sandbox keeps running, and how to know that it serves."""

from __future__ import annotations

from .value import Value

#: for ``before`` in a program of which every host asks something: as many files as it may have (the soft limit is 1024
#: by default), but no more than Erlang, which makes a table of them at its start, takes for granted
MANY_FILES = 'ulimit -Sn 65536 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"'


class Program(Value):
    """A program under supervision.

    ``command`` is run as it is, after the shell lines in ``before``; its output goes to the program's own log.
    ``descriptors`` are inherited file descriptors to keep (listening sockets made outside): all others are closed.
    ``held`` programs wait until they are started by name; the others start with the sandbox. ``late`` ones are held
    until all agents are alive: nothing that comes before needs them. One that has not ended ``grace`` seconds after
    SIGTERM is killed. ``imports`` are modules that it imports when it has read its configuration, as far as they are
    known: where it is forked from a warmed process, that has them already. ``debug``: its configuration says so, and
    Neutron's modules look at that while they are imported. One that is ``alone`` in its environment is not forked.
    """

    name: str
    command: tuple[str, ...]
    before: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    descriptors: tuple[int, ...] = ()
    held: bool = True
    late: bool = False
    grace: float = 10.0
    imports: tuple[str, ...] = ()
    debug: bool = False
    alone: bool = False
