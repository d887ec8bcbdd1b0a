"""The sandbox of a lab: one process tree in namespaces of its own, made with util-linux and ended by one signal.

The process that called ``unshare`` stays outside the new PID namespace but holds all others, so its pid (in the file
``pid`` of the lab's folder, written by itself) is the handle of the lab: enter through it, kill it and the kernel
removes everything (PR_SET_PDEATHSIG on the namespace's PID 1, by ``--kill-child``). PID 1 writes down who it is, too
(``init``): it ends last of all, so its end is what ``stop`` waits for, whoever killed what before.

The lab's folder is locked by the command that starts the lab and, from then on, by that handle.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from fakevm.errors import Conflict, LabFailed, Prerequisite, TimedOut
from fakevm.host import folder
from fakevm.linux import supervision
from fakevm.linux.permission import become_root, needs_user_namespace
from fakevm.model.lab import LabRecord
from fakevm.release import own_cache
from fakevm.waiting import until

SCRIPTS = Path(__file__).parent / "scripts"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Handed = tuple[int, int, int, int, int, int]

# Bytes. MariaDB that finds no room for its temporary tablespace (ibtmp1: 12 MiB) gives back what it has taken of it.
ROOM_NEEDED = 20 * 2**20


def claim(directory: Path) -> int:
    """Make the lab's folder, or take over what a dead lab left there, and lock it; returns the lock's descriptor.

    Raises Conflict while the lab runs, or while another command starts or ends it.
    """
    while True:
        try:
            directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _try_lock(directory)
        except OSError as exc:
            raise Prerequisite(
                f"the lab's folder {directory} cannot be made: {exc.strerror}",
                hint="Set FAKEVM_LABS to another folder.",
            ) from exc
        if lock is None:
            raise Conflict(
                f"lab {directory.name!r} runs already",
                hint=f"Use it, or end it: fakevm lab down {directory.name}; or give this one another name: --name NAME",
            )
        if lock >= 0:
            _close_to_others(directory, lock)
            return lock


def _close_to_others(directory: Path, lock: int) -> None:
    """Let nobody else into a lab's folder, which may have been there: all secrets of the lab are in it."""
    try:
        # Another user's link may lead to a folder of ours that is none of a lab, /etc for root.
        if {os.fstat(lock).st_uid, directory.lstat().st_uid} != {os.geteuid()}:
            raise PermissionError(errno.EPERM, "another user made it")
        os.fchmod(lock, 0o700)
    except OSError as exc:
        os.close(lock)
        raise Prerequisite(
            f"the lab's folder {directory} cannot be closed to other users: {exc.strerror}",
            hint="Set FAKEVM_LABS to a folder of your own.",
        ) from exc


def _try_lock(directory: Path) -> int | None:
    """Lock a folder: the lock's descriptor, None when it is locked already, -1 when it is gone meanwhile."""
    try:
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == directory.stat().st_ino:
            return lock
        os.close(lock)
        return -1
    os.close(lock)
    return None if directory.exists() else -1


@contextlib.contextmanager
def ended(directory: Path, timeout: float = 30.0) -> Iterator[None]:
    """End what runs in a lab's folder, and keep others from the folder meanwhile. Raises TimedOut.

    A command that is starting this lab just now sees it end, and gives up.
    """
    lock: int | None = None

    def locked() -> str:
        nonlocal lock
        lock = _try_lock(directory)
        return "" if lock is not None else "another command works in it"

    until(
        locked, f"the folder {directory} was not free", timeout, pause=0.02, require=lambda: stop(directory, timeout),
        hint="Wait for the other command, or end it; then try again.",
    )  # fmt: skip
    try:
        stop(directory, timeout)
        yield
    finally:
        if lock is not None and lock >= 0:
            os.close(lock)


