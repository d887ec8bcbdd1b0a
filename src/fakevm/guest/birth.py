"""Makes the namespaces of container guests and their first processes; a program of its own, which ``births`` starts.

It stays for the next guests: what Python needs to start would be most of what a birth takes. Standard input is a socket
of packets; each is a JSON object, and the descriptor that the answer goes to, which is another: ``pid``, or ``failed``,
which says why not. Each birth is a process of its own, so several go on at once; who has asked reads to the end of it.
It ends when whoever started it does, or has asked for nothing for a while.

In the order in which it has to be:

* A user namespace in which everybody is who he is outside, and the guest's network and process namespaces, which belong
  to it: so root in the guest rules its network and its processes, and nothing that is the machine's. The guest's first
  process is there from now on, and waits.
* Another process in there, who is root outside, makes the guest's files, masks over /proc among them. Then it joins the
  user namespace and takes a copy of these mounts: in a copy that belongs to a user namespace further down the kernel
  locks all mounts (mount_namespaces(7)), so the guest can take off no mask.
* The first process joins that copy, and becomes ``catatonit``, opened from a mount that cannot be written: the guest
  sees it as /proc/1/exe.

Standard library only.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

# linux/sched.h
_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
# linux/mount.h
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_SYS_PIVOT_ROOT = {"x86_64": 155, "i686": 217}.get(os.uname().machine, 41)
# /proc/self/ns/user of the machine itself (linux/proc_ns.h: PROC_USER_INIT_INO)
_INITIAL_USER = 0xEFFFFFFD
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun")
# Of /proc: what tells of the kernel's memory, or of others.
_HIDDEN = {"kcore", "keys", "kmsg", "kallsyms", "timer_list", "latency_stats", "sched_debug", "vmallocinfo"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What guests say on their consoles, in the folder of each.
CONSOLE = "console.log"
# Bytes of a packet, at most.
_MOST = 1 << 16
# What the first process joins, as /proc calls them.
_MADE = ("mnt", "uts", "ipc")
# So long (seconds) it stays without being asked.
_IDLE = 60.0

_libc = ctypes.CDLL(None, use_errno=True)


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
        os.write(answer, json.dumps({"failed": f"cannot begin: {_words(exc)}"}).encode())
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
            said = {"failed": _words(exc)}
        os.write(answer, json.dumps(said).encode())
    finally:
        os._exit(0)


def _make(birth: dict[str, Any]) -> int:
    door, hand = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ready, said = os.pipe()
    going, go = os.pipe()
    first = _own_namespaces(lambda: _be_born(door, [hand.detach(), go], said, going))
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


# -- namespaces ----------------------------------------------------------------------------------------------


class _First(NamedTuple):
    """The first process of a guest, in namespaces that are its own, which are open as these."""

    pid: int
    user: int
    network: int
    processes: int


def _own_namespaces(become: Callable[[], NoReturn]) -> _First:
    """Make a user namespace, and network and process namespaces that belong to it, with a first process."""
    ready, said = os.pipe()
    going, go = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(go)
            os.close(ready)
            _begin_first(become, said, going)
        finally:
            os._exit(0)
    os.close(said)
    os.close(going)
    try:
        if (answer := os.read(ready, _MOST)) != b"made":
            raise OSError(answer.decode() or "cannot make a user namespace: its process ended")
        _map(pid)
        os.write(go, b"!")
        if not (answer := os.read(ready, _MOST)).isdigit():
            raise OSError(answer.decode() or "cannot make a process namespace: its process ended")
        first = int(answer)
        return _First(first, *(os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY) for name in ("user", "net", "pid")))
    finally:
        os.close(go)
        os.close(ready)
        os.waitpid(pid, 0)


def _begin_first(become: Callable[[], NoReturn], said: int, going: int) -> None:
    try:
        _checked(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET), "make a user namespace")
        _keep_from_control_groups()
        os.write(said, b"made")
        if not os.read(going, 1):
            return
        # Of the guest's own, so that who rules the guest may say which numbers its processes have (CRIU does).
        _checked(_libc.unshare(_CLONE_NEWPID), "make a process namespace")
        pid = os.fork()
        if not pid:
            os.close(said)
            become()
        os.write(said, str(pid).encode())
        os.read(going, 1)
    except OSError as exc:
        os.write(said, _words(exc).encode())


def _keep_from_control_groups() -> None:
    """Let nobody in this user namespace, nor below it, have a cgroup namespace, without which they mount no cgroups.

    Who is 0 here is 0 outside, so the owner of the groups' files: nothing else would keep root of the guest from the
    groups around its own, the machine's among them.
    """
    with open("/proc/sys/user/max_cgroup_namespaces", "w") as file:  # noqa: PTH123
        file.write("0")


def _map(pid: int) -> None:
    """Let everybody be in the user namespace who he is here."""
    for file in ("uid_map", "gid_map"):
        with open(f"/proc/self/{file}") as ours, open(f"/proc/{pid}/{file}", "w") as theirs:  # noqa: PTH123
            ranges = [line.split() for line in ours]
            theirs.write("".join(f"{first} {first} {count}\n" for first, _, count in ranges))


def is_initial_user() -> bool:
    """Tell whether we are in the machine's own user namespace."""
    return os.stat("/proc/self/ns/user").st_ino == _INITIAL_USER  # noqa: PTH116


