"""The patch panel, in which links end: a network namespace around the hosts, where those of a lab all meet.

A guest's device is one end of a veth pair; the pair's other end is in the panel. There the frames of one end of a link
are redirected to the other (tc mirred), and nothing looks into them: a link carries what a Linux bridge keeps to
itself, too (LACP, LLDP, spanning tree). When a guest ends, or moves, its own pair goes; the other guest's stays as it
is, with its number and its carrier, and is joined to what comes.

While a guest moves its end is in the panel twice, for two hosts: the awake one is the one that carries the mark.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any

from fakevm import errors
from fakevm.guest.base import Uplink
from fakevm.linux import link, namespace, process
from fakevm.model.interface import LinkEnd

# The name that a lab's own network namespace has in its hosts (host/scripts/host-init.sh).
NAMESPACE = "lab"
# Of a device whose guest is awake (ip-link(8): alias).
_AWAKE = "awake"
_PREFIX = "ln"


class Panel:
    """The ends of links on one host."""

    def __init__(self, host: str) -> None:
        self._host = f"{zlib.crc32(host.encode()) & 0xFFFF:04x}"

    def prepare(self, end: LinkEnd) -> Uplink:
        """Say where the other end of the guest's device goes; what was left there by an earlier one is removed.

        :raises PlugFailed: there is no panel here, or it cannot be used
        """
        if not namespace.exists(NAMESPACE):
            raise errors.PlugFailed(
                f"link {end.link} cannot be made: this host is in no lab, and has no others around it",
                hint="Links join guests of a lab: fakevm lab up FILE.",
            )
        self.unplug(end)
        return Uplink(self._device(end), namespace=NAMESPACE)

    def connect(self, end: LinkEnd) -> None:
        """Join this end, whose guest is awake now, to the far one, if that is there. Raises PlugFailed."""
        own, devices = self._device(end), _devices()
        if own not in devices:
            raise errors.PlugFailed(f"link {end.link} has no device {own} in the lab", hint="Start the guest again.")
        far = [name for name in devices if name.startswith(_prefix(end.far))]
        awake = [name for name in far if devices[name] == _AWAKE]
        others = [name for name in devices if name.startswith(_prefix(end)) and name != own]
        marks = [f"link set dev {name} alias asleep" for name in others]
        try:
            link.batch([*marks, f"link set dev {own} alias {_AWAKE}"], namespace=NAMESPACE)
            steps = [step for name in far for step in _redirect(name, own)]
            steps += [step for name in awake for step in _redirect(own, name)]
            _tc(steps)
        except errors.CommandFailed as exc:
            raise errors.PlugFailed(f"link {end.link} cannot be joined: {exc.what}", hint=exc.hint) from exc

    def unplug(self, end: LinkEnd) -> None:
        """Remove this host's end, if it is there. Raises PlugFailed."""
        own = self._device(end)
        if not link.is_inside(own, namespace=NAMESPACE):
            return
        try:
            link.batch([f"link del {own}"], namespace=NAMESPACE)
        except errors.CommandFailed as exc:
            # The guest's namespace may take it along just now.
            if link.is_inside(own, namespace=NAMESPACE):
                raise errors.PlugFailed(f"link {end.link}: its end is left: {exc.what}") from exc

    def problem(self, end: LinkEnd) -> str:
        """Say what is wrong with this host's end; empty when it is there."""
        there = link.is_inside(self._device(end), namespace=NAMESPACE)
        return "" if there else f"link {end.link} has no device {self._device(end)} in the lab"

    def _device(self, end: LinkEnd) -> str:
        return f"{_prefix(end)}{self._host}"


def device_of(end: LinkEnd, host: str) -> str:
    """Name the device in the panel of an end whose guest is on a host."""
    return Panel(host)._device(end)


def _prefix(end: LinkEnd) -> str:
    return f"{_PREFIX}{zlib.crc32(end.link.encode()):08x}{end.end}"


def _devices() -> dict[str, str]:
    """Give the panel's devices with their aliases."""
    said: list[dict[str, Any]] = json.loads(process.run(["ip", "-n", NAMESPACE, "-json", "link", "show"]))
    return {str(shown["ifname"]): str(shown.get("ifalias", "")) for shown in said if shown}


def _redirect(source: str, target: str) -> Iterable[str]:
    """Write the ``tc`` commands that send all that comes out of one guest into the other: classic BPF's 'return -1'."""
    yield f"qdisc replace dev {source} clsact"
    yield (
        f"filter replace dev {source} ingress pref 1 handle 0x1 protocol all"
        f' bpf bytecode "1,6 0 0 4294967295" flowid 1:1 action mirred egress redirect dev {target}'
    )


def _tc(steps: list[str]) -> None:
    if steps:
        process.run(["tc", "-n", NAMESPACE, "-batch", "-"], stdin="".join(f"{step}\n" for step in steps))
