"""A way into a guest through another one, over the network that is between them, as ``ssh -J`` (ProxyJump) takes it.

ProxyJump is ``ssh -W ADDRESS:PORT OTHER``: the other guest's server opens a connection, and passes on what comes. So
what is needed is somebody who listens in the guest that is meant. That is not a daemon, but one process for one
connection, on a port that is free.
"""

from __future__ import annotations

import ipaddress
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fakevm.errors import NotFound, TimedOut, Unreachable
from fakevm.lab import entrance, sandbox
from fakevm.lab.roster import Entry
from fakevm.model.lab import LabRecord

from . import client, keys, listener, server

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface

# How long (seconds) the connection through the other guest may take, and what looks into guests.
PATIENCE = 15.0
_LOOK = 10.0


def carry(lab: LabRecord, target: Entry, through: Entry, options: Mapping[str, str]) -> None:
    """Carry a client, on standard input and output, to the server of a guest through another; returns at its end.

    :param options: what a client is told to reach the other guest
    :raises Unreachable: the other guest did not reach it, which is why
    :raises TimedOut: so, and it is not known why
    """
    with _listening(lab, target) as listening:
        assert listening.stdout
        began, _, _ = select.select([listening.stdout], [], [], PATIENCE)
        port = listening.stdout.readline().strip() if began else b""
        if not port:
            raise Unreachable(
                f"nobody can listen in the guest {target.title}", hint="`fakevm ssh` without --jump works."
            )
        address = _way(lab, target, through)
        argv = client.argv(options, ["-W", f"[{address}]:{port.decode()}", client.name_of(through)])
        with subprocess.Popen(argv, stderr=subprocess.PIPE) as carrying:
            try:
                _watch(listening, carrying, f"the guest {through.title} did not reach {target.title} at {address}")
            finally:
                carrying.terminate()


def _watch(listening: subprocess.Popen[bytes], carrying: subprocess.Popen[bytes], lacks: str) -> None:
    """Wait until they are connected, then until the carrier has ended."""
    assert listening.stdout and carrying.stderr
    deadline = time.monotonic() + PATIENCE
    said = b""
    while True:
        left = deadline - time.monotonic()
        ready, _, _ = select.select([listening.stdout, carrying.stderr], [], [], max(0.0, left))
        if listening.stdout in ready and os.read(listening.stdout.fileno(), 100):
            break
        if carrying.stderr in ready:
            piece = os.read(carrying.stderr.fileno(), 1 << 12)
            said += piece
            if not piece:
                raise Unreachable(f"{lacks}: {_last(said) or 'it does not say why'}")
        elif left <= 0:
            raise TimedOut(f"{lacks} within {PATIENCE:g} s", hint=_last(said))
    while piece := os.read(carrying.stderr.fileno(), 1 << 12):
        os.write(2, piece)
    carrying.wait()


def _last(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-3:])


@contextmanager
def _listening(lab: LabRecord, target: Entry) -> Iterator[subprocess.Popen[bytes]]:
    """Have somebody listen in a guest's network, who becomes its server on the first connection."""
    outside = sandbox.enter_host(lab, target.host)
    whole = entrance.enter_guest(lab, target.host, target.id, server.program(lab, target.id, target.title))
    program = [sys.executable, "-I", "-S", str(Path(listener.__file__)), *whole[len(outside) :]]
    listening = entrance.enter_network(lab, target.host, target.id, program)
    with keys.guest_key(lab, target.id).open("rb") as key:
        argv = ["sh", "-c", f'exec "$@" {server.KEY_FD}<&{key.fileno()}', "sh", *server.unhindered(lab), *listening]
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(key.fileno(),), bufsize=0
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_LOOK)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _way(lab: LabRecord, target: Entry, through: Entry) -> str:
    """Choose the address at which a guest is reached from another: one in a network of both, else any."""
    there, here = _addresses(lab, target), _addresses(lab, through)
    near = [each for each in there if any(each.ip in own.network for own in here if own.ip != each.ip)]
    if not there:
        raise NotFound(f"the guest {target.title} has no address at which {through.title} could reach it")
    return str((near or there)[0].ip)


def _addresses(lab: LabRecord, end: Entry) -> list[Address]:
    """List the addresses of a guest that others can reach, IPv4 first."""
    argv = entrance.enter_network(lab, end.host, end.id, ["ip", "-j", "address"])
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LOOK, check=False)
    if done.returncode:
        raise Unreachable(f"cannot look at the addresses of the guest {end.title}: {_last(done.stderr)}")
    infos = [info for device in json.loads(done.stdout) for info in device.get("addr_info", ()) if "local" in info]
    found = [
        ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}") for info in infos if info["scope"] == "global"
    ]
    return sorted(found, key=lambda each: each.version)