def start(directory: Path, name: str, handed: Handed) -> None:
    """Start the sandbox; returns before it is ready.

    ``handed`` are five listening sockets of this network namespace, which all in the sandbox inherit as descriptors 3
    to 7, and the lock of the folder, which only the sandbox's handle keeps.
    """
    unshare = ["unshare", *become_root(), "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    script = ["sh", str(SCRIPTS / "lab-init.sh"), str(directory), name]
    command = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(directory / "pid"), *unshare, *script]
    # Out of the way of the numbers that they are about to take.
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in handed]
    log = os.open(directory / "log/sandbox.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
        *((os.POSIX_SPAWN_DUP2, fd, 3 + place) for place, fd in enumerate(moved)),
    ]
    # Its agents find the tools that whoever started it has: there that is root, who would look in root's cache.
    environment = {"PATH": PATH, "HOME": str(Path.home()), "LANG": "C.UTF-8", "FAKEVM_CACHE": str(own_cache())}
    try:
        os.posix_spawn("/bin/sh", command, environment, file_actions=actions, setsid=True)
    finally:
        for fd in (*moved, log):
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
    # It is a shell until it has written its pid down.
    return arguments[0] in (b"unshare", b"sh") and os.fsencode(directory) in arguments


def wait_ready(directory: Path, timeout: float) -> int:
    """Wait until the sandbox supervises its programs; return its pid. ``timeout`` is in seconds.

    Raises LabFailed, TimedOut.
    """
    until(lambda: _unready(directory), "the sandbox was not ready", timeout, pause=0.02)
    pid = pid_of(directory)
    if not pid:
        raise LabFailed(f"the sandbox is gone: {_last_words(directory)}")
    return pid


def _unready(directory: Path) -> str:
    pid = pid_of(directory)
    if pid and _has_ended(pid):
        raise LabFailed(f"the sandbox did not start: {_last_words(directory)}", hint="See: fakevm doctor")
    programs = [run.parent.name for run in directory.glob("service/*/run")]
    if pid and programs and all(supervision.is_supervised(directory / "service", name) for name in programs):
        return ""
    return _last_words(directory)


def _has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or a zombie. Its arguments do not tell: they are empty during execve(2)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def is_full(directory: Path) -> bool:
    """Tell whether nothing more can be written in the lab's folder, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        return shutil.disk_usage(directory).free < ROOM_NEEDED
    return False


def _last_words(directory: Path) -> str:
    if is_full(directory):
        return f"no space left in {directory}"
    return (directory / "log/sandbox.log").read_text().strip()[-500:] or "nothing in its log"


def stop(directory: Path, timeout: float = 30.0) -> None:
    """End everything in the sandbox and wait, ``timeout`` seconds at most, until it is gone. Raises TimedOut."""
    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as handles:
        for pid in _members(directory):
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                handles.callback(os.close, handle)
                # Now that the number cannot be used again: is it still who it was?
                if pid in _members(directory):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    _wait_for_end(handle, deadline, directory)
    # Ours it is when this command has started the lab, too.
    if handle_pid := pid_of(directory):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(handle_pid, os.WNOHANG)


def _wait_for_end(handle: int, deadline: float, directory: Path) -> None:
    if not select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimedOut(f"the processes of the lab in {directory} did not end in time")


def _members(directory: Path) -> list[int]:
    """Find the sandbox's handle and its PID 1, which ends last of all in it (kernel, zap_pid_ns_processes)."""
    pid = pid_of(directory)
    found = [pid] if pid and runs(directory, pid) else []
    with contextlib.suppress(OSError, ValueError, IndexError):
        written = _identity(directory / "init")
        if _identity(Path(f"/proc/{written[0]}/stat")) == written:
            found.append(int(written[0]))
    return found


def _identity(stat: Path) -> tuple[str, str]:
    """Read the pid and the start time from a copy of a process's /proc/PID/stat."""
    text = stat.read_text()
    return text.split()[0], text.rpartition(")")[2].split()[19]


def enter_lab(record: LabRecord) -> list[str]:
    """Give the words before a command that is to run in the lab's own namespaces.

    The command ends when the one who entered does (``setpriv --pdeathsig``). The caller's TMPDIR may be read-only there
    (lab-init.sh): /tmp is not.
    """
    user = ["--user", "--preserve-credentials"] if needs_user_namespace() else []
    here = ["env", "--unset=TMPDIR", "setpriv", "--pdeathsig", "TERM"]
    return [*folder.enter_by(record.pid), *user, "--net", "--ipc", "--", *here]


def enter_host(record: LabRecord, host: str) -> list[str]:
    """Give the words before a command that is to run in a host of the lab, in the caller's working directory.

    Raises LabFailed when the host does not run.
    """
    return [*enter_lab(record), *folder.enter(record.host_directory(host))]
