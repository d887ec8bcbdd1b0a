"""A real DHCP client (ISC dhclient) in a guest."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO

from fakevm import errors
from fakevm.linux import namespace, process


def command(device: str, *, version: int, metric: int = 0, stateless: bool = False) -> list[str]:
    """Build the client's command line for IPv4 or IPv6; it makes one attempt and ends if that fails.

    DHCPv6 clients are known by a DUID: ``LL`` is made of the MAC address, by which Neutron's DHCP server
    knows the port. Its routes get ``metric``, so that those of a guest's first device come first.
    A ``stateless`` client asks for no address: only for name servers and the like.
    """
    family = ["-4"] if version == 4 else ["-6", "-D", "LL", *(["-S"] if stateless else [])]
    return [shutil.which("dhclient") or "/usr/sbin/dhclient", *family, "-1", "-v", "-e", f"metric={metric}", device]


def lease(argv: Sequence[str], *, deadline: float) -> None:
    """Run the client until it has a lease and has gone to the background, where it stays and renews.

    :param argv: the client's command line, as it is to be run from the host
    :param deadline: ``time.monotonic()`` after which it is waited for no more; stop it then
    :raises TimedOut: the deadline came first; carries the client's last words
    :raises CommandFailed: it gave up by itself; likewise
    :raises Prerequisite: there is no DHCP client
    """
    # a file, not a pipe: the client in the background keeps it open
    with tempfile.TemporaryFile() as words:
        client = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT)
        try:
            status = client.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as exc:
            client.kill()  # it only waits for the process that does the work, see stop()
            client.wait()
            raise errors.TimedOut(_last_words(words)) from exc
        if status == 127:
            raise errors.Prerequisite("there is no dhclient on this host", hint="Install isc-dhcp-client.")
        if status:
            raise errors.CommandFailed(_last_words(words))


def running(guest_namespace: str, device: str, *, version: int) -> list[int]:
    """List the clients (process ids) of one IP version in a guest, whoever started them, but for other devices'."""
    return _clients(namespace.identities([guest_namespace]), device, version)


def stop(guest_namespace: str, device: str, *, version: int) -> None:
    """Stop the clients of one IP version on a guest's device: none starts beside another."""
    process.stop(running(guest_namespace, device, version=version))


def stop_left(inside: Collection[namespace.Identity], device: str, *, version: int) -> None:
    """Stop the clients on a device that is gone: one that was on its way there while it went was seen by nobody.

    :param inside: what the kernel knew the guest's namespace by, whose name may be gone, too
    """
    process.stop(_clients(inside, device, version))


def _clients(inside: Collection[namespace.Identity], device: str, version: int) -> list[int]:
    return [pid for pid in namespace.processes(inside) if _is_client(pid, f"-{version}", device)]


def _is_client(pid: int, family: str, device: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        if not words[0].endswith("dhclient"):
            return False
        # proc_net(5): of the process's own network namespace, after two lines of headings
        listed = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    except OSError:
        return False
    named = {line.partition(":")[0].strip() for line in listed} & set(words)
    # One that is told no device serves all.
    if named and device not in named:
        return False
    # IPv4 is also what it does when it is not told
    return family in words or (family == "-4" and "-6" not in words)


def _last_words(words: IO[bytes]) -> str:
    words.seek(0)
    lines = [line for line in words.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"
