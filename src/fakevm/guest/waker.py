"""Waits in a sleeping guest, and wakes it within milliseconds; a program of its own, run in the guest's namespace.

``waker.py DEVICE`` takes JSON objects on standard input, one a line: ``commands`` for ``ip -batch``, and in the last
``wake`` with ``addresses`` to announce, ``strict`` (stay asleep when a command fails) and ``defaults``, IPv6 settings
that are to be as on any new device. It answers each with one, ``failed``: why, by the commands that went wrong. When
the guest is awake it announces it a few times more, and ends. It ends at once when standard input does: who started it
is gone.

Standard library only, and little of it: it starts for every guest that moves.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

# Seconds between announcements as in QEMU: five rounds, 50 ms, each wait 100 ms longer (migration/options.c).
ANNOUNCEMENTS = (0.05, 0.15, 0.25, 0.35)
# linux/if_ether.h
ETH_P_IPV6, ETH_P_RARP, ETH_P_ARP = 0x86DD, 0x8035, 0x0806
_SHORTEST = 60
_BROADCAST = b"\xff" * 6
# linux/rtnetlink.h, linux/pkt_sched.h, linux/netlink.h
_RTM_DELQDISC, _RTM_NEWTFILTER, _RTM_DELTFILTER, _RTM_GETTFILTER = 37, 44, 45, 46
_TC_H_ROOT, _TC_CLSACT, _TC_INGRESS, _TC_EGRESS = 0xFFFFFFFF, 0xFFFFFFF1, 0xFFFFFFF2, 0xFFFFFFF3
_TCA_KIND = 1
_NLM_F_REQUEST_ACK, _NLM_F_REQUEST_DUMP = 0x5, 0x301
_ETH_P_ALL = 3
# Of the filter that silences a guest: before all others, and known from them.
PREFERENCE, HANDLE = 1, 0xFA
# Commands are a matter of milliseconds; a kernel that is stuck must not keep the guest's owner waiting.
_PATIENCE = 5.0


def main(device: str) -> None:
    """Take what the guest is to have until the word comes, then wake the guest and announce it."""
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire,
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel,
    ):
        wire.bind((device, 0))
        while True:
            # started before it is needed: that is what takes longest
            with _ip() as ip:
                if not (said := sys.stdin.readline()):
                    return
                wanted = json.loads(said)
                failed = apply(ip, wanted["commands"]) if wanted["commands"] else {}
                if wanted["wake"]:
                    _wake(device, wire, kernel, wanted, failed)
                    return
                _answer(failed)


def _ip() -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["ip", "-force", "-batch", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wake(
    device: str, wire: socket.socket, kernel: socket.socket, wanted: dict[str, Any], failed: dict[str, str]
) -> None:
    asleep = failed and wanted["strict"]
    frames = list(announcements(wire.getsockname()[4], wanted["addresses"]))
    if not asleep:
        for setting in wanted["defaults"]:
            _set_default(device, setting)
        unblock(kernel, device)
        announce(wire, frames)
        with contextlib.suppress(OSError):  # what is left there does nothing
            tidy(kernel, device)
    _answer(failed)
    for pause in () if asleep else ANNOUNCEMENTS:
        time.sleep(pause)
        announce(wire, frames)


def _answer(failed: dict[str, str]) -> None:
    print(json.dumps({"failed": failed}), flush=True)


def apply(ip: subprocess.Popen[str], commands: list[str]) -> dict[str, str]:
    """Do the commands and tell which failed, and why; one whose work was done already has not."""
    _, said = ip.communicate("".join(f"{command}\n" for command in commands), timeout=_PATIENCE)
    failed, begin = {}, 0
    for found in re.finditer(r"Command failed -:(\d+)\n", said):
        reason = " ".join(said[begin : found.start()].split())
        begin = found.end()
        if not reason.endswith("File exists"):
            failed[commands[int(found[1]) - 1]] = reason
    return failed


def _set_default(device: str, setting: str) -> None:
    """Let IPv6 do on the device what it does on any new one of this guest."""
    settings = "/proc/sys/net/ipv6/conf"
    with (
        contextlib.suppress(FileNotFoundError),  # without IPv6
        open(f"{settings}/default/{setting}") as default,  # noqa: PTH123
        open(f"{settings}/{device}/{setting}", "w") as own,  # noqa: PTH123
    ):
        own.write(default.read())


def unblock(kernel: socket.socket, device: str) -> None:
    """Take away the filter that drops all frames, and the queue in which they vanish where there are no filters."""
    index, every = socket.if_nametoindex(device), socket.htons(_ETH_P_ALL)
    _delete(kernel, _RTM_DELTFILTER, (index, HANDLE, _TC_EGRESS, PREFERENCE << 16 | every), b"bpf")
    _delete(kernel, _RTM_DELQDISC, (index, 0, _TC_H_ROOT, 0), b"blackhole")


def tidy(kernel: socket.socket, device: str) -> None:
    """Take away what the filter was in, unless the guest has filters of its own there."""
    index = socket.if_nametoindex(device)
    for parent in (_TC_EGRESS, _TC_INGRESS):
        message = struct.pack("=Bxxxi3I", 0, index, 0, parent, 0)
        kernel.send(struct.pack("=IHHII", 16 + len(message), _RTM_GETTFILTER, _NLM_F_REQUEST_DUMP, 1, 0) + message)
        if struct.unpack_from("=H", kernel.recv(1 << 16), 4)[0] == _RTM_NEWTFILTER:
            return
    _delete(kernel, _RTM_DELQDISC, (index, 0, _TC_CLSACT, 0), b"clsact")


def _delete(kernel: socket.socket, request: int, what: tuple[int, int, int, int], kind: bytes) -> None:
    """Delete a filter or queue of this kind, if it is there (struct tcmsg, and the attribute TCA_KIND)."""
    attribute = struct.pack("=HH", 5 + len(kind), _TCA_KIND) + kind + bytes(1 + -(len(kind) + 1) % 4)
    message = struct.pack("=Bxxxi3I", 0, *what) + attribute
    kernel.send(struct.pack("=IHHII", 16 + len(message), request, _NLM_F_REQUEST_ACK, 1, 0) + message)
    (error,) = struct.unpack_from("=i", kernel.recv(4096), 16)
    if -error not in (0, errno.ENOENT, errno.EINVAL):
        raise OSError(-error, f"cannot take the silence off: {kind.decode()}")


def announce(wire: socket.socket, frames: list[bytes]) -> None:
    """Send all frames; one that cannot be sent is not worth the others, more come later."""
    for frame in frames:
        with contextlib.suppress(OSError):
            wire.send(frame)


def announcements(mac: bytes, addresses: list[str]) -> Iterator[bytes]:
    """Make the frames that tell the network where the guest is now: RARP as QEMU's, ARP and NA for its addresses.

    The RARP is the first: with OVN it is what opens the port, and all before it is dropped (ovn-architecture(7),
    activation-strategy).
    """
    yield _arp(ETH_P_RARP, 3, mac + bytes(4), mac + bytes(4))
    for address in map(ipaddress.ip_address, addresses):
        if address.version == 4:
            # as the kernel's own arp_notify: a request of oneself (RFC 5227, 3)
            yield _arp(ETH_P_ARP, 1, mac + address.packed, bytes(6) + address.packed)
        else:
            yield _neighbour_advertisement(mac, address.packed)


def _arp(protocol: int, operation: int, sender: bytes, target: bytes) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + sender + target
    return (_BROADCAST + sender[:6] + protocol.to_bytes(2, "big") + body).ljust(_SHORTEST, b"\0")


def _neighbour_advertisement(mac: bytes, address: bytes) -> bytes:
    """RFC 4861, 4.4: to all nodes, unsolicited, overriding what they have."""
    all_nodes = b"\xff\x02" + bytes(13) + b"\x01"
    message = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + address + b"\x02\x01" + mac
    pseudo = address + all_nodes + struct.pack("!II", len(message), 58)
    message = message[:2] + _checksum(pseudo + message) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + address + all_nodes
    return b"\x33\x33\x00\x00\x00\x01" + mac + ETH_P_IPV6.to_bytes(2, "big") + header + message


def _checksum(data: bytes) -> bytes:
    """RFC 1071; ``data`` is of an even length."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


if __name__ == "__main__":
    main(sys.argv[1])
