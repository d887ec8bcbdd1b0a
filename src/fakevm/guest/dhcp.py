"""A real DHCP client in a guest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence

from fakevm import errors

_DHCLIENT = "/usr/sbin/dhclient" if os.path.exists("/usr/sbin/dhclient") else "dhclient"
# SIGTERM, then this many seconds, then SIGKILL
_GRACE = 1.0


def lease(argv: Sequence[str], *, deadline: float) -> str:
    """Run a DHCP client until it has a lease and has gone to the background, where it stays and renews.

    :param argv: the client's command line, as it is to be run from the host
    :param deadline: ``time.monotonic()`` at which it is stopped
    :returns: empty; or the client's last words when the deadline came first
    :raises CommandFailed: it gave up by itself
    :raises Prerequisite: there is no DHCP client
    """
    # a file, not a pipe: the client in the background keeps it open
    with tempfile.TemporaryFile() as words:
        client = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = client.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _stop(client)
            return _last_words(words)
        if status == 127:
            raise errors.Prerequisite("there is no dhclient on this host", hint="Install isc-dhcp-client.")
        if status:
            raise errors.CommandFailed(f"dhclient ended with status {status}: {_last_words(words)}")
        return ""


def command(device: str, *, version: int, mac_address: str = "") -> list[str]:
    """Build the client's own command line; one attempt, then it ends.

    The DHCPv6 client's identity is made of the MAC address, by which Neutron's DHCP server knows the port.
    """
    family = ["-4"] if version == 4 else ["-6", "-D", "LL"]
    return [_DHCLIENT, *family, "-1", "-v", device]


def _stop(client: subprocess.Popen[bytes]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        client.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(_GRACE)
            return


def _last_words(words: object) -> str:
    words.seek(0)  # type: ignore[attr-defined]
    said = words.read().decode(errors="replace")  # type: ignore[attr-defined]
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"
