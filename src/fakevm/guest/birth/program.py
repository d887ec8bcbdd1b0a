"""Makes container guests and their first processes; a program of its own, which ``births`` starts.

It stays for the next guests: what Python needs to start would be most of what a birth takes. Standard input is a socket
of packets; each is a JSON object, and the descriptor that the answer goes to, which is another: ``pid``, or ``failed``,
which says why not. Each birth is a process of its own, so several go on at once; who has asked reads to the end of it.
It ends when whoever started it does, or has asked for nothing for a while.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
from collections.abc import Iterable
from typing import Any, NoReturn

from . import files, kernel, namespaces
from .namespaces import First

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Bytes of a packet, at most.
_MOST = 1 << 16
# What the first process joins, as /proc calls them.
_MADE = ("mnt", "uts", "ipc")
# So long (seconds) it stays without being asked.
_IDLE = 60.0


def main() -> None:
    """Serve until nobody can ask any more, or has done so for long."""
    door = socket.socket(fileno=os.dup(0))
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    # Who is born is waited for by nobody here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    door.settimeout(_IDLE)
    while True:
        try:
            asked, (answer,), _, _ = socket.recv_fds(door, _MOST, 1, socket.MSG_CMSG_CLOEXEC)
        except TimeoutError:
            # From now on nobody can ask; who had done so in this moment is still served.
            door.shutdown(socket.SHUT_RD)
        except ValueError:  # no packet, so no descriptor
            return
        else:
            _fork(door, asked, answer)
            os.close(answer)


def _fork(door: socket.socket, asked: bytes, answer: int) -> None:
    try:
        if os.fork():
            return
    except OSError as exc:
        os.write(answer, json.dumps({"failed": f"cannot begin: {kernel.words(exc)}"}).encode())
        return
    try:
        # Nobody must take us for the one who serves.
        door.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        birth = json.loads(asked)
        signal.alarm(birth["patience"])
        try:
            said: dict[str, Any] = {"pid": _make(birth)}
        except Exception as exc:
            said = {"failed": kernel.words(exc)}
        os.write(answer, json.dumps(said).encode())
    finally:
        os._exit(0)


def _make(birth: dict[str, Any]) -> int:
    door, hand = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ready, said = os.pipe()
    going, go = os.pipe()
    first = namespaces.made(lambda: _be_born(door, [hand.detach(), go], said, going))
    try:
        door.close()
        preparer = os.fork()
        if not preparer:
            os.close(go)
            _prepare_for(first, birth, hand, said)
        hand.close()
        os.close(said)
        os.close(going)
        with open(ready) as answer:  # noqa: PTH123
            failed = answer.readline()
            if failed == "ready\n":
                for place in (birth["init_pid"], *(f"{group}/cgroup.procs" for group in birth["groups"])):
                    with open(place, "w") as file:  # noqa: PTH123
                        file.write(str(first.pid))
                os.write(go, b"!")
                # The end comes when it has become what it is to be.
                if not (failed := answer.readline()):
                    os.waitpid(preparer, 0)
                    return first.pid
        raise OSError(failed.strip() or "its first process ended")
    except BaseException:
        os.kill(first.pid, signal.SIGKILL)
        raise


def _be_born(door: socket.socket, others: Iterable[int], said: int, going: int) -> NoReturn:
    """Be a guest's first process: wait for all that is around it to be made, join that, and become what it is to be."""
    try:
        for fd in others:
            os.close(fd)
        _, (init, silence, log, *made), _, _ = socket.recv_fds(door, 1, 3 + len(_MADE), socket.MSG_CMSG_CLOEXEC)
        os.setsid()
        os.umask(0o022)
        for number, fd in enumerate((silence, log, log)):
            os.dup2(fd, number)
        for fd in made:
            kernel.join(fd, 0, "join the guest's namespaces")
        os.write(said, b"ready\n")
        if os.read(going, 1):
            os.execve(init, ["init", "-P"], {"PATH": _PATH, "HOME": "/root", "container": "fakevm"})
    except ValueError:  # nothing came: whoever prepares it has said why
        pass
    except BaseException as exc:
        os.write(said, f"{kernel.words(exc)}\n".encode())
    finally:
        os._exit(1)


def _prepare_for(first: First, birth: dict[str, Any], hand: socket.socket, said: int) -> NoReturn:
    """Make all that is around a guest's first process, as a process of the guest's, and hand it that."""
    try:
        kernel.join(first.network, kernel.NEWNET, "join the network namespace")
        kernel.join(first.processes, kernel.NEWPID, "join the process namespace")
        # Only a child is in there.
        if pid := os.fork():
            os.waitpid(pid, 0)
            os._exit(0)
        init = files.prepare(birth, first.user)
        made = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in _MADE]
        socket.send_fds(hand, [b"!"], [init, 0, 1, *made])
    except BaseException as exc:
        os.write(said, f"{kernel.words(exc)}\n".encode())
    finally:
        os._exit(1)
