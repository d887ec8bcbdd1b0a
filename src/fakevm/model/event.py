"""An external event of a server, as Neutron sends it to Nova."""

from __future__ import annotations

from .value import Value


class Event(Value):
    """What Neutron told Nova: ``name`` (``network-vif-plugged``…), of which server and port (``tag``), how it went.

    ``number`` counts the events of a receiver from 1; ``at`` is when it came, in seconds since the epoch.
    """

    number: int
    at: float
    name: str
    server_uuid: str
    tag: str = ""
    status: str = "completed"
