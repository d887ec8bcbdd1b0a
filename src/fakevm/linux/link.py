"""Network devices: many changes in one ``ip -batch``, and what we ask the kernel about a device.

Why ``ip -batch`` and not pyroute2 for making guests: to enter a namespace pyroute2 forks this whole program,
5 ms each and unsafe beside threads; ``ip`` starts in 0.8 ms. A device is made where it belongs: moving one
into another namespace costs 20 ms. (Measured on 2 cores: a guest costs 5.3 ms this way, 11 ms that way.) What a
socket can ask for (a device up) is asked through one that was made in the namespace: no process at all.
"""

from __future__ import annotations

import array
import fcntl
import json
import re
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fakevm import errors
from fakevm.waiting import remains

from . import process
from .namespace import opened

# linux/sockios.h, linux/ethtool.h, linux/if.h
_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM = 0x17
_ETHTOOL_SGSO = 0x24
_SIOCGIFHWADDR = 0x8927
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1

_FAILED_LINE = re.compile(r"Command failed -:(\d+)")


def batch(lines: Sequence[str], *, namespace: str = "", force: bool = False, timeout: float = 60.0) -> None:
    """Do many ``ip`` commands in one process, in the order given.

    :param namespace: name of the network namespace in which to do them; empty: our own
    :param force: go on after a command that failed (it still counts as a failure)
    :param timeout: seconds for all of them
    :raises CommandFailed: names the commands that failed
    """
    if not lines:
        return
    argv = ["ip", *(["-force"] if force else []), *(["-n", namespace] if namespace else []), "-batch", "-"]
    try:
        process.run(argv, stdin="".join(f"{line}\n" for line in lines), timeout=timeout)
    except errors.CommandFailed as exc:
        failed = [lines[int(number) - 1] for number in _FAILED_LINE.findall(exc.what)]
        said = "; ".join(_FAILED_LINE.sub("", exc.what).partition(": ")[2].split("\n")).strip("; ")
        raise errors.CommandFailed(f"'ip {'; ip '.join(failed)}' failed: {said}") from exc


def exists(device: str) -> bool:
    """Tell whether our own network namespace has this device."""
    try:
        socket.if_nametoindex(device)
    except OSError:
        return False
    return True


def mac_address(device: str) -> str:
    """Give the MAC address of a device of our own namespace; empty when it is not there."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            answer = fcntl.ioctl(sock, _SIOCGIFHWADDR, struct.pack("16s24x", device.encode()))
    except OSError:
        return ""
    # struct sockaddr: its family, then the address
    return answer[18:24].hex(":")


def master(device: str) -> str:
    """Name the bridge that a device of our own namespace is in; empty when it is in none, or not there."""
    try:
        said = json.loads(process.run(["ip", "-json", "link", "show", "dev", device]))
    except errors.CommandFailed:
        return ""
    return str(said[0].get("master", ""))


def ports(bridge: str) -> list[str]:
    """Name the devices that are in a Linux bridge of our own namespace.

    :raises CommandFailed: there is no such bridge
    """
    said = process.run(["ip", "-json", "link", "show", "master", bridge])
    return [str(found["ifname"]) for found in json.loads(said or "[]")]


def ensure_bridge(bridge: str) -> None:
    """Make a Linux bridge, up, unless it is there; somebody else may make it at the same time.

    :raises CommandFailed: the kernel refused
    """
    if not exists(bridge):
        try:
            batch([f"link add name {bridge} type bridge"])
        except errors.CommandFailed:
            if not exists(bridge):
                raise
    quiet_up(bridge)


def wait_gone(devices: Iterable[str], *, timeout: float) -> set[str]:
    """Wait until devices have left our namespace; returns those still there after ``timeout`` seconds.

    The kernel removes a namespace's devices some time after the namespace.
    """
    left = set(devices)

    def there() -> str:
        left.intersection_update([device for device in left if exists(device)])
        return " ".join(left)

    remains(there, timeout, pause=0.005)
    return left


def quiet_up(device: str) -> None:
    """Set a host's end up: no IPv6 of its own (it would speak on the wire), no checksum offload.

    A userspace switch reads frames as the sender left them: with transmit checksum offload the checksum is missing.

    :raises CommandFailed: the kernel refused
    """
    switch = Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6")
    try:
        if switch.exists():
            switch.write_text("1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            _checksum_offload_off(sock, device)
            _set_up(sock, device)
    except OSError as exc:
        raise errors.CommandFailed(f"cannot set device {device} up: {exc}") from exc


def up_inside(device: str, *, namespace: str) -> None:
    """Set a guest's end up, and its loopback: without checksum offload, as the switch would see none.

    ``ip netns exec`` would cost a process for each, and the mounts of another /sys.

    :raises CommandFailed: there is no such namespace or device, or the kernel refused
    """
    try:
        with opened(namespace) as sock:
            _checksum_offload_off(sock, device)
            _set_up(sock, "lo")
            _set_up(sock, device)
    except OSError as exc:
        raise errors.CommandFailed(f"cannot set device {device} of namespace {namespace} up: {exc}") from exc


def checksum_offload_off(device: str) -> None:
    """Let the sender fill in checksums on a device of our own namespace.

    :raises CommandFailed: the kernel refused
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            _checksum_offload_off(sock, device)
    except OSError as exc:
        raise errors.CommandFailed(f"cannot turn the checksum offload of {device} off: {exc}") from exc


