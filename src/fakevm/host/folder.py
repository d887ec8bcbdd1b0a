"""The folder of an emulated host: what it starts from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fakevm.errors import LabFailed
from fakevm.linux import supervision

if TYPE_CHECKING:
    from fakevm.model.program import Program

SCRIPTS = Path(__file__).parent / "scripts"


class Link(NamedTuple):
    """A veth pair from the host to a bridge around it: ``peer`` is the bridge's port, ``device`` the host's.

    ``mtu`` is in bytes. A Linux bridge has the smallest of its ports'.
    """

    peer: str
    device: str
    bridge: str
    mtu: int = 1500


def write(
    folder: Path,
    name: str,
    links: Sequence[Link],
    addresses: Iterable[str],
    programs: Iterable[Program],
    *,
    seen_as: str = "",
) -> None:
    """Write a host's links, its ``ip`` commands (``addresses``) and its programs' folders.

    ``seen_as`` is the folder's path in the host, where that is another one.
    """
    for part in ("agent", "log", "service"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    made = [
        f"link add {link.peer} mtu {link.mtu} type veth peer name {link.device} mtu {link.mtu} netns {name}"
        for link in links
    ]
    joined = [f"link set {link.peer} master {link.bridge} up" for link in links if link.bridge]
    up = ["link set lo up", *(f"link set {link.device} up" for link in links)]
    _lines(folder / "links.batch", [*made, *joined])
    _lines(folder / "links.txt", [link.peer for link in links])
    _lines(folder / "devices.txt", [link.device for link in links])
    _lines(folder / "addresses.batch", [*up, *addresses])
    for program in programs:
        supervision.write(folder / "service", program, f"{seen_as or folder}/log/{program.name}.log")


def command(name: str, folder: str | Path) -> list[str]:
    """Give the command that becomes the host."""
    return ["sh", str(SCRIPTS / "host-run.sh"), name, str(folder)]


def remains(name: str, folder: str | Path) -> list[str]:
    """Give the command that removes what a host that has ended leaves around it."""
    return ["sh", str(SCRIPTS / "host-gone.sh"), name, str(folder)]


def holder(folder: Path) -> int | None:
    """Find the process that holds a lab's or a host's namespaces; None when it does not run.

    Pids are used again, but the folder in the arguments is not.
    """
    try:
        pid = int((folder / "pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if arguments[:1] == [b"unshare"] and os.fsencode(folder) in arguments else None


def enter(folder: Path) -> list[str]:
    """Give the words before a command that is to run in the host, in the caller's working directory.

    The command ends when the one who entered does (``setpriv --pdeathsig``). Raises LabFailed: it does not run.
    """
    try:
        pid = int((folder / "pid").read_text())
    except (OSError, ValueError) as exc:
        raise LabFailed(f"host {folder.name!r} does not run", hint=f"See the logs in {folder}/log.") from exc
    return [*enter_by(pid), "--net", f"--wdns={Path.cwd()}", "--", "setpriv", "--pdeathsig", "TERM"]


def enter_by(pid: int) -> list[str]:
    """Enter by the pid of a process that called ``unshare --pid``: only its children are in the PID namespace."""
    return ["nsenter", f"--target={pid}", "--mount", "--uts", f"--pid=/proc/{pid}/ns/pid_for_children"]


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
