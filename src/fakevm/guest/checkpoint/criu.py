"""CRIU, run among a guest's processes: it has the guest's rights and no others, whatever is in what it reads.

It is started as ``criu swrk``, which takes one request at a socket (criu.org/RPC, images/rpc.proto) and asks back at
the points that it calls scripts. It joins all namespaces of the guest, so none of them is written down, or made: a
guest that processes come to is made as any other. Its program, its libraries and the folder of the images are not
among the guest's files: it finds them by descriptors.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fakevm import errors
from fakevm.linux import mount, process

from ..place import processes_directory
from . import wire
from .images import content

# rpc.proto: criu_req_type
_DUMP, _RESTORE, _NOTIFY = 1, 2, 6
# rpc.proto: criu_network_lock_method, criu_cg_mode. What is to keep frames from the guest while it is moved is the
# guest's silence; CRIU's own lock is made by programs that the guest need not have.
_LOCK_NOTHING, _GROUPS_IGNORED = 3, 0
_AT_THE_END = "post-restore"
_NAMESPACES = ("user", "mnt", "uts", "ipc", "pid", "net")
_OPTION = {"mnt": "mount"}
# Bytes of a message, at most.
_MOST = 1 << 16
# Between the numbers of processes that are restored and CRIU's own.
_ROOM = 100
# Of a file that was deleted and is still open, so many bytes are taken along.
_GHOST = 1 << 26


class Program(NamedTuple):
    """CRIU as it is started: its loader, the folders of its libraries, itself."""

    loader: Path
    libraries: tuple[Path, ...]
    path: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """Name the folders that it is found in."""
        return (self.loader.parent, self.path.parent, *self.libraries)

    def command(self, parts: Mapping[Path, int]) -> list[str]:
        """Build the words that start it where its folders are open as these descriptors."""
        libraries = ":".join(_opened(parts[folder]) for folder in self.libraries)
        loader, path = (f"{_opened(parts[file.parent])}/{file.name}" for file in (self.loader, self.path))
        return [loader, "--library-path", libraries, path]


def _opened(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


class _Request(NamedTuple):
    kind: int
    options: bytes
    seconds: float
    given: Mapping[str, int] = {}


def dump(
    program: Program, namespace: str, number: int, images: Path, *, outside: Sequence[str], seconds: float
) -> None:
    """Write the tree of processes below one of a guest's down; all of it is stopped then.

    :param number: the process, as the guest numbers it
    :param images: the folder to write to
    :param outside: what it has open that is not the guest's own, as CRIU calls it
    :param seconds: how long that may take
    :raises PlugFailed: it could not be written; the processes go on
    """
    options = wire.pack((2, number), (69, True), *_common(), *((37, name) for name in outside))
    _ask(program, namespace, images, _Request(_DUMP, options, seconds))


def restore(
    program: Program,
    namespace: str,
    images: Path,
    *,
    given: Mapping[str, int],
    above: int,
    then: Callable[[], None],
    seconds: float,
) -> None:
    """Let a tree of processes run in a guest again.

    :param given: descriptors of ours for what it had open outside the guest, by CRIU's name of it
    :param above: CRIU's own process gets a number above this one: the numbers of those to be restored must be free
    :param then: done when all is there, before it runs and before its connections say anything
    :param seconds: how long that may take
    :raises PlugFailed: nothing of it runs
    """
    _number_above(namespace, above)
    _ask(program, namespace, images, _Request(_RESTORE, wire.pack(*_common()), seconds, given), then)


def _number_above(namespace: str, number: int) -> None:
    """Have the next processes of a guest get numbers above one. Raises CommandFailed."""
    inside = f"--pid={processes_directory(namespace)}/1/ns/pid"
    process.run(["nsenter", inside, "sh", "-c", f"echo {number + _ROOM} >/proc/sys/kernel/ns_last_pid"])


def _common() -> tuple[wire.Field, ...]:
    return (
        (1, -1),  # images_dir_fd: by a path, below
        (5, True),  # tcp_established
        (7, True),  # shell_job: whose session's leader has ended
        (8, True),  # file_locks
        (9, 4),  # log_level
        (10, "criu.log"),
        (12, True),  # notify_scripts
        (18, True),  # link_remap
        (34, _GROUPS_IGNORED),
        (35, _GHOST),
        (64, _LOCK_NOTHING),
        (66, True),  # skip_file_rwx_check
        (67, True),  # unprivileged: all but the guest is
    )


def _ask(
    program: Program,
    namespace: str,
    images: Path,
    request: _Request,
    then: Callable[[], None] = lambda: None,
) -> None:
    with _started(program, namespace, images, request.given) as (door, folder, child):
        answer = b""
        # They have the same number there.
        inherited = ((27, wire.pack((1, name), (2, number))) for name, number in request.given.items())
        options = request.options + wire.pack((68, _opened(folder)), *inherited)
        deadline = time.monotonic() + request.seconds
        try:
            door.send(wire.pack((1, request.kind), (2, options)))
            while wire.first(answer := _heard(door, child, deadline), 1, 0) == _NOTIFY:
                if _script(answer) == _AT_THE_END:
                    then()
                door.send(wire.pack((1, _NOTIFY), (3, True)))
        except TimeoutError as exc:
            raise errors.PlugFailed(f"CRIU did not end within {request.seconds:g} s; {_said(images)}") from exc
        except (OSError, ValueError, IndexError) as exc:
            raise errors.PlugFailed(f"CRIU ended in the middle of it: {_said(images)}") from exc
        finally:
            if not (answer and wire.first(answer, 2, 0)):
                _kill(child)
    if not (answer and wire.first(answer, 2, 0)):
        said = _said(images)
        raise errors.PlugFailed(f"CRIU says: {said}", hint=_HINT_OF_PIPES if _NO_ROOM_IN_PIPES in said else "")


def _script(notice: bytes) -> str:
    told = wire.first(notice, 5, b"")
    name = wire.first(told, 1, b"") if isinstance(told, bytes) else b""
    return name.decode() if isinstance(name, bytes) else ""


@contextlib.contextmanager
def _started(
    program: Program, namespace: str, images: Path, given: Mapping[str, int]
) -> Iterator[tuple[socket.socket, int, subprocess.Popen[bytes]]]:
    """Start CRIU in a guest; gives the socket at which it is asked, its descriptor of the images' folder, and it."""
    with contextlib.ExitStack() as stack:

        def opened(folder: Path, *, writable: bool = False) -> int:
            descriptor = mount.detached(folder, writable=writable)
            stack.callback(os.close, descriptor)
            return descriptor

        # Whoever rules the guest may look through our descriptors: so there is nothing above these folders.
        parts = {folder: opened(folder) for folder in dict.fromkeys(program.folders)}
        folder = opened(images, writable=True)
        door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(door)
        with theirs:
            child = subprocess.Popen(
                [*_entrance(namespace), *program.command(parts), "swrk", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[*parts.values(), folder, theirs.fileno(), *given.values()],
                start_new_session=True,
            )
        try:
            yield door, folder, child
        finally:
            door.close()
            _end(child)


def _entrance(namespace: str) -> list[str]:
    first = processes_directory(namespace) / "1/ns"
    joined = [f"--{_OPTION.get(name, name)}={first}/{name}" for name in _NAMESPACES]
    # It ends with us: a request that nobody waits for any more is none.
    return ["setpriv", "--pdeathsig", "KILL", "nsenter", *joined, "--preserve-credentials", "--wdns=/", "--"]


def _heard(door: socket.socket, child: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Wait for a message; empty when CRIU has ended, whoever else holds the other end. Raises TimeoutError, OSError."""
    process = os.pidfd_open(child.pid)
    try:
        left = max(0.0, deadline - time.monotonic())
        ready = select.select([door.fileno(), process], [], [], left)[0]
        if not ready:
            raise TimeoutError
        return door.recv(_MOST) if door.fileno() in ready else b""
    finally:
        os.close(process)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let CRIU end, which it does once its socket is closed."""
    try:
        child.wait(5.0)
    except subprocess.TimeoutExpired:
        _kill(child)
        child.wait()


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End CRIU with all that it has begun and that is not the guest's yet."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


# pipe(7), /proc/sys/fs: without a privilege over the machine, a user who has that much in pipes gets small ones only.
_NO_ROOM_IN_PIPES = "Unable to set a pipe size"
_HINT_OF_PIPES = (
    "The user of the guest's root has many pipes open on this machine, so that new ones are too small for CRIU. "
    "As root: sysctl -w fs.pipe-user-pages-soft=0 (no bound), or end what has them."
)
# It says so of itself, and goes on.
_HARMLESS = ("Can't setup RLIMIT_NOFILE for self",)
_NOISE = re.compile(r"^\(\d+\.\d+\)\s*(\d+: )?Error \([^)]*\): ")


def _said(images: Path) -> str:
    """Give the errors that CRIU wrote in its log, the first ones: the others come of them."""
    try:
        lines = content(images / "criu.log").decode(errors="replace").splitlines()
    except OSError:
        return "it wrote no log"
    said = [
        _NOISE.sub("", line).strip()
        for line in lines
        if "Error (" in line and not any(words in line for words in _HARMLESS)
    ]
    return "; ".join(dict.fromkeys(said[:3])) or f"it ended after: {lines[-1].strip() if lines else 'nothing'}"
