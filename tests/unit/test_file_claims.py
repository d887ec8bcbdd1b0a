"""Claims where there is no broker: two commands keep one another out, in bounded time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fakevm.control.file_claims import FileClaims
from fakevm.errors import Conflict, Unreachable

HOLD = """
import sys, time
from pathlib import Path
from fakevm.control.file_claims import FileClaims
with FileClaims(Path(sys.argv[1])).held([], "a start", guests=["g"]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_another_command_is_told_who_has_a_guest_and_what_for(tmp_path: Path) -> None:
    first, second = FileClaims(tmp_path / "claims"), FileClaims(tmp_path / "claims")
    with first.held([], "its start", guests=["g", "h"]):
        with (
            pytest.raises(Conflict, match=r"its start is under way since .* UTC \(process \d+ on "),
            second.held([], "x", guests=["g"]),
        ):
            pass
        # One's own it has twice.
        with first.held([], "again", guests=["g"]), second.held([], "y", guests=["other"]):
            pass
        with pytest.raises(Conflict), second.held([], "x", guests=["other", "g"]):
            pass
    with second.held([], "x", guests=["other", "g", "h"]):
        pass


def test_a_guest_that_another_has_is_waited_for(tmp_path: Path) -> None:
    first, second, entered = FileClaims(tmp_path), FileClaims(tmp_path), threading.Event()

    def wait() -> None:
        with second.held([], "second", guests=["g"], patience=60):
            entered.set()

    with first.held([], "first", guests=["g"]):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not entered.wait(0.3)
    assert entered.wait(30)
    waiting.join()


def test_a_claim_ends_with_the_command_that_has_it(tmp_path: Path) -> None:
    holding = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holding.stdout
    assert holding.stdout.readline() == "held\n"
    claims = FileClaims(tmp_path)
    with pytest.raises(Conflict, match="a start is under way"), claims.held([], "x", guests=["g"]):
        pass
    holding.kill()
    holding.communicate()
    with claims.held([], "x", guests=["g"]):
        pass


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="could not claim"), FileClaims(tmp_path / "a/b").held([], "x", guests=["g"]):
        pass
