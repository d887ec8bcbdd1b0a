"""Looks out for devices of guests that their switch makes anew: it was killed, or started anew."""

from __future__ import annotations

import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

from fakevm import errors
from fakevm.linux.appearance import Appearances

from .manager import Manager
from .recovery import finish_or_retry
from .work import PARALLEL

_log = logging.getLogger(__name__)


class Watching:
    """Gives guests such devices, from when it is made on. Raises Prerequisite: it cannot look out."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="watching")
        try:
            self._appearances = Appearances()
        except OSError as exc:
            raise errors.Prerequisite(f"cannot look out for devices: {exc}") from exc
        threading.Thread(target=self._watch, name="watching", daemon=True).start()

    def _watch(self) -> None:
        try:
            for device in self._appearances:
                for guest_id in self._manager.guests_of_device(device):
                    self._pool.submit(self._replace, guest_id)
        except Exception:  # no socket, no thread: an agent that starts looks at all guests
            _log.exception("cannot look out for devices any more: ending")
            os.kill(os.getpid(), signal.SIGTERM)

    def _replace(self, guest_id: str) -> None:
        try:
            self._manager.replace_devices(guest_id)
            return
        except errors.FakevmError as exc:
            _log.warning("the guest %s has not got its new device yet: %s", guest_id, exc.what)
        except Exception:  # of a library: it may do the next time
            _log.exception("the guest %s has not got its new device yet", guest_id)
        finish_or_retry(self._manager, guest_id)
