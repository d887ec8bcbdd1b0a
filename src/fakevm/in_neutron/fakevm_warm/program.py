"""A forked process becomes a program: what it was started with, and its own main."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import random
import resource
import runpy
import signal
import sys
import threading
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

from . import kernel

# Above all numbers that descriptors may have in a program.
_ELSEWHERE = 100


class Start(NamedTuple):
    """What a program is started with; ``descriptors`` are here, by the numbers that they have in the program."""

    argv: list[str]
    environment: dict[str, str]
    directory: str
    umask: int
    limits: list[list[int]]
    descriptors: Mapping[int, int]
    namespaces: Mapping[str, int]


def limit(start: Start) -> None:
    """Take on the limits of resources that a program is started with. Raises OSError, ValueError."""
    for number, wanted in enumerate(start.limits):
        if list(resource.getrlimit(number)) != wanted:
            resource.setrlimit(number, (wanted[0], wanted[1]))


def settle(start: Start) -> None:
    """Enter the place where the program runs, and take on what it is started with. Raises OSError."""
    for kind, descriptor in start.namespaces.items():
        if kind not in ("user", "pid"):
            kernel.enter(descriptor, kind)
        os.close(descriptor)
    _take(start.descriptors)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.umask(start.umask)
    os.chdir(start.directory)
    os.environ.clear()
    os.environ.update(start.environment)
    random.seed()
    # As the kernel does with a script and the interpreter in its first line.
    kernel.set_title([sys.executable, *start.argv] if not _is_interpreter(start.argv[0]) else start.argv)
    kernel.set_name(Path(start.argv[0]).name)


def _take(descriptors: Mapping[int, int]) -> None:
    """Give descriptors their numbers. All others close when the program becomes another one, as Python's own do."""
    # They may be among each other's numbers.
    moved = {number: fcntl.fcntl(there, fcntl.F_DUPFD_CLOEXEC, _ELSEWHERE) for number, there in descriptors.items()}
    for there in descriptors.values():
        os.close(there)
    for number, there in moved.items():
        os.dup2(there, number)
        os.close(there)


def end(main: Callable[[list[str]], None], argv: list[str]) -> NoReturn:
    """Call a program, and end this process with it as the interpreter does, but for taking apart what was imported.

    That would copy all memory that is shared with the warmed process, for 0.1 s of a processor: as long as a privsep
    helper runs before its daemon has taken over, for which an agent waits.
    """
    status: object = None
    interrupted = False
    try:
        main(argv)
    except SystemExit as exc:
        status = exc.code
    except BaseException as exc:
        sys.excepthook(*sys.exc_info())
        status, interrupted = 1, isinstance(exc, KeyboardInterrupt)
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    # As in Python's Py_FinalizeEx: threads that are no daemons are waited for, then what was registered is called.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit((status or 0) & 0xFF)


def run(argv: list[str]) -> None:
    """Run the program as the interpreter does; what it raises, SystemExit mostly, is for ``end``."""
    if _is_interpreter(argv[0]):
        module, *arguments = argv[2:]
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = ["-m", *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    script = argv[0]
    sys.path.insert(0, str(Path(script).parent))
    sys.argv = list(argv)
    main = types.ModuleType("__main__")
    main.__file__ = script
    sys.modules["__main__"] = main
    exec(compile(Path(script).read_bytes(), script, "exec"), main.__dict__)


def _is_interpreter(command: str) -> bool:
    return Path(command).name.startswith("python")