# -- the first process ---------------------------------------------------------------------------------------


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
            _checked(_libc.setns(fd, 0), "join the guest's namespaces")
        os.write(said, b"ready\n")
        if os.read(going, 1):
            os.execve(init, ["init", "-P"], {"PATH": _PATH, "HOME": "/root", "container": "fakevm"})
    except ValueError:  # nothing came: whoever prepares it has said why
        pass
    except BaseException as exc:
        os.write(said, f"{_words(exc)}\n".encode())
    finally:
        os._exit(1)


def _prepare_for(first: _First, birth: dict[str, Any], hand: socket.socket, said: int) -> NoReturn:
    """Make all that is around a guest's first process, as a process of the guest's, and hand it that."""
    try:
        _checked(_libc.setns(first.network, _CLONE_NEWNET), "join the network namespace")
        _checked(_libc.setns(first.processes, _CLONE_NEWPID), "join the process namespace")
        # Only a child is in there.
        if pid := os.fork():
            os.waitpid(pid, 0)
            os._exit(0)
        init = _prepare(birth, first.user)
        made = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in _MADE]
        socket.send_fds(hand, [b"!"], [init, 0, 1, *made])
    except BaseException as exc:
        os.write(said, f"{_words(exc)}\n".encode())
    finally:
        os._exit(1)


def _prepare(birth: dict[str, Any], user: int) -> int:
    """Make all that is around the first process; gives what it is to become, opened."""
    os.umask(0o022)
    # On the host: all namespaces of the guest are found below, as its process 1's.
    os.makedirs(birth["processes"], exist_ok=True)  # noqa: PTH103
    _mount("proc", birth["processes"], "proc", _NOSUID | _NODEV | _NOEXEC)
    os.chdir(birth["folder"])
    _speak_to(CONSOLE)
    _checked(_libc.unshare(_CLONE_NEWNS), "make a mount namespace")
    _mount(None, "/", None, _REC | _PRIVATE)
    _touch("init")
    _bind_read_only(birth["init"], "init")
    init = os.open("init", os.O_RDONLY)
    files = {name: os.open(path, os.O_PATH) for name, path in birth["files"].items()}
    programs = {path: os.open(path, os.O_PATH) for path in birth["programs"]}
    devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in _DEVICES if os.path.exists(f"/dev/{name}")}  # noqa: PTH110
    _overlay(birth["root"], "root", "")
    for tree in birth["trees"]:
        _overlay(f"/{tree}", f"root/{tree}", f"{tree}-")
    os.chdir("root")
    # The old root lies on the new one from now on, and is reached by "." alone (pivot_root(2)).
    _checked(_libc.syscall(_SYS_PIVOT_ROOT, b".", b"."), "change the root")
    _mount_kernel(devices)
    _bind_files(files)
    _bind_programs(programs)
    _checked(_libc.umount2(b".", _MNT_DETACH), "leave the machine's files")
    os.chdir("/")
    _confine(user)
    if birth["hostname"]:
        socket.sethostname(birth["hostname"])
        _write_host_name(birth["hostname"])
    return init


def _speak_to(log: str) -> None:
    """Read nothing, and say everything in a log."""
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(written, number)


