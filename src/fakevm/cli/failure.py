"""How a failed command ends: what is printed, and its exit status."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from types import CodeType, FrameType

from fakevm.errors import FakevmError

# A signal that came at a bad moment comes again so soon (seconds).
_SOON = 0.01
# So often, and with such pauses (seconds), is a main thread woken that may have begun to wait just then.
_TIMES, _PAUSE = 20, 0.05
_OUR_FAULT = "This is a fault of FakeVM's own. Please report it with what the same command prints with --debug."
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What a machine, or a user's share of it, can run out of.
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class Ended(KeyboardInterrupt):
    """A signal asked this program to end; it is cleaned up as after Ctrl-C."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.exit_status = 128 + signum


def complain(error: BaseException) -> int:
    """Say on standard error what went wrong, and give the exit status; a signal is no fault, whatever it became."""
    if isinstance(ended := _cause(error), Ended):
        return ended.exit_status
    told = str(error) if isinstance(error, FakevmError) else _of_the_machine(error)
    if not told:
        told = f"{type(error).__name__}: {error}\n{_OUR_FAULT}"
    print(_fitting("\n".join([f"error: {told}", *getattr(error, "__notes__", ())])), file=sys.stderr)
    return error.exit_status if isinstance(error, FakevmError) else 1


def _cause(error: BaseException) -> BaseException:
    """Find what an error was first: Python 3.11 wraps what is raised while a class calls ``__set_name__``."""
    while error.__cause__:
        error = error.__cause__
    return error


def _fitting(text: str) -> str:
    """Tear no word at a terminal's edge."""
    if not (sys.stderr and sys.stderr.isatty()):
        return text
    # exec imports this module, and seldom has an error to tell.
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.fill(line) if len(line) > width else line for line in text.split("\n"))


def _of_the_machine(error: BaseException) -> str:
    """Say what this machine ran out of, or forbids, if that is what the error is about."""
    if isinstance(error, MemoryError):
        return "there is not enough memory\nEnd something else, or allow this command more (ulimit -v)."
    if not isinstance(error, OSError):
        return ""
    what = error.strerror + (f": {os.fsdecode(error.filename)}" if error.filename else "") if error.strerror else ""
    if error.errno in _EXHAUSTED:
        return f"{what}\nMake room there, or choose another folder, and run the command again."
    return f"{what}\nWork as the user who may do that." if error.errno in (errno.EACCES, errno.EPERM) else ""


def end_tidily_on_signals() -> None:
    """Make SIGTERM and SIGHUP clean up as Ctrl-C does, and let none of the three be lost.

    Python prints, and goes on after, what is raised in a weak reference's callback (an import's lock has one) or in
    ``__del__``: a signal that came just then comes again. One that comes right before the main thread begins to wait
    for a lock, or in a system call, Python handles only when that wait is over: so it is woken.
    """
    swallow = sys.unraisablehook

    def end(signum: int, frame: FrameType | None) -> None:
        if _is_within(swallowed.__code__, frame):
            put_off(signum)
        else:
            raise Ended(signum)

    def put_off(signum: int) -> None:
        # No thread, which takes long to start on a busy machine, and a lock that we may have already.
        signal.signal(signal.SIGALRM, lambda _signum, frame: end(signum, frame))
        signal.setitimer(signal.ITIMER_REAL, _SOON)

    def swallowed(what: sys.UnraisableHookArgs) -> None:
        if isinstance(what.exc_value, Ended):
            put_off(what.exc_value.signum)
        else:
            swallow(what)

    ours = [signum for signum in _ENDING if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler)]
    for signum in ours:
        signal.signal(signum, end)
    if ours:
        sys.unraisablehook = swallowed
        _wake_after_signals()


def _wake_after_signals() -> None:
    """Have a thread interrupt what the main thread waits for when a signal has come: by one that nobody minds."""
    # exec imports this module, and mostly becomes another program.
    import threading

    main = threading.get_ident()
    came, told = os.pipe()
    os.set_blocking(told, False)
    signal.signal(signal.SIGURG, lambda _signum, _frame: None)
    # Python writes each signal's number there at once, in whatever thread it comes.
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)

    def wake() -> None:
        while numbers := os.read(came, 64):
            for _ in range(_TIMES if set(numbers) & set(_ENDING) else 0):
                signal.pthread_kill(main, signal.SIGURG)
                time.sleep(_PAUSE)

    threading.Thread(target=wake, name="signals", daemon=True).start()


def _is_within(code: CodeType, frame: FrameType | None) -> bool:
    while frame and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None
