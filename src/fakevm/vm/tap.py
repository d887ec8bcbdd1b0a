"""Tap devices as libvirt makes them: one end is a file that QEMU reads and writes, the other is in the host.

libvirt gives the host's end the guest's MAC address with fe: in front, so that a Linux bridge never takes it for its
own (libvirt, virnetdevtap.c). A device goes with the last process that has its file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fakevm import errors
from fakevm.linux import link

if TYPE_CHECKING:
    from fakevm.guest.base import Wired

# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000


@contextlib.contextmanager
def made(wired: Wired) -> Iterator[int]:
    """Make the tap of an interface, where its other end is to be; gives its file, which is closed at the block's end.

    Frames come whole, with checksums: a switch in user space sees them as they are.

    :raises PlugFailed: the kernel refused
    """
    interface, uplink = wired
    doing = f"cannot make the tap {uplink.device} of {interface.words}"
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as exc:
        raise errors.PlugFailed(f"{doing}: /dev/net/tun: {exc.strerror}", hint="Is the module tun loaded?") from exc
    try:
        try:
            fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", uplink.device.encode(), _IFF_TAP | _IFF_NO_PI))
            _place(wired)
        except OSError as exc:
            raise errors.PlugFailed(f"{doing}: {exc.strerror}") from exc
        except errors.CommandFailed as exc:
            raise errors.PlugFailed(f"{doing}: {exc.what}", hint=exc.hint) from exc
        yield tap
    finally:
        os.close(tap)


def _place(wired: Wired) -> None:
    interface, uplink = wired
    address = f"fe{interface.mac_address[2:]}"
    steps = [f"link set dev {uplink.device} address {address} mtu {interface.mtu}"]
    if uplink.bridge:
        steps.append(f"link set dev {uplink.device} master {uplink.bridge}")
    if uplink.namespace:
        steps.append(f"link set dev {uplink.device} netns {uplink.namespace}")
    link.batch(steps)
    if not uplink.namespace:
        link.quiet_up(uplink.device)
