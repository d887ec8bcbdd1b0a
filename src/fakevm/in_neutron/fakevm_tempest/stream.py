"""Reads the stream of results that stestr's processes write (subunit, version 2) and tells of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import subunit
import testtools

Tell = Callable[[dict[str, object]], None]
# What stestr or a process says beside its results (an import that fails…).
_BESIDE = "beside"


class _Begun(testtools.StreamResult):  # type: ignore[misc]
    """Tells of tests that begin."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def status(self, test_id: str | None = None, test_status: str | None = None, *rest: Any, **more: Any) -> None:
        """See StreamResult."""
        if test_id and test_status == "inprogress":
            self._tell({"begun": test_id})


def read(source: IO[bytes], tell: Tell) -> None:
    """Read it to its end. ``tell`` is given ``{"begun": ID}``, and of a test that ended what is known of it."""

    def ended(test: dict[str, Any]) -> None:
        # A process names all of its tests before it runs them.
        if test["id"] and test["status"] != "exists":
            tell(_told(test))

    result = testtools.CopyStreamResult([_Begun(tell), testtools.StreamToDict(ended)])
    result.startTestRun()
    try:
        subunit.ByteStreamToStreamResult(source, non_subunit_name=_BESIDE).run(result)
    finally:
        result.stopTestRun()


def _told(test: dict[str, Any]) -> dict[str, object]:
    begin, end = test["timestamps"]
    details = {
        name: content.as_text() for name, content in test["details"].items() if content.content_type.type == "text"
    }
    return {
        "test": test["id"],
        "status": test["status"],
        "begin": begin.timestamp() if begin else 0.0,
        "end": end.timestamp() if end else 0.0,
        "details": {name.split(":")[0]: text for name, text in details.items()},
    }
