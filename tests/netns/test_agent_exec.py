"""Commands in guests: streams, statuses, time-outs, leases."""

from __future__ import annotations

import base64
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakevm import errors
from fakevm.agent import execution
from fakevm.agent.attachments import interface_of
from fakevm.agent.execution import Executions
from fakevm.guest.base import Uplink, Wired
from fakevm.guest.namespace import NamespaceKind
from fakevm.guest.place import command_in_guest
from fakevm.model.guest import Guest
from fakevm.model.port import Port

from .conftest import until


@pytest.fixture
def namespace(make_port: Callable[..., Port]) -> Iterator[str]:
    """Make a guest that is wired to nothing."""
    kind, interface = NamespaceKind("h1", Path("/run/state")), interface_of(make_port(), 0)
    guest = Guest(id="i-3", namespace="fakevm-h1-alone")
    kind.make(guest, [Wired(interface, Uplink("tap00000003-90"))])
    yield guest.namespace
    kind.remove(guest, [interface])


@pytest.fixture
def executions(namespace: str) -> Iterator[Executions]:
    """All commands of one agent."""
    running = Executions()
    yield running
    running.stop_all(5)


def run(
    executions: Executions,
    namespace: str,
    command: list[str],
    stdin: bytes = b"",
    timeout: float | None = None,
) -> tuple[bytes, bytes, int]:
    """Run a command as the command line does."""
    exec_id = executions.start(command_in_guest(namespace, "x", command), timeout)
    stdout = stderr = b""
    given, status = base64.b64encode(stdin).decode(), None
    while status is None:
        answer = executions.io(exec_id, given, True, 5)
        given = ""
        stdout += base64.b64decode(answer.stdout)
        stderr += base64.b64decode(answer.stderr)
        status = answer.exit_status
    with pytest.raises(errors.NotFound):
        executions.io(exec_id, "", True, 0)
    return stdout, stderr, status  # type: ignore[return-value]


def test_streams_and_status(executions: Executions, namespace: str) -> None:
    assert run(executions, namespace, ["sh", "-c", "cat; echo no >&2; exit 3"], b"in") == (b"in", b"no\n", 3)
    assert b"qfv00000003-9" in run(executions, namespace, ["ip", "-o", "link"])[0]
    assert run(executions, namespace, ["sh", "-c", "kill -9 $$"])[2] == 137


def test_command_that_does_not_exist(executions: Executions, namespace: str) -> None:
    stdout, stderr, status = run(executions, namespace, ["no-such-command"])
    assert (stdout, status) == (b"", 127)
    assert b"no-such-command" in stderr


def test_more_than_any_buffer_both_ways(executions: Executions, namespace: str) -> None:
    data = os.urandom(5_000_000)
    assert run(executions, namespace, ["cat"], data) == (data, b"", 0)


def test_last_words_of_a_command_whose_reader_is_slow(executions: Executions, namespace: str) -> None:
    """More than is kept for the reader, but so little more that the command ends before any is fetched."""
    for size in (1_100_000, 1_110_000):
        fill = command_in_guest(namespace, "x", ["sh", "-c", f"head -c {size} /dev/zero; touch /tmp/written"])
        exec_id = executions.start(fill, None)
        until(Path("/tmp/written").exists)
        Path("/tmp/written").unlink()
        time.sleep(0.5)
        status, read = None, 0
        while status is None:
            answer = executions.io(exec_id, "", True, 0.1)
            read += len(base64.b64decode(answer.stdout))
            status = answer.exit_status
            time.sleep(0.05)
        assert (read, status) == (size, 0)


def test_input_that_nobody_reads(executions: Executions, namespace: str) -> None:
    assert run(executions, namespace, ["true"], b"x" * 1_000_000) == (b"", b"", 0)


def test_time_out_stops_it_with_its_children(executions: Executions, namespace: str, sh: Callable[..., str]) -> None:
    began = time.monotonic()
    command = ["sh", "-c", "trap '' TERM; sleep 1000 & echo up; wait; wait"]
    assert run(executions, namespace, command, timeout=3) == (b"up\n", b"", 124)
    # Not before the grace after SIGTERM; long before the command would end by itself.
    assert 3.9 < time.monotonic() - began < 60
    until(lambda: not sh("pidof sleep", check=False), 60)


def test_daemon_that_a_command_leaves_lives_on(executions: Executions, namespace: str, sh: Callable[..., str]) -> None:
    began = time.monotonic()
    assert run(executions, namespace, ["sh", "-c", "setsid sleep 1000 & echo $!"])[2] == 0
    assert time.monotonic() - began < 30
    # the shell may be gone before its child has become sleep
    until(lambda: sh("pidof sleep", check=False), 60)


def test_output_comes_while_it_runs(executions: Executions, namespace: str) -> None:
    exec_id = executions.start(command_in_guest(namespace, "x", ["sh", "-c", "echo a; read b; echo $b"]), None)
    assert base64.b64decode(executions.io(exec_id, "", False, 5).stdout) == b"a\n"
    began = time.monotonic()
    answer = executions.io(exec_id, "", False, 0.3)
    assert (answer.stdout, answer.exit_status) == ("", None)
    assert 0.25 < time.monotonic() - began < 60
    executions.signal(exec_id, signal.SIGINT)
    while (status := executions.io(exec_id, "", False, 5).exit_status) is None:
        pass
    assert status == 130


def test_lease(executions: Executions, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "EXEC_LEASE", 0.5)
    started = executions.start(command_in_guest(namespace, "x", ["sleep", "1000"]), None)
    thread = executions._running[started]._thread
    thread.join(60)
    assert not thread.is_alive()


def test_stop_all_is_quick(executions: Executions, namespace: str) -> None:
    for _ in range(5):
        executions.start(command_in_guest(namespace, "x", ["sleep", "1000"]), None)
    began = time.monotonic()
    executions.stop_all(30)
    assert time.monotonic() - began < 25
    assert [thread.name for thread in threading.enumerate() if thread.name == "exec"] == []
