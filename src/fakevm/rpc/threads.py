"""Which kind of concurrency oslo's libraries use: threads."""

from __future__ import annotations

import importlib.util
import sys


def choose_threads() -> None:
    """Keep eventlet out: several libraries import it where they find it (17 MB, 0.2 s); threads need it not.

    To be called before oslo.messaging is imported. oslo.service, of which oslo.messaging takes one class, needs
    cotyledon instead (its extra ``threading``); without cotyledon all is left as it is.
    """
    if importlib.util.find_spec("cotyledon") is None or sys.modules.get("eventlet", None):
        return
    sys.modules["eventlet"] = None  # type: ignore[assignment]
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)
