"""A guest's files: what it finds, what it writes over that, and what of the kernel's it may see and write."""

from __future__ import annotations

import os
import socket
from typing import Any

from . import kernel
from .kernel import bind_read_only, mount, touch

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun")
# Of /proc: what tells of the kernel's memory, or of others.
_HIDDEN = {"kcore", "keys", "kmsg", "kallsyms", "timer_list", "latency_stats", "sched_debug", "vmallocinfo"}

# What guests say on their consoles, in the folder of each.
CONSOLE = "console.log"


def prepare(birth: dict[str, Any], user: int) -> int:
    """Make all that is around the first process; gives what it is to become, opened."""
    os.umask(0o022)
    # On the host: all namespaces of the guest are found below, as its process 1's.
    os.makedirs(birth["processes"], exist_ok=True)  # noqa: PTH103
    mount("proc", birth["processes"], "proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    os.chdir(birth["folder"])
    _speak_to(CONSOLE)
    kernel.unshare(kernel.NEWNS, "make a mount namespace")
    mount(None, "/", None, kernel.REC | kernel.PRIVATE)
    touch("init")
    bind_read_only(birth["init"], "init")
    init = os.open("init", os.O_RDONLY)
    files = {name: os.open(path, os.O_PATH) for name, path in birth["files"].items()}
    programs = {path: os.open(path, os.O_PATH) for path in birth["programs"]}
    devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in _DEVICES if os.path.exists(f"/dev/{name}")}  # noqa: PTH110
    _overlay(birth["root"], "root", "")
    for tree in birth["trees"]:
        _overlay(f"/{tree}", f"root/{tree}", f"{tree}-")
    os.chdir("root")
    kernel.change_root()
    _mount_kernel(devices)
    _bind_files(files)
    _bind_programs(programs)
    kernel.leave_old_root()
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
    if not kernel.is_initial_user():
        options += ",userxattr"
    mount("overlay", target, "overlay", kernel.NODEV, options)


def _mount_kernel(devices: dict[str, int]) -> None:
    """Mount what the kernel tells, and the devices: what is the machine's cannot be written."""
    for folder in ("proc", "sys", "dev", "run", "tmp", "root"):
        os.makedirs(f"/{folder}", exist_ok=True)  # noqa: PTH103
    mount("proc", "/proc", "proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    mount("sysfs", "/sys", "sysfs", kernel.RDONLY | kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    mount("tmpfs", "/run", "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=755")
    os.mkdir("/run/lock")  # noqa: PTH102
    os.chmod("/run/lock", 0o1777)  # noqa: PTH101
    mount("tmpfs", "/dev", "tmpfs", kernel.NOSUID, "mode=755,size=1m")
    for folder in ("net", "pts", "shm"):
        os.mkdir(f"/dev/{folder}")  # noqa: PTH102
    for name, fd in devices.items():
        touch(f"/dev/{name}")
        mount(f"/proc/self/fd/{fd}", f"/dev/{name}", None, kernel.BIND)
    mount("devpts", "/dev/pts", "devpts", kernel.NOSUID | kernel.NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    mount("tmpfs", "/dev/shm", "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=1777")
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
            mount(f"/proc/self/fd/{null}", entry.path, None, kernel.BIND)
        elif entry.is_dir() or entry.stat().st_mode & 0o222:
            bind_read_only(entry.path, entry.path)
    mount(f"/proc/self/fd/{network}", "/proc/sys/net", None, kernel.BIND)


def _bind_files(files: dict[str, int]) -> None:
    """Put files of the guest's host in their place; where that is a link (it may be an image's), it is the link's."""
    for name, fd in files.items():
        path = os.path.realpath(f"/etc/{name}")
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        if not os.path.exists(path):  # noqa: PTH110
            touch(path)
        mount(f"/proc/self/fd/{fd}", path, None, kernel.BIND)


def _bind_programs(folders: dict[str, int]) -> None:
    """Put folders of programs of the guest's host where they are there: what runs them knows them by that path."""
    for path, fd in folders.items():
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
        bind_read_only(f"/proc/self/fd/{fd}", path)


def _confine(user: int) -> None:
    kernel.join(user, kernel.NEWUSER, "join the user namespace")
    kernel.unshare(kernel.NEWNS | kernel.NEWUTS | kernel.NEWIPC, "make the guest's namespaces")


def _write_host_name(name: str) -> None:
    try:
        with open("/etc/hostname", "w") as file:  # noqa: PTH123
            file.write(f"{name}\n")
    except FileNotFoundError:  # an image without /etc
        pass
