"""Signals that ask a command to end."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What Python runs when an import's lock goes, with our own words in it.
PROGRAM = """\
import os, sys, time, weakref
from fakevm.cli.failure import end_tidily_on_signals

class Lock: pass

signum, seconds, name, file = int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]
words = {"os": os, "signum": signum}
exec(compile(f"def {name}(reference): os.kill(os.getpid(), signum)", file, "exec"), words)
end_tidily_on_signals()
lock = Lock()
reference = weakref.ref(lock, words[name])
try:
    del lock
    time.sleep(seconds)
except KeyboardInterrupt as ended:
    sys.exit(ended.exit_status)
"""
# On a busy machine it takes long until a thread says that it has started.
HURRIED = """\
import threading
start = threading.Thread.start

def slow(thread):
    start(thread)
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass

threading.Thread.start = slow
lock = Lock()
"""


def run(signum: int, name: str, file: str, *, seconds: float = 50) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", PROGRAM, str(signum), str(seconds), name, file]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("signum", [1, 2, 15])
def test_one_that_comes_while_python_swallows_exceptions_is_not_lost(signum: int) -> None:
    done = run(signum, "cb", "<frozen importlib._bootstrap>")
    assert (done.returncode, done.stderr) == (128 + signum, "")


def test_one_that_comes_again_while_it_is_put_off_is_not_lost() -> None:
    hurried = PROGRAM.replace("lock = Lock()", HURRIED)
    words = [sys.executable, "-c", hurried, "15", "50", "cb", "<frozen importlib._bootstrap>"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (128 + 15, "")


def test_python_does_swallow_them() -> None:
    """If this fails, the above is not needed any more."""
    done = run(2, "other", "file", seconds=2)
    assert (done.returncode, "Exception ignored in" in done.stderr) == (0, True)
