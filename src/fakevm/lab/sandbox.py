"""The sandbox of a lab: one process tree in namespaces of its own, made with util-linux and ended by one signal.

The process that called ``unshare`` stays outside the new PID namespace but holds all others, so its pid (in the file
``pid`` of the lab's folder, written by itself) is the handle of the lab: enter through it, kill it and the kernel
removes everything (PR_SET_PDEATHSIG on the namespace's PID 1, by ``--kill-child``).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import time
from pathlib import Path

from fakevm.errors import LabFailed, TimedOut
from fakevm.host import folder
from fakevm.model.lab import LabRecord

SCRIPTS = Path(__file__).parent / "scripts"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

CAP_SYS_ADMIN = 21  # linux/capability.h


def needs_user_namespace() -> bool:
    """Tell whether this process may not make namespaces without a user namespace of its own."""
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return not int(effective, 16) >> CAP_SYS_ADMIN & 1


def start(directory: Path, name: str, listeners: tuple[socket.socket, socket.socket]) -> None:
    """Start the sandbox; returns before it is ready.

    ``listeners`` are listening sockets of this network namespace: the sandbox inherits them as descriptors 3 and 4.
    """
    user = ["--user", "--map-root-user"] if needs_user_namespace() else []
    unshare = ["unshare", *user, "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    script = ["sh", str(SCRIPTS / "lab-init.sh"), str(directory), name]
    command = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(directory / "pid"), *unshare, *script]
    # Out of the way of the numbers that they are about to take.
    handed = [fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, 10) for listener in listeners]
    log = os.open(directory / "log/sandbox.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
        *((os.POSIX_SPAWN_DUP2, fd, 3 + place) for place, fd in enumerate(handed)),
    ]
    environment = {"PATH": PATH, "HOME": str(Path.home()), "LANG": "C.UTF-8"}
    try:
        os.posix_spawn("/bin/sh", command, environment, file_actions=actions, setsid=True)
    finally:
        for fd in (*handed, log):
            os.close(fd)


def pid_of(directory: Path) -> int | None:
    """Read the sandbox's pid, None when it was never started."""
    with contextlib.suppress(OSError, ValueError):
        return int((directory / "pid").read_text())
    return None


def runs(directory: Path, pid: int) -> bool:
    """Tell whether ``pid`` is still this lab's: numbers are used again, the folder in its arguments is not."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return arguments[:1] == [b"unshare"] and os.fsencode(directory) in arguments


def wait_ready(directory: Path, deadline: float) -> int:
    """Wait until the sandbox supervises its programs; return its pid. Raises LabFailed, TimedOut."""
    while time.monotonic() < deadline:
        pid = pid_of(directory)
        if pid and runs(directory, pid) and any(directory.glob("service/*/supervise/control")):
            return pid
        if pid and not Path(f"/proc/{pid}").exists():
            raise LabFailed(f"the sandbox did not start: {_last_words(directory)}")
        # A child that has ended stays a zombie until it is waited for: its arguments are then empty.
        if pid and Path(f"/proc/{pid}/cmdline").read_bytes() == b"":
            raise LabFailed(f"the sandbox did not start: {_last_words(directory)}", hint="See: fakevm doctor")
        time.sleep(0.02)
    raise TimedOut(f"the sandbox was not ready in time; last seen: {_last_words(directory)}")


def _last_words(directory: Path) -> str:
    return (directory / "log/sandbox.log").read_text().strip()[-500:] or "nothing in its log"


def stop(directory: Path, timeout: float = 10.0) -> None:
    """End everything in the sandbox and wait, ``timeout`` seconds at most, until it is gone. Raises TimedOut."""
    pid = pid_of(directory)
    if pid is None or not runs(directory, pid):
        return
    inner = _first_process(pid)
    handles = []
    for member in (pid, inner):
        with contextlib.suppress(ProcessLookupError, TypeError):
            handles.append(os.pidfd_open(member))  # type: ignore[arg-type]
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout
    try:
        for handle in handles:
            # The namespace's PID 1 ends last of all in it (kernel, zap_pid_ns_processes).
            if not select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimedOut(f"the processes of the lab in {directory} did not end within {timeout:.0f} s")
    finally:
        for handle in handles:
            os.close(handle)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _first_process(pid: int) -> int | None:
    """Find the PID 1 of the namespace that ``pid`` made for its children."""
    try:
        namespace = os.readlink(f"/proc/{pid}/ns/pid_for_children")
    except OSError:
        return None
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, StopIteration):
            if os.readlink(entry / "ns/pid") != namespace:
                continue
            ids = next(x for x in (entry / "status").read_text().splitlines() if x.startswith("NSpid:")).split()
            if ids[-1] == "1":
                return int(entry.name)
    return None


def enter_lab(record: LabRecord) -> list[str]:
    """Give the words before a command that is to run in the lab's own namespaces.

    The command ends when the one who entered does (``setpriv --pdeathsig``).
    """
    user = ["--user", "--preserve-credentials"] if needs_user_namespace() else []
    return [*folder.enter_by(record.pid), *user, "--net", "--ipc", "--", "setpriv", "--pdeathsig", "TERM"]


def enter_host(record: LabRecord, host: str) -> list[str]:
    """Give the words before a command that is to run in a host of the lab, in the caller's working directory.

    Raises LabFailed when the host does not run.
    """
    return [*enter_lab(record), *folder.enter(record.host_directory(host))]
