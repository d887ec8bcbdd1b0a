"""What an agent that starts does about the guests that it has: some lived on, some must be made anew."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fakevm import errors
from fakevm.model.port import Addressing

from .manager import Manager
from .work import PARALLEL

_log = logging.getLogger(__name__)

# How long (seconds) an agent that starts waits for the host's switch, which may start anew, too.
_SWITCH = 60.0
# What could not be done is tried again after so many seconds: the host may still be busy starting, some five minutes.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 60.0, 60.0)
# How long (seconds) a guest that was made anew may wait for its addresses: Neutron's agent starts anew, too.
_READDRESSING = 300.0


def recover(manager: Manager) -> None:
    """Finish what was under way when the agent died, and remake what a reboot took; logs what it does.

    Returns when everything was tried once; what failed is tried again, and addresses are had, in the background.

    :raises FakevmError: what guests are wired to is not there, so nothing is known of them
    """
    guests = manager.guests()
    if guests:
        manager.wait_ready(_SWITCH)
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda guest_id: finish_or_retry(manager, guest_id), guests))


def finish_or_retry(manager: Manager, guest_id: str) -> None:
    """Bring a guest to what was written down of it, at once or, where that fails, in the background; logs it."""
    if not _finish(manager, guest_id):
        _in_background(lambda: _retry(manager, guest_id))


def _retry(manager: Manager, guest_id: str) -> None:
    for pause in _PAUSES:
        time.sleep(pause)
        if _finish(manager, guest_id):
            return
    _log.error("the guest %s is given up: start it again, or unplug its ports", guest_id)


def _finish(manager: Manager, guest_id: str) -> bool:
    """Tell whether nothing is left to be tried again."""
    try:
        anew = manager.finish(guest_id)
    except errors.FakevmError as exc:
        _log.error("could not finish the guest %s: %s", guest_id, exc)
        return False
    except Exception:  # of a library: no reason to forget the guest, or not to look after the others
        _log.exception("could not finish the guest %s", guest_id)
        return False
    for port_id, addressing in anew:
        # Neutron's agent may take its time to wire the port: ours serves meanwhile.
        _in_background(functools.partial(_address, manager, port_id, addressing))
    return True


def _address(manager: Manager, port_id: str, mode: Addressing) -> None:
    try:
        manager.address(port_id, mode, _READDRESSING)
    except errors.FakevmError as exc:
        _log.error("the guest of port %s is back without its addresses: %s", port_id, exc)


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="recovery", daemon=True).start()
