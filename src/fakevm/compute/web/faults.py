"""What a request is refused with, in Nova's form (nova.api.openstack.wsgi.Fault)."""

from __future__ import annotations

from typing import Any

_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


class Fault(Exception):
    """An answer that is no success: HTTP's status, and Nova's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def body(self) -> dict[str, Any]:
        """Give it as it is sent."""
        return {_NAMES.get(self.status, "computeFault"): {"code": self.status, "message": self.message}}


def not_found(message: str) -> Fault:
    """Give the fault that there is no such thing."""
    return Fault(404, message)


def bad(message: str) -> Fault:
    """Give the fault that something asked for cannot be."""
    return Fault(400, message)


def conflict(message: str) -> Fault:
    """Give the fault that it cannot be just now."""
    return Fault(409, message)
