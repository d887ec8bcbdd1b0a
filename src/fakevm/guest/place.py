"""Where a guest has its files on its host, and how a command gets into it.

The command line imports this module for ``entrance``: nothing heavy may be imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fakevm.linux.kernel import SEARCH_PATH

if TYPE_CHECKING:
    from fakevm.model.guest import Guest
    from fakevm.model.interface import Interface

# ``ip netns exec`` mounts what is in /etc/netns/<name>/ over /etc/.
ETC = Path("/etc/netns")
# Not below /run/fakevm, which all hosts of a lab share.
_RUN = Path("/run/fakevm-guests")
DHCLIENT = Path(__file__).parent / "dhclient"
# Of a container: what a command joins last, as nsenter and the kernel call it.
_OWN = (("user", "user"), ("mount", "mnt"), ("uts", "uts"), ("ipc", "ipc"))
# 0 is who writes it (cgroups(7)).
_JOIN = 'for group in "$0"/*; do echo 0 >"$group/cgroup.procs" || exit; done; exec "$@"'
# What a shell starts in the background, other signals of its own group do not reach; wait returns when one comes.
_WAITS = """\
trap : HUP INT QUIT USR1 USR2
"$@" & child=$!
trap 'kill -TERM -- -$child 2>/dev/null || kill -TERM $child' TERM
while wait $child; status=$?; kill -0 $child 2>/dev/null; do :; done
kill -KILL -- -$child 2>/dev/null
exit $status
"""
# The lease files of its DHCP clients, by IP version.
LEASES = {4: "dhclient.leases", 6: "dhclient6.leases"}


def runtime_directory(namespace: str, device: str = "") -> Path:
    """Where a guest keeps the files of its DHCP clients; those of one device."""
    return _RUN / namespace / device


def command_in_guest(namespace: str, device: str, command: Sequence[str]) -> list[str]:
    """Build the argv that runs a command in a guest, for a caller inside the guest's host.

    It gives the command the guest's network, /etc/resolv.conf, /etc/hosts and /etc/dhcp, any dhclient in it the lease
    and pid files of a device of the guest's, and the caller's PATH, with the folders of root's tools behind it: an
    ordinary user's lacks them. A command that does not exist ends with status 127.
    """
    run = runtime_directory(namespace, device)
    files = {
        "PATH_DHCLIENT_PID": run / "dhclient.pid",
        "PATH_DHCLIENT_DB": run / LEASES[4],
        "PATH_DHCLIENT6_PID": run / "dhclient6.pid",
        "PATH_DHCLIENT6_DB": run / LEASES[6],
        "PATH": SEARCH_PATH,
    }
    environment = [f"{name}={path}" for name, path in files.items()]
    return ["ip", "netns", "exec", namespace, "env", "--", *environment, *command]


class Entrance(NamedTuple):
    """The words before a command that is to run in a guest, for a caller inside the guest's host.

    What stops a command, or gives it a terminal, may stand between them: ``reach`` leads to where the guest's processes
    are, with the host's programs; ``inside`` to the guest's own files. The command ends when the caller does.
    """

    reach: list[str]
    inside: list[str]


def container_entrance(namespace: str, *, parent: bool, limited: bool) -> Entrance:
    """Lead into a container guest (guest/container.py). A command that does not exist ends with status 127.

    :param parent: what stands between forks the command: only a child is in another process namespace
    :param limited: the guest has limits, which hold for the command, too
    """
    alone = ["--no-fork", "--"] if parent else ["--", "setpriv", "--pdeathsig", "TERM"]
    return Entrance([*_into_processes(namespace, limited), *alone], _into_files(namespace))


def command_in_container(namespace: str, command: Sequence[str], *, limited: bool) -> list[str]:
    """Build the argv of a command in a container guest; who signals it must do so to its process group.

    Its parent is a shell outside, which waits for it whatever signals it gets, and ends with its status; the command
    ends when that shell does.
    """
    waits = ["sh", "-c", 'trap : HUP INT QUIT USR1 USR2 TERM; "$@"; exit $?', "sh", "setpriv", "--pdeathsig", "KILL"]
    return [*_into_processes(namespace, limited), "--no-fork", "--", *waits, *_into_files(namespace), *command]


def daemon_in_container(namespace: str, command: Sequence[str], *, limited: bool) -> list[str]:
    """Build the argv of a command in a container guest that is kept running, and may move with the guest.

    It is as ``command_in_container``, but in a session of its own, as CRIU needs it: the shell passes SIGTERM on to all
    that is in that, and ends it when the command has ended.
    """
    inside = ["setpriv", "--pdeathsig", "KILL", "setsid", "env", "--default-signal=INT,QUIT", "--"]
    waits = ["sh", "-c", _WAITS, "sh", *inside, *_into_files(namespace), *command]
    return [*_into_processes(namespace, limited), "--no-fork", "--", *waits]


def _into_processes(namespace: str, limited: bool) -> list[str]:
    join = ["sh", "-c", _JOIN, str(groups_directory(namespace))] if limited else []
    return [*join, "nsenter", f"--pid={processes_directory(namespace)}/1/ns/pid", f"--net=/run/netns/{namespace}"]


def _into_files(namespace: str) -> list[str]:
    first = processes_directory(namespace) / "1/ns"
    environment = ["env", "--", f"PATH={SEARCH_PATH}", "HOME=/root"]
    own = [f"--{name}={first}/{ns}" for name, ns in _OWN]
    return [*environment, "nsenter", *own, "--preserve-credentials", "--wdns=/root", "--"]


def groups_directory(namespace: str) -> Path:
    """Where a container guest that has limits has links to the control groups (linux/cgroup.py) that it is to be in."""
    return runtime_directory(namespace) / ".groups"


def processes_directory(namespace: str) -> Path:
    """Where a container guest's host has what the guest has as /proc: its process 1 is in all its namespaces."""
    return runtime_directory(namespace) / ".proc"


def write_files(guest: Guest, interfaces: Sequence[Interface]) -> None:
    """Write the files of a new guest: its own host names, and no name servers yet. Raises OSError."""
    etc = ETC / guest.namespace
    etc.mkdir(parents=True, exist_ok=True)
    runtime_directory(guest.namespace).mkdir(parents=True, exist_ok=True)
    for interface in interfaces:
        runtime_directory(guest.namespace, interface.name).mkdir(exist_ok=True)
    (etc / "resolv.conf").write_text("")
    (etc / "hosts").write_text(_hosts(guest, interfaces))
    if Path("/etc/dhcp").is_dir() and not (etc / "dhcp").is_symlink():
        (etc / "dhcp").symlink_to(DHCLIENT)


def _hosts(guest: Guest, interfaces: Sequence[Interface]) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    fixed_ips = [fixed for interface in interfaces if interface.port for fixed in interface.port.fixed_ips]
    lines += [f"{fixed.address} {guest.hostname}" for fixed in fixed_ips if guest.hostname]
    return "".join(f"{line}\n" for line in lines)
