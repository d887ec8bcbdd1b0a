"""What a lab could leave on the machine, so that before and after can be compared.

Other programs come and go meanwhile, so of what is shared, new files in /tmp and /run, only those count whose names say
that they could be a lab's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import time
from pathlib import Path

Seen = dict[str, set[str]]

# Seconds. The kernel removes network devices some time after the last process of a namespace.
_REMOVING = 40

# What is in other programs' folders here is theirs.
_SHARED = ("/tmp", "/var/tmp", "/dev/shm")
_FOLDERS = ("/run", "/etc/netns", "/var/lib/neutron", "/var/lib/openvswitch", "/var/lib/dhcp", "/var/log")
_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/proc/sys/net/ipv4/ip_forward")
_LAB_WORDS = (
    "fakevm",
    "neutron",
    "ovn",
    "ovs",
    "openvswitch",
    "rabbit",
    "erl",
    "mysql",
    "maria",
    "dhc",
    "netns",
    "s6",
    "privsep",
)
_RULES = (["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"], ["ipset", "save"])


def look(mark: str) -> Seen:
    """Look at the machine; processes and mounts are a lab's when they have to do with the folder named ``mark``."""
    return {
        "links": {line.split(": ")[1] for line in _run("ip", "-o", "link")},
        "network namespaces": set(_run("ip", "netns", "list")),
        "mounts": {" ".join(line.split()[3:5]) for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "rules": {f"{command[0]}: {line}" for command in _RULES for line in _rules(command)},
        "files": _files(mark) | {f"{path} {_digest(path)}" for path in _FILES},
        "processes": processes(mark),
    }


def left_behind(before: Seen, mark: str) -> dict[str, list[str]]:
    """Give what a lab that has ended left behind: empty, as soon as it is so."""
    deadline = time.monotonic() + _REMOVING
    while (changes := _left(before, look(mark))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return changes


def _left(before: Seen, after: Seen) -> dict[str, list[str]]:
    """Give what is not as it was: what came with ``+``, what went with ``-``."""
    changes = {
        what: [*(f"+ {x}" for x in sorted(now - before[what])), *(f"- {x}" for x in sorted(before[what] - now))]
        for what, now in after.items()
    }
    return {what: lines for what, lines in changes.items() if lines}


def processes(mark: str) -> set[str]:
    """List the processes that know of a folder: by arguments, environment, working directory or mounts."""
    return {f"{pid} {words}" for pid, words in _all_processes(mark)}


def pids(mark: str) -> list[int]:
    """List the numbers of the processes that know of a folder."""
    return [pid for pid, _ in _all_processes(mark)]


def _all_processes(mark: str) -> list[tuple[int, str]]:
    own = _ancestors()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in own:
            continue
        # Every process of a lab has the lab's folder among its mounts.
        texts = [read(entry / name) for name in ("cmdline", "environ", "mountinfo")]
        with contextlib.suppress(OSError):
            texts.append(os.fsencode((entry / "cwd").readlink()))
        if any(mark.encode() in text for text in texts):
            found.append((int(entry.name), texts[0].replace(b"\0", b" ").decode(errors="replace")[:150]))
    return found


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid:
        found.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def read(path: Path) -> bytes:
    """Read a file; nothing when it is gone or may not be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _files(mark: str) -> set[str]:
    found = {str(path) for folder in _SHARED for path in Path(folder).iterdir()}
    # oslo.privsep's folders have Python's own names for temporary ones.
    found |= {str(path) for folder in _SHARED for path in Path(folder).glob("*/privsep.sock")}
    for folder in _FOLDERS:
        for top, folders, names in os.walk(folder):
            found |= {f"{top}/{name}" for name in (*folders, *names)}
    # Tests that run beside this one have folders, too, whose names have whatever letters.
    own = {path for path in found if not (path.startswith(_SHARED) and "/fv-" in path)}
    return {path for path in own if mark not in path and any(word in path.lower() for word in _LAB_WORDS)}


def _digest(path: str) -> str:
    return hashlib.sha256(read(Path(path))).hexdigest()[:12]


def _run(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _rules(command: list[str]) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        # Counters, and the comments with the time, differ each time.
        return [re.sub(r"\[\d+:\d+\]", "", line) for line in _run(*command) if not line.startswith("#")]
    return []
