"""Whether a program's supervisor can be told something: its pipe is there before it listens."""

from __future__ import annotations

import os
from pathlib import Path

from fakevm.linux import supervision


def test_a_supervisor_is_there_once_it_listens(tmp_path: Path) -> None:
    assert not supervision.is_supervised(tmp_path, "agent")
    pipe = tmp_path / "agent/supervise/control"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    assert not supervision.is_supervised(tmp_path, "agent")
    listening = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert supervision.is_supervised(tmp_path, "agent")
    finally:
        os.close(listening)
