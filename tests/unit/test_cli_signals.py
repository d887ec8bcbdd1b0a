"""Signals that ask a command to end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fakevm.cli import main
from fakevm.cli.failure import Ended
from fakevm.waiting import until

# A signal comes where Python swallows what is raised.
PROGRAM = """\
import os, signal, sys, time, weakref
from fakevm.cli.failure import end_tidily_on_signals

signum, where, arm = int(sys.argv[1]), sys.argv[2], signal.setitimer

class Object: pass

class Lamented:
    def __del__(self): kill()

def kill(*_):
    os.kill(os.getpid(), signum)

def late(*timer):
    signal.setitimer = arm
    arm(*timer)
    time.sleep(0.3)

end_tidily_on_signals()
if "late" in sys.argv:
    signal.setitimer = late
thing = Lamented() if where == "finalizer" else Object()
reference = weakref.ref(thing, kill) if where == "callback" else None
try:
    del thing
    time.sleep(60)
except KeyboardInterrupt as ended:
    sys.exit(ended.exit_status)
"""


@pytest.mark.parametrize("pace", ["soon", "late"])
@pytest.mark.parametrize("where", ["callback", "finalizer"])
@pytest.mark.parametrize("signum", [1, 2, 15])
def test_one_that_comes_while_python_swallows_exceptions_is_not_lost(signum: int, where: str, pace: str) -> None:
    """Also where the machine is so busy that it comes again before it is put off."""
    words = [sys.executable, "-c", PROGRAM, str(signum), where, pace]
    done = subprocess.run(words, capture_output=True, text=True, timeout=55, check=False)
    assert (done.returncode, done.stderr) == (128 + signum, "")


# The signal is another thread's to take: the main thread's wait goes on, as when it comes right before that begins.
WAITING = """\
import os, signal, sys, threading, time
from fakevm.cli.failure import end_tidily_on_signals

signum, how = int(sys.argv[1]), sys.argv[2]
end_tidily_on_signals()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signum])
try:
    print("waits", flush=True)
    threading.Event().wait() if how == "lock" else os.read(0, 1)
except KeyboardInterrupt as ended:
    sys.exit(ended.exit_status)
"""


@pytest.mark.parametrize("how", ["lock", "call"])
@pytest.mark.parametrize("signum", [1, 2, 15])
def test_one_that_comes_right_before_the_main_thread_waits_ends_the_wait(signum: int, how: str) -> None:
    words = [sys.executable, "-c", WAITING, str(signum), how]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
        try:
            assert waiting.stdout
            assert waiting.stdout.readline() == b"waits\n"
            until(lambda: _awake(waiting.pid), "the main thread sleeps", 50)
            waiting.send_signal(signum)
            assert waiting.wait(50) == 128 + signum
        finally:
            waiting.kill()


def _awake(thread: int) -> str:
    state = Path(f"/proc/{thread}/task/{thread}/stat").read_text().rpartition(")")[2].split()[0]
    return "" if state == "S" else f"state {state}"


def test_one_that_comes_while_a_class_is_made_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python 3.11 makes a RuntimeError of what is raised in ``__set_name__``, as pydantic's classes have it."""

    def importing(_words: object) -> int:
        try:
            raise Ended(15)
        except Ended as problem:
            raise RuntimeError("Error calling __set_name__") from problem

    monkeypatch.setattr(main, "_run", importing)
    assert main.main(["list"]) == 143
    assert capsys.readouterr().err == ""