def _overlay(lower: str, target: str, prefix: str) -> None:
    """Mount what the guest writes over what it finds; names that the mount shows tell nothing of the machine."""
    link = f"{prefix}lower"
    for folder in (f"{prefix}upper", f"{prefix}work", target):
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    if os.path.lexists(link):
        os.unlink(link)  # noqa: PTH108
    os.symlink(lower, link)  # noqa: PTH211
    options = f"lowerdir={link},upperdir={prefix}upper,workdir={prefix}work"
    if not is_initial_user():
        options += ",userxattr"
    _mount("overlay", target, "overlay", _NODEV, options)


def _mount_kernel(devices: dict[str, int]) -> None:
    """Mount what the kernel tells, and the devices: what is the machine's cannot be written."""
    for folder in ("proc", "sys", "dev", "run", "tmp", "root"):
        os.makedirs(f"/{folder}", exist_ok=True)  # noqa: PTH103
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    _mount("sysfs", "/sys", "sysfs", _RDONLY | _NOSUID | _NODEV | _NOEXEC)
    _mount("tmpfs", "/run", "tmpfs", _NOSUID | _NODEV, "mode=755")
    os.mkdir("/run/lock")  # noqa: PTH102
    os.chmod("/run/lock", 0o1777)  # noqa: PTH101
    _mount("tmpfs", "/dev", "tmpfs", _NOSUID, "mode=755,size=1m")
    for folder in ("net", "pts", "shm"):
        os.mkdir(f"/dev/{folder}")  # noqa: PTH102
    for name, fd in devices.items():
        _touch(f"/dev/{name}")
        _mount(f"/proc/self/fd/{fd}", f"/dev/{name}", None, _BIND)
    _mount("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    _mount("tmpfs", "/dev/shm", "tmpfs", _NOSUID | _NODEV, "mode=1777")
    for name, to in {"ptmx": "pts/ptmx", "fd": "/proc/self/fd"}.items():
        os.symlink(to, f"/dev/{name}")  # noqa: PTH211
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"/dev/{name}")  # noqa: PTH211
    _mask_proc(devices["null"])


def _mask_proc(null: int) -> None:
    """Let nothing of /proc be written that is not of the guest's own: its processes, and its network's settings."""
    network = os.open("/proc/sys/net", os.O_PATH)
    with os.scandir("/proc") as entries:
        there = [entry for entry in entries if not entry.name.isdigit() and not entry.is_symlink()]
    for entry in there:
        if entry.name in _HIDDEN:
            _mount(f"/proc/self/fd/{null}", entry.path, None, _BIND)
        elif entry.is_dir() or entry.stat().st_mode & 0o222:
            _bind_read_only(entry.path, entry.path)
    _mount(f"/proc/self/fd/{network}", "/proc/sys/net", None, _BIND)


def _bind_files(files: dict[str, int]) -> None:
    """Put files of the guest's host in their place; where that is a link (it may be an image's), it is the link's."""
    for name, fd in files.items():
        path = os.path.realpath(f"/etc/{name}")
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        if not os.path.exists(path):  # noqa: PTH110
            _touch(path)
        _mount(f"/proc/self/fd/{fd}", path, None, _BIND)


def _bind_programs(folders: dict[str, int]) -> None:
    """Put folders of programs of the guest's host where they are there: what runs them knows them by that path."""
    for path, fd in folders.items():
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
        _bind_read_only(f"/proc/self/fd/{fd}", path)


def _confine(user: int) -> None:
    _checked(_libc.setns(user, _CLONE_NEWUSER), "join the user namespace")
    _checked(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC), "make the guest's namespaces")


def _write_host_name(name: str) -> None:
    try:
        with open("/etc/hostname", "w") as file:  # noqa: PTH123
            file.write(f"{name}\n")
    except FileNotFoundError:  # an image without /etc
        pass


# -- the kernel ----------------------------------------------------------------------------------------------


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _bind_read_only(source: str, target: str) -> None:
    _mount(source, target, None, _BIND)
    _mount(None, target, None, _BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [os.fsencode(word) if word else None for word in (source, target, kind, options)]
    done = _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _checked(done, f"mount {kind or source or 'anew'} on {target}")


def _checked(done: int, doing: str) -> None:
    if done:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {doing}: {os.strerror(number)}")


def _words(exc: BaseException) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror
    return str(exc) or type(exc).__name__


if __name__ == "__main__":
    main()
