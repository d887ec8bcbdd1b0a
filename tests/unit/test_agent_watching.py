"""Devices that a switch made anew: nobody is forgotten, whatever fails."""

from __future__ import annotations

import errno
import os
import queue
import signal
import threading
from unittest.mock import create_autospec

import pytest
from ovsdbapp.exceptions import TimeoutException

from fakevm import errors, names
from fakevm.agent import watching
from fakevm.agent.manager import Manager
from fakevm.vif import ovs

from .test_agent_parts import PORT_ID

TIMEOUT = TimeoutException(commands=[], timeout=5, cause="ovs-vswitchd is not there")


@pytest.mark.parametrize("failure", [errors.PlugFailed("it is not made yet"), TIMEOUT, KeyError("of a library")])
def test_a_guest_that_has_not_got_its_new_device_is_tried_again(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = threading.Event()
    manager = create_autospec(Manager, instance=True)
    manager.guests_of_device.side_effect = {names.tap(PORT_ID): ["vm1"]}.get
    manager.replace_devices.side_effect = failure
    manager.finish.side_effect = lambda _guest: finished.set() or []
    monkeypatch.setattr(watching, "Appearances", lambda: [names.tap(PORT_ID)])
    watching.Watching(manager)
    assert finished.wait(20)
    manager.finish.assert_called_once_with("vm1")


def test_an_agent_that_cannot_look_out_any_more_ends_as_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    manager = create_autospec(Manager, instance=True)
    manager.guests_of_device.side_effect = OSError(errno.ENOMEM, "Cannot allocate memory")
    monkeypatch.setattr(watching, "Appearances", lambda: ["tap1"])
    monkeypatch.setattr(watching.os, "kill", lambda pid, signum: ended.put((pid, signum)))
    watching.Watching(manager)
    assert ended.get(timeout=20) == (os.getpid(), signal.SIGTERM)


def test_a_transaction_that_ovs_vswitchd_does_not_end_is_told_as_ours() -> None:
    told = pytest.raises(errors.PlugFailed, match=r"^cannot plug it: .*TimeoutException.* 5 seconds")
    with told as caught, ovs._translated("cannot plug it"):
        raise TIMEOUT
    assert "ovs-vswitchd" in caught.value.hint
