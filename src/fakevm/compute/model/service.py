"""What an administrator says of a host: servers may come to it, or not."""

from __future__ import annotations

from fakevm.model.value import Value


class ServiceRecord(Value):
    """A host's nova-compute, as Nova calls what takes servers there."""

    host: str
    enabled: bool = True
    reason: str | None = None
    forced_down: bool = False
    updated: str = ""
