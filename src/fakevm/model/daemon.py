"""What a guest is to keep running: a router's daemons, a user's command."""

from __future__ import annotations

from .value import Value


class Daemon(Value):
    """A command that stays, and is started again whenever it ends.

    ``name`` tells it from the guest's others, and names its log. ``files`` are what it reads, by their paths in the
    guest: they are written before it starts.
    """

    name: str
    command: tuple[str, ...]
    files: dict[str, str] = {}


class DaemonSeen(Value):
    """A daemon as it was seen in its guest; ``wanted`` is what it is to be.

    ``pid`` is its process's on the host, 0 when it does not run; ``restarts`` counts how often it was started again.
    ``problem`` says that it does not run, or keeps ending.
    """

    wanted: Daemon
    pid: int = 0
    restarts: int = 0
    problem: str = ""
