"""Where a guest that is a network namespace has its files, and how a command gets into it.

The command line imports this module for ``command_in_guest``: nothing heavy may be imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm.linux.kernel import SEARCH_PATH

if TYPE_CHECKING:
    from fakevm.model.guest import Guest
    from fakevm.model.interface import Interface

# ``ip netns exec`` mounts what is in /etc/netns/<name>/ over /etc/.
ETC = Path("/etc/netns")
# Not below /run/fakevm, which all hosts of a lab share.
_RUN = Path("/run/fakevm-guests")
_DHCLIENT = Path(__file__).parent / "dhclient"
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
        (etc / "dhcp").symlink_to(_DHCLIENT)


def _hosts(guest: Guest, interfaces: Sequence[Interface]) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    fixed_ips = [fixed for interface in interfaces if interface.port for fixed in interface.port.fixed_ips]
    lines += [f"{fixed.address} {guest.hostname}" for fixed in fixed_ips if guest.hostname]
    return "".join(f"{line}\n" for line in lines)
