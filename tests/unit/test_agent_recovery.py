"""What an agent that starts remembers when a library fails in a way that nobody foresaw."""

from __future__ import annotations

import errno
import time
from pathlib import Path
from unittest.mock import create_autospec

from fakevm.agent.kinds import Kinds
from fakevm.agent.manager import Manager
from fakevm.agent.recovery import recover
from fakevm.agent.store import GuestRecord, Store
from fakevm.guest.base import Kind
from fakevm.vif.base import VifDriver

from .test_agent_parts import PORT_ID, record


def test_a_guest_that_a_library_could_not_remake_is_remembered_and_tried_again(tmp_path: Path) -> None:
    driver, guest = create_autospec(VifDriver, instance=True), create_autospec(Kind, instance=True)
    guest.addresses.return_value = {}
    guest.device_problem.return_value = ""
    guest.tag.return_value = ""
    driver.taken.return_value = None
    driver.prepare.side_effect = [OSError(errno.ENOSPC, "No space left on device"), None]
    store = Store(tmp_path)
    store.put(plugged())
    guest.problem.side_effect = lambda _guest: "" if driver.prepare.call_count == 2 else "it is gone"
    driver.problem.return_value = ""
    manager = Manager("h1", "ovs", driver, Kinds("h1", tmp_path, {"namespace": guest}), store)
    recover(manager)
    left = manager.show(PORT_ID)
    assert (left.state, "No space left on device" in left.problem) == ("plugging", True), left
    deadline = time.monotonic() + 10
    while (now := manager.show(PORT_ID)).state != "plugged":
        assert time.monotonic() < deadline, now
        time.sleep(0.05)
    assert not now.problem


def test_a_guest_of_a_kind_that_is_gone_is_told_beside_the_others(tmp_path: Path) -> None:
    driver, kind = create_autospec(VifDriver, instance=True), create_autospec(Kind, instance=True)
    kind.addresses.return_value = {}
    kind.problem.return_value = kind.device_problem.return_value = driver.problem.return_value = ""
    driver.taken.return_value = None
    store, made = Store(tmp_path), plugged()
    store.put(made)
    other = made.guest.model_copy(update={"id": "other", "kind": "submarine"})
    store.put(made.model_copy(update={"guest": other, "nics": ()}))
    manager = Manager("h1", "ovs", driver, Kinds("h1", tmp_path, {"namespace": kind}), store)
    problems = {guest.id: guest.problem for guest in manager.list_guests()}
    assert problems[made.guest.id] == ""
    assert "there is no kind of guest 'submarine'" in problems["other"]
    assert [vif.port_id for vif in manager.list_vifs()] == [PORT_ID]


def plugged() -> GuestRecord:
    made = record()
    return made.model_copy(update={"state": "running", "nics": made.all_nics("plugged")})