def frame_by_frame(device: str, *, namespace: str, on: bool = True) -> None:
    """Have a device of a namespace given each frame by itself, and not 64 kB of which frames become at last.

    :raises CommandFailed: there is no such namespace or device, or the kernel refused
    """
    try:
        with opened(namespace) as sock:
            _checksum_offload_off(sock, device)
            _ethtool(sock, device, _ETHTOOL_SGSO, int(not on))
    except OSError as exc:
        raise errors.CommandFailed(f"cannot change how device {device} of {namespace} cuts frames: {exc}") from exc


def _checksum_offload_off(sock: socket.socket, device: str) -> None:
    _ethtool(sock, device, _ETHTOOL_STXCSUM, 0)


def _ethtool(sock: socket.socket, device: str, command: int, value: int) -> None:
    given = array.array("I", [command, value])
    request = struct.pack("16sP16x", device.encode(), given.buffer_info()[0])
    fcntl.ioctl(sock, _SIOCETHTOOL, request)


def _set_up(sock: socket.socket, device: str) -> None:
    answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16sH22x", device.encode(), 0))
    (flags,) = struct.unpack_from("H", answer, 16)
    fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH22x", device.encode(), flags | _IFF_UP))


def is_inside(device: str, *, namespace: str) -> bool:
    """Tell whether a namespace that may be there has this device."""
    try:
        with opened(namespace) as sock:
            fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16sH22x", device.encode(), 0))
    except OSError:
        return False
    return True


def all_addresses(*, namespace: str) -> dict[str, list[str]]:
    """List the usable addresses of each device in a namespace, as ``addresses`` does.

    :raises CommandFailed: there is no such namespace
    """
    said = json.loads(process.run(["ip", "-n", namespace, "-json", "address", "show"]))
    return {str(shown["ifname"]): _usable(shown) for shown in said if shown}


def addresses(device: str, *, namespace: str) -> list[str]:
    """List the usable addresses (CIDR form, no link-local ones) of a device in a namespace.

    An IPv6 address that the kernel still checks for duplicates is not usable yet.

    :raises CommandFailed: there is no such namespace or device
    """
    said = process.run(["ip", "-n", namespace, "-json", "address", "show", "dev", device])
    return [address for shown in json.loads(said) for address in _usable(shown)]


def _usable(shown: Mapping[str, Any]) -> list[str]:
    return [
        f"{info['local']}/{info['prefixlen']}"
        for info in shown.get("addr_info", ())
        if info["scope"] != "link" and not info.get("tentative") and not info.get("dadfailed")
    ]
