"""Errors and results as they cross the broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fakevm import errors


def _subclasses(cls: type[errors.FakevmError]) -> Iterator[type[errors.FakevmError]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from _subclasses(sub)


def pack_error(error: errors.FakevmError) -> dict[str, Any]:
    """Make the envelope of an error."""
    return {"error": {"type": type(error).__name__, "what": error.what, "hint": error.hint}}


def pack_result(result: Any) -> dict[str, Any]:
    """Make the envelope of a result, which is JSON already."""
    return {"result": result}


def unpack(envelope: dict[str, Any]) -> Any:
    """Open an envelope: return the result, or raise the error just as the other side raised it."""
    if "error" not in envelope:
        return envelope["result"]
    packed = envelope["error"]
    kinds = {cls.__name__: cls for cls in _subclasses(errors.FakevmError)}
    raise kinds.get(packed["type"], errors.FakevmError)(packed["what"], hint=packed["hint"])
